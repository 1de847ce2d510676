//! Variables and tables that people have from other programs.

use serde_json::Value;

use crate::command::Folder;
use crate::configuration::{run, with_databases, write};

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn back_up(folder: &Folder, variables: &[(&str, &str)]) -> Value {
    run(folder, variables, &["--json", "backup", "app.db"]).ok().last()
}

#[test]
fn a_local_directory_unless_aws_is_on() {
    for (variables, place) in [
        (&[("BACKUP_USE_AWS", "false")][..], "./backups"),
        (&[("BACKUP_USE_AWS", "false"), ("BACKUP_S3_BUCKET", "b")], "./backups"),
        (&[("BACKUP_LOCAL_DIR", "mine")], "mine"),
        (&[("BACKUP_USE_AWS", ""), ("BACKUP_LOCAL_DIR", "")], "./backups"),
    ] {
        let folder = with_databases(&["app.db"]);
        let summary = back_up(&folder, variables);
        assert_eq!(summary["destination"], place, "{variables:?}");
        assert!(summary["fallback_reason"].is_null());
        assert!(folder.path(place).join("format").is_dir());
    }
}

#[test]
fn aws_without_a_bucket_is_local_with_a_reason() {
    let folder = with_databases(&["app.db"]);
    let summary = back_up(&folder, &[("BACKUP_USE_AWS", "true")]);
    let reason = summary["fallback_reason"].as_str().expect("there is one");
    assert!(reason.contains("BACKUP_S3_BUCKET is not set"), "{reason}");
    assert_eq!(summary["destination"], "./backups");
    assert_eq!(summary["code"], 0);
    let ran = run(&folder, &[("BACKUP_USE_AWS", "true")], &["backup", "app.db"]).ok();
    assert!(ran.err.contains("BACKUP_S3_BUCKET is not set"), "the log says why: {ran:?}");
}

#[test]
fn only_the_newest_stay_in_the_local_directory() {
    let folder = with_databases(&["app.db", "other.db"]);
    let change = |name: &str, n: i64| {
        lifeboat_testing::databases::open(&folder.path(name), "delete")
            .execute("INSERT INTO t VALUES(?1)", [n])
            .expect("writes");
    };
    let count = |name: &str| {
        let ran = folder.run(&["--json", "snapshots", name]).ok();
        ran.last()["snapshots"].as_u64().expect("a number")
    };
    run(&folder, &[("BACKUP_LOCAL_MAX_COUNT", "3")], &["backup", "other.db"]).ok();
    for n in 0..5 {
        change("app.db", n);
        run(&folder, &[("BACKUP_LOCAL_MAX_COUNT", "3")], &["backup", "app.db"]).ok();
    }
    assert_eq!((count("app"), count("other")), (3, 1), "each database for itself");
    // Without any of these variables nothing is pruned.
    for n in 5..8 {
        change("app.db", n);
        folder.run(&["backup", "app.db"]).ok();
    }
    assert_eq!(count("app"), 6);
    // Ten, where only another of them is set.
    for n in 8..14 {
        change("app.db", n);
        run(&folder, &[("BACKUP_USE_AWS", "false")], &["backup", "app.db"]).ok();
    }
    assert_eq!(count("app"), 10);
    // A backup that fails prunes nothing.
    let broken =
        run(&folder, &[("BACKUP_LOCAL_MAX_COUNT", "1")], &["backup", "none.db", "--as", "app"]);
    assert_ne!(broken.code, 0);
    assert_eq!(count("app"), 10);
    let ran = folder.run(&["--json", "snapshots", "app"]).ok();
    let newest = ran.json().into_iter().rev().nth(1).expect("a snapshot");
    let target = folder.restore("app", newest["snapshot_id"].as_str().expect("an id"));
    let rows: i64 = lifeboat_testing::databases::open(&target, "delete")
        .query_row("SELECT count(*) FROM t", [], |row| row.get(0))
        .expect("counts");
    assert_eq!(rows, 15);
}

#[test]
fn media_buckets_receive_nothing() {
    // A port at which a listener counts who comes.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
    listener.set_nonblocking(true).expect("is set");
    let endpoint = format!("http://{}", listener.local_addr().expect("has one"));
    let folder = with_databases(&["app.db"]);
    let media = [
        ("AWS_S3_BUCKET_NAME", "media"),
        ("AWS_STORAGE_BUCKET_NAME", "media"),
        ("AWS_S3_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_ACCESS_KEY_ID", "x"),
        ("AWS_SECRET_ACCESS_KEY", "x"),
        ("USE_LOCALSTACK", "true"),
    ];
    for extra in [&[][..], &[("BACKUP_USE_AWS", "true")], &[("BACKUP_LOCAL_MAX_COUNT", "5")]] {
        let summary = back_up(&folder, &[&media[..], extra].concat());
        assert_eq!(summary["destination"], "./backups", "{extra:?}");
    }
    let nobody = listener.accept().expect_err("nobody comes");
    assert_eq!(nobody.kind(), std::io::ErrorKind::WouldBlock);
}

const TABLE: &str = "[web]\nport = 8080\n[storage.backup]\nenabled = false\nbucket = \"b\"\n";

#[test]
fn a_table_that_is_off_disables() {
    let folder = with_databases(&["app.db"]);
    write(&folder, "app.toml", TABLE);
    let arguments = ["--config", "app.toml", "backup", "app.db"];
    let ran = folder.run(&arguments).ok();
    assert!(ran.err.contains("storage.backup.enabled is not true (app.toml:3)"), "{ran:?}");
    assert!(folder.objects().is_empty());
    // Its section by name is the same.
    let ran = folder
        .run(&["--config", "app.toml", "--config-section", "storage.backup", "snapshots"])
        .ok();
    assert!(ran.err.contains("backups are disabled"), "{ran:?}");
    // A typing mistake in it is an error, what others have in the file is not ours.
    write(&folder, "app.toml", &TABLE.replace("bucket", "buckit"));
    let ran = folder.run(&arguments);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("app.toml:5: there is no setting storage.backup.buckit"), "{ran:?}");
}

#[test]
fn encryption_of_the_table_is_never_left_out() {
    let folder = with_databases(&["app.db"]);
    let table = TABLE.replace("enabled = false", "enabled = true");
    let encrypted = format!("{table}[storage.backup.encryption]\nenabled = true\n");
    write(&folder, "app.toml", &encrypted);
    // With -r the place is another, and the key counts all the same.
    let arguments = ["--config", "app.toml", "-r", "here", "backup", "app.db"];
    for (key, words) in
        [("", "there is no key"), ("c2hvcnQ=", "BACKUP_ENCRYPTION_KEY holds no key")]
    {
        let ran = run(&folder, &[("BACKUP_ENCRYPTION_KEY", key)], &arguments);
        assert_eq!(ran.code, 12, "{ran:?}");
        assert!(ran.err.contains(words), "{ran:?}");
        assert!(!folder.path("here").exists());
    }
    run(&folder, &[("BACKUP_ENCRYPTION_KEY", KEY)], &arguments).ok();
    assert!(folder.path("here/keys").is_dir(), "it is sealed");
}

#[test]
fn what_the_tables_and_variables_amount_to() {
    let folder = with_databases(&[]);
    let table = TABLE.replace("enabled = false", "enabled = true");
    let text = format!(
        "{table}[cloudflare]\naccount_id = \"acc\"\nr2_access_key_id = \"id\"\n\
         r2_secret_access_key = \"hush\"\n"
    );
    write(&folder, "app.toml", &text);
    let shown = |variables: &[(&str, &str)], arguments: &[&str]| {
        let arguments = [arguments, &["config", "show", "--origin"]].concat();
        let out = run(&folder, variables, &arguments).ok().out;
        let lines = out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
        lines.collect::<Vec<_>>().join("\n")
    };
    let out = shown(&[("BACKUP_S3_ACCESS_KEY", "")], &["--config", "app.toml"]);
    for line in [
        "destination[0].url = \"r2://acc/b\" # app.toml:5",
        "destination[0].options.access_key_id = \"id\" # app.toml:8",
        "destination[0].options.secret_access_key = \"********\" # app.toml:9",
        "schedule.every = \"1d\" # default",
        "retention.keep_last = 7 # default",
    ] {
        assert!(out.contains(line), "{line} in {out}");
    }
    let aws = [("BACKUP_USE_AWS", "true"), ("BACKUP_S3_BUCKET", "b"), ("AWS_ROLE_ARN", "arn:r")];
    let out = shown(&aws, &[]);
    for line in [
        "fallback_exit = 0 # BACKUP_USE_AWS",
        "destination[0].url = \"s3://b\" # BACKUP_S3_BUCKET",
        "destination[0].options.region = \"us-west-2\" # default",
        "destination[0].options.role_arn = \"arn:r\" # AWS_ROLE_ARN",
        "destination[1].url = \"./backups\" # default",
        "destination[1].max_snapshots = 10 # default",
    ] {
        assert!(out.contains(line), "{line} in {out}");
    }
    let with = |more: &[(&'static str, &'static str)]| shown(&[&aws[..], more].concat(), &[]);
    for (more, line) in [
        (("AWS_REGION", "eu-north-1"), "options.region = \"eu-north-1\" # AWS_REGION"),
        (("AWS_REGION", ""), "options.region = \"us-west-2\" # default"),
        (("BACKUP_LOCAL_DIR", "mine"), "destination[1].url = \"mine\" # BACKUP_LOCAL_DIR"),
        (("BACKUP_LOCAL_MAX_COUNT", "3"), "max_snapshots = 3 # BACKUP_LOCAL_MAX_COUNT"),
        (("BACKUP_LOCAL_MAX_COUNT", ""), "max_snapshots = 10 # default"),
        (("BACKUP_ENCRYPTION_KEY", KEY), "encryption.key = \"********\" # BACKUP_ENCRYPTION_KEY"),
    ] {
        let out = with(&[more]);
        assert!(out.contains(line), "{line} in {out}");
    }
    // A region belongs to the bucket of this family and to no other.
    assert!(!shown(&[("AWS_REGION", "eu-north-1")], &["-r", "s3://b"]).contains("region"));
    assert!(!with(&[("AWS_ROLE_ARN", "")]).contains("role_arn = \"\""));
    let own = "interval_seconds = 3600\nretention_count = 3\n[cloudflare]";
    write(&folder, "app.toml", &text.replace("[cloudflare]", own));
    let pair = [("BACKUP_S3_ACCESS_KEY", "id2"), ("BACKUP_S3_SECRET_KEY", "hush2")];
    let out = shown(&pair, &["--config", "app.toml"]);
    for line in [
        "schedule.every = \"1h\" # app.toml:6",
        "retention.keep_last = 3 # app.toml:7",
        "options.access_key_id = \"id2\" # BACKUP_S3_ACCESS_KEY",
        "options.secret_access_key = \"********\" # BACKUP_S3_SECRET_KEY",
    ] {
        assert!(out.contains(line), "{line} in {out}");
    }
    assert!(!out.contains("region"), "that of R2 follows from the account: {out}");
}

/// The bucket does not work, for many reasons: each is told, the directory is
/// taken, and nobody waits.
mod choice {
    use std::time::{Duration, Instant};

    use lifeboat_testing::servers::{ACCESS_KEY, Fault, FaultProxy, Kind, S3Server, SECRET_KEY};

    use super::*;

    struct Bucket {
        folder: Folder,
        server: S3Server,
        proxy: FaultProxy,
    }

    impl Bucket {
        fn new() -> Self {
            let server = S3Server::start("bucket");
            let proxy = FaultProxy::before(server.address());
            Self { folder: with_databases(&["app.db"]), server, proxy }
        }

        fn variables(&self) -> Vec<(&'static str, String)> {
            vec![
                ("BACKUP_USE_AWS", "true".into()),
                ("BACKUP_S3_BUCKET", "bucket".into()),
                ("BACKUP_S3_ACCESS_KEY", ACCESS_KEY.into()),
                ("BACKUP_S3_SECRET_KEY", SECRET_KEY.into()),
                ("BACKUP_ENCRYPTION_KEY", KEY.into()),
                ("AWS_ENDPOINT_URL", self.proxy.url()),
                ("AWS_ALLOW_HTTP", "true".into()),
            ]
        }

        fn back_up(&self, changes: &[(&'static str, &str)]) -> Value {
            let mut variables = self.variables();
            for (name, value) in changes {
                variables.retain(|(known, _)| known != name);
                variables.push((name, (*value).to_owned()));
            }
            let variables: Vec<(&str, &str)> =
                variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
            back_up(&self.folder, &variables)
        }

        /// The directory is taken, in time, and the reason has these words.
        #[track_caller]
        fn falls_back(&self, changes: &[(&'static str, &str)], words: &str) {
            let started = Instant::now();
            let summary = self.back_up(changes);
            let took = started.elapsed();
            assert_eq!(summary["destination"], "./backups", "{summary}");
            let reason = summary["fallback_reason"].as_str().expect("there is one");
            assert!(reason.contains(words), "{words}: {reason}");
            assert_eq!(summary["code"], 0);
            assert!(took < Duration::from_secs(5), "{took:?}");
            self.proxy.heal();
        }
    }

    #[test]
    fn each_reason_is_told_and_nobody_waits() {
        let bucket = Bucket::new();
        // Nobody listens there.
        bucket.falls_back(&[("AWS_ENDPOINT_URL", "http://127.0.0.1:1")], "cannot be reached");
        bucket.proxy.when(Kind::Any, "").always(Fault::Hang);
        bucket.falls_back(&[], "did not answer in time");
        bucket.proxy.when(Kind::Any, "").always(Fault::Refuse(403, "AccessDenied"));
        bucket.falls_back(&[], "refuses access");
        bucket.proxy.when(Kind::Any, "").always(Fault::Refuse(500, "InternalError"));
        bucket.falls_back(&[], "does not answer as it should");
        bucket.falls_back(&[("BACKUP_S3_BUCKET", "another")], "no such bucket");
    }

    /// Whoever can read the bucket could read what goes there without a key.
    #[test]
    fn without_a_key_no_repository_is_made_unasked() {
        let bucket = Bucket::new();
        bucket.falls_back(&[("BACKUP_ENCRYPTION_KEY", "")], "there is no repository");
        assert_eq!(bucket.server.count(Kind::Put), 0);
    }

    /// No credentials at all: the metadata service of the machine is asked, here
    /// one of our own where nobody listens.
    #[test]
    fn no_credentials() {
        let bucket = Bucket::new();
        bucket.falls_back(
            &[
                ("BACKUP_S3_ACCESS_KEY", ""),
                ("BACKUP_S3_SECRET_KEY", ""),
                ("AWS_METADATA_ENDPOINT", "http://127.0.0.1:1"),
            ],
            "no credentials are set",
        );
    }

    /// Where the bucket works, it is taken, made a repository, and nothing is
    /// local.
    #[test]
    fn a_bucket_that_works() {
        let bucket = Bucket::new();
        let summary = bucket.back_up(&[]);
        assert_eq!(summary["destination"], "s3://bucket", "{summary}");
        assert!(summary["fallback_reason"].is_null());
        assert!(bucket.server.folder().join("keys").is_dir(), "it is encrypted");
        assert!(!bucket.folder.path("backups").exists());
        assert_eq!(bucket.back_up(&[])["unchanged"], true);
        // And where media are meant to go, nothing goes.
        let media = [("AWS_S3_BUCKET_NAME", "media"), ("AWS_STORAGE_BUCKET_NAME", "media")];
        bucket.back_up(&media);
        let asked = format!("{:?}", bucket.proxy.requests());
        assert!(!asked.contains("media"), "{asked}");
    }

    /// A wrong key goes nowhere else: nobody would notice.
    #[test]
    fn a_wrong_key_is_no_reason_to_go_elsewhere() {
        let bucket = Bucket::new();
        bucket.back_up(&[]);
        let other = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";
        let mut variables = bucket.variables();
        variables.push(("LIFEBOAT_KEY", other.into()));
        let variables: Vec<(&str, &str)> =
            variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let ran = run(&bucket.folder, &variables, &["backup", "app.db"]);
        assert_eq!(ran.code, 12, "{ran:?}");
        assert!(!bucket.folder.path("backups").exists());
    }
}
