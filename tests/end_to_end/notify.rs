//! Being told: every channel against a receiver that others wrote, or that checks
//! with a library of others.

mod running;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::command::{Folder, Ran};

/// A receiver of messages in a process of its own, and what came.
pub(crate) struct Receiver {
    process: Child,
    port: u16,
    file: PathBuf,
}

impl Receiver {
    /// Starts one that writes to a file of this name in the folder.
    fn start(folder: &Folder, script: &str, file: &str, arguments: &[&str]) -> Self {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("receivers");
        let file = folder.path(file);
        let mut process = Command::new("python3")
            .arg(scripts.join(script))
            .arg(&file)
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is installed");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut line).expect("reads");
        let port = line
            .trim()
            .parse()
            .unwrap_or_else(|_| panic!("{script} did not start; .ci/run installs what it needs"));
        Self { process, port, file }
    }

    pub(crate) fn http(folder: &Folder, arguments: &[&str]) -> Self {
        Self::start(folder, "http_receiver.py", "http.jsonl", arguments)
    }

    pub(crate) fn pings(folder: &Folder) -> Self {
        Self::start(folder, "http_receiver.py", "pings.jsonl", &[])
    }

    pub(crate) fn mail(folder: &Folder, arguments: &[&str]) -> Self {
        Self::start(folder, "smtp_receiver.py", "mail.jsonl", arguments)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// What came so far.
    pub(crate) fn came(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.file).unwrap_or_default();
        // The last line may be half written.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn configure(folder: &Folder, text: &str) {
    fs::write(folder.path("lifeboat.toml"), text).expect("writes");
}

fn mail(receiver: &Receiver, more: &str) -> String {
    format!(
        "[notify.mail]\nserver = \"localhost\"\nport = {}\nfrom = \"Bäckups <backups@example.org>\"\n\
         to = [\"ops@example.org\", \"Second <two@example.org>\"]\n{more}",
        receiver.port
    )
}

/// As loud as can be, so that whatever is logged is seen.
fn test(folder: &Folder) -> Ran {
    folder.run(&["-vvv", "--json", "notify", "test"])
}

/// Nothing of what is secret is printed or logged.
#[track_caller]
fn keeps_its_secrets(ran: &Ran) {
    for secret in ["hush", "path0f3c", "ping77aa"] {
        assert!(!ran.out.contains(secret) && !ran.err.contains(secret), "{secret}: {ran:?}");
    }
}

#[test]
fn every_channel() {
    let folder = Folder::new();
    let http = Receiver::http(&folder, &["hush-key"]);
    let pings = Receiver::pings(&folder);
    let post = Receiver::mail(&folder, &[]);
    fs::write(folder.path("url"), http.url("/path0f3c?token=hush\n")).expect("writes");
    configure(
        &folder,
        &format!(
            "[notify]\nsource = \"web-1\"\nwebhook_url_file = \"url\"\n\
             webhook_secret_command = \"printf hush-key\"\nping_url = \"{}\"\n\
             command = 'cat > text; printf %s \"$LIFEBOAT_MESSAGE_SUBJECT\" > subject; \
             printf %s \"$LIFEBOAT_MESSAGE_JSON\" > json; echo noise'\n{}",
            pings.url("/ping77aa"),
            mail(&post, "tls = \"none\"\n"),
        ),
    );
    let ran = test(&folder).ok();
    keeps_its_secrets(&ran);
    let lines = ran.json();
    assert_eq!(lines.len(), 5, "{lines:#?}");
    assert!(lines[..4].iter().all(|line| line["message_type"] == "channel" && line["ok"] == true));

    let subject = "[lifeboat web-1] test: this is a test; messages from here arrive";
    let [came] = &http.came()[..] else { panic!("{:?}", http.came()) };
    assert_eq!(came["method"], "POST");
    assert_eq!(came["path"], "/path0f3c?token=hush");
    assert_eq!(came["type"], "application/json");
    assert_eq!(came["verified"], true, "by Python's hmac: {came}");
    let body: Value = serde_json::from_str(came["body"].as_str().expect("text")).expect("JSON");
    assert_eq!(body["subject"], subject);
    assert_eq!(body["kind"], "test");
    assert_eq!(body["id"], came["id"]);

    let [came] = &post.came()[..] else { panic!("{:?}", post.came()) };
    assert_eq!(came["subject"], subject);
    assert_eq!(came["from"], "backups@example.org");
    assert_eq!(came["to"], serde_json::json!(["ops@example.org", "two@example.org"]));
    assert_eq!(came["header_from"], "Bäckups <backups@example.org>");
    assert_eq!(came["encrypted"], false);
    assert!(came["text"].as_str().expect("text").contains("messages from here arrive"));

    let [came] = &pings.came()[..] else { panic!("{:?}", pings.came()) };
    assert_eq!(came["path"], "/ping77aa");

    let read = |name: &str| fs::read_to_string(folder.path(name)).expect("the command wrote it");
    assert_eq!(read("subject"), subject);
    assert!(read("text").contains("messages from here arrive"));
    assert_eq!(serde_json::from_str::<Value>(&read("json")).expect("JSON")["id"], body["id"]);
    assert!(!ran.out.contains("noise"), "standard output is ours: {ran:?}");

    // One of them alone; and by a variable of the environment.
    let ran = folder.run(&["notify", "test", "--channel", "mail"]).ok();
    assert_eq!(ran.out, "mail: ok\n1 channel tried, 0 failed\n");
    let other = Receiver::start(&folder, "http_receiver.py", "other.jsonl", &[]);
    let mut command = folder.command();
    command.args(["notify", "test", "--channel", "ping"]);
    command.env("LIFEBOAT_NOTIFY__PING_URL", other.url("/elsewhere"));
    Ran::from(command.output().expect("runs")).ok();
    assert_eq!((http.came().len(), pings.came().len(), other.came().len()), (1, 1, 1));
}

/// What does not arrive is said for each, with no secret in it.
#[test]
fn what_does_not_arrive() {
    let check = |statuses: &[&str], expected: &str| {
        let folder = Folder::new();
        let mut arguments = vec!["hush-key"];
        arguments.extend(statuses);
        let http = Receiver::http(&folder, &arguments);
        configure(
            &folder,
            &format!(
                "[notify]\nwebhook_url = \"{}\"\ncommand = \"cat >/dev/null\"\n",
                http.url("/path0f3c")
            ),
        );
        let ran = test(&folder);
        assert_eq!(ran.code, 3, "{ran:?}");
        keeps_its_secrets(&ran);
        let lines = ran.json();
        assert_eq!(lines[0]["error"], expected);
        assert_eq!(lines[1]["ok"], true);
        assert_eq!(http.came().len(), 1, "redirections are not followed");
    };
    check(&["500"], "failed to be heard: the answer was 500 Internal Server Error");
    check(
        &["302"],
        "failed to be heard: the answer was 302 Found: it is elsewhere; redirections are not followed",
    );

    let folder = Folder::new();
    configure(
        &folder,
        "[notify]\nwebhook_url = \"http://127.0.0.1:1/path0f3c\"\nping_url_file = \"missing\"\n\
         command = \"exit 3\"\n[notify.mail]\nserver = \"127.0.0.1\"\nport = 1\ntls = \"none\"\n\
         from = \"a@example.org\"\nto = [\"b@example.org\"]\n",
    );
    let ran = test(&folder);
    assert_eq!(ran.code, 1, "{ran:?}");
    keeps_its_secrets(&ran);
    let errors: Vec<String> =
        ran.json()[..4].iter().map(|line| line["error"].to_string()).collect();
    for (error, expected) in errors.iter().zip([
        "failed to reach it: ",
        "failed to reach it: ",
        "failed to run the command: it ended with exit status: 3",
        "failed to read notify.ping_url: No such file or directory",
    ]) {
        assert!(error.contains(expected), "{error}");
    }

    let ran = Folder::new().run(&["notify", "test"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("nobody is set to be told"), "{ran:?}");
}

/// A service that takes no POST is called by GET.
#[test]
fn a_ping_by_get() {
    let folder = Folder::new();
    let http = Receiver::http(&folder, &["", "405", "200"]);
    configure(&folder, &format!("[notify]\nping_url = \"{}\"\n", http.url("/ping77aa")));
    folder.run(&["notify", "test"]).ok();
    let methods: Vec<Value> = http.came().iter().map(|came| came["method"].clone()).collect();
    assert_eq!(methods, ["POST", "GET"]);
}

/// Encrypted and signed in; and not at all where either is not as it should be.
#[test]
fn mail_is_protected() {
    for mode in ["starttls", "tls"] {
        let folder = Folder::new();
        let post = Receiver::mail(&folder, &[mode, "backups", "hush-password"]);
        fs::write(folder.path("password"), "hush-password\n").expect("writes");
        let send = |more: &str, certificates: &str| {
            configure(&folder, &mail(&post, more));
            let mut command = folder.command();
            command.args(["-vvv", "notify", "test"]);
            command.env("SSL_CERT_FILE", folder.path(certificates));
            let ran = Ran::from(command.output().expect("runs"));
            keeps_its_secrets(&ran);
            ran
        };
        let login = format!("tls = \"{mode}\"\nuser = \"backups\"\n");
        let right = format!("{login}password_file = \"password\"\n");
        send(&right, "mail.jsonl.pem").ok();
        let [came] = &post.came()[..] else { panic!("{:?}", post.came()) };
        assert_eq!((&came["encrypted"], &came["authenticated"]), (&true.into(), &true.into()));

        let wrong = format!("{login}password = \"hush-and-wrong\"\n");
        let ran = send(&wrong, "mail.jsonl.pem");
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.out.contains("failed to be heard: the answer was"), "{ran:?}");
        assert!(ran.out.contains("535"), "{ran:?}");
        // An authority that nobody named.
        let ran = send(&right, "password");
        assert_eq!(ran.code, 1, "{ran:?}");
        assert_eq!(post.came().len(), 1);
    }
    // A server that offers no encryption gets neither the password nor the message.
    let folder = Folder::new();
    let post = Receiver::mail(&folder, &["plain", "backups", "hush-password"]);
    let login = "user = \"backups\"\npassword = \"hush-password\"\n";
    configure(&folder, &mail(&post, login));
    let ran = test(&folder);
    assert_eq!(ran.code, 1, "{ran:?}");
    keeps_its_secrets(&ran);
    assert_eq!(post.came(), Vec::<Value>::new());
}
