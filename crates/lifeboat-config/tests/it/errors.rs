//! Everything that is wrong is told, with its place and what is near.

use crate::World;

#[track_caller]
fn check(file: &str, expected: &str) {
    assert_eq!(World::new().file("lifeboat.toml", file).refused(), expected, "{file}");
}

#[track_caller]
fn variable(name: &str, value: &str, expected: &str) {
    assert_eq!(World::new().with(name, value).refused(), expected, "{name}");
}

#[test]
fn unknown_names_with_the_nearest() {
    check(
        "[retention]\nkeep_dialy = 7\n",
        "lifeboat.toml:2: there is no setting retention.keep_dialy; did you mean \
         retention.keep_daily?",
    );
    check(
        "[[databse]]\npath = \"x\"\n",
        "lifeboat.toml:1: there is no setting databse; did you mean database?",
    );
    check(
        "[[database]]\npath = \"x\"\n[database.retention]\nkeep_lats = 1\n",
        "lifeboat.toml:4: there is no setting database.retention.keep_lats; did you mean \
         database.retention.keep_last?",
    );
    check("colour = \"red\"\n", "lifeboat.toml:1: there is no setting colour");
    variable(
        "LIFEBOAT_RETENTION__KEEP_LATS",
        "1",
        "LIFEBOAT_RETENTION__KEEP_LATS: there is no setting LIFEBOAT_RETENTION__KEEP_LATS; did you \
         mean LIFEBOAT_RETENTION__KEEP_LAST?",
    );
    variable(
        "LIFEBOAT_COLOUR__OF_THE_SKY",
        "blue",
        "LIFEBOAT_COLOUR__OF_THE_SKY: there is no setting LIFEBOAT_COLOUR__OF_THE_SKY",
    );
    variable(
        "LIFEBOAT_REPOSITRY",
        "x",
        "LIFEBOAT_REPOSITRY: there is no setting LIFEBOAT_REPOSITRY; did you mean \
         LIFEBOAT_REPOSITORY?",
    );
}

#[test]
fn all_at_once_in_their_order() {
    check(
        "enabled = 1\n\n[schedule]\nevery = \"5\"\n[health]\nmax_age = 3\nmin_free_space = \"x\"\n",
        "lifeboat.toml:1: enabled is true or false, not the number 1\n\
         lifeboat.toml:4: schedule.every is a duration with its unit, such as \"90s\", \"1h30m\" or \
         \"7d\", not this text\n\
         lifeboat.toml:6: health.max_age is a duration with its unit, such as \"90s\", \"1h30m\" or \
         \"7d\", not the number 3\n\
         lifeboat.toml:7: health.min_free_space is a size, such as \"64MiB\" or a number of bytes, \
         not this text",
    );
}

#[test]
fn wrong_types() {
    check(
        "repository = 1\n",
        "lifeboat.toml:1: repository is a path or URL, as a text, not the number 1",
    );
    check(
        "repository = \"\"\n",
        "lifeboat.toml:1: repository is a path or URL, as a text, not empty",
    );
    check(
        "[retention]\nkeep_last = \"3\"\n",
        "lifeboat.toml:2: retention.keep_last is a whole number, 0 or above, not this text",
    );
    check(
        "[retention]\nkeep_last = -1\n",
        "lifeboat.toml:2: retention.keep_last is a whole number, 0 or above, not the number -1",
    );
    check("schedule = true\n", "lifeboat.toml:1: schedule is a table, not true");
    check(
        "database = \"x\"\n",
        "lifeboat.toml:1: database is a list of tables, each under [[...]], not this text",
    );
    check(
        "[database]\npath = \"x\"\n",
        "lifeboat.toml:1: database is a list of tables, each under [[...]], not a table",
    );
    check(
        "local_disk = \"maybe\"\n",
        "lifeboat.toml:1: local_disk is one of auto, lasts, vanishes, not this text",
    );
    variable(
        "LIFEBOAT_RETENTION__KEEP_LAST",
        "many",
        "LIFEBOAT_RETENTION__KEEP_LAST: retention.keep_last is a whole number, 0 or above, not this text",
    );
    let not_toml = World::new().with("LIFEBOAT_DATABASE", "a.db").refused();
    assert!(not_toml.starts_with("LIFEBOAT_DATABASE: this is not TOML: "), "{not_toml}");
}

#[test]
fn values_that_may_be_secrets_are_not_repeated() {
    let world = World::new().file(
        "lifeboat.toml",
        "[encryption]\nkey = [\"hush\"]\n[http]\ntoken = \"${NO}hush\"\n[schedule]\nevery = \"hush\"\n",
    );
    let told = world.refused();
    assert!(!told.contains("hush"), "{told}");
    assert_eq!(told.lines().count(), 3, "{told}");
}

#[test]
fn contradictions() {
    check(
        "repository = \"x\"\n[[destination]]\nname = \"a\"\nurl = \"y\"\n",
        "lifeboat.toml:1: repository and [[destination]] both say where backups go; remove one",
    );
    check(
        "[[destination]]\nname = \"a\"\nurl = \"x\"\n[[destination]]\nname = \"a\"\nurl = \"y\"\n\
         role = \"fallback\"\n",
        "lifeboat.toml:1: destination.role is missing: of several destinations it is said which is \
         primary, fallback or mirror\n\
         lifeboat.toml:5: a destination of this name is at lifeboat.toml:1 already",
    );
    check(
        "[[destination]]\nname = \"a\"\nrole = \"mirror\"\nurl = \"x\"\n",
        "lifeboat.toml:1: one destination is primary, and there are 0",
    );
    check(
        "[schedule]\nevery = \"1h\"\ncron = \"0 3 * * *\"\n",
        "lifeboat.toml:3: schedule.every and schedule.cron exclude each other",
    );
    check("fallback_exit = 3\n", "lifeboat.toml:1: fallback_exit is 0 or 14");
    check(
        "[[database]]\npath = \"*.db\"\nname = \"x\"\n",
        "lifeboat.toml:3: a pattern may find several databases, which need several names: use a \
         template such as \"{parent}\" or \"{stem}\"",
    );
    check(
        "[[destination]]\nname = \"offsite\"\nurl = \"s3://b\"\n\
         [[database]]\npath = \"x\"\ndestinations = [\"ofsite\"]\n",
        "lifeboat.toml:6: there is no setting destination \"ofsite\"; did you mean offsite?",
    );
}

#[test]
fn when_to_back_up() {
    let cron = "is five fields of cron, as in \"30 3 * * mon-fri\": minute, hour, day of the month, \
                month, day of the week, not";
    check(
        "[schedule]\ncron = \"99 * * * *\"\n",
        &format!("lifeboat.toml:2: schedule.cron {cron} this text"),
    );
    check(
        "[schedule]\ncron = \"0 0 31 2 *\"\n",
        "lifeboat.toml:2: schedule.cron names a day that never comes, as 31 February does; no \
         backup would be made",
    );
    check(
        "[[database]]\npath = \"x\"\n[database.schedule]\ncron = 5\n",
        &format!("lifeboat.toml:4: database.schedule.cron {cron} the number 5"),
    );
    check(
        "[schedule]\nevery = \"1h\"\njitter = \"60m\"\n",
        "lifeboat.toml:3: schedule.jitter is below schedule.every: backups would be left out",
    );
    check(
        "[schedule]\nat_start = true\n",
        "lifeboat.toml:2: there is no setting schedule.at_start; did you mean schedule.on_start?",
    );
    check(
        "[health]\nwarn_age = \"2d\"\nmax_age = \"1d\"\n",
        "lifeboat.toml:2: health.warn_age is above health.max_age: there would be no warning before \
         it is critical",
    );
}

#[test]
fn whom_to_tell() {
    let words = "a list of some of failure, recovery, warning, success";
    check(
        "[notify]\non = [\"failur\"]\n",
        &format!("lifeboat.toml:2: notify.on is {words}, not this text"),
    );
    check(
        "[notify]\non = 3\n",
        &format!("lifeboat.toml:2: notify.on is {words}, not the number 3"),
    );
    variable(
        "LIFEBOAT_NOTIFY__ON",
        "failure, sucess",
        &format!("LIFEBOAT_NOTIFY__ON: notify.on is {words}, not this text"),
    );
    for url in ["hush", "ftp://h/hush", "https://", "https://:8/hush", "http://a b/hush"] {
        check(
            &format!("[notify]\nping_url = \"{url}\"\n"),
            "lifeboat.toml:2: notify.ping_url is a URL that begins with https:// or http://, not \
             this text",
        );
    }
    check(
        "[notify]\nwebhok_url = \"https://h/hush\"\n",
        "lifeboat.toml:2: there is no setting notify.webhok_url; did you mean notify.webhook_url?",
    );
    check(
        "[notify]\nping_url = \"https://h\"\nwebhook_secret = \"hush\"\non = [\"failure\"]\n",
        "lifeboat.toml:3: notify.webhook_secret signs messages, and there is no notify.webhook_url\n\
         lifeboat.toml:4: notify.on says of what, and nothing says whom: set \
         notify.webhook_url, notify.command or [notify.mail]",
    );
}

#[test]
fn who_may_call() {
    let check_listen = |listen: &str, expected: &str| {
        check(&format!("[http]\nlisten = \"{listen}\"\n"), expected);
    };
    for none in ["8484", "localhost", "myhost:8484", "127.0.0.1", "1.2.3.4:99999"] {
        check_listen(
            none,
            "lifeboat.toml:2: http.listen is an address of this machine and a port, such as \
             \"127.0.0.1:8484\", not this text",
        );
    }
    for beyond in ["0.0.0.0:8484", "192.168.1.1:80", "[::]:8484"] {
        check_listen(
            beyond,
            &format!(
                "lifeboat.toml:2: http.listen is {beyond}, which others can reach, and there is no \
                 token: set http.token_file, or listen on 127.0.0.1"
            ),
        );
    }
    check(
        "[http]\ntoken = \"hush\"\ntoken_file = \"x\"\n",
        "lifeboat.toml:2: http.token and http.token_file exclude each other",
    );
    for fine in [
        "listen = \"localhost:8484\"\n",
        "listen = \"[::1]:8484\"\n",
        "listen = \"0.0.0.0:8484\"\ntoken_file = \"x\"\n",
    ] {
        World::new().file("lifeboat.toml", &format!("[http]\n{fine}")).ok();
    }
}

#[test]
fn what_links_are_about() {
    const DATABASE: &str = "[[database]]\npath = \"srv/app.db\"\n[[links]]\nurl = \"s3://media\"\n";
    let check = |links: &str, expected: &str| check(&format!("{DATABASE}{links}"), expected);
    check(
        "database = \"app\"\n",
        "lifeboat.toml:3: links.columns is missing: it says where the keys of objects stand, or \
         links.query does",
    );
    check(
        "database = \"ap\"\ncolumns = [\"t.a\"]\nquery = \"SELECT a FROM t\"\n",
        "lifeboat.toml:7: links.columns and links.query exclude each other\n\
         lifeboat.toml:5: there is no setting database \"ap\" under [[database]]; did you mean app?",
    );
    check(
        "database = \"app\"\ncolumns = [\"file_key\"]\n",
        "lifeboat.toml:6: \"file_key\" names no table: a column is written \"table.column\"",
    );
    let fine =
        "database = \"app\"\ncolumns = [\"t.a\"]\nprovider_column = \"side\"\ngrace = \"1h\"\n";
    World::new().file("lifeboat.toml", &format!("{DATABASE}{fine}")).ok();
    // What a pattern finds is not known yet.
    let any = "[[database]]\npath = \"*.db\"\n[[links]]\nurl = \"s3://m\"\ndatabase = \"x\"\n\
               columns = [\"t.a\"]\n";
    World::new().file("lifeboat.toml", any).ok();
}

#[test]
fn a_policy_that_keeps_nothing_is_never_meant() {
    for rules in
        ["", "keep_last = 0\n", "keep_daily = 0\nkeep_within = \"0s\"\n", "trash = \"7d\"\n"]
    {
        let told = World::new().file("lifeboat.toml", &format!("[retention]\n{rules}")).refused();
        assert!(told.starts_with("lifeboat.toml:1: [retention] keeps nothing"), "{told}");
    }
}

#[test]
fn what_a_section_means_nothing_without() {
    check(
        "[[database]]\nname = \"x\"\n",
        "lifeboat.toml:1: database.path is missing: the section means nothing without it",
    );
    check(
        "[[destination]]\nurl = \"x\"\n",
        "lifeboat.toml:1: destination.name is missing: the section means nothing without it",
    );
}

#[test]
fn two_ways_to_the_key() {
    let check = |world: World, about_the_key: bool, parts: &[&str]| {
        let problems = world.load().map(|_| ()).expect_err("not clear");
        assert_eq!(problems.about_the_key(), about_the_key, "{problems}");
        for part in parts {
            assert!(problems.to_string().contains(part), "{problems}");
        }
    };
    check(
        World::new().all(&[("LIFEBOAT_KEY", "hush"), ("LIFEBOAT_PASSPHRASE", "hush")]),
        false,
        &["LIFEBOAT_KEY and LIFEBOAT_PASSPHRASE are both set"],
    );
    check(
        World::new().file("lifeboat.toml", "[encryption]\nenabled = false\nkey = \"x\"\n"),
        true,
        &["lifeboat.toml:2: encryption.enabled is false, and lifeboat.toml:3 gives a key"],
    );
}

#[test]
fn files_that_cannot_be_read() {
    let missing = World::new().with("LIFEBOAT_CONFIG", "nowhere.toml").refused();
    assert!(missing.starts_with("nowhere.toml: cannot be read: "), "{missing}");
    let world = World::new().file("lifeboat.toml/x", "");
    assert!(world.refused().starts_with("lifeboat.toml: cannot be read: "));
    check(
        "a = \n",
        "lifeboat.toml:1: this is not TOML: string values must be quoted, expected literal string",
    );
}
