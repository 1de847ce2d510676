//! How many requests each command makes, counted at the store, by kind: what
//! stores bill, and what a slow line feels.

use std::collections::BTreeMap;

use lifeboat_testing::databases::{one_row_a_page, overwrite};
use lifeboat_testing::servers::{Kind, S3Server};

use crate::command::Folder;
use crate::place::Place;

/// The requests since the last time, by kind.
fn taken(server: &S3Server) -> BTreeMap<Kind, usize> {
    let mut kinds = BTreeMap::new();
    for request in server.requests() {
        *kinds.entry(request.kind).or_default() += 1;
    }
    server.forget_requests();
    kinds
}

#[test]
fn of_each_command() {
    let folder = Folder::at(Place::Own);
    let server = folder.store().server();
    let mut connection = one_row_a_page(&folder.path("app.db"), "delete", 100, 1);
    let check = |what: &str, expected: &[(Kind, usize)]| {
        let requests = server.requests();
        assert_eq!(taken(server), expected.iter().copied().collect(), "{what}: {requests:#?}");
    };
    taken(server);
    folder.backup("app.db");
    check("a first backup", &[]);
    overwrite(&mut connection, 1, 2);
    folder.backup("app.db");
    check("a backup of one change", &[]);
    folder.backup("app.db");
    check("an unchanged backup", &[]);
    folder.run(&["snapshots"]).ok();
    check("a listing", &[]);
    folder.restore("app", "latest");
    check("a restore", &[]);
}
