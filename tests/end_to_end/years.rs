//! Real and generated databases, out and back, over many backups.

use std::path::Path;

use lifeboat_testing::databases::{Numbers, begin_churn, churn, open};

use crate::command::{Folder, same_bytes};
use crate::place::{Place, in_every_folder, in_every_place};

in_every_place!(
    backups_of_a_wal_database_of_another_page_size,
    neither_size_nor_time_says_unchanged,
    file_names
);
in_every_folder!(a_real_database_comes_back_byte_for_byte, fifty_backups_each_restore);

/// A database that nobody here made: the one of Debian's package proj-data.
fn a_real_database_comes_back_byte_for_byte(place: Place) {
    let real = Path::new("/usr/share/proj/proj.db");
    assert!(real.is_file(), "install Debian's package proj-data");
    let folder = Folder::at(place);
    std::fs::copy(real, folder.path("proj.db")).expect("copies");
    let first = folder.backup("proj.db");
    assert_eq!(first["pages_changed"], first["pages_total"]);
    assert!(same_bytes(&folder.restore("proj", "latest"), real));
    assert!(same_bytes(&folder.read_independently("proj", "latest"), real));

    open(&folder.path("proj.db"), "delete")
        .execute_batch("UPDATE metadata SET value='changed' WHERE key='EPSG.DATE'")
        .expect("changes a row");
    let second = folder.backup("proj.db");
    assert!(second["pages_changed"].as_u64().expect("a number") <= 3, "{second}");
    assert!(same_bytes(&folder.restore("proj", "latest"), &folder.path("proj.db")));
    assert!(same_bytes(&folder.restore("proj", "latest~1"), real));
}

/// Fifty backups with inserts, deletes, changes of the schema and VACUUMs: each
/// restores to the bytes that the file had when it was taken.
fn fifty_backups_each_restore(place: Place) {
    let folder = Folder::at(place);
    let path = folder.path("app.db");
    let mut connection = open(&path, "delete");
    begin_churn(&connection);
    let mut taken = Vec::new();
    let mut vacuums = 0;
    for round in 0..50 {
        churn(&mut connection, round);
        let summary = folder.backup("app.db");
        vacuums += u64::from(summary["vacuumed"] == true);
        let copy = folder.path(&format!("copy-{round}"));
        std::fs::copy(&path, &copy).expect("nobody writes");
        taken.push((summary["snapshot_id"].as_str().expect("an id").to_owned(), copy));
    }
    assert_eq!(vacuums, 5, "each VACUUM is recognised and said");
    for (round, (id, copy)) in taken.iter().enumerate() {
        assert!(same_bytes(&folder.restore("app", id), copy), "round {round}");
        if round % 7 == 0 {
            assert!(same_bytes(&folder.read_independently("app", id), copy), "round {round}");
        }
    }
    let listed = folder.run(&["--json", "snapshots", "app"]).ok().json();
    assert_eq!(listed.len(), 51, "fifty snapshots and a summary");
}

/// The same with a WAL and another page size, compared by content.
fn backups_of_a_wal_database_of_another_page_size(place: Place) {
    for page_size in [512, 1024, 8192, 65_536] {
        let folder = Folder::at(place);
        let path = folder.path("app.db");
        let mut connection = rusqlite::Connection::open(&path).expect("opens");
        connection.pragma_update(None, "page_size", page_size).expect("sets the page size");
        connection.query_row("PRAGMA journal_mode=wal", [], |_| Ok(())).expect("sets the mode");
        begin_churn(&connection);
        for round in 0..11 {
            churn(&mut connection, round);
            folder.backup("app.db");
        }
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).expect("works");
        folder.backup("app.db");
        let restored = folder.restore("app", "latest");
        assert!(same_bytes(&restored, &path), "page size {page_size}");
    }
}

/// The WAL is begun anew, reaches the same size, and the times of all files are
/// put back: the change is seen all the same.
fn neither_size_nor_time_says_unchanged(place: Place) {
    let folder = Folder::at(place);
    let path = folder.path("app.db");
    let connection = open(&path, "wal");
    connection.execute_batch("PRAGMA wal_autocheckpoint=0").expect("works");
    connection
        .execute_batch("CREATE TABLE t(a); INSERT INTO t VALUES(randomblob(3000))")
        .expect("works");
    let write = || {
        let checkpointed: i64 = connection
            .query_row("PRAGMA wal_checkpoint(RESTART)", [], |row| row.get(0))
            .expect("works");
        assert_eq!(checkpointed, 0);
        connection.execute_batch("UPDATE t SET a=randomblob(3000)").expect("works");
    };
    write();
    folder.backup("app.db");
    assert_eq!(folder.backup("app.db")["bytes_read"], 0, "recognised without a page");
    let wal = folder.path("app.db-wal");
    let before: Vec<_> =
        [&path, &wal].iter().map(|p| (p.metadata().expect("is there"), (*p).clone())).collect();
    write();
    for (metadata, path) in &before {
        assert_eq!(path.metadata().expect("is there").len(), metadata.len(), "equal size");
        // The -wal carries no locks; the database's time is set by name.
        let touched = std::process::Command::new("touch")
            .arg("-d")
            .arg(format!(
                "@{}",
                metadata
                    .modified()
                    .expect("known")
                    .duration_since(std::time::UNIX_EPOCH)
                    .expect("after 1970")
                    .as_secs_f64()
            ))
            .arg(path)
            .status()
            .expect("touch runs");
        assert!(touched.success());
    }
    let summary = folder.backup("app.db");
    assert_eq!((&summary["unchanged"], &summary["pages_changed"]), (&false.into(), &1.into()));
}

/// File names that other tools take apart wrongly.
fn file_names(place: Place) {
    let folder = Folder::at(place);
    let mut numbers = Numbers::new(1);
    for (file, name) in [
        ("plain", "plain"),
        ("app.sqlite", "app"),
        ("a.b.c", "a.b"),
        ("with space.db", "with space"),
        ("q?x=1#y%41.db", "q?x=1#y%41"),
        ("ümläut.db", "ümläut"),
        ("-dash.db", "-dash"),
    ] {
        let path = folder.path(file);
        let connection = open(&path, "wal");
        connection
            .execute("CREATE TABLE t AS SELECT ?1 AS x", [numbers.bytes(10_000)])
            .expect("writes");
        let shown = format!("./{file}");
        let summary = folder.backup(&shown);
        assert_eq!(summary["database"], name);
        assert_eq!(summary["unchanged"], false, "{file}");
        let target = folder.path("out.db");
        let target = target.to_str().expect("UTF-8");
        let restored = folder.run(&["restore", "--target", target, "--", &shown]);
        assert_eq!(restored.code, 0, "{restored:?}");
        std::fs::remove_file(target).expect("is there");
        drop(connection);
    }
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        let file = std::ffi::OsStr::from_bytes(b"not-\xFF-utf8.db");
        open(&folder.path("x").with_file_name(file), "delete")
            .execute_batch("CREATE TABLE t(a)")
            .expect("writes");
        let ran = folder.command().arg("backup").arg(file).output().expect("runs");
        assert!(ran.status.success(), "{ran:?}");
        std::os::unix::fs::symlink(folder.path("plain"), folder.path("link")).expect("links");
        let summary = folder.run(&["--json", "backup", "link", "--as", "linked"]).ok().last();
        assert_eq!(summary["database"], "linked");
    }
}
