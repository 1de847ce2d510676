//! Snapshots as single files: stored, exported, opened with a key alone, and
//! taken over from other tools.

use std::path::{Path, PathBuf};
use std::process::Command;

use lifeboat_testing::databases::open;

use crate::command::{Folder, Ran};

const KEY: &str = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVoxMjM0NTY=";
const CANARY: &str = "canary-in-a-row";

fn with_rows() -> Folder {
    let folder = Folder::new();
    open(&folder.path("app.db"), "wal")
        .execute_batch(&format!(
            "CREATE TABLE t(a); INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL \
             SELECT i + 1 FROM n WHERE i < 20000) SELECT '{CANARY}' || i FROM n;"
        ))
        .expect("writes");
    folder
}

/// Runs the binary with a key.
fn sealed(folder: &Folder, arguments: &[&str]) -> Ran {
    let mut command = folder.command();
    command.env("LIFEBOAT_KEY", KEY).args(arguments).output().expect("runs").into()
}

fn archives(folder: &Folder) -> Vec<PathBuf> {
    let dir = folder.path("backups/databases/app/archives");
    let mut all: Vec<PathBuf> =
        std::fs::read_dir(dir).expect("lists").map(|entry| entry.expect("reads").path()).collect();
    all.sort();
    all
}

/// What `sqlite3` finds in a file.
fn rows(path: &Path) -> String {
    let sql = "PRAGMA integrity_check; SELECT count(*), max(a), sum(length(a)) FROM t;";
    let output = Command::new("sqlite3").arg(path).arg(sql).output().expect("sqlite3 runs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn same(a: &Path, b: &Path) {
    assert!(std::fs::read(a).expect("reads") == std::fs::read(b).expect("reads"), "{a:?} {b:?}");
}

#[test]
fn a_plain_archive_opens_in_sqlite3_and_comes_back() {
    let folder = with_rows();
    let before = rows(&folder.path("app.db"));
    let report = folder.run(&["--json", "backup", "app.db", "--archive"]).ok().last();
    let found = archives(&folder);
    assert_eq!(found.len(), 1);
    let name = found[0].file_name().and_then(|name| name.to_str()).expect("UTF-8");
    assert_eq!(report["archive"], name);
    assert!(name.starts_with("app_") && name.ends_with(".db"), "{name}");
    let copy = folder.path("copy.db");
    std::fs::copy(&found[0], &copy).expect("copies");
    assert_eq!(rows(&copy), before);
    same(&folder.restore("app", "latest"), &found[0]);
}

#[test]
fn snapshots_of_pages_go_on_beside_archives() {
    let folder = with_rows();
    folder.backup("app.db");
    folder.run(&["backup", "app.db", "--archive"]).ok();
    // Nothing changed since the last snapshot of pages: an archive in between
    // has no packs to compare with, and is passed over.
    assert_eq!(folder.backup("app.db")["unchanged"], true);
    open(&folder.path("app.db"), "wal").execute_batch("INSERT INTO t VALUES (1)").expect("writes");
    let summary = folder.backup("app.db");
    assert!(summary["pages_changed"].as_u64().expect("a number") < 5, "{summary}");
    let live = rows(&folder.path("app.db"));
    assert_eq!(rows(&folder.restore("app", "latest")), live);
    assert_ne!(rows(&folder.restore("app", "latest~1")), live);
}

#[test]
fn a_sealed_archive_opens_with_its_key_and_nothing_else() {
    let folder = with_rows();
    let report = sealed(&folder, &["--json", "backup", "app.db", "--archive"]).ok().last();
    let found = archives(&folder);
    assert!(report["archive"].as_str().expect("a text").ends_with(".db.zst.sealed"));
    let bytes = std::fs::read(&found[0]).expect("reads");
    assert!(!bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes()));
    sealed(&folder, &["restore", "app", "--target", "restored.db"]).ok();

    // Renamed, and on a machine that has the file and the key.
    let elsewhere = Folder::new();
    std::fs::copy(&found[0], elsewhere.path("renamed")).expect("copies");
    sealed(&elsewhere, &["decrypt", "renamed", "-o", "opened.db"]).ok();
    same(&elsewhere.path("opened.db"), &folder.path("restored.db"));
    assert_eq!(rows(&elsewhere.path("opened.db")), rows(&folder.path("app.db")));

    let refused = elsewhere.run(&["decrypt", "renamed", "-o", "other.db"]);
    assert_eq!(refused.code, 12, "{refused:?}");
    let other = "MTIzNDU2QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo=";
    let mut command = elsewhere.command();
    command.env("LIFEBOAT_KEY", other).args(["decrypt", "renamed", "-o", "other.db"]);
    let refused: Ran = command.output().expect("runs").into();
    assert_eq!(refused.code, 12, "{refused:?}");
    let refused = sealed(&elsewhere, &["decrypt", "renamed", "-o", "opened.db"]);
    assert_eq!(refused.code, 7, "nothing is overwritten: {refused:?}");
    assert!(!elsewhere.path("other.db").exists());
}

#[test]
fn every_kind_of_damage_to_a_sealed_archive_is_refused() {
    let folder = with_rows();
    sealed(&folder, &["backup", "app.db", "--archive"]).ok();
    let good = std::fs::read(&archives(&folder)[0]).expect("reads");
    let check = |bytes: &[u8], what: &str| {
        std::fs::write(folder.path("bad.sealed"), bytes).expect("writes");
        let ran = sealed(&folder, &["decrypt", "bad.sealed", "-o", "out.db"]);
        assert!([4, 12].contains(&ran.code), "{what}: {ran:?}");
        assert!(!folder.path("out.db").exists(), "{what}");
    };
    for at in (0..good.len()).step_by(good.len() / 40) {
        let mut bad = good.clone();
        bad[at] ^= 0x20;
        check(&bad, &format!("byte {at}"));
    }
    for cut in [0, 8, 95, 300, good.len() / 2, good.len() - 1] {
        check(&good[..cut], &format!("cut at {cut}"));
    }
    // Two chunks swapped: the end of the file keeps whole chunks of one size.
    let chunk = 65_536 + 16;
    let tail = good.len() % chunk;
    if good.len() > 3 * chunk {
        let mut bad = good.clone();
        let (a, b) = (good.len() - tail - 2 * chunk, good.len() - tail - chunk);
        bad[a..b].copy_from_slice(&good[b..b + chunk]);
        bad[b..b + chunk].copy_from_slice(&good[a..b]);
        check(&bad, "swapped chunks");
    }
    // What lies in the repository is refused by restore as well.
    let mut bad = good.clone();
    let at = good.len() - 40;
    bad[at] ^= 1;
    std::fs::write(&archives(&folder)[0], &bad).expect("writes");
    let ran = sealed(&folder, &["restore", "app", "--target", "out.db"]);
    assert_eq!(ran.code, 4, "{ran:?}");
    assert!(ran.err.contains("archives/"), "{ran:?}");
    assert!(!folder.path("out.db").exists());
}

#[test]
fn exports_in_every_form() {
    let folder = with_rows();
    sealed(&folder, &["backup", "app.db"]).ok();
    sealed(&folder, &["export", "app", "-o", "plain.db"]).ok();
    assert_eq!(rows(&folder.path("plain.db")), rows(&folder.path("app.db")));
    for (flag, file) in [("--zstd", "app.zst"), ("--sealed", "app.sealed")] {
        sealed(&folder, &["export", "app", "-o", file, flag]).ok();
        let opened = format!("{file}.db");
        sealed(&folder, &["decrypt", file, "-o", &opened]).ok();
        same(&folder.path(&opened), &folder.path("plain.db"));
    }
    let zstd = Command::new("python3")
        .args(["-c", "import sys, zstandard; sys.stdout.buffer.write(zstandard.ZstdDecompressor().decompressobj().decompress(open(sys.argv[1], 'rb').read()))"])
        .arg(folder.path("app.zst"))
        .output()
        .expect("python3 runs");
    assert!(zstd.stdout == std::fs::read(folder.path("plain.db")).expect("reads"));
    let again = sealed(&folder, &["export", "app", "-o", "app.zst", "--zstd"]);
    assert_eq!(again.code, 7, "{again:?}");
    let left: Vec<_> = std::fs::read_dir(folder.path("."))
        .expect("lists")
        .filter(|entry| {
            entry.as_ref().expect("reads").file_name().to_string_lossy().contains("partial")
        })
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_plain_repository_cannot_seal_an_export() {
    let folder = with_rows();
    folder.backup("app.db");
    let ran = folder.run(&["export", "app", "-o", "app.sealed", "--sealed"]);
    assert_eq!(ran.code, 12, "{ran:?}");
    assert!(!folder.path("app.sealed").exists());
}

#[test]
fn whole_files_of_nonce_ciphertext_and_tag() {
    let folder = with_rows();
    folder.backup("app.db");
    folder.run(&["export", "app", "-o", "plain.db"]).ok();
    let script = "import sys, base64\n\
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM\n\
        key, nonce = base64.b64decode(sys.argv[1]), bytes(range(12))\n\
        data = open(sys.argv[2], 'rb').read()\n\
        open(sys.argv[3], 'wb').write(nonce + AESGCM(key).encrypt(nonce, data, None))";
    let made = Command::new("python3")
        .args(["-c", script, KEY])
        .args([folder.path("plain.db"), folder.path("foreign")])
        .status()
        .expect("python3 runs");
    assert!(made.success());
    sealed(&folder, &["decrypt", "foreign", "-o", "opened.db"]).ok();
    same(&folder.path("opened.db"), &folder.path("plain.db"));
    let mut bytes = std::fs::read(folder.path("foreign")).expect("reads");
    bytes[5000] ^= 1;
    std::fs::write(folder.path("foreign"), bytes).expect("writes");
    let ran = sealed(&folder, &["decrypt", "foreign", "-o", "other.db"]);
    assert_eq!(ran.code, 12, "{ran:?}");
    assert!(!folder.path("other.db").exists());
    let ran = sealed(&folder, &["decrypt", "plain.db", "-o", "other.db"]);
    assert_eq!(ran.code, 2, "{ran:?}");
}

/// A database goes into no file that others can read, whatever the umask says.
#[test]
fn what_is_written_is_the_owners_alone() {
    use std::os::unix::fs::PermissionsExt;

    let folder = with_rows();
    sealed(&folder, &["backup", "app.db"]).ok();
    for arguments in [
        &["restore", "app", "--target", "restored.db"][..],
        &["restore", "app", "--force", "--target", "forced.db"],
        &["restore", "--all", "--into", "all"],
        &["export", "app", "-o", "plain.db"],
        &["export", "app", "--zstd", "-o", "app.zst"],
        &["export", "app", "--sealed", "-o", "app.sealed"],
        &["decrypt", "app.sealed", "-o", "decrypted.db"],
        &["decrypt", "app.zst", "-o", "decoded.db"],
    ] {
        sealed(&folder, arguments).ok();
    }
    for file in [
        "restored.db",
        "forced.db",
        "all/app.db",
        "plain.db",
        "app.zst",
        "app.sealed",
        "decrypted.db",
        "decoded.db",
    ] {
        let mode = std::fs::metadata(folder.path(file)).expect("is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    // What is replaced keeps what its owner wanted.
    let mode = std::fs::Permissions::from_mode(0o640);
    std::fs::set_permissions(folder.path("forced.db"), mode).expect("is ours");
    sealed(&folder, &["restore", "app", "--force", "--target", "forced.db"]).ok();
    let mode = std::fs::metadata(folder.path("forced.db")).expect("is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
}

/// Elsewhere "-" is standard output; nobody wants a file of this name.
#[test]
fn no_file_is_called_a_dash() {
    let folder = with_rows();
    sealed(&folder, &["backup", "app.db"]).ok();
    for arguments in [
        &["export", "app", "-o", "-"][..],
        &["decrypt", "app.db", "-o", "-"],
        &["restore", "app", "--target", "-"],
        &["restore", "app", "--force", "--target", "-"],
        &["key", "kit", "-o", "-"],
    ] {
        let ran = sealed(&folder, arguments);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.err.contains("HINT:") && ran.out.is_empty(), "{ran:?}");
        assert!(!folder.path("-").exists());
    }
}

#[test]
fn backups_of_another_tool_are_taken_over() {
    let folder = with_rows();
    std::fs::create_dir(folder.path("old")).expect("makes");
    let mut states = Vec::new();
    for day in 1..=3 {
        let live = open(&folder.path("app.db"), "wal");
        live.execute_batch(&format!("INSERT INTO t VALUES ({day})")).expect("writes");
        let file = format!("old/nightly-app_2025030{day}_040506.db");
        live.execute("VACUUM INTO ?1", [folder.path(&file).to_str()]).expect("copies");
        states.push(rows(&folder.path(&file)));
    }
    std::fs::write(folder.path("old/nightly-app_notes.txt"), "no backup").expect("writes");
    let dry = folder.run(&["--json", "import", "old/nightly-", "--dry-run"]).ok();
    assert_eq!(dry.json().len(), 4);
    assert!(!folder.path("backups").exists(), "a dry run makes nothing");

    let summary = folder.run(&["--json", "import", "old/nightly-"]).ok().last();
    assert_eq!(summary["imported"], 3);
    let listed = folder.run(&["--json", "snapshots", "app"]).ok().json();
    assert_eq!(listed[0]["taken_at"], "2025-03-01T04:05:06Z");
    for (back, state) in states.iter().rev().enumerate() {
        assert_eq!(rows(&folder.restore("app", &format!("latest~{back}"))), *state);
    }
    let again = folder.run(&["--json", "import", "old/nightly-"]).ok().last();
    assert_eq!(again["imported"], 0);
    // One file that is none stops no other.
    for (day, bytes) in [(4, "no database at all".repeat(500)), (6, String::new())] {
        let file = format!("old/nightly-app_2025030{day}_040506.db");
        std::fs::write(folder.path(&file), bytes).expect("writes");
    }
    let file = "old/nightly-app_20250305_040506.db";
    let live = open(&folder.path("app.db"), "wal");
    live.execute_batch("INSERT INTO t VALUES (5)").expect("writes");
    live.execute("VACUUM INTO ?1", [folder.path(file).to_str()]).expect("copies");
    let ran = folder.run(&["import", "old/nightly-"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    for words in
        ["nightly-app_20250304_040506.db: failed", "nightly-app_20250306_040506.db: failed"]
    {
        assert!(ran.err.contains(words), "{ran:?}");
    }
    let copy = folder.path("cache").display().to_string();
    assert!(!ran.err.contains(&copy), "the copy is nobody's business: {ran:?}");
    assert_eq!(rows(&folder.restore("app", "latest")), rows(&folder.path(file)));
    for day in [4, 6] {
        let file = format!("old/nightly-app_2025030{day}_040506.db");
        std::fs::remove_file(folder.path(&file)).expect("removes");
    }
    // Histories only grow at their end.
    std::fs::copy(
        folder.path("old/nightly-app_20250301_040506.db"),
        folder.path("old/nightly-app_20240101_000000.db"),
    )
    .expect("copies");
    let late = folder.run(&["import", "old/nightly-"]);
    assert_eq!(late.code, 3, "{late:?}");
    assert_eq!(folder.run(&["import", "old/nothing-"]).code, 7);
}
