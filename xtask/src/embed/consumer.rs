//! A throwaway package that uses one of our crates from outside the workspace.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result};
use serde_json::Value;

use super::cases::Case;
use crate::process;

/// How a check of a consumer ended.
pub(super) enum Outcome {
    /// It compiled.
    Compiled {
        /// How many packages, the consumer not counted.
        packages: usize,
        /// The SQLite binding that the build agreed on, where there is one.
        sqlite: Option<String>,
    },
    /// It did not.
    Refused {
        /// What cargo or the compiler said.
        said: String,
    },
}

/// The folder in which consumers are written, one at a time, and their common
/// target folder, so that what two cases share is compiled once.
pub(super) struct Workshop {
    folder: PathBuf,
}

impl Workshop {
    /// Opens the workshop. It stays between runs; only the consumer is rewritten.
    pub(super) fn open() -> Result<Self> {
        let folder = std::env::temp_dir().join("lifeboat-embed");
        fs::create_dir_all(folder.join("consumer/src"))
            .with_context(|| format!("{} cannot be made", folder.display()))?;
        Ok(Self { folder })
    }

    /// Writes the consumer and lets cargo check it.
    pub(super) fn check(&self, root: &Path, case: &Case) -> Result<Outcome> {
        let consumer = self.folder.join("consumer");
        fs::write(consumer.join("Cargo.toml"), manifest(root, case))?;
        fs::write(consumer.join("src/main.rs"), main(case))?;
        // Each case resolves anew: an older lock file would keep versions that
        // the next host program cannot live with.
        match fs::remove_file(consumer.join("Cargo.lock")) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error)?,
            _ => {}
        }
        let output = process::cargo(&["check", "--quiet", "--message-format", "json"])
            .current_dir(&consumer)
            .env("CARGO_TARGET_DIR", self.folder.join("target"))
            .stdin(Stdio::null())
            .output()
            .context("cargo could not be started")?;
        let messages = String::from_utf8_lossy(&output.stdout);
        if output.status.success() {
            return Ok(compiled(&messages));
        }
        let said = format!("{}{}", rendered(&messages), String::from_utf8_lossy(&output.stderr));
        Ok(Outcome::Refused { said })
    }
}

fn manifest(root: &Path, case: &Case) -> String {
    let path = root.join("crates").join(case.library);
    format!(
        "[package]\nname = \"consumer\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n\
         [dependencies]\n{} = {{ path = {:?} }}\n{}\n\n[workspace]\n",
        case.library, path, case.beside
    )
}

fn main(case: &Case) -> String {
    let name = case.library.replace('-', "_");
    format!("pub use {name} as _library;\n\nfn main() {{\n    {}\n}}\n", case.source)
}

/// Counts the packages that cargo reports as built, now or in an earlier case.
fn compiled(messages: &str) -> Outcome {
    let artifacts = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let ids: BTreeSet<String> = artifacts
        .filter(|message| message["reason"] == "compiler-artifact")
        .filter_map(|message| message["package_id"].as_str().map(str::to_owned))
        .filter(|id| !id.contains("/consumer#"))
        .collect();
    let sqlite = ids.iter().find_map(|id| id.split_once("#libsqlite3-sys@"));
    let sqlite = sqlite.map(|(_, version)| version.to_owned());
    Outcome::Compiled { packages: ids.len(), sqlite }
}

/// What the compiler would have printed, errors only.
fn rendered(messages: &str) -> String {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    messages
        .filter(|message| message["message"]["level"] == "error")
        .filter_map(|message| message["message"]["rendered"].as_str().map(str::to_owned))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::cases::Expected;
    use super::*;

    #[test]
    fn packages_are_counted_once_and_the_consumer_is_not() {
        let line =
            |id: &str| format!("{{\"reason\":\"compiler-artifact\",\"package_id\":\"{id}\"}}\n");
        let messages = [
            line("registry+x#libsqlite3-sys@0.35.0"),
            line("registry+x#libsqlite3-sys@0.35.0"),
            line("path+file:///a/crates/lifeboat#0.1.0"),
            line("path+file:///t/consumer#0.0.0"),
        ];
        let Outcome::Compiled { packages, sqlite } = compiled(&messages.concat()) else {
            panic!("it compiled");
        };
        assert_eq!((packages, sqlite.as_deref()), (2, Some("0.35.0")));
    }

    #[test]
    fn the_consumer_stands_outside_the_workspace() {
        let case = Case {
            name: "a",
            library: "lifeboat-format",
            beside: "serde = \"1\"",
            source: "",
            expected: Expected::Works,
        };
        let manifest = manifest(Path::new("/home/me/lifeboat"), &case);
        assert!(manifest.contains("\n[workspace]\n"), "{manifest}");
        let line = "lifeboat-format = { path = \"/home/me/lifeboat/crates/lifeboat-format\" }\n";
        assert!(manifest.contains(line), "{manifest}");
        assert!(main(&case).starts_with("pub use lifeboat_format as "));
    }
}
