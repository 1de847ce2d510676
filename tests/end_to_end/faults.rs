//! What goes wrong on the wire, and what the command makes of it: a table, each
//! line of which is a test. docs/reliability.md shows it to people.

use std::time::{Duration, Instant};

use lifeboat_testing::databases::{one_row_a_page, overwrite};
use lifeboat_testing::servers::{Fault, Kind};

use crate::command::{Folder, Ran, same_bytes};
use crate::place::Place;

/// How long one command may take: the budget of 4 s that the URL gives, the time
/// for its bytes, and something for a machine that is busy. Without a budget it
/// would be minutes.
const MOST: Duration = Duration::from_secs(10);

/// A store behind a proxy, a database with one snapshot there, and a change
/// that is not backed up yet.
fn changed() -> Folder {
    let folder = Folder::at(Place::Faulty);
    let mut connection = one_row_a_page(&folder.path("app.db"), "delete", 100, 1);
    folder.backup("app.db");
    overwrite(&mut connection, 100, 2);
    folder
}

/// A fault that happens once during a backup costs nothing: it succeeds, there
/// is exactly one more snapshot, and it restores.
#[track_caller]
fn survives(kind: Kind, part: &str, times: u32, fault: Fault) {
    let folder = changed();
    let wire = folder.store().proxy();
    wire.when(kind, part).times(times, fault);
    let start = Instant::now();
    let summary = folder.backup("app.db");
    assert!(start.elapsed() < MOST, "{:?}", start.elapsed());
    assert_eq!(wire.waiting(), 0, "the fault happened");
    assert_eq!(summary["unchanged"], false);
    let listed = folder.run(&["--json", "snapshots", "app"]).ok().json();
    assert_eq!(listed.len(), 3, "two snapshots and a summary: {listed:?}");
    assert!(same_bytes(&folder.restore("app", "latest"), &folder.path("app.db")));
}

/// The same during a restore.
#[track_caller]
fn survives_in_restore(kind: Kind, part: &str, fault: Fault) {
    let folder = changed();
    folder.backup("app.db");
    std::fs::remove_dir_all(folder.path("cache")).expect("the cache may go at any time");
    let wire = folder.store().proxy();
    wire.when(kind, part).once(fault);
    let start = Instant::now();
    assert!(same_bytes(&folder.restore("app", "latest"), &folder.path("app.db")));
    assert!(start.elapsed() < MOST, "{:?}", start.elapsed());
    assert_eq!(wire.waiting(), 0, "the fault happened");
}

/// A fault that stays ends the command in time, with exit code 13, with words
/// that say what it is, and with a hint. Afterwards everything works.
#[track_caller]
fn ends(fault: Fault, words: &[&str]) {
    let folder = changed();
    let wire = folder.store().proxy();
    for arguments in [
        &["backup", "app.db"][..],
        &["snapshots"],
        &["restore", "app", "--target", "new.db"],
        &["init", "--no-encryption"],
    ] {
        wire.when(Kind::Any, "").always(fault);
        let start = Instant::now();
        let ran = folder.run(arguments);
        let took = start.elapsed();
        wire.heal();
        check(&ran, words);
        assert!(took < MOST, "{arguments:?}: {took:?}");
        assert!(!folder.path("new.db").exists());
    }
    folder.backup("app.db");
    assert!(same_bytes(&folder.restore("app", "latest"), &folder.path("app.db")));
}

#[track_caller]
fn check(ran: &Ran, words: &[&str]) {
    assert_eq!(ran.code, 13, "{ran:?}");
    for word in words {
        assert!(ran.err.contains(word), "no {word:?} in {}", ran.err);
    }
    assert!(ran.err.contains("HINT:"), "no hint in {}", ran.err);
}

#[test]
fn the_answer_to_the_record_is_lost() {
    survives(Kind::Put, "/records/", 1, Fault::LoseAnswer);
}

/// And then the answer to the question what is there.
#[test]
fn the_answer_to_the_record_is_lost_and_the_next_one_too() {
    survives(Kind::Any, "/records/00000000000000000002", 3, Fault::LoseAnswer);
}

#[test]
fn the_answer_to_a_pack_is_lost() {
    survives(Kind::Put, "/packs/", 1, Fault::LoseAnswer);
}

#[test]
fn a_500_after_the_record_was_made() {
    survives(Kind::Put, "/records/", 1, Fault::FailAfterwards(500));
}

#[test]
fn a_503_after_a_pack_was_made() {
    survives(Kind::Put, "/packs/", 1, Fault::FailAfterwards(503));
}

#[test]
fn a_conflict_that_is_none() {
    survives(Kind::Put, "/records/", 1, Fault::Refuse(409, "ConditionalRequestConflict"));
}

#[test]
fn slow_down_three_times() {
    survives(Kind::Any, "", 3, Fault::Refuse(503, "SlowDown"));
}

#[test]
fn slow_down_while_the_record_is_made() {
    survives(Kind::Put, "/records/", 2, Fault::Refuse(503, "SlowDown"));
}

#[test]
fn an_upload_is_reset() {
    survives(Kind::Put, "/packs/", 1, Fault::CutRequest(10_000));
}

/// Two seconds for 400 kB, where a request without a body has one.
#[test]
fn an_upload_at_200_kb_a_second() {
    survives(Kind::Put, "/packs/", 1, Fault::SlowUpload(200_000));
}

#[test]
fn a_download_is_reset() {
    survives_in_restore(Kind::Get, "/packs/", Fault::CutAnswer(1000));
}

/// A line on which no answer gets further than so many bytes still brings a
/// backup back: what arrived is kept, and smaller and smaller ranges are asked
/// for. Returns how often each byte was asked for, and the smallest range.
fn over_a_line_that_breaks(every: usize) -> (f64, u64) {
    let folder = Folder::at(Place::Faulty);
    drop(one_row_a_page(&folder.path("app.db"), "delete", 700, 1));
    folder.backup("app.db");
    let wire = folder.store().proxy();
    wire.when(Kind::Get, "/packs/").always(Fault::CutAnswer(every));
    wire.forget_requests();
    let start = Instant::now();
    let done = folder.run(&["--json", "restore", "app", "--target", "new.db"]).ok().last();
    assert!(same_bytes(&folder.path("new.db"), &folder.path("app.db")));
    let fetched = done["bytes_fetched"].as_u64().expect("a number");
    // The budget, and the time for the bytes at `min_rate`.
    assert!(start.elapsed() < MOST + Duration::from_secs(fetched / 100_000));
    let ranges = wire.requests().into_iter().filter_map(|request| request.range);
    // The last 64 KiB of a pack, which hold its index, are read first.
    let lens: Vec<u64> = ranges.map(|range| range.end - range.start).collect();
    let (asked, wanted) = (lens.iter().sum::<u64>(), fetched + 64 * 1024);
    eprintln!("{every}: {} ranges, {asked} bytes asked for, {wanted} wanted", lens.len());
    (asked as f64 / wanted as f64, lens[..lens.len() - 1].iter().copied().min().expect("some"))
}

#[test]
fn every_answer_breaks_after_200_kib() {
    let (times, smallest) = over_a_line_that_breaks(200 * 1024);
    assert!(times > 1.2 && times < 3.0, "{times}");
    assert!(smallest >= 64 * 1024, "{smallest}");
}

#[test]
fn every_answer_breaks_after_48_kib() {
    let (times, smallest) = over_a_line_that_breaks(48 * 1024);
    // Of each 64 KiB the last 16 are asked for again.
    assert!(times > 1.2 && times < 3.0 + 64.0 / 48.0, "{times}");
    assert!(smallest >= 16 * 1024, "{smallest}");
}

#[test]
fn a_record_is_reset_while_it_is_read() {
    survives_in_restore(Kind::Get, "/records/", Fault::CutAnswer(100));
}

#[test]
fn a_download_at_200_kb_a_second() {
    survives_in_restore(Kind::Get, "/packs/", Fault::SlowDownload(200_000));
}

#[test]
fn a_download_that_is_refused_once() {
    survives_in_restore(Kind::Get, "/packs/", Fault::Refuse(500, "InternalError"));
}

/// A wire that is slower than the slowest that is accepted is given up.
#[test]
fn a_download_that_trickles() {
    survives_in_restore(Kind::Get, "/packs/", Fault::SlowDownload(1000));
}

#[test]
fn a_read_hangs() {
    survives(Kind::Get, "/records/", 1, Fault::Hang);
}

#[test]
fn the_record_hangs() {
    survives(Kind::Put, "/records/", 1, Fault::Hang);
}

#[test]
fn everything_hangs() {
    ends(Fault::Hang, &["did not answer in time", "lower min_rate"]);
}

#[test]
fn slow_down_for_ever() {
    ends(Fault::Refuse(503, "SlowDown"), &["SlowDown"]);
}

#[test]
fn every_connection_breaks() {
    ends(Fault::CutRequest(0), &["does not answer"]);
}

#[test]
fn access_denied() {
    ends(Fault::Refuse(403, "AccessDenied"), &["refuses access"]);
}

#[test]
fn no_such_bucket() {
    ends(Fault::Refuse(404, "NoSuchBucket"), &["bucket"]);
}

#[test]
fn another_region() {
    ends(Fault::OtherRegion("eu-central-1"), &["another region", "it is in eu-central-1"]);
}

/// Somebody else was quicker, says the store, and nobody was: no loop, no
/// second snapshot, no success that is none.
#[test]
fn a_precondition_that_fails_for_nothing() {
    let folder = changed();
    let wire = folder.store().proxy();
    wire.when(Kind::Put, "/records/").always(Fault::Refuse(412, "PreconditionFailed"));
    let start = Instant::now();
    let ran = folder.run(&["backup", "app.db"]);
    assert!(start.elapsed() < MOST, "{:?}", start.elapsed());
    check(&ran, &["create databases/app/records/"]);
    wire.heal();
    folder.backup("app.db");
    let listed = folder.run(&["--json", "snapshots", "app"]).ok().json();
    assert_eq!(listed.len(), 3, "two snapshots and a summary: {listed:?}");
    assert!(same_bytes(&folder.restore("app", "latest"), &folder.path("app.db")));
}

#[test]
fn nobody_listens() {
    let folder = changed();
    let url = format!("http://{}", free_address());
    for arguments in [&["backup", "app.db"][..], &["snapshots"]] {
        let mut command = folder.command();
        let start = Instant::now();
        let output = command.env("AWS_ENDPOINT_URL", &url).args(arguments).output();
        assert!(start.elapsed() < MOST, "{:?}", start.elapsed());
        check(&output.expect("the binary runs").into(), &[]);
    }
}

/// An address at which nobody listens: of a listener that is gone.
fn free_address() -> std::net::SocketAddr {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    listener.local_addr().expect("it is bound")
}

/// A first backup that was killed in the middle goes on where it was.
#[test]
fn killed_in_the_middle_of_a_first_backup() {
    let folder = Folder::at(Place::Faulty);
    let path = folder.path("app.db");
    one_row_a_page(&path, "delete", 9000, 1);
    let wire = folder.store().proxy();
    // Two packs go up at a time: the fault waits for both of the third round.
    wire.when(Kind::Put, "/packs/").times(3, Fault::SlowUpload(u32::MAX));
    wire.when(Kind::Put, "/packs/").always(Fault::Hang);
    let mut command = folder.command();
    let mut child = command.args(["--quiet", "backup", "app.db"]).spawn().expect("runs");
    let start = Instant::now();
    let hanging = || wire.requests().iter().filter(|r| r.key.contains("/packs/")).count();
    while hanging() < 5 {
        assert!(start.elapsed() < MOST, "{} packs", hanging());
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().expect("it is ours");
    child.wait().expect("it is ours");
    wire.heal();
    let stored = folder.objects_of("/packs/").len();
    assert_eq!(stored, 3, "{:?}", folder.objects_of("/packs/"));
    folder.store().server().forget_requests();
    let there: Vec<_> = folder.objects_of("/packs/").iter().map(|path| name_of(path)).collect();
    let summary = folder.backup("app.db");
    let resumed = summary["packs_resumed"].as_u64().expect("a number");
    assert!((1..=3).contains(&resumed), "{summary}");
    // At the store: what was taken up again was not sent again.
    let requests = folder.store().server().requests();
    let puts = requests.iter().filter(|r| r.kind == Kind::Put && r.key.contains("/packs/"));
    let put: Vec<_> = puts.map(|request| name_of(request.key.as_ref())).collect();
    assert!(put.iter().all(|name| !there.contains(name)), "{put:?} of {there:?}");
    let listed = summary["packs_listed"].as_u64().expect("a number");
    assert_eq!(put.len() as u64 + resumed, listed, "{put:?}: {summary}");
    assert!(same_bytes(&folder.restore("app", "latest"), &path));
}

fn name_of(path: &std::path::Path) -> String {
    path.file_name().expect("has one").to_string_lossy().into_owned()
}
