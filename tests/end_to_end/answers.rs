//! What is asked or set is answered: in words that say what to do, where nothing was said
//! before or something with a hole in it.

use std::fs;
use std::process::{Command, Stdio};

use crate::configuration::{run, with_databases, write};

/// `config check` refuses what `run` would refuse.
#[test]
fn tokens_that_protect_nothing() {
    let folder = with_databases(&["app.db"]);
    let check = |tokens: &str, said: &str| {
        let text = format!(
            "[[database]]\npath = \"app.db\"\n[http]\nlisten = \"127.0.0.1:0\"\n{tokens}\n"
        );
        write(&folder, "lifeboat.toml", &text);
        for command in [&["config", "check"][..], &["run", "--", "true"]] {
            let ran = folder.run(command);
            assert_eq!(ran.code, 2, "{tokens}: {ran:?}");
            assert!(ran.err.contains(said), "{tokens}: {ran:?}");
        }
    };
    check("token = \"short\"", "http.token: failed to use the token of the role restore");
    write(&folder, "few", "a few\n");
    check("read_token_file = \"few\"", "http.read_token_file: failed to use");
    check("read_token_file = \"absent\"", "http.read_token_file: failed to read");
    let same = "token = \"0123456789abcdef\"\nread_token = \"0123456789abcdef\"";
    check(same, "it is that of the role restore as well");
    assert!(!folder.path("backups").exists());
}

/// Settings that were read anew are told, and a file that cannot be written, once.
#[test]
fn an_agent_says_what_became_of_it() {
    let folder = with_databases(&["app.db"]);
    let text = "[[database]]\npath = \"app.db\"\n[metrics]\nfile = \"/proc/none/x.prom\"\n";
    write(&folder, "lifeboat.toml", text);
    let log = fs::File::create(folder.path("log")).expect("is made");
    let mut command = folder.command();
    let mut agent = command.arg("run").stdout(Stdio::null()).stderr(log).spawn().expect("starts");
    let said =
        |what: &str| fs::read_to_string(folder.path("log")).expect("is text").matches(what).count();
    let tell = |name: &str| {
        let pid = agent.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().expect("runs").success());
    };
    let until = |what: &str| {
        let begun = std::time::Instant::now();
        while said(what) == 0 {
            assert!(begun.elapsed().as_secs() < 120, "it never said: {what}");
            std::thread::yield_now();
        }
    };
    until("failed to write /proc/none/x.prom");
    tell("HUP");
    until("the settings were read anew; 1 database to watch");
    tell("TERM");
    assert!(agent.wait().expect("ends").success());
    // The last attempt, at the end, failed as well.
    assert_eq!(said("failed to write /proc/none/x.prom"), 1);
}

#[test]
fn health_where_nothing_was_asked() {
    let folder = with_databases(&["app.db"]);
    write(&folder, "lifeboat.toml", "[[database]]\npath = \"app.db\"\n");
    let ran = run(&folder, &[("LIFEBOAT_ENABLED", "false")], &["health"]);
    assert_eq!(ran.code, 5, "{ran:?}");
    assert!(ran.out.starts_with("app: warning, the last good state not looked for\n"), "{ran:?}");
}

/// A destination that was set back has no record that could be forgotten.
#[test]
fn a_repair_of_what_was_set_back() {
    let folder = with_databases(&["app.db"]);
    folder.backup("app.db");
    let record = folder.path("backups/databases/app/records/00000000000000000001");
    fs::remove_file(record).expect("removes");
    let ran = folder.run(&["repair", "app"]);
    assert_eq!(ran.code, 4, "{ran:?}");
    let hint = "`lifeboat check app --expect N` accepts record N as the newest";
    assert!(ran.out.contains(hint) && !ran.out.contains("lifeboat forget app `"), "{ran:?}");
}

/// What cannot be opened at all is of no database.
#[test]
fn a_repair_where_a_destination_cannot_be_opened() {
    let folder = with_databases(&["app.db"]);
    write(
        &folder,
        "lifeboat.toml",
        "[[destination]]\nname = \"a\"\nrole = \"primary\"\nurl = \"a\"\n\
         [[destination]]\nname = \"b\"\nrole = \"mirror\"\nurl = \"b\"\n",
    );
    folder.run(&["backup", "app.db"]).ok();
    fs::remove_dir_all(folder.path("b")).expect("removes");
    let ran = folder.run(&["repair", "app"]);
    assert!(ran.err.contains("warning: not healed: b: failed to find"), "{ran:?}");
}

/// A mirror that is gone for good begins anew with the id of the others.
#[test]
fn a_lost_mirror() {
    let folder = with_databases(&["app.db"]);
    write(
        &folder,
        "lifeboat.toml",
        "[[destination]]\nname = \"a\"\nrole = \"primary\"\nurl = \"a\"\n\
         [[destination]]\nname = \"b\"\nrole = \"mirror\"\nurl = \"b\"\n",
    );
    folder.run(&["backup", "app.db"]).ok();
    fs::remove_dir_all(folder.path("b")).expect("removes");
    let ran = folder.run(&["sync"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.err.contains("`lifeboat init NAME`"), "the way back is told: {ran:?}");
    assert!(!folder.path("b").exists(), "nothing begins by itself");
    let made = folder.run(&["--json", "init", "b"]).ok().last();
    assert_eq!(made["repository"], folder.run(&["--json", "init"]).ok().last()["repository"]);
    folder.run(&["sync"]).ok();
    folder.run(&["backup", "app.db"]).ok();
    folder.run(&["-r", "b", "check", "app", "--read-data"]).ok();
    assert_eq!(folder.run(&["init", "c"]).code, 2);
}
