//! How many requests each command makes, counted at the store: what stores
//! bill, and what a slow line feels.

use lifeboat_testing::databases::{one_row_a_page, overwrite};
use lifeboat_testing::servers::{Fault, Kind, Request, S3Server};

use crate::command::{Folder, same_bytes};
use crate::place::Place;

/// What a command may ask for.
struct Budget {
    /// Objects put: the packs and one record, never more.
    puts: usize,
    /// Listings, each of one page.
    lists: usize,
    /// Reads, and questions whether an object is there. At most so many.
    reads: usize,
}

/// Checks the requests since the last time, of which there are no other kinds.
#[track_caller]
fn check(server: &S3Server, what: &str, budget: &Budget) {
    let requests = server.requests();
    let reads = server.count(Kind::Get) + server.count(Kind::Head);
    assert_eq!(server.count(Kind::Put), budget.puts, "{what}: {requests:#?}");
    assert_eq!(server.count(Kind::List), budget.lists, "{what}: {requests:#?}");
    assert!(reads <= budget.reads, "{what}, {reads} reads: {requests:#?}");
    assert_eq!(requests.len(), budget.puts + budget.lists + reads, "{what}: {requests:#?}");
    eprintln!("{what}: {} puts, {} lists, {reads} reads", budget.puts, budget.lists);
    server.forget_requests();
}

/// The figures are in docs/reliability.md. To find the newest record costs five
/// reads: the newest format object and that there is none after it, the newest
/// record known and that there is none after it, and that record once more. Who
/// reads, or was never here, also asks for one listing, to see that no record is
/// missing; a listing of snapshots for one of what was proven of each database.
#[test]
fn of_each_command() {
    let folder = Folder::at(Place::Own);
    let server = folder.store().server();
    let mut connection = one_row_a_page(&folder.path("app.db"), "delete", 100, 1);
    server.forget_requests();
    folder.backup("app.db");
    check(server, "a first backup", &Budget { puts: 2, lists: 1, reads: 3 });
    overwrite(&mut connection, 1, 2);
    folder.backup("app.db");
    check(server, "a backup of one change", &Budget { puts: 2, lists: 0, reads: 5 });
    folder.backup("app.db");
    check(server, "an unchanged backup", &Budget { puts: 0, lists: 0, reads: 5 });
    folder.run(&["snapshots"]).ok();
    check(server, "a listing of two snapshots", &Budget { puts: 0, lists: 3, reads: 6 });
    folder.run(&["restore", "app", "latest", "--target", "new.db", "--dry-run"]).ok();
    // Of each of two packs its index, and once a piece, to see how fast it comes.
    check(server, "the plan of that restore", &Budget { puts: 0, lists: 1, reads: 8 });
    folder.run(&["restore", "app", "latest", "--target", "new.db"]).ok();
    // Of each of two packs its index, and the frames that are needed.
    check(server, "a restore from two packs", &Budget { puts: 0, lists: 1, reads: 9 });
}

/// A history of forty snapshots does not make a backup ask for more, and who has
/// never seen it finds the newest record by galloping.
#[test]
fn do_not_grow_with_the_history() {
    let folder = Folder::at(Place::Own);
    let server = folder.store().server();
    let mut connection = one_row_a_page(&folder.path("app.db"), "delete", 100, 1);
    for round in 0..40 {
        overwrite(&mut connection, 1, round);
        folder.backup("app.db");
    }
    server.forget_requests();
    overwrite(&mut connection, 1, 99);
    folder.backup("app.db");
    // The pack list has become an object of its own, which is read as well.
    check(server, "the 41st backup", &Budget { puts: 2, lists: 0, reads: 6 });
    // A machine that has never seen the repository gallops to the newest record.
    for own in ["state", "cache"] {
        std::fs::remove_dir_all(folder.path(own)).expect("is there");
    }
    server.forget_requests();
    folder.run(&["restore", "app", "latest", "--target", "new.db"]).ok();
    let records = server.requests().iter().filter(|r| r.key.contains("/records/")).count();
    assert!(records <= 20, "{records} of 41 records were asked for");
}

/// A restore fetches two chunks at a time, not one and not three, and reads up to
/// four indexes ahead of them: more would not fit the memory that is promised.
#[test]
fn of_a_restore_at_once() {
    let folder = Folder::at(Place::Faulty);
    drop(one_row_a_page(&folder.path("app.db"), "delete", 5000, 1));
    folder.backup("app.db");
    let wire = folder.store().proxy();
    // So slow that they overlap, on any machine.
    wire.when(Kind::Get, "/packs/").always(Fault::SlowDownload(16 << 20));
    wire.forget_requests();
    folder.run(&["restore", "app", "latest", "--target", "new.db"]).ok();
    assert!(same_bytes(&folder.path("new.db"), &folder.path("app.db")));
    let is_index = |request: &Request| {
        request.range.as_ref().is_some_and(|range| range.end - range.start == 64 * 1024)
    };
    let of_packs = |request: &Request| request.key.contains("/packs/");
    let indexes = wire.most_at_once(|request| of_packs(request) && is_index(request));
    let chunks = wire.most_at_once(|request| of_packs(request) && !is_index(request));
    assert_eq!(chunks, 2, "{:#?}", wire.requests());
    assert!((2..=4).contains(&indexes), "{indexes} of {:#?}", wire.requests());
}
