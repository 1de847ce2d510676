//! Nothing left of something: disk, quota, descriptors, permission. The command says
//! so and ends in order, what was backed up before restores, the application goes on
//! to write, and the next run works.

use std::path::PathBuf;
use std::process::Command;

use lifeboat_testing::databases::{one_row_a_page, overwrite};
use rusqlite::Connection;

use crate::command::{Folder, Ran, binary, same_bytes};

/// A database that was backed up, and has changed since.
struct Past {
    folder: Folder,
    connection: Connection,
    before: PathBuf,
    first: String,
}

impl Past {
    fn begin(mode: &str) -> Self {
        let folder = Folder::in_memory();
        let mut connection = one_row_a_page(&folder.path("app.db"), mode, 60, 1);
        let first = folder.backup("app.db")["snapshot_id"].as_str().expect("an id").to_owned();
        let before = folder.restore("app", &first);
        overwrite(&mut connection, 20, 2);
        Self { folder, connection, before, first }
    }

    /// It is over, and there is enough of everything again.
    fn goes_on(mut self, ran: &Ran, at: &str) {
        assert!((0..=15).contains(&ran.code), "{at}: it did not end in order: {ran:?}");
        if ran.code != 0 {
            let told = ran.last();
            assert_eq!(told["message_type"], "error", "{at}: {ran:?}");
            assert_eq!(told["data_is_safe"], true, "{at}: {told}");
            assert!(!told["message"].as_str().expect("a text").is_empty(), "{at}");
        }
        // Whoever wrote goes on.
        overwrite(&mut self.connection, 5, 3);
        drop(self.connection);
        let path = self.folder.path("app.db");
        let kept = self.folder.path("kept.db");
        std::fs::copy(&self.before, &kept).expect("copies");
        assert!(same_bytes(&self.folder.restore("app", &self.first), &kept), "{at}");
        self.folder.backup("app.db");
        assert!(same_bytes(&self.folder.restore("app", "latest"), &path), "{at}: the next run");
        self.folder.run(&["check", "--read-data"]).ok();
    }
}

/// From its `n`-th call of a kind on, every one fails so.
fn failing(folder: &Folder, call: &str, error: &str, n: usize) -> Ran {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}")]);
    strace.args(["-e", &format!("inject={call}:error={error}:when={n}+")]);
    strace.arg(binary()).args(["--json", "--progress", "none", "backup", "app.db"]);
    folder.under(strace).output().expect("strace is installed").into()
}

/// Each kind of call, each way to fail that it has, from the first such call on and
/// from later ones. Returns how many runs failed.
fn sweep(calls: &[&str], error: &str, from: &[usize]) {
    let mut failed = 0;
    for call in calls {
        for &n in from {
            let past = Past::begin("delete");
            let ran = failing(&past.folder, call, error, n);
            failed += usize::from(ran.code != 0);
            past.goes_on(&ran, &format!("{call} is {error} from {n} on"));
        }
    }
    assert!(failed >= 2, "{error}: only {failed} runs failed");
}

#[test]
fn the_disk_is_full() {
    sweep(&["linkat", "mkdir", "pwrite64", "fsync"], "ENOSPC", &[1, 2]);
}

#[test]
fn the_quota_is_used_up() {
    sweep(&["linkat", "pwrite64"], "EDQUOT", &[1, 2]);
}

#[test]
fn everything_is_read_only_from_then_on() {
    sweep(&["linkat", "rename"], "EROFS", &[1, 2]);
}

#[test]
fn permission_is_revoked_midway() {
    sweep(&["linkat", "rename", "unlink"], "EACCES", &[1, 2]);
    sweep(&["linkat", "fsync"], "EIO", &[1, 2]);
}

/// With so few descriptors that the program starts and cannot do its work; and with
/// ever more, until it can.
#[test]
fn out_of_descriptors() {
    let (mut refused, mut worked) = (0, 0);
    for limit in [14, 16, 18, 20, 24, 64] {
        let past = Past::begin("wal");
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit -n {limit}; exec \"$0\" \"$@\"")]).arg(binary());
        command.args(["--json", "--progress", "none", "backup", "app.db"]);
        let ran: Ran = past.folder.under(command).output().expect("sh runs").into();
        match ran.code {
            0 => worked += 1,
            _ => refused += 1,
        }
        past.goes_on(&ran, &format!("{limit} descriptors"));
    }
    assert!(refused >= 1 && worked >= 1, "{refused} refused, {worked} worked");
}
