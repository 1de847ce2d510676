//! The service inside a program: schedule, handle, and what goes before operations.

mod later;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lifeboat::agent::{Cause, Clock, Event, Job, What};
use lifeboat::config::{Environment, Request, Role};
use lifeboat::format::record::Trigger;
use lifeboat::repository::Selector;
use lifeboat::retention::Policy;
use lifeboat::service::{FirstStart, GuardedError, PutBack, Service, ServiceBuilder, ServicePlan};
use lifeboat::setup::{Kept, Setup};
use lifeboat::{
    BackupSettings, DestinationSettings, Directories, Error, ErrorKind, InPlaceSettings,
    RestoreSettings,
};
use lifeboat_testing::databases::open;
use time::OffsetDateTime;

use crate::command::{Folder, same_bytes};

const HOUR: Duration = Duration::from_secs(3600);

/// A database with one row, and a service of it.
fn service(folder: &Folder) -> ServiceBuilder {
    let path = folder.path("app.db");
    open(&path, "wal")
        .execute_batch("CREATE TABLE IF NOT EXISTS t(a); INSERT INTO t VALUES(1)")
        .expect("writes");
    bare(folder).database(path)
}

fn bare(folder: &Folder) -> ServiceBuilder {
    Service::builder()
        .destination(text(folder, "backups"))
        .directories(Directories { state: folder.path("state"), cache: folder.path("cache") })
}

fn text(folder: &Folder, name: &str) -> String {
    folder.path(name).to_string_lossy().into_owned()
}

fn rows(path: &Path) -> i64 {
    open(path, "wal").query_row("SELECT count(*) FROM t", [], |row| row.get(0)).expect("counts")
}

fn insert(path: &Path) -> Result<usize, rusqlite::Error> {
    open(path, "wal").execute("INSERT INTO t VALUES(2)", [])
}

/// A clock that goes with tokio's, which tests wind forward.
struct Wound(tokio::time::Instant, OffsetDateTime);

impl Clock for Wound {
    fn now(&self) -> OffsetDateTime {
        self.1 + self.0.elapsed()
    }
}

fn wound() -> Arc<Wound> {
    Arc::new(Wound(tokio::time::Instant::now(), OffsetDateTime::now_utc()))
}

/// What settings make of it.
fn planned(folder: &Folder, sections: &str) -> Result<ServicePlan, Error> {
    let file = format!("repository = {:?}\n{sections}", text(folder, "backups"));
    std::fs::write(folder.path("lifeboat.toml"), file).expect("writes");
    let environment = Environment::in_directory(folder.path(""))
        .with("LIFEBOAT_LOCAL_DISK", "lasts")
        .with("LIFEBOAT_STATE_DIR", &text(folder, "state"))
        .with("LIFEBOAT_CACHE_DIR", &text(folder, "cache"));
    let setup = Arc::new(Setup::load(&Request::default(), environment)?);
    let secret = setup.secret()?;
    Ok(ServicePlan::of(setup, secret.as_ref())?)
}

/// What a program does with it by hand.
#[tokio::test]
async fn by_hand() -> Result<(), Error> {
    let folder = Folder::new();
    let backups = service(&folder).build()?;
    let mut events = backups.subscribe();
    let app = backups.database("app")?;
    assert!(app.snapshots().await?.snapshots.is_empty(), "there is no repository yet");
    let report = app.trigger().await?;
    assert!(!report.unchanged);
    let began = events.try_recv().expect("an event");
    assert_eq!(began.database.as_deref(), Some("app"));
    assert_eq!(began.what, What::Began { job: Job::Backup, cause: Cause::Asked });
    let What::BackedUp(backed) = events.try_recv().expect("an event").what else { panic!() };
    assert_eq!((backed.snapshot, backed.record), (report.snapshot_id.to_string(), 1));
    assert_eq!(backed.size, backed.pages_total * 4096);
    assert_eq!(backed.digest.len(), 64, "{}", backed.digest);
    assert!(app.trigger().await?.unchanged);
    assert_eq!(app.snapshots().await?.snapshots.len(), 1);
    assert_eq!(app.health().await?.health.reasons, []);
    insert(&folder.path("app.db")).expect("writes");
    let mut settings = BackupSettings::default();
    settings.description = Some("by hand".into());
    let placed = app.trigger_with(settings).await?;
    assert_eq!(placed.destination.databases().await?[0].to_string(), "app");
    let target = folder.path("restored.db");
    let first = Selector::Latest(1);
    app.restore(&first, &target, &RestoreSettings::default()).await?;
    assert_eq!(rows(&target), 1);
    app.restore_in_place(&first, &InPlaceSettings::default()).await?;
    assert_eq!(rows(&folder.path("app.db")), 1);
    let error = backups.trigger("other").await.expect_err("is not watched");
    assert!(matches!(&error, Error::Unwatched { known, .. } if known[..] == ["app"]));
    assert_eq!(error.kind(), ErrorKind::Usage);
    Ok(())
}

/// Whoever asks: one run of a database at a time, and each waits for its own.
#[tokio::test(flavor = "multi_thread")]
async fn one_at_a_time() {
    let folder = Folder::new();
    let backups = service(&folder).at_once(8).build().expect("makes sense");
    let mut events = backups.subscribe();
    let asked: Vec<_> = (0..6)
        .map(|_| {
            let (backups, path) = (backups.clone(), folder.path("app.db"));
            tokio::spawn(async move {
                insert(&path).expect("writes");
                backups.trigger("app").await
            })
        })
        .collect();
    for one in asked {
        one.await.expect("no panic").expect("backs up");
    }
    let mut running = 0;
    for _ in 0..12 {
        match events.try_recv().expect("an event").what {
            What::Began { .. } => running += 1,
            What::BackedUp(_) => running -= 1,
            other => panic!("{other:?}"),
        }
        assert!((0..=1).contains(&running));
    }
    assert_eq!(backups.status("app").running, []);
}

/// A day by a clock that is wound: backups at their times, and upkeep without a
/// thought.
#[tokio::test(start_paused = true)]
async fn a_day() -> Result<(), Error> {
    let folder = Folder::new();
    let clock = wound();
    let began = clock.now();
    let builder = service(&folder).every(6 * HOUR).clock(clock.clone());
    let backups = builder.mirror(text(&folder, "mirror")).build()?;
    let mut events = backups.subscribe();
    assert!(backups.next_run("app").await.is_none(), "nothing runs yet");
    backups.start();
    let mut seen: Vec<(Job, Cause, i64)> = Vec::new();
    let mut done = 0;
    while seen.iter().filter(|(job, ..)| *job == Job::Backup).count() < 5 {
        let Event { at, what, .. } = events.recv().await.expect("an event");
        match what {
            What::Began { job, cause } => seen.push((job, cause, (at - began).whole_hours())),
            What::Done { .. } | What::BackedUp(_) => done += 1,
            other => panic!("{other:?}"),
        }
    }
    let backups_at: Vec<_> =
        seen.iter().filter(|one| one.0 == Job::Backup).map(|one| (one.1, one.2)).collect();
    assert_eq!(backups_at[0], (Cause::Start, 0));
    assert_eq!(backups_at[1..].iter().map(|one| one.0).collect::<Vec<_>>(), [Cause::Due; 4]);
    assert_eq!(backups_at.iter().map(|one| one.1).collect::<Vec<_>>(), [0, 6, 12, 18, 24]);
    for job in [Job::Prune, Job::Check, Job::Return, Job::Drill] {
        let first = seen.iter().find(|one| one.0 == job).unwrap_or_else(|| panic!("no {job}"));
        assert!(first.2 < 2, "{first:?}");
    }
    assert!(done >= 8, "{done}");
    assert_eq!(backups.shutdown().await, 0);
    assert!(!backups.is_running());
    // What was done is known after a restart, and not done again at once.
    let again = service(&folder).clock(clock.clone()).build()?;
    again.start();
    let next = again.next_of("app", Job::Drill).await.expect("is planned");
    assert!(next - clock.now() > time::Duration::days(28), "{next}");
    again.shutdown().await;
    Ok(())
}

/// Nothing is backed up, everything answers, and what would be preceded by a
/// snapshot runs.
#[tokio::test]
async fn disabled() -> Result<(), Error> {
    let folder = Folder::new();
    let backups = service(&folder).disabled("for the test").start()?;
    let app = backups.database("app")?;
    let error = app.trigger().await.expect_err("is disabled");
    assert!(matches!(&error, Error::Disabled { reason, .. } if reason == "for the test"));
    assert_eq!(error.kind(), ErrorKind::Disabled);
    assert!(app.snapshots().await?.snapshots.is_empty());
    assert_eq!(app.health().await?.facts.disabled.as_deref(), Some("for the test"));
    assert_eq!(backups.health_all().await.len(), 1);
    assert!(app.next_run().await.is_none());
    assert_eq!(backups.trigger_all().await, 0);
    let path = folder.path("app.db");
    let written = app.with_snapshot("insert", async { insert(&path) }).await;
    assert_eq!(written.expect("runs"), 1);
    assert_eq!(app.with_snapshot_blocking("insert", || insert(&path)).expect("runs"), 1);
    let failed = app.with_snapshot("fail", async { Err::<(), _>(std::fmt::Error) }).await;
    let failed = failed.expect_err("fails");
    assert!(failed.snapshot().is_none() && failed.to_string().contains("disabled"), "{failed}");
    assert!(!folder.path("backups").exists());
    assert!(matches!(app.restore_if_missing().await?, FirstStart::Present));
    Ok(())
}

/// The snapshot of before is there, says why, and is named where it is needed.
#[tokio::test]
async fn before_an_operation() -> Result<(), Error> {
    let folder = Folder::new();
    let backups = service(&folder).build()?;
    let (app, path) = (backups.database("app")?, folder.path("app.db"));
    app.trigger().await?;
    // Nothing changed since, and it is recorded all the same.
    let written = app.with_snapshot("insert a row", async { insert(&path) }).await;
    assert_eq!(written.expect("runs"), 1);
    let listed = app.snapshots().await?.snapshots;
    let body = listed[1].snapshot.body();
    assert_eq!((listed.len(), body.trigger), (2, Trigger::BeforeOperation));
    assert_eq!(body.description.as_deref(), Some("insert a row"));
    assert_eq!(body.statistics.bytes_sent, 0, "no page is sent twice");
    let failed = app.with_snapshot("delete artist 42", async {
        insert(&path).expect("writes");
        Err::<(), _>(std::fmt::Error)
    });
    let failed = failed.await.expect_err("fails");
    let GuardedError::Failed { snapshot: Some(id), .. } = &failed else { panic!("{failed:?}") };
    assert!(failed.to_string().contains(id.as_str()), "{failed}");
    assert_eq!(rows(&path), 3, "nothing is put back");
    let target = folder.path("before.db");
    let before = Selector::parse(id.as_str()).expect("an id");
    app.restore(&before, &target, &RestoreSettings::default()).await?;
    assert_eq!(rows(&target), 2);
    Ok(())
}

/// Without a snapshot it is not run.
#[tokio::test]
async fn no_snapshot_no_operation() -> Result<(), Error> {
    let folder = Folder::new();
    let backups = service(&folder).build()?;
    let app = backups.database("app")?;
    std::fs::write(folder.path("backups"), "in the way").expect("writes");
    let mut ran = false;
    let refused = app.with_snapshot("delete", async {
        ran = true;
        Ok::<(), std::fmt::Error>(())
    });
    let refused = refused.await.expect_err("no snapshot");
    assert!(matches!(&refused, GuardedError::NotRun { .. }), "{refused:?}");
    let refused = app.with_snapshot_blocking("delete", || {
        ran = true;
        Ok::<(), std::fmt::Error>(())
    });
    assert!(matches!(refused, Err(GuardedError::NotRun { .. })));
    assert!(!ran);
    assert_eq!(backups.status("app").backup_failures(), 2);
    Ok(())
}

fn guarded(folder: &Folder, backups: &Service) {
    let app = backups.database("app").expect("is watched");
    let path = folder.path("app.db");
    let before = rows(&path);
    app.with_snapshot_blocking("insert", || insert(&path)).expect("runs");
    assert_eq!(rows(&path), before + 1);
    assert_eq!(backups.status("app").backup_failures(), 0);
}

/// The blocking form works wherever it is called.
#[test]
fn blocking_everywhere() {
    let folder = Folder::new();
    let backups = service(&folder).build().expect("makes sense");
    guarded(&folder, &backups);
    let one =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    one.block_on(async {
        guarded(&folder, &backups);
        let (folder, backups) = (&folder, backups.clone());
        std::thread::scope(|scope| {
            scope.spawn(|| guarded(folder, &backups));
        });
    });
    let several =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let several = several.expect("a runtime");
    several.block_on(async { guarded(&folder, &backups) });
    let folder = Arc::new(folder);
    let spawned = several.spawn({
        let (folder, backups) = (Arc::clone(&folder), backups.clone());
        async move {
            guarded(&folder, &backups);
            let inner = tokio::task::spawn_blocking(move || guarded(&folder, &backups));
            inner.await.expect("no panic");
        }
    });
    several.block_on(spawned).expect("no panic");
    let listed = several.block_on(backups.snapshots("app")).expect("lists").snapshots;
    let before =
        listed.iter().filter(|one| one.snapshot.body().trigger == Trigger::BeforeOperation);
    assert_eq!(before.count(), 6);
}

/// Restored before the program begins: from wherever it is, and never instead of it.
#[tokio::test]
async fn a_file_that_is_missing() -> Result<(), Error> {
    let folder = Folder::new();
    let path = folder.path("app.db");
    let builder = || bare(&folder).database(&path).fallback(text(&folder, "other"));
    let backups = builder().build()?;
    assert!(matches!(backups.restore_if_missing("app").await?, FirstStart::NoBackupYet));
    drop(service(&folder));
    assert!(matches!(backups.restore_if_missing("app").await?, FirstStart::Present));
    backups.trigger("app").await?;
    for name in ["app.db", "app.db-wal", "app.db-shm"] {
        let _ = std::fs::remove_file(folder.path(name));
    }
    let restored = backups.restore_if_missing("app").await?;
    assert!(matches!(&restored, FirstStart::Restored(_)), "{restored:?}");
    assert_eq!(rows(&path), 1);
    // A destination that was there and is gone is no first day.
    std::fs::remove_file(&path).expect("removes");
    std::fs::rename(folder.path("backups"), folder.path("unmounted")).expect("renames");
    let error = builder().build()?.restore_if_missing("app").await.expect_err("is refused");
    let gone = [ErrorKind::NoRepository, ErrorKind::Damage];
    assert!(gone.contains(&error.kind()), "{error:?}");
    assert!(!path.exists());
    Ok(())
}

/// Other settings from the next run on; what is asked for works after the end.
#[tokio::test]
async fn reloaded_and_shut_down() -> Result<(), Error> {
    let folder = Folder::new();
    drop(service(&folder));
    open(&folder.path("other.db"), "wal").execute_batch("CREATE TABLE t(a)").expect("writes");
    let plan = |databases: &[&str]| {
        let sections: String = databases
            .iter()
            .map(|name| format!("[[database]]\npath = {:?}\n", text(&folder, name)))
            .collect();
        planned(&folder, &format!("[schedule]\non_start = false\n{sections}"))
    };
    let backups = Service::new(plan(&["app.db"])?);
    backups.start();
    backups.start();
    assert!(backups.trigger("other").await.is_err());
    backups.trigger("app").await?;
    backups.reload(plan(&["app.db", "other.db"])?);
    backups.trigger("other").await?;
    assert!(backups.next_run("other").await.is_some());
    backups.reload(plan(&["other.db"])?);
    assert!(backups.next_run("app").await.is_none() && backups.trigger("app").await.is_err());
    assert_eq!(backups.snapshots("app").await?.snapshots.len(), 1, "what was stored is there");
    assert_eq!(backups.shutdown().await, 0);
    assert!(backups.next_run("other").await.is_none());
    assert!(backups.trigger("other").await?.unchanged);
    let target = folder.path("restored.db");
    backups.restore("app", &Selector::Latest(0), &target, &RestoreSettings::default()).await?;
    assert!(same_bytes(&target, &target));
    Ok(())
}

/// With the only connection, the database is put back; with another that is open it
/// is not, and the error names the snapshot.
#[test]
fn put_back_with_the_only_connection() {
    let folder = Folder::new();
    let backups = service(&folder).build().expect("makes sense");
    let (app, path) = (backups.database("app").expect("is watched"), folder.path("app.db"));
    let only = open(&path, "wal");
    let (only, rows_now) = app
        .with_snapshot_or_back("insert", only, |app| app.execute("INSERT INTO t VALUES(2)", []))
        .expect("runs");
    assert_eq!((rows_now, rows(&path)), (1, 2));
    let halfway = |app: &mut rusqlite::Connection| {
        app.execute("DELETE FROM t", []).expect("deletes");
        app.execute("INSERT INTO nowhere VALUES(1)", [])
    };
    // Another connection would go on with a database that changed under it.
    let other = open(&path, "wal");
    let before = rows(&path);
    let error = app.with_snapshot_or_back("migrate", only, halfway).expect_err("fails");
    let GuardedError::Failed { snapshot: Some(id), put_back, .. } = &error else { panic!() };
    assert!(
        matches!(put_back, PutBack::Failed(why) if why.to_string().contains("in use")
        || matches!(**why, Error::Replace(_))),
        "{error}"
    );
    assert!(error.to_string().contains(id.as_str()), "{error}");
    assert_eq!(rows(&path), 0, "nothing was put back");
    drop(other);
    let exactly = Selector::parse(id.as_str()).expect("an id");
    let alone = tokio::runtime::Runtime::new().expect("a runtime");
    alone
        .block_on(app.restore_in_place(&exactly, &InPlaceSettings::default()))
        .expect("is restored by hand");
    assert_eq!(rows(&path), before);
    let only = open(&path, "wal");
    let error = app.with_snapshot_or_back("migrate", only, halfway).expect_err("fails");
    let GuardedError::Failed { put_back, .. } = &error else { panic!("{error}") };
    match put_back {
        PutBack::Done { aside: Some(aside) } => {
            assert_eq!((rows(&path), rows(aside)), (before, 0), "{error}");
        }
        // Who has it open cannot be seen in a container.
        PutBack::Failed(why)
            if std::fs::read_link("/proc/self/ns/pid").expect("reads").to_str()
                != Some("pid:[4026531836]") =>
        {
            assert!(matches!(**why, Error::Replace(_)), "{why:?}");
            assert_eq!(rows(&path), 0);
        }
        other => panic!("{other:?}"),
    }
}
