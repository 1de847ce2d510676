//! The permissions of docs/storage.md are enough, and the policies there are
//! JSON that names actions.

use lifeboat_testing::databases::{one_row_a_page, overwrite};
use lifeboat_testing::servers::{Fault, Kind, Request};
use serde_json::Value;

use crate::command::{Folder, same_bytes};
use crate::place::Place;

const DENIED: Fault = Fault::Refuse(403, "AccessDenied");

/// With a repository and one snapshot, made with all permissions.
fn backed_up() -> Folder {
    let folder = Folder::at(Place::Faulty);
    let mut connection = one_row_a_page(&folder.path("app.db"), "delete", 50, 1);
    folder.backup("app.db");
    overwrite(&mut connection, 5, 2);
    folder
}

fn of(folder: &Folder, kind: Kind) -> Vec<Request> {
    let requests = folder.store().proxy().requests();
    requests.into_iter().filter(|request| request.kind == kind).collect()
}

/// A policy may insist on `If-None-Match`, so that not even the writer's key can
/// overwrite anything.
#[test]
fn nothing_is_put_that_could_overwrite() {
    let folder = backed_up();
    folder.backup("app.db");
    let puts = of(&folder, Kind::Put);
    assert!(puts.len() >= 5, "a format object, packs and records: {puts:?}");
    let databases = puts.iter().filter(|put| !put.key.contains("/probes/"));
    let unconditional: Vec<_> = databases.filter(|put| !put.conditional).collect();
    assert!(unconditional.is_empty(), "{unconditional:?}");
}

#[test]
fn a_writer_deletes_nothing() {
    let folder = backed_up();
    let wire = folder.store().proxy();
    for kind in [Kind::Delete, Kind::DeleteMany, Kind::Bucket] {
        wire.when(kind, "").always(DENIED);
    }
    let asked = of(&folder, Kind::Delete).len() + of(&folder, Kind::DeleteMany).len();
    assert_eq!(folder.backup("app.db")["unchanged"], false);
    assert_eq!(folder.backup("app.db")["unchanged"], true);
    let now = of(&folder, Kind::Delete).len() + of(&folder, Kind::DeleteMany).len();
    assert_eq!(now, asked, "a backup does not even try");
    assert!(same_bytes(&folder.restore("app", "latest"), &folder.path("app.db")));
}

#[test]
fn a_restorer_only_reads() {
    let folder = backed_up();
    folder.backup("app.db");
    let wire = folder.store().proxy();
    for kind in [Kind::Put, Kind::Multipart, Kind::Delete, Kind::DeleteMany, Kind::Bucket] {
        wire.when(kind, "").always(DENIED);
    }
    for own in ["state", "cache"] {
        std::fs::remove_dir_all(folder.path(own)).expect("another machine");
    }
    let puts = of(&folder, Kind::Put).len();
    folder.run(&["snapshots"]).ok();
    assert!(same_bytes(&folder.restore("app", "latest"), &folder.path("app.db")));
    assert_eq!(of(&folder, Kind::Put).len(), puts, "nothing is written in order to read");
}

/// The policies of the document, each under a heading of its own.
#[test]
fn the_policies_are_json_and_least() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/storage.md");
    let text = std::fs::read_to_string(path).expect("docs/storage.md");
    let blocks = text.split("```json\n").skip(1).filter_map(|block| block.split("\n```").next());
    let policies: Vec<Value> = blocks
        .map(|block| serde_json::from_str(block).unwrap_or_else(|e| panic!("{e}: {block}")))
        .collect();
    let actions = |policy: &Value| -> Vec<String> {
        let statements = policy["Statement"].as_array().expect("statements").clone();
        let all = statements.iter().flat_map(|s| s["Action"].as_array().expect("actions").clone());
        all.map(|action| action.as_str().expect("a text").to_owned()).collect()
    };
    let policies: Vec<_> = policies.iter().filter(|p| p["Version"] == "2012-10-17").collect();
    assert_eq!(policies.len(), 3, "writer, collector, restorer");
    let has = |index: usize, action: &str| actions(policies[index]).iter().any(|a| a == action);
    let table = [("s3:PutObject", [true, true, false]), ("s3:DeleteObject", [false, true, false])];
    for (action, expected) in table {
        assert_eq!([0, 1, 2].map(|index| has(index, action)), expected, "{action}");
    }
    for policy in &policies {
        let actions = actions(policy);
        for needed in ["s3:GetObject", "s3:ListBucket"] {
            assert!(actions.iter().any(|action| action == needed), "{needed}: {policy}");
        }
        assert!(!actions.iter().any(|action| action.contains('*')), "{policy}");
    }
}
