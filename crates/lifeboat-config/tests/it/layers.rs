//! Which layer counts.

use std::time::Duration;

use lifeboat_config::Event;

use crate::World;

/// The repository that counts, and where it comes from.
#[track_caller]
fn check(world: World, expected: &str, place: &str) {
    let configuration = world.ok();
    let settings = configuration.settings();
    assert_eq!(settings.repository.as_deref(), Some(expected));
    assert_eq!(configuration.place("repository").to_string(), place);
}

const FILE: &str = "# ours\nrepository = \"/file\"\n";

#[test]
fn the_command_line_beats_variables_beat_the_file() {
    let all = || World::new().file("lifeboat.toml", FILE);
    check(all(), "/file", "lifeboat.toml:2");
    let both = || all().with("LIFEBOAT_REPOSITORY", "/variable");
    check(both(), "/variable", "LIFEBOAT_REPOSITORY");
    check(both().typed(|typed| typed.repository = Some("/typed".into())), "/typed", "--repo");
}

#[test]
fn empty_counts_as_unset_everywhere() {
    let world = World::new()
        .file("lifeboat.toml", FILE)
        .all(&[("LIFEBOAT_REPOSITORY", ""), ("LIFEBOAT_CONFIG", ""), ("LIFEBOAT_X__Y", "")])
        .typed(|typed| typed.repository = Some(String::new()));
    check(world, "/file", "lifeboat.toml:2");
}

#[test]
fn the_nearest_file_counts_alone() {
    let one = |name: &str| format!("repository = \"/{name}\"\n[retention]\nkeep_last = 1\n");
    let system = World::new().file("system/lifeboat/lifeboat.toml", &one("system"));
    let root = system.path().to_owned();
    let place = |name: &str| format!("{}:1", root.join(name).display());
    let user = system.file("home/.config/lifeboat/lifeboat.toml", "repository = \"/user\"\n");
    let configuration = user.ok();
    assert_eq!(configuration.settings().repository.as_deref(), Some("/user"));
    assert_eq!(configuration.settings().retention, None, "files are not merged");
    check(user, "/user", &place("home/.config/lifeboat/lifeboat.toml"));
    let own = World::new()
        .file("system/lifeboat/lifeboat.toml", &one("system"))
        .file("lifeboat.toml", FILE)
        .file("named.toml", &one("named"));
    let configuration = own.ok();
    assert_eq!(configuration.settings().repository.as_deref(), Some("/file"));
    check(own.with("LIFEBOAT_CONFIG", "named.toml"), "/named", "named.toml:1");
}

#[test]
fn a_directory_of_the_users_own_for_configuration() {
    let world = World::new().file("xdg/lifeboat/lifeboat.toml", FILE);
    let xdg = world.path().join("xdg").to_string_lossy().into_owned();
    let place = format!("{xdg}/lifeboat/lifeboat.toml:2");
    check(world.with("XDG_CONFIG_HOME", &xdg), "/file", &place);
}

#[test]
fn variables_reach_every_setting() {
    let world = World::new().all(&[
        ("LIFEBOAT_STATE_DIR", "/state"),
        ("LIFEBOAT_SCHEDULE__EVERY", "1h 30m"),
        ("LIFEBOAT_RETENTION__KEEP_DAILY", "7"),
        ("LIFEBOAT_RETENTION__KEEP_TAG", "a, b"),
        ("LIFEBOAT_ENCRYPTION__ENABLED", "yes"),
        ("LIFEBOAT_HEALTH__MIN_FREE_SPACE", "1GiB"),
        ("LIFEBOAT_INSTALLATION_ID", "1234"),
        ("LIFEBOAT_DATABASE", "[{ path = \"a.db\" }, { path = \"b.db\", name = \"bee\" }]"),
        ("LIFEBOAT_NOTIFY__ON", "[\"failure\"]"),
        ("LIFEBOAT_NOTIFY__COMMAND", "tell"),
        ("LIFEBOAT_HTTP__LISTEN", "localhost:8484"),
        ("LIFEBOAT_LOG", "debug"),
        ("LIFEBOAT_SERVICE_HOST", "10.0.0.1"),
    ]);
    let configuration = world.ok();
    let settings = configuration.settings();
    assert_eq!(settings.state_dir.as_deref(), Some("/state".as_ref()));
    assert_eq!(settings.schedule.every, Some(Duration::from_secs(5400)));
    let retention = settings.retention.as_ref().expect("is set");
    assert_eq!((retention.keep_daily, retention.keep_tag.len()), (Some(7), 2));
    assert_eq!(settings.encryption.enabled, Some(true));
    assert_eq!(settings.health.min_free_space, Some(1 << 30));
    assert_eq!(settings.installation_id.as_deref(), Some("1234"));
    assert_eq!(settings.databases[1].name.as_deref(), Some("bee"));
    assert_eq!(settings.notify.on, [Event::Failure]);
    assert_eq!(settings.http.listen, "127.0.0.1:8484".parse().ok());
}

#[test]
fn lists_are_replaced_whole_and_sections_are_merged() {
    let world = World::new()
        .file(
            "lifeboat.toml",
            "[[database]]\npath = \"a.db\"\n[[database]]\npath = \"b.db\"\n\
             [retention]\nkeep_daily = 7\nkeep_last = 3\n",
        )
        .all(&[
            ("LIFEBOAT_DATABASE", "[{ path = \"c.db\" }]"),
            ("LIFEBOAT_RETENTION__KEEP_LAST", "4"),
        ]);
    let configuration = world.ok();
    let settings = configuration.settings();
    let paths: Vec<&str> = settings.databases.iter().map(|one| one.path.as_str()).collect();
    assert_eq!(paths, ["c.db"]);
    let retention = settings.retention.as_ref().expect("is set");
    assert_eq!((retention.keep_daily, retention.keep_last), (Some(7), Some(4)));
}

#[test]
fn ways_to_say_one_thing_replace_each_other() {
    let file = "[[destination]]\nname = \"x\"\nurl = \"s3://b\"\n\
                [encryption]\npassphrase_file = \"p\"\n[schedule]\nevery = \"1h\"\n";
    let world = World::new().file("lifeboat.toml", file).all(&[
        ("LIFEBOAT_REPOSITORY", "/here"),
        ("LIFEBOAT_KEY_FILE", "k"),
        ("LIFEBOAT_SCHEDULE__CRON", "0 3 * * *"),
    ]);
    let world = world.typed(|typed| typed.key_file = Some("typed".into()));
    let configuration = world.ok();
    let settings = configuration.settings();
    assert!(settings.destinations.is_empty());
    assert_eq!(settings.encryption.key_file.as_deref(), Some("typed".as_ref()));
    assert_eq!(settings.encryption.passphrase_file, None);
    assert_eq!(settings.schedule.every, None);
    assert!(settings.schedule.cron.is_some());
}

#[test]
fn a_repository_named_in_a_file() {
    let world = World::new().file("where", "/from/a/file\n");
    check(
        world.with("LIFEBOAT_REPOSITORY_FILE", "where"),
        "/from/a/file",
        "LIFEBOAT_REPOSITORY_FILE",
    );
    let missing = World::new().with("LIFEBOAT_REPOSITORY_FILE", "nowhere").refused();
    assert!(
        missing.starts_with("LIFEBOAT_REPOSITORY_FILE: cannot be read: nowhere: "),
        "{missing}"
    );
    let both = World::new()
        .file("where", "/x")
        .all(&[("LIFEBOAT_REPOSITORY_FILE", "where"), ("LIFEBOAT_REPOSITORY", "/y")])
        .refused();
    assert!(both.contains("LIFEBOAT_REPOSITORY is set as well"), "{both}");
}

#[test]
fn texts_with_variables_become_what_the_setting_is() {
    let file = "repository = \"${PLACE:-./here}\"\n[retention]\nkeep_last = \"${KEEP}\"\n\
                [encryption]\nenabled = \"${SEALED:-no}\"\n";
    let world = World::new().file("lifeboat.toml", file).all(&[("KEEP", "9"), ("SEALED", "")]);
    let configuration = world.ok();
    let settings = configuration.settings();
    assert_eq!(settings.repository.as_deref(), Some("./here"));
    assert_eq!(settings.retention.as_ref().and_then(|keep| keep.keep_last), Some(9));
    assert_eq!(settings.encryption.enabled, Some(false));
}

#[test]
fn relative_paths_begin_where_the_file_lies() {
    let file = "repository = \"./backups\"\n[[database]]\npath = \"a.db\"\n\
                [encryption]\nkey_file = \"/etc/key\"\n";
    let check = |name: &str, backups: &str, database: &str| {
        let world = World::new().file(name, file).with("LIFEBOAT_CONFIG", name);
        let configuration = world.ok();
        let settings = configuration.settings();
        assert_eq!(settings.repository.as_deref(), Some(backups));
        assert_eq!(settings.databases[0].path, database);
        assert_eq!(settings.encryption.key_file.as_deref(), Some("/etc/key".as_ref()));
    };
    check("lifeboat.toml", "./backups", "a.db");
    check("etc/x.toml", "etc/backups", "etc/a.db");
}

#[test]
fn a_section_of_a_file_of_another_program() {
    let file =
        "debug = 1.5\n[tool.lifeboat]\nrepository = \"/ours\"\n[tool.other]\nx = \"${NO}\"\n";
    let world = || World::new().file("app.toml", file).with("LIFEBOAT_CONFIG", "app.toml");
    let section = |name: &'static str| {
        move |typed: &mut lifeboat_config::Request| typed.section = Some(name.into())
    };
    check(world().typed(section("tool.lifeboat")), "/ours", "app.toml:3");
    check(world().with("LIFEBOAT_CONFIG_SECTION", "tool.lifeboat"), "/ours", "app.toml:3");
    let missing = world().typed(section("tool.boat")).refused();
    assert_eq!(missing, "app.toml: there is no section [tool.boat]");
    let nothing = World::new().typed(section("x")).refused();
    assert!(nothing.contains("name the file with --config"), "{nothing}");
    // Inside it, and only there, everything must be known.
    let strict = World::new()
        .file("app.toml", "x = 1\n[ours]\nrepositry = \"/x\"\n")
        .with("LIFEBOAT_CONFIG", "app.toml")
        .typed(section("ours"))
        .refused();
    assert_eq!(strict, "app.toml:3: there is no setting repositry; did you mean repository?");
}

#[test]
fn databases_are_found_by_patterns() {
    let world = World::new()
        .file(
            "lifeboat.toml",
            "[[database]]\npath = \"data/*/*.db\"\nname = \"{parent}-{stem}\"\n\
             [[database]]\npath = \"one.db\"\n[[database]]\npath = \"none/*.db*\"\n\
             [[database]]\npath = \"all/*\"\n",
        )
        .file("data/a/app.db", "")
        .file("data/a/app.db-wal", "")
        .file("all/app.db", "")
        .file("all/app.db.before-restore-20261121T142743Z-106408cf", "")
        .file("all/.app.db.lifeboat-0123abcd.partial", "")
        .file("data/b/app.db", "")
        .file("data/b/dir.db/x", "");
    let found = world.ok().databases(world.path()).expect("are patterns");
    let found: Vec<(Option<&str>, usize)> =
        found.iter().map(|one| (one.name.as_deref(), one.index)).collect();
    assert_eq!(found, [(Some("a-app"), 0), (Some("b-app"), 0), (None, 1), (None, 3)]);
    let broken = World::new().file("lifeboat.toml", "[[database]]\npath = \"a/[*.db\"\n");
    let error = broken.ok().databases(broken.path()).expect_err("no pattern");
    assert!(error.to_string().starts_with("lifeboat.toml:2: this is no pattern"), "{error}");
}
