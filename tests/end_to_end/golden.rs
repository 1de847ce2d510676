//! Golden repositories: what each version wrote, and what every later one must
//! make of it.
//!
//! They lie in `tests/testdata/golden/`, one folder for each version of the format,
//! and are never edited: `cargo xtask golden` writes one for a version that has none.
//! `expected.json` says what each snapshot restores to; and of each damage that it
//! lists, whether the snapshot comes back all the same or is refused, with which
//! exit code and which words, by the command and by the independent reader.

mod damage;
mod write;

use std::path::{Path, PathBuf};

use lifeboat::format::digest::Digest;
use serde_json::Value;

use crate::command::{Folder, Ran};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/golden");

/// What one version wrote.
struct Golden {
    path: PathBuf,
    expected: Value,
}

impl Golden {
    fn read(path: &Path) -> Self {
        let text =
            std::fs::read_to_string(path.join("expected.json")).expect("says what to expect");
        Self { path: path.to_owned(), expected: serde_json::from_str(&text).expect("JSON") }
    }

    /// All versions that there ever were.
    fn all() -> Vec<Self> {
        let entries = std::fs::read_dir(FOLDER).expect("the golden repositories are there");
        let mut folders: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        folders.sort();
        assert!(!folders.is_empty(), "no version is left");
        folders.iter().map(|folder| Self::read(folder)).collect()
    }

    /// A folder for one command, with a copy of a repository and no memory of it.
    fn copy(&self, repository: &str) -> Folder {
        let folder = Folder::new();
        self.copy_again(repository, &folder);
        folder
    }

    fn copy_again(&self, repository: &str, folder: &Folder) {
        for old in ["backups", "state", "cache"] {
            let _ = std::fs::remove_dir_all(folder.path(old));
        }
        copy_tree(&self.path.join(repository), &folder.path("backups"));
    }

    fn variables(&self, repository: &str) -> Vec<(String, String)> {
        match &self.expected["repositories"][repository]["raw_key"] {
            Value::String(key) => vec![("LIFEBOAT_KEY".to_owned(), key.clone())],
            _ => Vec::new(),
        }
    }

    /// The databases of a repository, each with its snapshots.
    fn databases(&self, repository: &str) -> Vec<(&str, &[Value])> {
        let databases = &self.expected["repositories"][repository]["databases"];
        let all = databases.as_object().expect("by names").iter();
        all.map(|(name, rows)| (name.as_str(), &rows.as_array().expect("a list")[..])).collect()
    }
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

fn run(folder: &Folder, variables: &[(String, String)], arguments: &[&str]) -> Ran {
    let mut command = folder.command();
    command.envs(variables.iter().cloned()).args(arguments);
    command.output().expect("the binary runs").into()
}

fn reader(folder: &Folder, variables: &[(String, String)], arguments: &[&str]) -> Ran {
    let variables: Vec<(&str, &str)> =
        variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    folder.reader(&variables, arguments)
}

/// What a file is by its content, if it is there.
fn digest(path: &Path) -> Option<String> {
    Some(Digest::of(&std::fs::read(path).ok()?).to_string())
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    let mut found: Vec<PathBuf> =
        paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect();
    found.sort();
    found
}

fn copy_tree(from: &Path, to: &Path) {
    for file in files(from) {
        let target = to.join(file.strip_prefix(from).expect("lies below"));
        std::fs::create_dir_all(target.parent().expect("has one")).expect("makes a directory");
        std::fs::copy(&file, target).expect("copies");
    }
}

/// Restores a snapshot by the command and by the independent reader, and says what
/// came of each: never another database, and no file where it was refused.
fn restore(
    folder: &Folder,
    variables: &[(String, String)],
    database: &str,
    snapshot: &Value,
) -> [Ran; 2] {
    let id = text(&snapshot["snapshot_id"]);
    let [ours, theirs] = ["ours.db", "theirs.db"].map(|name| folder.path(name));
    for old in [&ours, &theirs] {
        let _ = std::fs::remove_file(old);
    }
    let both = [
        run(folder, variables, &["--json", "restore", database, id, "--target", "ours.db"]),
        reader(folder, variables, &["restore", "backups", database, id, "theirs.db"]),
    ];
    for (ran, target) in both.iter().zip([&ours, &theirs]) {
        let expected = (ran.code == 0).then(|| text(&snapshot["blake3"]).to_owned());
        assert_eq!(digest(target), expected, "{id}: {ran:?}");
    }
    both
}

/// Everything that is there restores to what it was, is listed and proven; and the
/// next backup goes on from there.
fn holds_what_it_did(repository: &str) {
    for golden in Golden::all() {
        is_whole(&golden, repository);
    }
}

fn is_whole(golden: &Golden, repository: &str) {
    let folder = golden.copy(repository);
    let variables = golden.variables(repository);
    let read = run(&folder, &variables, &["--json", "check", "--read-data"]).ok();
    let verified: u64 = read.json().iter().filter_map(|row| row["verified"].as_u64()).sum();
    let mut snapshots = 0;
    for (database, rows) in golden.databases(repository) {
        let listed = run(&folder, &variables, &["--json", "snapshots", database]).ok();
        let listed: Vec<Value> = listed
            .json()
            .into_iter()
            .map(|row| row["snapshot_id"].clone())
            .filter(Value::is_string)
            .collect();
        for row in rows {
            assert!(listed.contains(&row["snapshot_id"]), "{row}: {listed:?}");
            for ran in restore(&folder, &variables, database, row) {
                ran.ok();
            }
        }
        assert_eq!(listed.len(), rows.len(), "{database}: {listed:?}");
        snapshots += rows.len() as u64;
        reader(&folder, &variables, &["verify", "backups", database]).ok();
    }
    assert_eq!(verified, snapshots, "{}", read.out);
    // It goes on from there, and what was there stays what it was.
    let sql = "CREATE TABLE later(a); INSERT INTO later VALUES(1)";
    lifeboat_testing::databases::open(&folder.path("app.db"), "delete")
        .execute_batch(sql)
        .expect("writes");
    let number = golden.expected["repositories"][repository]["records"].to_string();
    run(&folder, &variables, &["backup", "app.db", "--take-over", &number]).ok();
    let (database, rows) = golden.databases(repository)[0];
    for row in [&rows[0], &rows[rows.len() - 1]] {
        for ran in restore(&folder, &variables, database, row) {
            ran.ok();
        }
    }
}

#[test]
fn a_plain_repository() {
    holds_what_it_did("plain");
}

#[test]
fn a_sealed_repository() {
    holds_what_it_did("sealed");
}

/// The other ways into the sealed one, and files that need no repository.
#[test]
fn passphrases_and_single_files() {
    for golden in Golden::all() {
        let passphrase = text(&golden.expected["repositories"]["sealed"]["passphrase"]);
        let words = [("LIFEBOAT_PASSPHRASE".to_owned(), passphrase.to_owned())];
        let folder = golden.copy("sealed");
        let (database, rows) = golden.databases("sealed")[0];
        for ran in restore(&folder, &words, database, &rows[rows.len() - 1]) {
            ran.ok();
        }
        let files = golden.expected["files"].as_array().expect("a list");
        assert!(!files.is_empty());
        for file in files {
            let name = text(&file["file"]);
            std::fs::copy(golden.path.join(name), folder.path("one")).expect("copies");
            let key = golden.variables("sealed");
            for variables in [&key[..], &words] {
                for target in ["ours.db", "theirs.db"] {
                    let _ = std::fs::remove_file(folder.path(target));
                }
                run(&folder, variables, &["decrypt", "one", "-o", "ours.db"]).ok();
                reader(&folder, variables, &["decrypt", "one", "theirs.db"]).ok();
                for target in ["ours.db", "theirs.db"] {
                    let found = digest(&folder.path(target));
                    assert_eq!(found.as_deref(), Some(text(&file["blake3"])), "{name} {target}");
                }
            }
        }
    }
}
