//! What a service does in the long run.

use super::*;

/// A file that a pattern finds later is taken in by itself; one that is gone is not
/// taken out, so that somebody hears of it.
#[tokio::test(start_paused = true)]
async fn newcomers() -> Result<(), Error> {
    let folder = Folder::new();
    drop(service(&folder));
    let section = format!("[[database]]\npath = {:?}\n", text(&folder, "*.db"));
    let backups = Service::with(planned(&folder, &section)?, wound(), Arc::new(Silent));
    let mut events = backups.subscribe();
    backups.start();
    let mut until = async |name: &str, ended: fn(&What) -> bool| loop {
        let event = events.recv().await.expect("an event");
        if event.database.as_deref() == Some(name) && ended(&event.what) {
            break;
        }
    };
    until("app", |what| matches!(what, What::BackedUp(_))).await;
    open(&folder.path("tenant.db"), "wal").execute_batch("CREATE TABLE t(a)").expect("writes");
    until("tenant", |what| matches!(what, What::BackedUp(_))).await;
    for name in ["tenant.db", "tenant.db-wal", "tenant.db-shm"] {
        let _ = std::fs::remove_file(folder.path(name));
    }
    until("tenant", |what| matches!(what, What::Failed { job: Job::Backup, .. })).await;
    assert!(backups.database("tenant").is_ok() && backups.status("tenant").last_error.is_some());
    backups.shutdown().await;
    Ok(())
}

/// Nobody looks.
struct Silent;

impl lifeboat::service::Witness for Silent {
    fn saw(&self, _: &lifeboat::service::Watched, _: &lifeboat::service::Happening<'_>) {}
}

/// When drills are made, and how, by the settings.
#[test]
fn drills_of_the_settings() -> Result<(), Error> {
    let folder = Folder::new();
    let drills = |sections: &str| -> Result<_, Error> {
        let section = format!("[[database]]\npath = \"app.db\"\n{sections}");
        Ok(planned(&folder, &section)?.databases[0].drills.as_ref().clone())
    };
    assert_eq!(drills("")?.every, Some(30 * 24 * HOUR));
    assert_eq!(drills("[drill]\nenabled = false")?.every, None);
    let own = "[database.drill]\nevery = \"7d\"\nenabled = true\nassert = [\"b\"]\n\
               [drill]\nenabled = false\nassert = [\"a\"]";
    let own = drills(own)?;
    assert_eq!((own.every, own.assertions), (Some(7 * 24 * HOUR), vec!["a".into(), "b".into()]));
    Ok(())
}

/// A burst of snapshots before operations pushes no other out, by the policy and by
/// what a destination keeps.
#[tokio::test(start_paused = true)]
async fn a_burst_pushes_nothing_out() -> Result<(), Error> {
    let folder = Folder::new();
    let path = folder.path("app.db");
    let count = Policy::of_count(2).expect("not zero");
    let triggers = async |backups: &Service| -> Result<Vec<Trigger>, Error> {
        let all = backups.snapshots("app").await?.snapshots;
        Ok(all.iter().map(|one| one.snapshot.body().trigger).collect())
    };
    let burst = async |backups: &Service| -> Result<(), Error> {
        for _ in 0..3 {
            insert(&path).expect("writes");
            backups.trigger("app").await?;
        }
        for _ in 0..5 {
            backups.database("app")?.snapshot_before("something").await?;
        }
        Ok(())
    };
    let expected =
        [Trigger::Manual, Trigger::Manual, Trigger::BeforeOperation, Trigger::BeforeOperation];
    let backups = service(&folder).keep(Kept::by(count)).clock(wound()).build()?;
    burst(&backups).await?;
    assert_eq!(triggers(&backups).await?.len(), 8);
    let mut events = backups.subscribe();
    backups.start();
    let pruned = |what: &What| matches!(what, What::Done { job: Job::Prune, .. });
    while !pruned(&events.recv().await.expect("an event").what) {}
    backups.shutdown().await;
    assert_eq!(triggers(&backups).await?, expected);
    let mut place = DestinationSettings::new(Role::Primary, text(&folder, "few"));
    place.max_snapshots = Some(2);
    let directories = Directories { state: folder.path("state"), cache: folder.path("cache") };
    let few = Service::builder().database(&path).place(place).directories(directories).build()?;
    burst(&few).await?;
    assert_eq!(triggers(&few).await?, expected);
    Ok(())
}

/// A store that never answers does not keep it from ending.
#[tokio::test]
async fn it_ends_within_a_limit() -> Result<(), Error> {
    let folder = Folder::new();
    // Connections are accepted by the system, and nobody answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
    let endpoint = format!("http://{}", silent.local_addr().expect("an address"));
    let mut place = DestinationSettings::new(Role::Primary, "s3://bucket/prefix");
    for (name, value) in [
        ("endpoint", endpoint.as_str()),
        ("access_key_id", "x"),
        ("secret_access_key", "x"),
        ("region", "x"),
    ] {
        place.options.set(name, value).expect("is an option");
    }
    drop(service(&folder));
    let directories = Directories { state: folder.path("state"), cache: folder.path("cache") };
    let builder = Service::builder().database(folder.path("app.db")).place(place);
    let backups = builder.directories(directories).build()?;
    let mut events = backups.subscribe();
    backups.start();
    let began = events.recv().await.expect("an event");
    assert!(matches!(began.what, What::Began { job: Job::Backup, .. }));
    let asked = std::time::Instant::now();
    assert_eq!(backups.shutdown().await, 1, "it was interrupted");
    assert!(asked.elapsed() < Duration::from_secs(60), "{:?}", asked.elapsed());
    Ok(())
}
