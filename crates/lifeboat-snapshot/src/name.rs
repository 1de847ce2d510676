//! What a database is called unless somebody says otherwise.

use std::path::Path;

/// The stem of the file's name, with what is not UTF-8 replaced: `app` for
/// `app`, `app.db` and `app.sqlite`, `a.b` for `a.b.c`.
pub fn default_name(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (path, name) in [
            ("app", "app"),
            ("/srv/app.db", "app"),
            ("./app.sqlite", "app"),
            ("a.b.c", "a.b"),
            (".hidden", ".hidden"),
            ("my app?.db", "my app?"),
        ] {
            assert_eq!(default_name(Path::new(path)), name, "{path}");
        }
    }
}
