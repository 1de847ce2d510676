//! Where a local disk does not last, and other reasons for no backups.

use crate::command::{Folder, Ran};
use crate::configuration::{with_databases, write};

/// The binary as on a platform that these variables describe.
fn on(folder: &Folder, variables: &[(&str, &str)], arguments: &[&str]) -> Ran {
    let mut command = folder.command();
    command.env_remove("LIFEBOAT_LOCAL_DISK").envs(variables.iter().copied()).args(arguments);
    command.output().expect("the binary runs").into()
}

const STREAMLIT: (&str, &str) = ("STREAMLIT_SHARING_MODE", "1");

/// Nothing is made, and every command says so in its own way.
#[track_caller]
fn check_disabled(folder: &Folder, variables: &[(&str, &str)], reason: &str) {
    let ran = on(folder, variables, &["backup", "app.db", "other.db"]).ok();
    assert_eq!(ran.err.matches(reason).count(), 1, "one warning: {ran:?}");
    let ran = on(folder, variables, &["--json", "backup", "app.db"]).ok();
    let summary = ran.last();
    assert!(summary["disabled"].as_str().expect("says why").contains(reason), "{summary}");
    assert!(summary["snapshot_id"].is_null());
    on(folder, variables, &["init"]).ok();
    let ran = on(folder, variables, &["--json", "snapshots"]).ok();
    assert_eq!(ran.last()["snapshots"], 0);
    let ran = on(folder, variables, &["--json", "forget", "app", "--keep-last", "1"]).ok();
    assert_eq!(ran.last()["forgotten"], 0);
    let ran = on(folder, variables, &["--json", "prune"]).ok();
    assert_eq!(ran.last()["deleted"], 0);
    for command in [
        &["restore", "app", "--target", "new.db"][..],
        &["export", "app", "-o", "new.db"],
        &["key", "list"],
    ] {
        let ran = on(folder, variables, command);
        assert_eq!(ran.code, 7, "{ran:?}");
        assert!(ran.err.contains(reason), "{ran:?}");
    }
    assert!(!folder.path("backups").exists() && !folder.path("new.db").exists());
    assert!(!folder.path("state").exists() && !folder.path("cache").exists());
}

#[test]
fn on_platforms_that_forget() {
    let folder = with_databases(&["app.db", "other.db"]);
    check_disabled(&folder, &[STREAMLIT], "this is Streamlit Community Cloud");
    check_disabled(&folder, &[("K_SERVICE", "web")], "this is Cloud Run (K_SERVICE is set)");
    check_disabled(&folder, &[("DYNO", "web.1")], "this is Heroku");
    check_disabled(&folder, &[("AWS_LAMBDA_FUNCTION_NAME", "f")], "this is AWS Lambda");
    check_disabled(&folder, &[("LIFEBOAT_LOCAL_DISK", "vanishes")], "local_disk is \"vanishes\"");
    check_disabled(
        &folder,
        &[("LIFEBOAT_ENABLED", "false")],
        "enabled is false (LIFEBOAT_ENABLED)",
    );
    check_disabled(&folder, &[STREAMLIT, ("BACKUP_LOCAL_DIR", "./backups")], "this is Streamlit");
}

/// Each platform by each of its variables; one that is empty says nothing.
#[test]
fn every_platform_by_its_variables() {
    let folder = with_databases(&["app.db"]);
    for (variable, platform) in [
        ("STREAMLIT_SHARING_MODE", "Streamlit Community Cloud"),
        ("K_SERVICE", "Cloud Run"),
        ("CLOUD_RUN_JOB", "Cloud Run"),
        ("AWS_LAMBDA_FUNCTION_NAME", "AWS Lambda"),
        ("DYNO", "Heroku"),
        ("VERCEL", "Vercel"),
        ("GAE_APPLICATION", "App Engine"),
        ("GAE_SERVICE", "App Engine"),
        ("RENDER", "Render"),
        ("FLY_APP_NAME", "Fly"),
    ] {
        let ran = on(&folder, &[(variable, "1")], &["backup", "app.db"]).ok();
        let words = format!("backups are disabled: this is {platform} ({variable} is set)");
        assert!(ran.err.contains(&words), "{ran:?}");
        let ran = on(&folder, &[(variable, "1")], &["--json", "doctor", "app.db"]);
        assert!(ran.out.contains(&format!("this is {platform}")), "{ran:?}");
        let ran = on(&folder, &[(variable, "")], &["-r", "backups", "snapshots"]);
        assert_eq!(ran.code, 10, "empty says nothing: {ran:?}");
    }
    let ran = on(&folder, &[], &["backup", "/mount/src/app/app.db"]).ok();
    assert!(ran.err.contains("the database is /mount/src/app/app.db"), "{ran:?}");
    assert!(!folder.path("backups").exists());
}

#[test]
fn each_skip_is_in_the_detailed_log() {
    let folder = with_databases(&["app.db"]);
    let ran = on(&folder, &[STREAMLIT], &["-vv", "backup", "app.db", "other.db"]).ok();
    assert_eq!(ran.err.matches("skipped: backups are disabled").count(), 2, "{ran:?}");
}

#[test]
fn whoever_knows_better_is_believed() {
    for force in [("DATABASE_MODE", "local"), ("LIFEBOAT_LOCAL_DISK", "lasts")] {
        let folder = with_databases(&["app.db"]);
        on(&folder, &[STREAMLIT, force], &["backup", "app.db"]).ok();
        assert!(folder.path("backups/format").is_dir(), "{force:?}");
    }
}

#[test]
fn what_proves_nothing_disables_nothing() {
    let folder = with_databases(&["app.db"]);
    let variables =
        [("STREAMLIT_SERVER_HEADLESS", "true"), ("STREAMLIT_SHARING_MODE", ""), ("PORT", "80")];
    // Said to be on a disk: the folder of the test may lie in memory.
    let variables = [&variables[..], &[("LIFEBOAT_LOCAL_DISK", "")]].concat();
    let ran = on(&folder, &variables, &["-r", "backups", "backup", "app.db"]).ok();
    assert!(!ran.err.contains("disabled"), "{ran:?}");
    assert!(folder.path("backups/format").is_dir());
}

/// Memory, on every Linux.
#[test]
fn a_place_in_memory() {
    let memory = tempfile::tempdir_in("/dev/shm").expect("is there on Linux");
    let place = memory.path().join("b");
    let folder = with_databases(&["app.db"]);
    let place = place.to_str().expect("is text");
    let variables = [("LIFEBOAT_REPOSITORY", place)];
    let ran = on(&folder, &variables, &["backup", "app.db"]).ok();
    assert!(ran.err.contains("lies in memory (tmpfs)"), "{ran:?}");
    assert!(!memory.path().join("b").exists());
    // Whoever types it means it, and is told all the same.
    let ran = on(&folder, &[], &["-r", place, "backup", "app.db"]).ok();
    assert!(ran.err.contains("lies in memory (tmpfs)"), "{ran:?}");
    assert!(memory.path().join("b/format").is_dir());
}

#[test]
fn databases_of_other_kinds() {
    let folder = with_databases(&["app.db"]);
    let ran = folder.run(&["--json", "backup", "md:my_db", "app.db"]).ok();
    assert_eq!(ran.last()["databases"], 1, "{ran:?}");
    assert!(ran.json()[0]["message"].as_str().expect("a warning").contains("in MotherDuck"));
    let ran = folder.run(&["doctor", "md:my_db"]).ok();
    assert!(ran.out.contains("warning  database md:my_db: is in MotherDuck"), "{ran:?}");
    let mut duck = vec![7u8; 8];
    duck.extend_from_slice(b"DUCK");
    duck.resize(12_288, 0);
    std::fs::write(folder.path("duck.db"), duck).expect("writes");
    let ran = folder.run(&["backup", "duck.db"]);
    assert_eq!(ran.code, 15, "{ran:?}");
    assert!(ran.err.contains("this is a DuckDB database"), "{ran:?}");
    write(&folder, "text.db", &"no database at all ".repeat(300));
    let ran = folder.run(&["backup", "text.db"]);
    assert_eq!(ran.code, 15, "{ran:?}");
    assert!(!ran.err.contains("DuckDB"), "{ran:?}");
}
