//! Where an installation keeps its state and its cache.

use std::path::PathBuf;

use lifeboat_config::Environment;

/// The directories of an installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directories {
    /// What must last: the installation's id, and what it saw of destinations.
    pub state: PathBuf,
    /// What may be deleted at any time.
    pub cache: PathBuf,
}

impl Directories {
    /// The usual ones: `LIFEBOAT_STATE_DIR`, else `$XDG_STATE_HOME/lifeboat`,
    /// else `~/.local/state/lifeboat`; and `LIFEBOAT_CACHE_DIR`, else
    /// `$XDG_CACHE_HOME/lifeboat`, else `~/.cache/lifeboat`. Where there is no
    /// home directory, they are below the system's directory for temporary
    /// files.
    pub fn from_env() -> Self {
        Self::from_lookup(|name| std::env::var_os(name).filter(|value| !value.is_empty()))
    }

    /// As [`from_env`](Self::from_env), of an environment that was read before.
    pub fn of(environment: &Environment) -> Self {
        Self::from_lookup(|name| match environment.get(name) {
            Some(value) => Some(value.into()),
            // A path need not be text.
            None if environment.not_text().any(|other| other == name) => std::env::var_os(name),
            None => None,
        })
    }

    fn from_lookup(lookup: impl Fn(&str) -> Option<std::ffi::OsString>) -> Self {
        let home = || lookup("HOME").map_or_else(std::env::temp_dir, PathBuf::from);
        let find = |own: &str, shared: &str, below_home: &str| match (lookup(own), lookup(shared)) {
            (Some(own), _) => PathBuf::from(own),
            (None, Some(shared)) => PathBuf::from(shared).join("lifeboat"),
            (None, None) => home().join(below_home).join("lifeboat"),
        };
        Self {
            state: find("LIFEBOAT_STATE_DIR", "XDG_STATE_HOME", ".local/state"),
            cache: find("LIFEBOAT_CACHE_DIR", "XDG_CACHE_HOME", ".cache"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_setting_counts() {
        let check = |set: &[(&str, &str)], state: &str, cache: &str| {
            let lookup =
                |name: &str| set.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).into());
            let expected = Directories { state: state.into(), cache: cache.into() };
            assert_eq!(Directories::from_lookup(lookup), expected);
        };
        check(&[("HOME", "/h")], "/h/.local/state/lifeboat", "/h/.cache/lifeboat");
        check(
            &[("HOME", "/h"), ("XDG_STATE_HOME", "/s"), ("XDG_CACHE_HOME", "/c")],
            "/s/lifeboat",
            "/c/lifeboat",
        );
        check(
            &[("HOME", "/h"), ("XDG_STATE_HOME", "/s"), ("LIFEBOAT_STATE_DIR", "/own")],
            "/own",
            "/h/.cache/lifeboat",
        );
    }
}
