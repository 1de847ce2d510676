//! Settings from files, variables and the command line, through the binary.

use lifeboat_testing::databases::open;

use crate::command::{Folder, Ran};

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

pub(crate) fn with_databases(names: &[&str]) -> Folder {
    let folder = Folder::new();
    for name in names {
        let path = folder.path(name);
        std::fs::create_dir_all(path.parent().expect("is in the folder")).expect("is made");
        open(&path, "delete")
            .execute_batch("CREATE TABLE t(a); INSERT INTO t VALUES(1)")
            .expect("writes");
    }
    folder
}

pub(crate) fn run(folder: &Folder, variables: &[(&str, &str)], arguments: &[&str]) -> Ran {
    let mut command = folder.command();
    command.envs(variables.iter().copied()).args(arguments);
    command.output().expect("the binary runs").into()
}

pub(crate) fn write(folder: &Folder, name: &str, text: &str) {
    std::fs::write(folder.path(name), text).expect("writes");
}

#[test]
fn the_nearest_setting_says_where_backups_go() {
    let folder = with_databases(&["app.db"]);
    write(&folder, "where", "from-a-file-of-a-variable\n");
    write(&folder, "variables.env", "LIFEBOAT_REPOSITORY='from env file'\nOTHER=x\n");
    write(&folder, "named.toml", "repository = \"named\"\n");
    write(&folder, "app.toml", "[web]\nport = 1.5\n[tool.boat]\nrepository = \"in-section\"\n");
    let check = |variables: &[(&str, &str)], arguments: &[&str], place: &str| {
        let arguments = [&["--json"], arguments, &["backup", "app.db"]].concat();
        let ran = run(&folder, variables, &arguments).ok();
        assert_eq!(ran.last()["destination"], place, "{arguments:?} {variables:?}");
        assert!(folder.path(place).join("format").is_dir(), "{place}");
    };
    check(&[], &[], "./backups");
    check(&[("LIFEBOAT_REPOSITORY", "")], &["-r", ""], "./backups");
    write(&folder, "lifeboat.toml", "repository = \"from-${NAME:-file}\"\n");
    check(&[], &[], "from-file");
    check(&[("NAME", "interpolation")], &[], "from-interpolation");
    check(&[("LIFEBOAT_CONFIG", "")], &[], "from-file");
    check(&[("LIFEBOAT_CONFIG", "named.toml")], &[], "named");
    check(&[("LIFEBOAT_CONFIG", "no.toml")], &["--config", "named.toml"], "named");
    let section = ["--config", "app.toml", "--config-section", "tool.boat"];
    check(&[], &section, "in-section");
    check(&[("LIFEBOAT_REPOSITORY_FILE", "where")], &[], "from-a-file-of-a-variable");
    check(&[], &["--env-file", "variables.env"], "from env file");
    let variable = [("LIFEBOAT_REPOSITORY", "from-variable")];
    check(&variable, &[], "from-variable");
    check(&variable, &["--env-file", "variables.env"], "from-variable");
    check(&variable, &section, "from-variable");
    check(&variable, &["-r", "typed"], "typed");
}

#[test]
fn configured_databases_have_names() {
    let folder = with_databases(&["one/data.db", "two/data.db", "other.db"]);
    write(
        &folder,
        "lifeboat.toml",
        "[[database]]\npath = \"*/data.db\"\nname = \"{parent}\"\n\
         [[database]]\npath = \"other.db\"\nname = \"main\"\n",
    );
    let ran = folder.run(&["--json", "backup"]).ok();
    let names: Vec<String> = ran
        .json()
        .iter()
        .filter(|line| line["message_type"] == "backup")
        .map(|line| line["database"].as_str().expect("a name").to_owned())
        .collect();
    assert_eq!(names, ["one", "two", "main"]);
    // By its name, by its path, and both ways back.
    assert_eq!(folder.backup("main")["database"], "main");
    assert_eq!(folder.backup("./other.db")["database"], "main");
    assert_eq!(folder.backup("one/data.db")["database"], "one");
    folder.run(&["restore", "./other.db", "--target", "a.db"]).ok();
    folder.run(&["restore", "two", "--target", "b.db"]).ok();
    // A file that is not configured goes by its own name.
    std::fs::copy(folder.path("other.db"), folder.path("free.db")).expect("copies");
    assert_eq!(folder.backup("free.db")["database"], "free");
}

/// Whoever names one place means it, whatever the file says of destinations.
#[test]
fn one_place_instead_of_all_destinations() {
    let folder = with_databases(&["app.db"]);
    let file = "[[destination]]\nname = \"a\"\nurl = \"one\"\n\
                [[database]]\npath = \"app.db\"\nname = \"main\"\ndestinations = [\"a\"]\n";
    write(&folder, "lifeboat.toml", file);
    folder.run(&["-r", "typed", "backup"]).ok();
    run(&folder, &[("LIFEBOAT_REPOSITORY", "variable")], &["backup", "main"]).ok();
    folder.run(&["backup"]).ok();
    for place in ["typed", "variable", "one"] {
        assert!(folder.path(place).join("databases/main/records").is_dir(), "{place}");
    }
    // In one file it is a mistake.
    let file = "repository = \"x\"\n[[database]]\npath = \"app.db\"\ndestinations = [\"a\"]\n";
    write(&folder, "lifeboat.toml", file);
    let ran = folder.run(&["backup"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("lifeboat.toml:4: there is no setting destination \"a\""), "{ran:?}");
}

#[test]
fn nothing_named_and_nothing_configured() {
    let folder = with_databases(&["app.db"]);
    let ran = folder.run(&["backup"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("no database was named, and none is configured"), "{ran:?}");
    write(&folder, "lifeboat.toml", "[[database]]\npath = \"none/*.db\"\n");
    let ran = folder.run(&["backup"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("no file fits the patterns"), "{ran:?}");
}

#[test]
fn mistakes_stop_everything_and_nothing_is_written() {
    let folder = with_databases(&["app.db"]);
    let check = |variables: &[(&str, &str)], file: &str, words: &str| {
        write(&folder, "lifeboat.toml", file);
        for command in [&["backup", "app.db"][..], &["snapshots"], &["config", "check"]] {
            let ran = run(&folder, variables, command);
            assert_eq!(ran.code, 2, "{ran:?}");
            assert!(ran.err.contains(words), "{ran:?}");
        }
        assert!(folder.objects().is_empty() && !folder.path("state").exists());
    };
    let dialy = "lifeboat.toml:2: there is no setting retention.keep_dialy; did you mean \
                 retention.keep_daily?";
    check(&[], "[retention]\nkeep_dialy = 1\n", dialy);
    check(&[], "enabled = \"yes\"\n", "lifeboat.toml:1: enabled is true or false");
    check(&[], "repository = \"${NOWHERE}\"\n", "${NOWHERE} in repository is not set");
    check(&[], "[retention]\nkeep_last = 0\n", "lifeboat.toml:1: [retention] keeps nothing");
    let destination = "[[destination]]\nname = \"a\"\nurl = ";
    for (url, words) in [
        ("\"ftp://b\"", "lifeboat.toml:3: failed to open a URL of the scheme \"ftp\""),
        ("\"s3://k:hush@b\"", "lifeboat.toml:3: failed to take credentials from the URL"),
        ("\"s3://b?regin=x\"", "lifeboat.toml:3: failed to know the option \"regin\""),
    ] {
        check(&[], &format!("{destination}{url}\n"), words);
    }
    check(&[], "repository = \"ftp://b\"\n", "lifeboat.toml:1: failed to open a URL");
    let zone = "[schedule]\ncron = \"0 3 * * *\"\ntimezone = \"Mars/Base\"\n";
    check(&[], zone, "lifeboat.toml:3: \"Mars/Base\" is no time zone");
    let links = "[[database]]\npath = \"app.db\"\n[[links]]\ndatabase = \"app\"\n\
                 columns = [\"t.a\"]\nurl = \"s3://m\"\noptions = { regin = \"x\" }\n";
    check(&[], links, "lifeboat.toml:7: failed to know the option \"regin\"");
    check(&[("LIFEBOAT_REPOSITRY", "x")], "", "did you mean LIFEBOAT_REPOSITORY?");
    check(&[("LIFEBOAT_CONFIG", "no.toml")], "", "no.toml: cannot be read");
}

#[test]
fn what_is_set_and_by_whom() {
    let folder = with_databases(&[]);
    write(&folder, "lifeboat.toml", "[schedule]\nevery = \"1h\"\n");
    let variables = [("LIFEBOAT_KEY", KEY), ("LIFEBOAT_RETENTION__KEEP_DAILY", "7")];
    let arguments = ["-r", "typed", "config", "show", "--origin"];
    let ran = run(&folder, &variables, &arguments).ok();
    for (setting, origin) in [
        ("repository = \"typed\"", "--repo"),
        ("schedule.every = \"1h\"", "lifeboat.toml:2"),
        ("encryption.key = \"********\"", "LIFEBOAT_KEY"),
        ("retention.keep_daily = 7", "LIFEBOAT_RETENTION__KEEP_DAILY"),
        ("fallback_exit = 14", "default"),
    ] {
        let line = ran.out.lines().find(|line| line.starts_with(setting));
        let line = line.unwrap_or_else(|| panic!("{setting}: {ran:?}"));
        assert!(line.ends_with(&format!("# {origin}")), "{line}");
    }
    assert!(!ran.out.contains(KEY));
    let json = run(&folder, &variables, &["--json", "config", "show"]).ok();
    let every = json.json().into_iter().find(|one| one["setting"] == "schedule.every");
    assert_eq!(every.expect("is shown")["origin"], "lifeboat.toml:2");
    folder.run(&["config", "check"]).ok();
}

/// A key that is missing, or none, while there must be one.
#[test]
fn encryption_that_cannot_be_done_is_not_left_out() {
    let folder = with_databases(&["app.db"]);
    let check = |variables: &[(&str, &str)], file: &str, words: &str| {
        write(&folder, "lifeboat.toml", file);
        for command in [&["backup", "app.db"][..], &["init"], &["snapshots"]] {
            let ran = run(&folder, variables, command);
            assert_eq!(ran.code, 12, "{ran:?}");
            assert!(ran.err.contains(words), "{ran:?}");
        }
        assert!(folder.objects().is_empty() && !folder.path("state").exists());
    };
    let enabled = "[encryption]\nenabled = true\n";
    check(&[], enabled, "encryption is enabled (lifeboat.toml:2), and there is no key");
    check(&[("LIFEBOAT_KEY", "")], enabled, "and there is no key");
    check(&[("LIFEBOAT_KEY", "c2hvcnQ=")], enabled, "LIFEBOAT_KEY holds no key");
    check(&[("BACKUP_ENCRYPTION_KEY", "not base64!")], "", "BACKUP_ENCRYPTION_KEY holds no key");
    check(&[], "[encryption]\nkey = \"c2hvcnQ=\"\n", "lifeboat.toml:2 holds no key");
    check(&[], "[encryption]\nkey_file = \"none\"\n", "the key file none cannot be read");
    check(&[("LIFEBOAT_ENCRYPTION__ENABLED", "true")], "", "(LIFEBOAT_ENCRYPTION__ENABLED)");
    // And with the key it is done.
    write(&folder, "lifeboat.toml", enabled);
    run(&folder, &[("LIFEBOAT_KEY", KEY)], &["backup", "app.db"]).ok();
    assert_eq!(folder.objects_of("keys/").len(), 1);
}

#[test]
fn a_file_of_variables_counts_for_all_that_is_run() {
    let folder = with_databases(&["app.db"]);
    write(&folder, "key.env", &format!("THE_KEY={KEY}\nLIFEBOAT_KEY_COMMAND='echo $THE_KEY'\n"));
    folder.run(&["--env-file", "key.env", "backup", "app.db"]).ok();
    assert_eq!(folder.run(&["snapshots"]).code, 12, "it is sealed");
    let ran = folder.run(&["--env-file", "none.env", "snapshots"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    write(&folder, "bad.env", "A=1\nnot a line\n");
    let ran = folder.run(&["--env-file", "bad.env", "snapshots"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("bad.env:2: a line is NAME=value"), "{ran:?}");
}

#[test]
fn directories_of_the_settings() {
    let folder = with_databases(&["app.db"]);
    write(&folder, "lifeboat.toml", "state_dir = \"own-state\"\ncache_dir = \"own-cache\"\n");
    let mut command = folder.command();
    command.env_remove("LIFEBOAT_STATE_DIR").env_remove("LIFEBOAT_CACHE_DIR");
    let ran: Ran = command.args(["backup", "app.db"]).output().expect("runs").into();
    ran.ok();
    assert!(folder.path("own-state").is_dir() && folder.path("own-cache").is_dir());
    assert!(!folder.path(".local").exists() && !folder.path(".cache").exists());
}

/// A container that keeps no state is the same installation at each start, or
/// takes over what another one had.
#[test]
fn containers_without_a_state_directory() {
    let folder = with_databases(&["app.db"]);
    let as_one = [("LIFEBOAT_INSTALLATION_ID", "the-one")];
    run(&folder, &as_one, &["backup", "app.db"]).ok();
    std::fs::remove_dir_all(folder.path("state")).expect("is there");
    let ran = run(&folder, &as_one, &["backup", "app.db"]).ok();
    assert!(!ran.err.contains("taken over"), "{ran:?}");
    let bad = run(&folder, &[("LIFEBOAT_INSTALLATION_ID", "not good")], &["backup", "app.db"]);
    assert_eq!(bad.code, 2, "{bad:?}");
    assert!(bad.err.contains("LIFEBOAT_INSTALLATION_ID: installation_id"), "{bad:?}");
}
