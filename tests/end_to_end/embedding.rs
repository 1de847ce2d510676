//! The library, as a program embeds it.

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

/// The example runs as its first lines say.
#[test]
fn the_example_runs() {
    let folder = Folder::new();
    let path = folder.path("app.db");
    open(&path, "delete").execute_batch("CREATE TABLE t AS SELECT 1").expect("writes");
    let example = crate::command::binary().with_file_name("examples").join("backup");
    let mut command = std::process::Command::new(&example);
    command.args(["app.db", "restored.db"]);
    let output = folder.under(command).output();
    let output = output.unwrap_or_else(|e| panic!("{}: {e}", example.display()));
    assert!(output.status.success(), "{output:?}");
    assert!(same_bytes(&folder.path("restored.db"), &path));
}

/// What the documents show is what the façade's own documentation compiles.
#[test]
fn snippets_are_compiled() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |name: &str| std::fs::read_to_string(root.join(name)).expect(name);
    let compiled = read("crates/lifeboat/src/lib.rs").replace("let report = ", "");
    for document in ["README.md", "docs/embedding.md"] {
        let text = read(document);
        let mut shown = 0;
        for block in text.split("```rust\n").skip(1) {
            let block = block.split("```").next().expect("a block ends");
            for line in block.lines().map(|line| line.replace("let report = ", "")) {
                assert!(compiled.contains(&line), "{document}: {line}");
                shown += 1;
            }
        }
        assert!(shown > 1, "{document} shows nothing");
    }
}
