//! What is done to a golden repository, and what came of it.

use std::collections::BTreeMap;

use super::*;

/// Does what a row of `expected.json` says to the objects below a folder.
pub(super) fn apply(golden: &Path, root: &Path, edits: &Value) {
    for edit in edits.as_array().expect("a list") {
        let object = root.join(text(&edit["object"]));
        let read = |path: &Path| std::fs::read(path).unwrap_or_else(|e| panic!("{path:?}: {e}"));
        let number = |name: &str| edit[name].as_u64().expect("a number") as usize;
        let mut bytes = read(&object);
        match text(&edit["do"]) {
            "remove" => {
                std::fs::remove_file(&object).expect("removes");
                continue;
            }
            "flip" => bytes[number("at")] ^= number("bits") as u8,
            "cut" => bytes.truncate(number("length")),
            "replace" => bytes = read(&golden.join(text(&edit["by"]))),
            // As a version would write it that this one does not know: version and
            // oldest reader, wherever they stand, and the digest at the end.
            "later" => {
                bytes[9..11].fill(255);
                let end = bytes.len();
                if bytes.ends_with(b"TAOBEFIL") {
                    bytes[end - 15..end - 13].fill(255);
                } else {
                    let digest = Digest::of(&bytes[..end - 32]);
                    bytes[end - 32..].copy_from_slice(digest.as_bytes());
                }
            }
            other => panic!("{other} is nothing that can be done to an object"),
        }
        std::fs::write(&object, bytes).expect("writes");
    }
}

/// What came of a damage, as it is written down: the exit codes of a restore by the
/// command and by the reader; what the command said; and where it did restore,
/// what a check of everything says.
pub(super) fn outcome(golden: &Golden, folder: &Folder, row: &Value) -> Value {
    let repository = text(&row["repository"]);
    golden.copy_again(repository, folder);
    apply(&golden.path, &folder.path("backups"), &row["edits"]);
    let variables = golden.variables(repository);
    let snapshots = golden.databases(repository);
    let (_, snapshots) = snapshots.iter().find(|(name, _)| *name == "app").expect("is there");
    let snapshot = snapshots.iter().find(|one| one["snapshot_id"] == row["snapshot"]);
    let [ours, theirs] = restore(folder, &variables, "app", snapshot.expect("is known"));
    let mut outcome = BTreeMap::from([
        ("restore".to_owned(), Value::from(ours.code)),
        ("reader".to_owned(), Value::from(theirs.code)),
    ]);
    if ours.code == 0 {
        let check = run(folder, &variables, &["--json", "check", "--read-data"]);
        outcome.insert("check".to_owned(), check.code.into());
        if check.code != 0 {
            let found = check.json().into_iter().find(|line| line["message_type"] == "finding");
            let found = found.unwrap_or_else(|| check.last());
            let said = if found["what"].is_string() {
                format!("{}: {}", text(&found["object"]), text(&found["what"]))
            } else {
                text(&found["message"]).to_owned()
            };
            outcome.insert("says".to_owned(), said.into());
        }
    } else {
        outcome.insert("says".to_owned(), ours.last()["message"].clone());
    }
    Value::from_iter(outcome)
}

/// The same codes, and the same object by name; what else is said may be worded
/// otherwise by a later version.
fn is_as_expected(found: &Value, expected: &Value) -> bool {
    let codes = ["restore", "reader", "check"];
    let named = |outcome: &Value| {
        let said = outcome["says"].as_str()?;
        let name = said.split_whitespace().find(|word| word.contains('/'))?;
        Some(name.trim_end_matches(':').to_owned())
    };
    let said = found["says"].as_str().unwrap_or_default();
    codes.iter().all(|code| found[code] == expected[code])
        && named(expected).is_none_or(|name| said.contains(&name))
        && found["says"].is_string() == expected["says"].is_string()
}

/// Every damage of a repository that is written down, one of so many parts of them.
fn is_met_as_written_down(repository: &str, part: usize) {
    let mut met = 0;
    let mut wrong = Vec::new();
    for golden in Golden::all() {
        let folder = Folder::new();
        let rows = golden.expected["damaged"].as_array().expect("a list");
        let rows = rows.iter().filter(|row| text(&row["repository"]) == repository);
        for row in rows.skip(part).step_by(PARTS) {
            let found = outcome(&golden, &folder, row);
            met += 1;
            if !is_as_expected(&found, &row["expected"]) {
                wrong.push(format!("{}: {found}, not {}", row["what"], row["expected"]));
            }
        }
    }
    println!("damaged: golden, {repository}: {met}");
    assert!(met > 10, "{met}");
    assert!(wrong.is_empty(), "{} of {met}:\n{}", wrong.len(), wrong.join("\n"));
}

/// In how many parts they are looked at, so that these run beside each other.
const PARTS: usize = 2;

mod plain {
    #[test]
    fn first_part() {
        super::is_met_as_written_down("plain", 0);
    }

    #[test]
    fn second_part() {
        super::is_met_as_written_down("plain", 1);
    }
}

mod sealed {
    #[test]
    fn first_part() {
        super::is_met_as_written_down("sealed", 0);
    }

    #[test]
    fn second_part() {
        super::is_met_as_written_down("sealed", 1);
    }
}
