//! Variables and tables of other programs.

use std::time::Duration;

use lifeboat_config::{Configuration, Destination, Role};

use crate::World;

fn option<'a>(destination: &'a Destination, name: &str) -> Option<&'a str> {
    destination.options.0.get(name).map(String::as_str)
}

/// The destinations as `role url`, in order.
fn places(configuration: &Configuration) -> Vec<String> {
    let all = configuration.settings().destinations.iter();
    all.map(|one| format!("{:?} {}", one.role, one.url)).collect()
}

fn of(variables: &[(&str, &str)]) -> Configuration {
    World::new().all(variables).ok()
}

#[test]
fn without_any_of_them_nothing_follows() {
    let configuration = of(&[("BACKUP_USE_AWS", ""), ("BACKUP_LOCAL_MAX_COUNT", "")]);
    assert!(configuration.settings().destinations.is_empty());
    assert_eq!(configuration.settings().fallback_exit, 14);
    assert!(configuration.notices().is_empty());
}

#[test]
fn local_unless_aws_is_on() {
    for variables in [
        &[("BACKUP_USE_AWS", "false")][..],
        &[("BACKUP_S3_BUCKET", "b")],
        &[("BACKUP_USE_AWS", "0"), ("BACKUP_S3_BUCKET", "b")],
        &[("BACKUP_LOCAL_MAX_COUNT", "10")],
    ] {
        let configuration = of(variables);
        assert_eq!(places(&configuration), ["Primary ./backups"], "{variables:?}");
        let settings = configuration.settings();
        assert_eq!(settings.destinations[0].max_snapshots, Some(10));
        assert_eq!(settings.fallback_exit, 0);
        assert_eq!(configuration.fallback_reason(), None);
        assert_eq!(configuration.notices().len(), 1);
    }
    let configuration = of(&[("BACKUP_LOCAL_DIR", "/b"), ("BACKUP_LOCAL_MAX_COUNT", "3")]);
    assert_eq!(places(&configuration), ["Primary /b"]);
    assert_eq!(configuration.settings().destinations[0].max_snapshots, Some(3));
}

#[test]
fn a_bucket_first_and_a_directory_behind_it() {
    let on = [("BACKUP_USE_AWS", "true"), ("BACKUP_S3_BUCKET", "b")];
    let configuration = of(&on);
    assert_eq!(places(&configuration), ["Primary s3://b", "Fallback ./backups"]);
    let first = &configuration.settings().destinations[0];
    assert_eq!(option(first, "region"), Some("us-west-2"), "the default of this family");
    assert_eq!(option(first, "role_arn"), None);
    assert_eq!(first.max_snapshots, None, "only the local directory is pruned");
    let world = World::new().all(&on).all(&[
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ROLE_ARN", "arn:x"),
        ("BACKUP_LOCAL_DIR", "/b"),
        ("BACKUP_S3_ACCESS_KEY", "id"),
        ("BACKUP_S3_SECRET_KEY", "hush"),
    ]);
    let configuration = world.ok();
    let first = &configuration.settings().destinations[0];
    assert_eq!(option(first, "region"), Some("eu-west-1"));
    assert_eq!(option(first, "role_arn"), Some("arn:x"));
    assert_eq!(option(first, "access_key_id"), Some("id"));
    assert_eq!(option(first, "secret_access_key"), Some("hush"));
    assert_eq!(places(&configuration)[1], "Fallback /b");
    assert_eq!(configuration.place("destination.0.options.role_arn").to_string(), "AWS_ROLE_ARN");
}

#[test]
fn wanted_but_no_bucket() {
    let configuration = of(&[("BACKUP_USE_AWS", "yes")]);
    assert_eq!(places(&configuration), ["Primary ./backups"]);
    let reason = configuration.fallback_reason().expect("there is one");
    assert!(reason.contains("BACKUP_S3_BUCKET is not set"), "{reason}");
}

#[test]
fn values_that_make_no_sense() {
    let check = |variables: &[(&str, &str)], expected: &str| {
        let told = World::new().all(variables).refused();
        assert!(told.contains(expected), "{told}");
    };
    check(&[("BACKUP_USE_AWS", "maybe")], "BACKUP_USE_AWS is true or false, not this text");
    check(
        &[("BACKUP_LOCAL_MAX_COUNT", "0")],
        "BACKUP_LOCAL_MAX_COUNT is a whole number, 1 or above",
    );
    check(
        &[("BACKUP_LOCAL_MAX_COUNT", "x")],
        "BACKUP_LOCAL_MAX_COUNT is a whole number, 1 or above",
    );
    let on = [("BACKUP_USE_AWS", "true"), ("BACKUP_S3_BUCKET", "b"), ("BACKUP_S3_ACCESS_KEY", "x")];
    check(&on, "BACKUP_S3_ACCESS_KEY: the access key and its secret belong together");
}

#[test]
fn our_own_words_count_more() {
    let on = [("BACKUP_USE_AWS", "true"), ("BACKUP_S3_BUCKET", "b")];
    let world = World::new().all(&on).file("lifeboat.toml", "repository = \"/own\"\n");
    let configuration = world.ok();
    let settings = configuration.settings();
    assert_eq!(settings.repository.as_deref(), Some("/own"));
    assert!(settings.destinations.is_empty());
    assert_eq!(settings.fallback_exit, 14);
    assert!(configuration.notices()[0].starts_with("BACKUP_USE_AWS is not used"));
}

#[test]
fn media_buckets_never_receive_backups() {
    let media = [
        ("AWS_S3_BUCKET_NAME", "media"),
        ("AWS_STORAGE_BUCKET_NAME", "media"),
        ("AWS_S3_ENDPOINT_URL", "http://127.0.0.1:9"),
        ("AWS_ACCESS_KEY_ID", "x"),
        ("AWS_SECRET_ACCESS_KEY", "x"),
        ("USE_LOCALSTACK", "true"),
    ];
    for extra in [&[][..], &[("BACKUP_USE_AWS", "true")], &[("BACKUP_LOCAL_DIR", "./backups")]] {
        let configuration = World::new().all(&media).all(extra).ok();
        let shown = format!("{:?}", configuration.shown());
        assert!(!shown.contains("media") && !shown.contains("127.0.0.1"), "{shown}");
        assert!(configuration.settings().destinations.iter().all(|one| one.url == "./backups"));
    }
}

const TABLE: &str = "[server]\nport = 80\n[storage]\nkind = \"disk\"\n[storage.backup]\nenabled = true\n\
                     bucket = \"b\"\n[cloudflare]\naccount_id = \"acc\"\nr2_access_key_id = \"id\"\n\
                     r2_secret_access_key = \"${R2_SECRET:-hush}\"\n";

fn app(text: &str) -> World {
    World::new().file("app.toml", text).with("LIFEBOAT_CONFIG", "app.toml")
}

#[test]
fn a_table_of_another_program() {
    let configuration = app(TABLE).ok();
    let settings = configuration.settings();
    assert_eq!(places(&configuration), ["Primary r2://acc/b"]);
    let first = &settings.destinations[0];
    assert_eq!(first.role, Role::Primary);
    assert!(first.create);
    assert_eq!(option(first, "access_key_id"), Some("id"));
    assert_eq!(option(first, "secret_access_key"), Some("hush"));
    assert_eq!(option(first, "region"), None, "R2 knows its own");
    assert_eq!(settings.schedule.every, Some(Duration::from_secs(86_400)));
    assert_eq!(settings.retention.as_ref().and_then(|keep| keep.keep_last), Some(7));
    assert_eq!(settings.encryption.enabled, None);
    assert_eq!(settings.fallback_exit, 14);
}

/// 0 never meant that nothing is kept.
#[test]
fn no_count_is_no_clean_up() {
    let text = TABLE.replace("bucket = \"b\"\n", "bucket = \"b\"\nretention_count = 0\n");
    assert_eq!(app(&text).ok().settings().retention, None);
}

#[test]
fn its_numbers_and_the_variables_that_go_with_it() {
    let text = TABLE.replace(
        "bucket = \"b\"\n",
        "bucket = \"b\"\ninterval_seconds = 3600\nretention_count = 3\n",
    );
    let text = format!("{text}[storage.backup.encryption]\nenabled = true\nkey = \"own\"\n");
    let world = app(&text);
    let key = |configuration: &Configuration| {
        configuration.settings().encryption.key.as_ref().map(|key| key.reveal().to_owned())
    };
    let configuration = world.ok();
    assert_eq!(configuration.settings().schedule.every, Some(Duration::from_secs(3600)));
    assert_eq!(configuration.settings().retention.as_ref().and_then(|k| k.keep_last), Some(3));
    assert_eq!(configuration.settings().encryption.enabled, Some(true));
    assert_eq!(key(&configuration).as_deref(), Some("own"));
    let world = app(&text).all(&[
        ("BACKUP_ENCRYPTION_KEY", "other"),
        ("BACKUP_S3_ACCESS_KEY", "id2"),
        ("BACKUP_S3_SECRET_KEY", "hush2"),
    ]);
    let configuration = world.ok();
    assert_eq!(key(&configuration).as_deref(), Some("other"));
    let first = &configuration.settings().destinations[0];
    assert_eq!(option(first, "access_key_id"), Some("id2"));
    assert_eq!(option(first, "secret_access_key"), Some("hush2"));
}

#[test]
fn not_enabled_is_switched_off_with_a_reason() {
    for enabled in ["", "enabled = false\n", "enabled = \"${ON:-no}\"\n"] {
        let text = TABLE.replace("enabled = true\n", enabled);
        let configuration = app(&text).ok();
        let why = configuration.switched_off().expect("is off");
        assert!(why.contains("storage.backup.enabled is not true (app.toml:5)"), "{why}");
        // What was typed is meant.
        let typed = app(&text).typed(|typed| typed.repository = Some("/x".into())).ok();
        assert_eq!(typed.switched_off(), None);
    }
    assert_eq!(app(TABLE).ok().switched_off(), None);
    let own = World::new().with("LIFEBOAT_ENABLED", "false").ok();
    assert_eq!(own.switched_off().as_deref(), Some("enabled is false (LIFEBOAT_ENABLED)"));
}

#[test]
fn encryption_of_the_table() {
    let with = |lines: &str| format!("{TABLE}[storage.backup.encryption]\n{lines}");
    let encryption = |world: World| world.ok().settings().encryption.clone();
    let off =
        encryption(app(&with("enabled = false\nkey = \"x\"\n")).with("BACKUP_ENCRYPTION_KEY", "y"));
    assert_eq!((off.enabled, off.key), (Some(false), None));
    let missing = encryption(app(&with("enabled = true\n")));
    assert_eq!((missing.enabled, missing.key), (Some(true), None));
    let silent = encryption(app(TABLE).with("BACKUP_ENCRYPTION_KEY", "y"));
    assert!(silent.enabled.is_none() && silent.key.is_some());
    let alone = encryption(World::new().with("BACKUP_ENCRYPTION_KEY", "y"));
    assert!(alone.key.is_some(), "a key that is there is never passed over");
}

#[test]
fn the_table_is_strict_inside_and_only_there() {
    let told = app(&TABLE.replace("bucket", "buckit")).refused();
    assert_eq!(
        told,
        "app.toml:7: there is no setting storage.backup.buckit; did you mean storage.backup.bucket?"
    );
    let told = app(&TABLE.replace("account_id", "acount_id")).refused();
    assert!(told.contains("did you mean cloudflare.account_id?"), "{told}");
    let told = app(&TABLE.replace("bucket = \"b\"\n", "")).refused();
    assert!(told.starts_with("app.toml:5: storage.backup.bucket is missing"), "{told}");
    let told = app(&TABLE.replace("r2_secret_access_key", "# ")).refused();
    assert!(told.contains("belong together"), "{told}");
    // In a file of our own everything is ours.
    let told = World::new().file("lifeboat.toml", TABLE).refused();
    assert_eq!(
        told,
        "lifeboat.toml:1: there is no setting server\n\
         lifeboat.toml:3: there is no setting storage"
    );
}

#[test]
fn without_an_account_it_is_s3() {
    let text = TABLE.split("[cloudflare]").next().expect("there is more");
    let configuration = app(text).ok();
    assert_eq!(places(&configuration), ["Primary s3://b"]);
    assert_eq!(option(&configuration.settings().destinations[0], "region"), None);
}

#[test]
fn two_families_at_once_are_a_contradiction() {
    let told = app(TABLE).with("BACKUP_USE_AWS", "true").refused();
    assert!(told.contains("[storage.backup] and BACKUP_USE_AWS both say where"), "{told}");
}
