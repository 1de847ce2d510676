//! Two processes back up one database at once.

use lifeboat_testing::writer::{Other, commit_shown};

use crate::command::{Folder, Ran};
use crate::place::{Place, in_every_place};

in_every_place!(both_end_well_and_every_snapshot_restores);

/// The same where the store overwrites what it is asked to create.
#[test]
fn where_conditions_are_ignored() {
    both_end_well_and_every_snapshot_restores(Place::Careless);
}

fn both_end_well_and_every_snapshot_restores(place: Place) {
    let folder = Folder::at(place);
    let path = folder.path("app.db");
    let writer = Other::writing(&path, "wal");
    for _ in 0..5 {
        writer.wait_for_commits(2);
        let start = || {
            let mut command = folder.command();
            command.args(["--json", "--progress", "none", "backup", "app.db"]);
            command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
            command.spawn().expect("the binary runs")
        };
        let both = [start(), start()];
        for child in both {
            let ran: Ran = child.wait_with_output().expect("ends").into();
            assert_eq!(ran.code, 0, "{ran:?}");
        }
    }
    drop(writer);
    let listed = folder.run(&["--json", "snapshots"]).ok().json();
    let ids: Vec<&str> = listed.iter().filter_map(|s| s["snapshot_id"].as_str()).collect();
    assert!(ids.len() >= 5, "{ids:?}");
    let mut last = 0;
    for id in ids {
        let shown = commit_shown(&folder.restore("app", id)).expect("is one commit");
        assert!(shown >= last, "a later snapshot is never older");
        last = shown;
    }
}
