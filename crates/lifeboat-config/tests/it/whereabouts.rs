//! Where this runs, as a table.

use std::path::Path;

use lifeboat_config::{Environment, FileSystem, LocalDisk, Platform, Spot, Verdict, verdict};

const DISK: (FileSystem, bool) = (FileSystem::Disk, false);
const VOLUME: (FileSystem, bool) = (FileSystem::Disk, true);
const OVERLAY: (FileSystem, bool) = (FileSystem::Overlay, false);
const MEMORY: (FileSystem, bool) = (FileSystem::Memory, true);

fn at(
    directory: &str,
    variables: &[(&str, &str)],
    database: &str,
    (file_system, own_mount): (FileSystem, bool),
) -> Verdict {
    let mut environment = Environment::in_directory(directory);
    for (name, value) in variables {
        environment = environment.with(name, value);
    }
    let spots = [Spot::new("./backups", file_system, own_mount)];
    verdict(&environment, LocalDisk::Auto, &[Path::new(database)], &spots)
}

#[test]
fn platforms_by_their_documented_variables() {
    let check = |variable: (&str, &str), expected: Option<Platform>| {
        let found = match at("/srv", &[variable], "app.db", DISK) {
            Verdict::Vanishes { platform, reason } => {
                assert!(reason.contains(variable.0), "{reason}");
                platform
            }
            _ => None,
        };
        assert_eq!(found, expected, "{variable:?}");
    };
    check(("STREAMLIT_SHARING_MODE", "1"), Some(Platform::StreamlitCloud));
    check(("K_SERVICE", "web"), Some(Platform::CloudRun));
    check(("CLOUD_RUN_JOB", "nightly"), Some(Platform::CloudRun));
    check(("AWS_LAMBDA_FUNCTION_NAME", "f"), Some(Platform::Lambda));
    check(("DYNO", "web.1"), Some(Platform::Heroku));
    check(("VERCEL", "1"), Some(Platform::Vercel));
    check(("GAE_APPLICATION", "s~x"), Some(Platform::AppEngine));
    check(("RENDER", "true"), Some(Platform::Render));
    check(("FLY_APP_NAME", "x"), Some(Platform::Fly));
    // These prove nothing.
    check(("STREAMLIT_SERVER_HEADLESS", "true"), None);
    check(("STREAMLIT_SHARING_MODE", ""), None);
    check(("PORT", "8080"), None);
    check(("AWS_REGION", "us-east-1"), None);
}

#[test]
fn streamlit_by_its_paths() {
    let vanishes = |directory: &str, database: &str| {
        matches!(
            at(directory, &[], database, DISK),
            Verdict::Vanishes { platform: Some(Platform::StreamlitCloud), .. }
        )
    };
    assert!(vanishes("/mount/src/app", "app.db"));
    assert!(vanishes("/home/adminuser", "/mount/src/app/data/app.db"));
    assert!(!vanishes("/mount/srcs/app", "app.db"));
    assert!(!vanishes("/srv/mount/src/app", "app.db"));
    assert!(!vanishes("/mount/src", "/srv/app.db"));
}

#[test]
fn file_systems() {
    let check = |spot, vanishes: bool| {
        assert_eq!(at("/srv", &[], "app.db", spot).vanishes().is_some(), vanishes, "{spot:?}");
    };
    check(DISK, false);
    check(VOLUME, false);
    check(OVERLAY, true);
    check(MEMORY, true);
}

#[test]
fn volumes_last_where_the_platform_has_them() {
    let check = |variable: &str, spot, vanishes: bool| {
        let found = at("/srv", &[(variable, "x")], "app.db", spot);
        assert_eq!(found.vanishes().is_some(), vanishes, "{variable} {spot:?}");
    };
    check("FLY_APP_NAME", VOLUME, false);
    check("RENDER", VOLUME, false);
    check("K_SERVICE", VOLUME, false);
    check("K_SERVICE", MEMORY, true);
    check("FLY_APP_NAME", DISK, true);
    check("DYNO", VOLUME, true);
    check("STREAMLIT_SHARING_MODE", VOLUME, true);
}

#[test]
fn whoever_knows_better_is_believed() {
    let streamlit = [("STREAMLIT_SHARING_MODE", "1"), ("DATABASE_MODE", "Local")];
    let found = at("/mount/src/x", &streamlit, "app.db", OVERLAY);
    assert_eq!(found, Verdict::SaidToLast { by: "DATABASE_MODE is local".into() });
    let other = [("STREAMLIT_SHARING_MODE", "1"), ("DATABASE_MODE", "cloud")];
    assert!(at("/srv", &other, "app.db", DISK).vanishes().is_some());
    let environment = Environment::in_directory("/mount/src/x");
    let say = |disk| verdict(&environment, disk, &[], &[]);
    assert!(say(LocalDisk::Auto).vanishes().is_some());
    assert!(say(LocalDisk::Lasts).vanishes().is_none());
    let environment = Environment::in_directory("/srv");
    assert!(verdict(&environment, LocalDisk::Vanishes, &[], &[]).vanishes().is_some());
}

#[test]
fn one_place_that_lasts_is_enough() {
    let environment = Environment::in_directory("/srv");
    let spot = |name: &str, (file_system, own_mount)| Spot::new(name, file_system, own_mount);
    let spots = [spot("/tmp/b", MEMORY), spot("/srv/b", DISK)];
    assert_eq!(verdict(&environment, LocalDisk::Auto, &[], &spots), Verdict::Lasts);
    let spots = [spot("/tmp/b", MEMORY), spot("/var/b", OVERLAY)];
    let found = verdict(&environment, LocalDisk::Auto, &[], &spots);
    assert!(
        found.vanishes().is_some_and(|why| why.starts_with("/tmp/b lies in memory")),
        "{found:?}"
    );
}

#[test]
fn the_disk_is_looked_at() {
    // Memory on every Linux that runs tests.
    if Path::new("/dev/shm").is_dir() {
        let spot = Spot::of(Path::new("/dev/shm/not/there/yet"));
        assert_eq!((spot.file_system, spot.own_mount), (FileSystem::Memory, true));
    }
    assert!(!Spot::of(Path::new("/")).own_mount);
}
