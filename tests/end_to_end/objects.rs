//! Any object on a bucket or, when that fails, in a directory: as people and
//! programs use it.

use std::process::Command;

use lifeboat_testing::servers::{
    ACCESS_KEY, Fault, FaultProxy, Kind, REGION, S3Server, SECRET_KEY,
};
use serde_json::Value;

use crate::command::{Folder, Ran, binary, same_bytes};

/// Asked without patience, so that a store that is silent costs a second.
const IMPATIENT: &str = "request_timeout=1s&connect_timeout=1s&retry_budget=1s&min_rate=10000000";

/// A bucket of media behind a proxy, and a directory beside the application.
struct Media {
    folder: Folder,
    server: S3Server,
    wire: FaultProxy,
}

fn media() -> Media {
    let server = S3Server::start("media");
    let wire = FaultProxy::before(server.address());
    let folder = Folder::new();
    std::fs::write(folder.path("photo.jpg"), "a photo").expect("writes");
    Media { folder, server, wire }
}

impl Media {
    /// The binary, with a bucket and a directory.
    fn run(&self, arguments: &[&str]) -> Ran {
        let primary = format!("s3://media/app?{IMPATIENT}");
        let mut command = self.folder.under(Command::new(binary()));
        self.tell(&mut command);
        command.env("LIFEBOAT_OBJECTS__PRIMARY", primary);
        command.env("LIFEBOAT_OBJECTS__FALLBACK", self.folder.path("disk"));
        command.args(["--json", "object"]).args(arguments);
        command.output().expect("the binary runs").into()
    }

    fn tell(&self, command: &mut Command) {
        command
            .env("AWS_ENDPOINT_URL", self.wire.url())
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
            .env("AWS_REGION", REGION);
    }

    fn put(&self, key: &str) -> Value {
        let typed = ["--content-type", "image/jpeg", "--meta", "by=ada"];
        self.run(&[&["put", "photo.jpg", key], &typed[..]].concat()).ok().last()
    }

    fn bucket_holds(&self, key: &str) -> bool {
        self.server.folder().join("app").join(key).is_file()
    }

    fn disk_holds(&self, key: &str) -> bool {
        self.folder.path("disk").join(key).is_file()
    }

    /// Reads an object by its placement and compares it with the photo.
    #[track_caller]
    fn reads(&self, key: &str, provider: Option<&str>) {
        let _ = std::fs::remove_file(self.folder.path("read.jpg"));
        let mut arguments = vec!["get", key, "-o", "read.jpg"];
        arguments.extend(provider.iter().flat_map(|name| ["--provider", name]));
        self.run(&arguments).ok();
        assert!(same_bytes(&self.folder.path("read.jpg"), &self.folder.path("photo.jpg")));
    }
}

#[test]
fn the_primary_then_the_fallback_then_the_primary_again() {
    let media = media();
    let first = media.put("1.jpg");
    assert_eq!(first["provider"], "s3");
    assert_eq!(first["content_type"], "image/jpeg");
    assert_eq!(first["metadata"]["by"], "ada");
    assert!(media.bucket_holds("1.jpg") && !media.disk_holds("1.jpg"));
    for fault in [Fault::Refuse(503, "SlowDown"), Fault::Hang, Fault::Refuse(403, "AccessDenied")] {
        media.wire.when(Kind::Any, "").always(fault);
        let second = media.put("2.jpg");
        assert_eq!(second["provider"], "local", "{fault:?}");
        assert_eq!(second["content_type"], "image/jpeg");
        assert_eq!(second["metadata"]["by"], "ada");
        media.reads("2.jpg", Some("local"));
        media.wire.heal();
        // The placement is good when the primary is back, and so is none at all.
        media.reads("2.jpg", Some("local"));
        media.reads("2.jpg", None);
        media.run(&["rm", "2.jpg", "--provider", "local"]).ok();
        assert!(!media.disk_holds("2.jpg"));
    }
    media.reads("1.jpg", Some("s3"));
    assert_eq!(media.put("3.jpg")["provider"], "s3");
}

#[test]
fn both_down_is_one_error_that_names_both() {
    let media = media();
    media.wire.when(Kind::Any, "").always(Fault::Refuse(503, "SlowDown"));
    std::fs::create_dir(media.folder.path("disk")).expect("makes it");
    std::fs::write(media.folder.path("disk/photos"), "a file in the way").expect("writes");
    let ran = media.run(&["put", "photo.jpg", "photos/1.jpg"]);
    assert_eq!(ran.code, 13, "{ran:?}");
    let message = ran.last()["message"].as_str().expect("a text").to_owned();
    assert!(message.contains("s3: create photos/1.jpg"), "{message}");
    assert!(message.contains("local: create photos/1.jpg"), "{message}");
}

#[test]
fn what_was_stored_twice_by_an_answer_that_was_lost_is_deleted_twice() {
    let media = media();
    // The store makes the object and nobody hears of it, not even when asked.
    media.wire.when(Kind::Put, "").always(Fault::LoseAnswer);
    media.wire.when(Kind::Get, "").always(Fault::Refuse(503, "SlowDown"));
    let placement = media.put("1.jpg");
    assert_eq!(placement["provider"], "local");
    assert!(media.bucket_holds("1.jpg") && media.disk_holds("1.jpg"));
    media.wire.heal();
    let deleted = media.run(&["rm", "1.jpg", "--provider", "local"]).ok().last();
    assert_eq!(deleted["deleted_from"].as_array().map(Vec::len), Some(2));
    assert!(!media.bucket_holds("1.jpg") && !media.disk_holds("1.jpg"));
}

#[test]
fn there_and_back_and_urls() {
    let media = media();
    media.put("1.jpg");
    let moved = media.run(&["migrate", "1.jpg", "--provider", "s3", "--to", "local"]).ok().last();
    assert_eq!(moved["provider"], "local");
    assert_eq!(moved["content_type"], "image/jpeg");
    assert!(!media.bucket_holds("1.jpg") && media.disk_holds("1.jpg"));
    // Nobody serves the directory.
    assert_eq!(media.run(&["url", "1.jpg"]).code, 2);
    media.reads("1.jpg", Some("s3"));
    let back = media.run(&["migrate", "1.jpg", "--provider", "local", "--to", "s3"]).ok().last();
    assert_eq!(back["metadata"]["by"], "ada");
    assert!(media.bucket_holds("1.jpg") && !media.disk_holds("1.jpg"));
    media.reads("1.jpg", Some("local"));
    let url = media.run(&["url", "1.jpg", "--valid", "5m"]).ok().last();
    let url = url["url"].as_str().expect("a text");
    assert!(url.starts_with(&format!("{}/media/app/1.jpg?", media.wire.url())), "{url}");
    assert!(url.contains("X-Amz-Expires=300"), "{url}");
    let stat = media.run(&["stat", "1.jpg", "--provider", "local"]).ok().last();
    assert_eq!((stat["provider"].as_str(), stat["size"].as_u64()), (Some("s3"), Some(7)));
}

/// The variables of an application's media say where objects are.
#[test]
fn the_variables_of_media() {
    let media = media();
    let mut command = media.folder.under(Command::new(binary()));
    media.tell(&mut command);
    command.env("AWS_S3_BUCKET_NAME", "media").env("AWS_S3_ENDPOINT_URL", media.wire.url());
    command.env_remove("AWS_ENDPOINT_URL");
    command.args(["--json", "object", "put", "photo.jpg", "1.jpg"]);
    let ran: Ran = command.output().expect("the binary runs").into();
    assert_eq!(ran.ok().last()["provider"], "s3");
    assert!(media.server.folder().join("1.jpg").is_file());
    let nothing = media.folder.run(&["object", "stat", "1.jpg"]);
    assert_eq!(nothing.code, 2, "{nothing:?}");
    assert!(nothing.err.contains("AWS_S3_BUCKET_NAME"), "{nothing:?}");
}

#[test]
fn the_example_writes_down_where_an_upload_is() {
    let media = media();
    std::fs::create_dir(media.folder.path("disk")).expect("makes it");
    let example = binary().with_file_name("examples").join("upload");
    let run = || -> Ran {
        let mut command = media.folder.under(Command::new(&example));
        media.tell(&mut command);
        let primary = format!("s3://media/app?{IMPATIENT}");
        command.args(["app.db", "photo.jpg", &primary, "disk"]);
        command.output().expect("the example is built with the tests").into()
    };
    assert_eq!(run().ok().out, "upload 1: 7 bytes on the primary\n");
    media.wire.when(Kind::Any, "").always(Fault::Refuse(503, "SlowDown"));
    assert_eq!(run().ok().out, "upload 2: 7 bytes on the fallback\n");
    assert!(media.disk_holds("uploads/2.jpg"));
}
