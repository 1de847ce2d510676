//! Encrypted repositories through the binary: what is refused, and what shows.

mod canary;
mod kit;
mod reader;
mod refused;
mod vectors;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lifeboat_testing::databases::open;

use crate::command::{Folder, Ran};

/// 32 bytes in Base64.
const KEY: &str = "Y2FuYXJ5LWtleS1jYW5hcnkta2V5LWNhbmFyeS1rISE=";
const OTHER_KEY: &str = "b3RoZXIta2V5LW90aGVyLWtleS1vdGhlci1rZXktLiE=";
const PASSPHRASE: &str = "canary passphrase battery staple";

fn run(folder: &Folder, variables: &[(&str, &str)], arguments: &[&str]) -> Ran {
    let mut command = folder.command();
    command.envs(variables.iter().copied()).args(arguments);
    command.output().expect("the binary runs").into()
}

fn with_key(folder: &Folder, arguments: &[&str]) -> Ran {
    run(folder, &[("LIFEBOAT_KEY", KEY)], arguments)
}

/// A folder with a database and the files that hold secrets.
fn with_database() -> Folder {
    let folder = Folder::new();
    open(&folder.path("app.db"), "delete")
        .execute_batch("CREATE TABLE t(a); INSERT INTO t VALUES(randomblob(200000))")
        .expect("writes");
    std::fs::write(folder.path("new-key"), format!("{OTHER_KEY}\n")).expect("writes");
    folder
}

/// Every file of a folder with its bytes, state and cache included.
fn contents(folder: &Folder) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.path(".")];
    while let Some(dir) = folders.pop() {
        for entry in std::fs::read_dir(&dir).expect("lists").flatten() {
            let path = entry.path();
            // That a backup failed is remembered, so that `health` knows of it.
            if path.ends_with("state/runs") {
                continue;
            }
            if path.is_dir() {
                found.insert(path.clone(), Vec::new());
                folders.push(path);
            } else {
                found.insert(path.clone(), std::fs::read(&path).expect("reads"));
            }
        }
    }
    found
}

/// Whether a file holds a text, somewhere in its bytes.
fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// All files below a directory.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}
