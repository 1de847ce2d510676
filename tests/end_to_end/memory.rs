//! Memory is flat: at most 64 MiB resident, whatever the size of the database.
//! `cargo xtask memory` measures the same with a release binary and 1 GiB.

use std::process::Command;

use crate::command::{Folder, Ran, binary, same_bytes};

/// The promise is 64 MiB, and `cargo xtask memory` holds the release binary to it.
/// The binary of the tests may have 16 MiB more, in KiB: so much more are its
/// instructions, of which the system keeps in memory what was used.
const MOST: u64 = if cfg!(debug_assertions) { 80 } else { 64 } * 1024;

/// Runs a command and says how much of the machine's memory it had at its peak,
/// in KiB. Python asks the system after the command has ended.
const PEAK: &str = "import resource, subprocess, sys
ended = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(ended.returncode)";

fn peak(folder: &Folder, arguments: &[&str]) -> u64 {
    let mut command = folder.under(Command::new("python3"));
    command.args(["-c", PEAK]).arg(binary()).args(arguments);
    let ran = Ran::from(command.output().expect("python3 is installed")).ok();
    ran.out.trim().parse().expect("a number of KiB")
}

/// A database of so many pages that cannot be compressed.
fn database(folder: &Folder, pages: u64) -> std::path::PathBuf {
    let path = folder.path("big.db");
    let connection = lifeboat_testing::databases::open(&path, "wal");
    connection
        .execute_batch(&format!(
            "PRAGMA synchronous=off; CREATE TABLE page(id INTEGER PRIMARY KEY, content BLOB);
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT {pages})
             INSERT INTO page SELECT i, randomblob(4000) FROM n;
             PRAGMA wal_checkpoint(TRUNCATE);"
        ))
        .expect("fills it");
    path
}

#[test]
fn backup_and_restore_of_a_gibibyte() {
    // `cargo xtask memory` asks for more.
    let gibibytes = std::env::var("LIFEBOAT_TEST_GIB").ok().and_then(|text| text.parse().ok());
    let folder = Folder::new();
    let path = database(&folder, gibibytes.unwrap_or(1) * 262_144);
    let target = folder.path("out.db");
    let target_text = target.to_str().expect("UTF-8");
    let backup = peak(&folder, &["backup", "big.db"]);
    std::fs::remove_dir_all(folder.path("cache")).expect("the cache may go at any time");
    let compared = peak(&folder, &["backup", "big.db"]);
    let restore = peak(&folder, &["restore", "big", "--target", target_text]);
    assert!(same_bytes(&target, &path));
    eprintln!("peak: {backup} KiB, {compared} KiB without a cache, {restore} KiB to restore");
    for (what, peak) in [("backup", backup), ("without a cache", compared), ("restore", restore)] {
        assert!(peak <= MOST, "{what}: {peak} KiB");
    }
}
