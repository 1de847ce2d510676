//! Keeping and discarding through the binary.

use lifeboat_testing::databases::open;

use crate::command::{Folder, Ran};

/// A database with so many snapshots, of pages or as single files.
fn with_snapshots(count: u32, extra: &[&str]) -> Folder {
    let folder = Folder::new();
    let connection = open(&folder.path("app.db"), "delete");
    connection.execute_batch("CREATE TABLE t(a)").expect("writes");
    for n in 0..count {
        connection.execute("INSERT INTO t VALUES(?)", [n]).expect("writes");
        folder.run(&[&["backup", "app.db"], extra].concat()).ok();
    }
    folder
}

fn ids(folder: &Folder) -> Vec<String> {
    let listed = folder.run(&["--json", "snapshots", "app"]).ok().json();
    let ids = listed.iter().filter(|one| one["message_type"] == "snapshot");
    ids.map(|one| one["snapshot_id"].as_str().expect("an id").to_owned()).collect()
}

/// Whatever makes no sense is a mistake, and removes nothing.
#[test]
fn what_is_no_policy_removes_nothing() {
    let folder = with_snapshots(4, &["--tag", "release=1"]);
    let before = folder.objects();
    let check = |arguments: &[&str], words: &str| {
        let ran = folder.run(&[&["forget", "app"], arguments].concat());
        assert_eq!(ran.code, 2, "{arguments:?}: {ran:?}");
        assert!(ran.err.contains(words), "{arguments:?}: {ran:?}");
        assert_eq!(ids(&folder).len(), 4, "{arguments:?}");
        assert_eq!(folder.objects(), before, "{arguments:?}");
    };
    check(&[], "nothing says what is to be forgotten");
    check(&["--dry-run"], "nothing says what is to be forgotten");
    check(&["--keep-last", "0"], "keeps nothing");
    check(&["--keep-last", "x"], "invalid value");
    check(&["--keep-tag", "relaese"], "find a snapshot with the tag relaese");
    check(&["--keep-tag", "release=2", "--keep-last", "1"], "release=2");
    check(&["--keep-tag", "="], "invalid value");
    check(&["--keep-within", "7x"], "invalid value");
    check(&["--keep-within", "7d", "--keep-within-daily", "5d"], "keeps all of that already");
    check(&["--min-snapshots", "3"], "min_snapshots alone");
    check(&["--keep-last", "2", "--min-snapshots", "3"], "contradict");
    check(&["--keep-lst", "2"], "unexpected argument");
    check(&["--keep-preset", "--keep-last", "2"], "stands alone");
    check(&["--keep-last", "2", "--zone", "Europe/Berlni"], "no time zone");
    check(&["latest"], "never forgotten");
    check(&["latest~1", "--keep-last", "2"], "both snapshots and rules");
}

/// The newest 7, then the newest 10 of none: a count works alone, of pages and of
/// single files, and what goes comes back.
#[test]
fn a_count_alone() {
    for extra in [&[][..], &["--archive"][..]] {
        let folder = with_snapshots(9, extra);
        let all = ids(&folder);
        let planned = folder.run(&["forget", "app", "--keep-last", "7", "--dry-run"]).ok();
        assert!(planned.out.contains("would forget 2 of 9"), "{}", planned.out);
        assert_eq!(ids(&folder), all);
        let done = folder.run(&["forget", "app", "--keep-last", "7"]).ok();
        assert!(done.out.contains("no rule keeps it") && done.out.contains("last 7"));
        assert!(done.out.contains("what remains"), "{}", done.out);
        assert_eq!(ids(&folder), all[2..]);
        let again = folder.run(&["forget", "app", "--keep-last", "10"]).ok();
        assert!(again.out.contains("nothing to forget"), "{}", again.out);
        // Not yet dropped, and back again.
        let pruned = folder.run(&["--json", "prune"]).ok().last();
        assert_eq!((&pruned["dropped"], &pruned["deleted"]), (&0.into(), &0.into()));
        folder.run(&["undelete", "app", &all[0]]).ok();
        assert_eq!(ids(&folder)[0], all[0]);
        folder.restore("app", &all[0]);
        let error = folder.run(&["undelete", "app", &all[0]]);
        assert_eq!(error.code, 7, "it is not in the trash: {error:?}");
    }
}

#[test]
fn pins() {
    let folder = with_snapshots(4, &[]);
    let all = ids(&folder);
    folder.run(&["pin", "app", &all[0]]).ok();
    let done = folder.run(&["--json", "forget", "app", "--keep-last", "1"]).ok().json();
    assert_eq!(done[0]["reasons"], serde_json::json!(["pinned"]));
    assert_eq!(ids(&folder), [all[0].clone(), all[3].clone()]);
    let refused = folder.run(&["forget", "app", &all[0]]);
    assert!(refused.code == 2 && refused.err.contains("is pinned"), "{refused:?}");
    folder.run(&["unpin", "app", &all[0]]).ok();
    folder.run(&["forget", "app", &all[0]]).ok();
    assert_eq!(ids(&folder), all[3..]);
}

/// What is dropped is gone from the store, and what stays restores.
#[test]
fn pruning_frees_space() {
    let folder = with_snapshots(3, &["--full"]);
    let packs = folder.objects_of("/packs/").len();
    folder.run(&["forget", "app", "latest~2", "latest~1"]).ok();
    // Nothing in the trash is dropped before its time; no clock is waited for.
    let early = folder.run(&["--json", "prune", "--trash", "0s", "--dry-run"]).ok().last();
    assert_eq!(early["dropped"], 0, "the floor of the collector: three, and seven days");
    assert_eq!(folder.objects_of("/packs/").len(), packs);
    let stats = folder.run(&["--json", "stats", "app"]).ok().last();
    assert!(stats["trash_bytes"].as_u64().is_some_and(|bytes| bytes > 0), "{stats}");
    folder.restore("app", "latest");
}

/// A list of verdicts for people: reasons, the calendar, the gap.
#[test]
fn the_gap_is_named() {
    let folder = with_snapshots(4, &[]);
    let all = ids(&folder);
    let done: Ran = folder.run(&["forget", "app", &all[1], &all[2], "--zone", "UTC"]).ok();
    assert!(done.out.contains("the largest gap this makes"), "{}", done.out);
    assert!(done.out.contains("zone UTC"), "{}", done.out);
    let line = done.out.lines().find(|line| line.starts_with("  20")).expect("a month");
    assert!(line.contains('2') || line.contains('1'), "{line}");
}

/// The same through the library, as an agent will do it.
#[tokio::test]
async fn a_policy_in_a_program() {
    use lifeboat::retention::{Policy, TimeZone};

    let folder = with_snapshots(4, &[]);
    let directories =
        lifeboat::Directories { state: folder.path("state"), cache: folder.path("cache") };
    let place = folder.path("backups");
    let opened = lifeboat::Destination::open(
        place.to_str().expect("UTF-8"),
        &directories,
        lifeboat::Missing::Refuse,
    );
    let destination = opened.await.expect("opens");
    let policy = Policy::of_count(3).expect("not zero");
    let plan = destination.forget_by("app", &policy, &TimeZone::UTC).await.expect("forgets");
    assert_eq!((plan.kept().count(), plan.forgotten().count()), (3, 1));
    assert_eq!(ids(&folder).len(), 3);
    assert!(Policy::of_count(0).is_none(), "no clean-up, never: keep nothing");
}
