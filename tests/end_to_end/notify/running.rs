//! What a running agent tells.

use super::*;

/// Until it is so; what never becomes so is a failure and not a hanging test.
#[track_caller]
fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = std::time::Instant::now();
    while !holds() {
        assert!(begun.elapsed() < std::time::Duration::from_secs(120), "{what} never came");
        std::thread::yield_now();
    }
}

/// The agent, in a folder. It is ended when the test is.
struct Agent(Child);

impl Agent {
    fn start(folder: &Folder) -> Self {
        let log = fs::File::create(folder.path("log")).expect("creates");
        let mut command = folder.command();
        command.args(["-vvv", "run"]).stdout(Stdio::null()).stderr(log);
        Self(command.spawn().expect("starts"))
    }

    fn signal(&self, name: &str) {
        let done = Command::new("kill").args(["-s", name, &self.0.id().to_string()]).status();
        assert!(done.expect("kill is installed").success());
    }

    /// Ends it as a service manager does.
    fn end(mut self) {
        self.signal("TERM");
        assert_eq!(self.0.wait().expect("ends").code(), Some(0));
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn with_database() -> Folder {
    let folder = Folder::new();
    lifeboat_testing::databases::open(&folder.path("app.db"), "wal")
        .execute_batch("CREATE TABLE t(a); INSERT INTO t VALUES(1)")
        .expect("writes");
    folder
}

/// Kinds and topics of the messages that came.
fn told(receiver: &Receiver) -> Vec<(String, String)> {
    let body = |came: &Value| -> Value {
        serde_json::from_str(came["body"].as_str().expect("text")).expect("JSON")
    };
    let words = |value: &Value| value.as_str().expect("text").to_owned();
    let bodies = receiver.came().iter().map(body).collect::<Vec<_>>();
    bodies.iter().map(|it| (words(&it["kind"]), words(&it["items"][0]["topic"]))).collect()
}

fn pair(kind: &str, topic: &str) -> (String, String) {
    (kind.to_owned(), topic.to_owned())
}

/// The store is gone: the alarm leaves, once however often the agent is started
/// anew, and so does the news that it is over.
#[test]
fn an_alarm_leaves_when_the_store_is_gone() {
    let folder = with_database();
    let http = Receiver::http(&folder, &["hush-key"]);
    let pings = Receiver::pings(&folder);
    let settings = |url: &str| {
        format!(
            "[[database]]\npath = \"app.db\"\n[schedule]\nevery = \"1h\"\n\
             [[destination]]\nname = \"place\"\nurl = \"{url}\"\n\
             [notify]\nwebhook_url = \"{}\"\nwebhook_secret = \"hush-key\"\n\
             ping_url = \"{}\"\nping_on = [\"start\", \"success\", \"failure\"]\n",
            http.url("/path0f3c"),
            pings.url("/ping77aa"),
        )
    };
    let gone = "s3://bucket/app?endpoint=http://127.0.0.1:1&region=x&anonymous=true\
                &connect_timeout=1s&request_timeout=1s&retry_budget=1s";
    configure(&folder, &settings(gone));
    for _ in 0..2 {
        let agent = Agent::start(&folder);
        let failed = |came: &Value| came["path"] == "/ping77aa/fail";
        let before = pings.came().iter().filter(|came| failed(came)).count();
        until("a failure", || {
            !http.came().is_empty()
                && pings.came().iter().filter(|came| failed(came)).count() > before
        });
        agent.end();
    }
    assert_eq!(told(&http), [pair("failure", "backup")]);
    assert!(http.came().iter().all(|came| came["verified"] == true));

    // It is back, at another place.
    configure(&folder, &settings("backups"));
    let agent = Agent::start(&folder);
    until("the recovery", || told(&http).len() == 2);
    until("a success", || pings.came().iter().any(|came| came["path"] == "/ping77aa"));
    agent.end();
    assert_eq!(told(&http)[1], pair("recovery", "backup"));
    let success = pings.came().into_iter().find(|came| came["path"] == "/ping77aa");
    let text = success.expect("it came")["body"].as_str().expect("text").to_owned();
    // The newest record, and its digest: 64 hexadecimal digits or more.
    let digest = text.split(' ').nth(3).expect("app: record N DIGEST snapshot ID");
    assert!(text.starts_with("app: record ") && digest.len() >= 32, "{text}");
    let log = fs::read_to_string(folder.path("log")).expect("reads");
    for secret in ["hush", "path0f3c", "ping77aa"] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
}

/// The key is missing: nothing is backed up, and somebody hears of it, once.
#[test]
fn an_alarm_leaves_when_the_key_is_gone() {
    let folder = with_database();
    let http = Receiver::http(&folder, &[]);
    let post = Receiver::mail(&folder, &[]);
    let settings = format!(
        "[[database]]\npath = \"app.db\"\n[encryption]\nkey_file = \"missing\"\n\
         [notify]\nwebhook_url = \"{}\"\n{}",
        http.url("/path0f3c"),
        mail(&post, "tls = \"none\"\n"),
    );
    configure(&folder, &settings);
    for _ in 0..3 {
        assert_eq!(folder.run(&["run"]).code, 12);
    }
    assert_eq!(told(&http), [pair("failure", "backup")]);
    let [came] = &post.came()[..] else { panic!("{:?}", post.came()) };
    let text = came["text"].as_str().expect("text");
    assert!(text.contains("the agent did not start") && text.contains("missing"), "{text}");
    fs::write(folder.path("missing"), folder.run(&["key", "generate"]).out).expect("writes");
    let agent = Agent::start(&folder);
    until("the recovery", || told(&http).len() == 2);
    agent.end();
}

/// A receiver that is down is tried again, and backups go on meanwhile.
#[test]
fn what_does_not_arrive_is_sent_again() {
    let folder = with_database();
    let http = Receiver::http(&folder, &["hush-key", "500", "200"]);
    configure(
        &folder,
        &format!(
            "[[database]]\npath = \"app.db\"\n[schedule]\nevery = \"1s\"\n\
             [notify]\non = [\"success\"]\nwebhook_url = \"{}\"\n\
             [metrics]\nfile = \"lifeboat.prom\"\n",
            http.url("/path0f3c")
        ),
    );
    let agent = Agent::start(&folder);
    until("the second attempt", || http.came().len() >= 2);
    agent.end();
    let came = http.came();
    assert_eq!(came[0]["id"], came[1]["id"], "it is the same message");
    assert_eq!(came[0]["body"], came[1]["body"]);
    let log = fs::read_to_string(folder.path("log")).expect("reads");
    assert!(log.contains("a message over webhook waits, and is tried again in 5 s"), "{log}");
    let figures = fs::read_to_string(folder.path("lifeboat.prom")).expect("it was written");
    assert!(
        figures.contains("lifeboat_notify_failures_total{channel=\"webhook\"} 1\n"),
        "{figures}"
    );
}

/// What the agent writes is understood by the parser of Prometheus's own client.
#[test]
fn figures_are_read_by_others() {
    let folder = with_database();
    configure(
        &folder,
        "[[database]]\npath = \"app.db\"\n[schedule]\nevery = \"1h\"\n\
         [metrics]\nfile = \"figures/lifeboat.prom\"\n",
    );
    let agent = Agent::start(&folder);
    let file = folder.path("figures/lifeboat.prom");
    let reads = "import sys\n\
        from prometheus_client.parser import text_string_to_metric_families as parse\n\
        for family in parse(open(sys.argv[1]).read()):\n \
        for sample in family.samples:\n  \
        print(family.type, sample.name, sorted(sample.labels.items()), float(sample.value))\n";
    let parsed = || {
        let output = Command::new("python3").args(["-c", reads]).arg(&file).output();
        let output = output.expect("python3 is installed");
        String::from_utf8(output.stdout).expect("text")
    };
    let line = "gauge lifeboat_last_record_number [('database', 'app')] 1.0";
    until("a backup", || folder.path("backups/databases/app/records").exists());
    // What runs is waited for, and what it did is written down.
    agent.end();
    let text = parsed();
    assert!(text.contains(line), "{text}");
    assert!(
        text.contains("counter lifeboat_runs_total [('job', 'backup'), ('result', 'success')] 1.0"),
        "{text}"
    );
    assert!(text.contains("gauge lifeboat_health [('database', 'app')] 0.0"), "{text}");
}

/// Hooks run around a backup; one that fails before it keeps it from being made.
#[test]
fn hooks() {
    let folder = with_database();
    configure(
        &folder,
        "[[database]]\npath = \"app.db\"\n[schedule]\nevery = \"1s\"\n[hooks]\n\
         before = 'test -e ready && echo \"$LIFEBOAT_HOOK $LIFEBOAT_HOOK_DATABASE\" >> hooks'\n\
         after = 'echo \"$LIFEBOAT_HOOK $LIFEBOAT_HOOK_RECORD\" >> hooks'\n\
         failed = 'echo \"$LIFEBOAT_HOOK $LIFEBOAT_HOOK_FAILURES $LIFEBOAT_HOOK_ERROR\" >> hooks'\n",
    );
    let hooks = || fs::read_to_string(folder.path("hooks")).unwrap_or_default();
    let agent = Agent::start(&folder);
    until("a failure", || hooks().lines().count() >= 1);
    assert_eq!(
        hooks().lines().next(),
        Some("failed 1 failed to run hooks.before: it ended with exit status: 1")
    );
    assert!(!folder.path("backups").join("databases").exists(), "there is no backup");
    agent.end();
    fs::write(folder.path("ready"), "").expect("writes");
    fs::write(folder.path("hooks"), "").expect("writes");
    let agent = Agent::start(&folder);
    until("a backup", || hooks().contains("after"));
    agent.end();
    let lines = hooks();
    assert!(lines.starts_with("before app\nafter 1\n"), "{lines}");
}

/// A hook that runs `lifeboat` in turn is not led astray by what hooks are told.
#[test]
fn a_hook_that_asks_back() {
    let folder = with_database();
    let binary = crate::command::binary();
    configure(
        &folder,
        &format!(
            "[[database]]\npath = \"app.db\"\n[hooks]\nafter = '{} snapshots > listed && mv listed done'\n",
            binary.display()
        ),
    );
    let agent = Agent::start(&folder);
    until("the hook", || folder.path("done").exists());
    agent.end();
    let listed = fs::read_to_string(folder.path("done")).expect("reads");
    assert!(listed.contains("app"), "{listed}");
}

/// A hook that hangs is killed with all that it started, and is a failure.
#[test]
fn a_hook_that_hangs() {
    let folder = with_database();
    configure(
        &folder,
        "[[database]]\npath = \"app.db\"\n[schedule]\nevery = \"1h\"\n[hooks]\n\
         before = 'echo $$ > pid; sleep 1000; true'\ntimeout = \"1s\"\n\
         failed = 'echo \"$LIFEBOAT_HOOK_ERROR\" > error.new; mv error.new error'\n",
    );
    let agent = Agent::start(&folder);
    until("the failure", || folder.path("error").exists());
    let error = fs::read_to_string(folder.path("error")).expect("reads");
    assert_eq!(error, "failed to run hooks.before: it took longer than 1 s, and was killed\n");
    let pid = fs::read_to_string(folder.path("pid")).expect("reads");
    let proc = Path::new("/proc").join(pid.trim());
    until("its end", || !proc.exists());
    agent.end();
}
