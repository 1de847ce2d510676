//! The log of `lifeboat run` for programs: each line one JSON object, and all that
//! is said in it.

use lifeboat_testing::databases::open;
use serde_json::Value;

use crate::command::Folder;
use crate::configuration::{run, write};

fn lines(text: &str) -> Vec<Value> {
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    text.lines().map(parse).collect()
}

fn said<'a>(log: &'a [Value], message: &str) -> &'a Value {
    let with = |line: &&Value| line["message"].as_str().is_some_and(|it| it.contains(message));
    log.iter().find(with).unwrap_or_else(|| panic!("no {message:?} in {log:#?}"))
}

#[test]
fn a_log_for_programs() {
    let folder = Folder::new();
    open(&folder.path("app.db"), "delete").execute_batch("CREATE TABLE t(a)").expect("writes");
    let places = "[[destination]]\nname = \"first\"\nrole = \"primary\"\nurl = \"s3://b/x\"\n\
                  create = true\n[[destination]]\nname = \"second\"\nrole = \"fallback\"\n\
                  url = \"second\"\n[encryption]\nenabled = false\n";
    let settings = "[[database]]\npath = \"app.db\"\n";
    write(&folder, "lifeboat.toml", settings);
    let around = ["run", "--log-format", "json", "--", "true"];
    let ran = folder.run(&around).ok();
    assert_eq!(ran.out, "", "standard output is the application's");
    let log = lines(&ran.err);
    assert!(log.iter().all(|line| line["timestamp"].is_string() && line["level"].is_string()));
    let chosen = said(&log, "chosen: the first that is set");
    assert_eq!((&chosen["database"], &chosen["destination"]), (&"app".into(), &"./backups".into()));
    let done = said(&log, "backed up");
    assert!(done["snapshot_id"].is_string() && done["bytes_sent"].is_u64(), "{done}");
    // By a variable, with a reason, and with an error.
    write(&folder, "lifeboat.toml", &format!("{places}{settings}"));
    let variables = [
        ("LIFEBOAT_LOG_FORMAT", "json"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
        ("AWS_ACCESS_KEY_ID", "x"),
        ("AWS_SECRET_ACCESS_KEY", "x"),
    ];
    let log = lines(&run(&folder, &variables, &["run", "--", "true"]).ok().err);
    let using = said(&log, "using second: ");
    assert_eq!(using["level"], "WARN");
    assert!(
        using["message"].as_str().expect("words").contains("s3://b/x does not work"),
        "{using}"
    );
    assert!(said(&log, "backed up")["fallback_reason"].is_string());
    std::fs::write(folder.path("app.db"), b"this is no database, and never was one").expect("ok");
    write(&folder, "lifeboat.toml", settings);
    let log = lines(&folder.run(&around).err);
    let error = log.iter().find(|line| line["level"] == "ERROR").expect("one");
    assert_eq!((&error["code"], &error["data_is_safe"]), (&15.into(), &true.into()), "{error}");
    assert!(error["hint"].is_string());
}
