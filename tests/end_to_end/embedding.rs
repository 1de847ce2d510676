//! The library, as a program embeds it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use lifeboat::format::id::InstallationId;
use lifeboat::repository::{Local, LocalOptions, Selector};
use lifeboat::{BackupSettings, Destination, Directories, Error, ErrorKind, Lifeboat, Missing};
use lifeboat_testing::databases::{begin_churn, churn, open};
use lifeboat_testing::script::{Op, World};

use crate::command::{Folder, same_bytes};

fn directories(folder: &Folder) -> Directories {
    Directories { state: folder.path("state"), cache: folder.path("cache") }
}

#[tokio::test]
async fn five_lines() -> Result<(), Error> {
    let folder = Folder::new();
    let path = folder.path("app.db");
    open(&path, "delete").execute_batch("CREATE TABLE t AS SELECT 1").expect("writes");
    let place = folder.path("b").to_string_lossy().into_owned();
    let builder = Lifeboat::builder(&path).destination(place).directories(directories(&folder));
    let lifeboat = builder.open().await?;
    let report = lifeboat.backup().await?;
    assert_eq!(report.pages_changed, u64::from(report.geometry.page_count()));
    let target = folder.path("restored.db");
    lifeboat.restore(&Selector::Latest(0), &target).await?;
    assert!(same_bytes(&target, &path));
    Ok(())
}

#[tokio::test]
async fn no_repository_is_made_where_none_is_wanted() {
    let folder = Folder::new();
    let place = folder.path("b").to_string_lossy().into_owned();
    let error = Destination::open(&place, &directories(&folder), Missing::Refuse)
        .await
        .expect_err("there is none");
    assert_eq!(error.kind(), ErrorKind::NoRepository);
    assert!(!folder.path("b").exists());
}

/// A backup whose future is dropped leaves garbage at most.
#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_backup() {
    let folder = Folder::new();
    let path = folder.path("app.db");
    let mut connection = open(&path, "wal");
    begin_churn(&connection);
    churn(&mut connection, 1);
    let world = World::new();
    let mut options = LocalOptions::new(folder.path("state"), folder.path("cache"));
    options.installation_id = Some(InstallationId::new("test").expect("valid"));
    let local = Local::open(options);
    let destination =
        Destination::on(world.client("W"), local, false, Missing::Create).await.expect("opens");
    for key in ["packs/", "records/"] {
        let pause = world.pause("W", Op::Put, key);
        let cancelled = tokio::spawn({
            let (destination, path) = (destination.clone(), path.clone());
            async move { destination.backup(&path, &BackupSettings::default()).await }
        });
        pause.reached().await;
        cancelled.abort();
        assert!(cancelled.await.expect_err("is cancelled").is_cancelled());
        assert_eq!(world.keys("records/").await.len(), 0);
    }
    let report = destination.backup(&path, &BackupSettings::default()).await.expect("backs up");
    assert!(!report.unchanged);
    connection.execute_batch("INSERT INTO person(name) VALUES('free')").expect("no lock is left");
}

/// A command that runs an example in a folder.
pub(crate) fn example(folder: &Folder, name: &str, arguments: &[&str]) -> Command {
    let path = crate::command::binary().with_file_name("examples").join(name);
    assert!(path.is_file(), "{} is not built", path.display());
    let mut command = folder.under(Command::new(path));
    command.args(arguments);
    command
}

pub(crate) fn run_example(folder: &Folder, name: &str, arguments: &[&str]) -> String {
    let output = example(folder, name, arguments).output().expect("runs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// A web application with backups: they are made, it says how they are, it ends when
/// it is told to, and begins with what was backed up when its database is gone.
#[test]
fn the_web_example_runs() {
    let folder = Folder::new();
    for (round, first) in ["NoBackupYet", "Restored"].into_iter().enumerate() {
        let arguments = ["app.db", "backups", "127.0.0.1:0"];
        let mut running = example(&folder, "web", &arguments);
        let mut running = running.stdout(Stdio::piped()).spawn().expect("starts");
        let mut lines = BufReader::new(running.stdout.take().expect("is piped")).lines();
        let mut line = || lines.next().expect("a line").expect("text");
        let began = line();
        assert!(began.starts_with(first), "{began}");
        let address = line().strip_prefix("listening on ").expect("an address").to_owned();
        let begun = std::time::Instant::now();
        let healthy = || {
            let mut stream = TcpStream::connect(&address).expect("connects");
            let request = "GET /health HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n";
            stream.write_all(request.as_bytes()).expect("sends");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).expect("answers");
            answer.starts_with("HTTP/1.1 200") && answer.ends_with("backups are healthy\n")
        };
        while !healthy() {
            assert!(begun.elapsed().as_secs() < 120, "it never was");
        }
        let pid = running.id().to_string();
        assert!(Command::new("kill").args(["-s", "INT", &pid]).status().expect("runs").success());
        assert!(running.wait().expect("ends").success());
        let records = std::fs::read_dir(folder.path("backups/databases/app/records"));
        assert!(records.expect("are there").count() >= 1);
        if round == 0 {
            for name in ["app.db", "app.db-wal", "app.db-shm"] {
                let _ = std::fs::remove_file(folder.path(name));
            }
        }
    }
}

/// A guarded delete: done, with the state before in a snapshot; failed, with the command
/// that brings it back.
#[test]
fn the_guarded_delete_runs() {
    let folder = Folder::new();
    let path = folder.path("app.db");
    open(&path, "wal")
        .execute_batch(
            "CREATE TABLE artist(id INTEGER PRIMARY KEY);
             CREATE TABLE album(id, artist REFERENCES artist ON DELETE CASCADE);
             INSERT INTO artist VALUES(42), (43);
             INSERT INTO album VALUES(1, 42), (2, 42), (3, 43)",
        )
        .expect("writes");
    let albums = |path: &std::path::Path| -> i64 {
        let app = open(path, "wal");
        app.query_row("SELECT count(*) FROM album", [], |row| row.get(0)).expect("counts")
    };
    let said = run_example(&folder, "guarded_delete", &["app.db", "backups", "42"]);
    assert!(said.starts_with("1 deleted"), "{said}");
    assert_eq!(albums(&path), 1);
    assert_eq!(albums(&folder.restore("app", "latest")), 3);
    let listed = folder.run(&["--json", "snapshots"]).ok().json();
    assert_eq!(listed[0]["description"], "delete artist 42");
    assert_eq!(listed[0]["trigger"], "before-operation");
    let said = run_example(&folder, "guarded_delete", &["app.db", "backups", "44"]);
    assert!(said.starts_with("failed to delete artist 44; the state before is"), "{said}");
    let command = said.split('`').nth(1).expect("a command");
    let words: Vec<&str> = command.split(' ').skip(1).collect();
    folder.run(&words).ok();
    std::fs::write(folder.path("backups.txt"), "").expect("writes");
    let said = run_example(&folder, "guarded_delete", &["app.db", "backups.txt", "43"]);
    assert!(said.contains("which was not run"), "{said}");
    assert_eq!(albums(&path), 1);
}

#[test]
fn the_start_up_example_runs() {
    let folder = Folder::new();
    std::fs::write(
        folder.path("lifeboat.toml"),
        "[[database]]\npath = \"app.db\"\n[schedule]\non_start = false\n",
    )
    .expect("writes");
    assert!(run_example(&folder, "start_up", &[]).starts_with("app: begins with nothing\n1 not"));
    let path = folder.path("app.db");
    open(&path, "delete").execute_batch("CREATE TABLE t AS SELECT 1").expect("writes");
    assert_eq!(
        run_example(&folder, "start_up", &[]),
        "app: is there\n0 not backed up at the end\n"
    );
    std::fs::remove_file(&path).expect("removes");
    assert!(run_example(&folder, "start_up", &[]).starts_with("app: restored from "));
    assert_eq!(folder.run(&["snapshots", "app"]).code, 0);
}

/// The example runs as its first lines say.
#[test]
fn the_example_runs() {
    let folder = Folder::new();
    let path = folder.path("app.db");
    open(&path, "delete").execute_batch("CREATE TABLE t AS SELECT 1").expect("writes");
    run_example(&folder, "backup", &["app.db", "restored.db"]);
    assert!(same_bytes(&folder.path("restored.db"), &path));
}
