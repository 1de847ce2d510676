//! `crates/lifeboat-format/testdata/objects.json`: an encrypted repository that
//! another program wrote, and objects that must be refused in it. The binary and
//! the independent reader must agree on each.
//!
//! A repository of version 1 stays readable: these bytes are never made anew.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use lifeboat::format::digest::Digest;
use serde_json::Value;

use super::*;

const FILE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/lifeboat-format/testdata/objects.json");

struct Vectors {
    folder: Folder,
    all: Value,
}

fn bytes(text: &Value) -> Vec<u8> {
    BASE64_STANDARD.decode(text.as_str().expect("a text")).expect("Base64")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

impl Vectors {
    /// The good objects, in a folder.
    fn new() -> Self {
        let all = std::fs::read_to_string(FILE).expect("the vectors are there");
        let vectors =
            Self { folder: Folder::new(), all: serde_json::from_str(&all).expect("JSON") };
        for (key, object) in vectors.all["objects"].as_object().expect("by keys") {
            let path = vectors.path(key);
            std::fs::create_dir_all(path.parent().expect("keys have folders")).expect("makes");
            std::fs::write(path, bytes(object)).expect("writes");
        }
        vectors
    }

    fn path(&self, key: &str) -> PathBuf {
        self.folder.path("backups").join(key)
    }

    fn key(&self) -> [(&str, &str); 1] {
        [("LIFEBOAT_KEY", text(&self.all["raw_key"]))]
    }

    /// Restores a snapshot, or opens a file, by the binary and by the reader.
    fn both(&self, variables: &[(&str, &str)], what: What<'_>) -> [Ran; 2] {
        // A machine that never saw the repository.
        for memory in ["state", "cache"] {
            let _ = std::fs::remove_dir_all(self.folder.path(memory));
        }
        for target in ["a.db", "b.db"] {
            let _ = std::fs::remove_file(self.folder.path(target));
        }
        let [binary, reader] = match what {
            What::Snapshot(id) => [
                vec!["restore", "app", id, "--target", "a.db"],
                vec!["restore", "backups", "app", id, "b.db"],
            ],
            What::File(file) => {
                [vec!["decrypt", file, "-o", "a.db"], vec!["decrypt", file, "b.db"]]
            }
        };
        let both = [run(&self.folder, variables, &binary), self.folder.reader(variables, &reader)];
        for (ran, target) in both.iter().zip(["a.db", "b.db"]) {
            let made = std::fs::read(self.folder.path(target)).ok();
            let image = made.map(|bytes| Digest::of(&bytes).to_string());
            let expected = (ran.code == 0).then(|| text(&self.all["image"]));
            assert_eq!(image.as_deref(), expected, "{ran:?}");
        }
        both
    }
}

#[derive(Clone, Copy)]
enum What<'a> {
    Snapshot(&'a str),
    File(&'a str),
}

#[test]
fn what_another_program_sealed() {
    let vectors = Vectors::new();
    let words = [("LIFEBOAT_PASSPHRASE", text(&vectors.all["passphrase"]))];
    for variables in [vectors.key(), words] {
        for id in vectors.all["snapshots"].as_array().expect("a list") {
            for ran in vectors.both(&variables, What::Snapshot(text(id))) {
                ran.ok();
            }
        }
        let keys = vectors.all["objects"].as_object().expect("by keys").keys();
        let archive = keys.into_iter().find(|key| key.contains("/archives/")).expect("one");
        for ran in vectors.both(&variables, What::File(&format!("backups/{archive}"))) {
            ran.ok();
        }
        vectors.folder.reader(&variables, &["verify", "backups", "app"]).ok();
    }
    // It goes on from there.
    open(&vectors.folder.path("app.db"), "delete")
        .execute_batch("CREATE TABLE t(a)")
        .expect("writes");
    let take_over = ["backup", "app.db", "--take-over", "2"];
    run(&vectors.folder, &vectors.key(), &take_over).ok();
    vectors.folder.reader(&vectors.key(), &["verify", "backups", "app"]).ok();
}

#[test]
fn what_somebody_put_in_the_place_of_each() {
    let vectors = Vectors::new();
    let bad = vectors.all["bad"].as_array().expect("a list");
    assert!(bad.len() > 20);
    for row in bad {
        let path = vectors.path(text(&row["key"]));
        let good = std::fs::read(&path).expect("a good object lies there");
        std::fs::write(&path, instead(&good, row)).expect("writes");
        let at = row["snapshot"].as_u64().expect("a number") as usize - 1;
        let id = text(&vectors.all["snapshots"][at]);
        let codes = vectors.both(&vectors.key(), What::Snapshot(id)).map(|ran| ran.code);
        let expected = match row["code"].as_i64() {
            Some(code) => [code as i32; 2],
            // A restore by the binary reads no header of a pack.
            None => [0, 4],
        };
        assert_eq!(codes, expected, "{row}");
        std::fs::write(&path, good).expect("writes");
    }
}

/// What lies there instead of a good object.
fn instead(good: &[u8], row: &Value) -> Vec<u8> {
    if row["object"].is_string() {
        return bytes(&row["object"]);
    }
    let mut object = good.to_vec();
    for edit in row["edits"].as_array().into_iter().flatten() {
        let at = edit[0].as_u64().expect("an offset") as usize;
        let new = text(&edit[1]);
        for (n, byte) in object[at..at + new.len() / 2].iter_mut().enumerate() {
            *byte = u8::from_str_radix(&new[2 * n..2 * n + 2], 16).expect("hexadecimal");
        }
    }
    if let Some(len) = row["length"].as_u64() {
        object.truncate(len as usize);
    }
    assert_ne!(object, good, "{row}");
    object
}
