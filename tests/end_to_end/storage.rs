//! What a storage does is found out and told; buckets are made.

use std::process::Command;

use lifeboat_testing::databases::{one_row_a_page, overwrite};
use lifeboat_testing::servers::{Fault, Kind};

use crate::command::{Folder, Ran, binary, same_bytes};
use crate::place::{Place, in_every_place};

in_every_place!(a_probe_says_what_it_does);

fn a_probe_says_what_it_does(place: Place) {
    let folder = Folder::at(place);
    let init = folder.run(&["--json", "init", "--no-encryption"]).ok().last();
    let probed = folder.run(&["--json", "storage", "probe"]).ok().last();
    assert_eq!(probed["usable"], true, "{probed}");
    for field in ["creates", "listings", "deletes", "fencing"] {
        println!("store: {field} {}", probed[field].as_str().expect("a word"));
    }
    assert_eq!(init["fencing"], probed["fencing"], "what init found holds");
    if place == Place::Directory {
        assert_eq!((&probed["creates"], &probed["fencing"]), (&"once".into(), &"create".into()));
        let left = folder.repository().join("probes");
        assert_eq!(std::fs::read_dir(left).expect("is there").count(), 0, "a probe sweeps");
    }
}

#[test]
fn one_that_ignores_conditions() {
    let folder = Folder::at(Place::Careless);
    let probed = folder.run(&["storage", "probe"]).ok();
    assert!(probed.out.contains("IGNORED") && probed.out.contains("in rounds"), "{probed:?}");
    let init = folder.run(&["--json", "init", "--no-encryption"]).ok().last();
    assert_eq!(init["fencing"], "rounds");
    one_row_a_page(&folder.path("app.db"), "delete", 50, 1);
    assert_eq!(folder.backup("app.db")["unfenced"], false);
    let marks = folder.objects_of("/rounds/").len();
    assert!(marks >= 3, "{marks} marks");
    // A reader that knows nothing of all this reads it.
    folder.read_independently("app", "latest");
    folder.run(&["check", "--read-data"]).ok();
    let doctor = folder.run(&["doctor", "app.db"]);
    assert!(doctor.out.contains("writers agree in rounds instead"), "{doctor:?}");
    folder.run(&["prune"]).ok();
    assert_eq!(folder.objects_of("databases/app/rounds/").len(), 0, "swept");
    folder.run(&["check", "--read-data"]).ok();
}

/// Data keys are numbered as records are, and agreed on alike.
#[test]
fn an_encrypted_repository_where_conditions_are_ignored() {
    let folder = Folder::without_repository(Place::Careless);
    let key = folder.run(&["--json", "key", "generate"]).ok().last();
    std::fs::write(folder.path("key"), key["key"].as_str().expect("a key")).expect("writes");
    let run = |arguments: &[&str]| {
        folder.run(&[&["--json", "--key-file", "key"], arguments].concat()).ok().last()
    };
    assert_eq!(run(&["init"])["fencing"], "rounds");
    let mut connection = one_row_a_page(&folder.path("app.db"), "delete", 50, 1);
    run(&["backup", "app.db"]);
    run(&["key", "rotate", "--data-key"]);
    overwrite(&mut connection, 5, 2);
    let backup = run(&["backup", "app.db"]);
    assert_eq!((&backup["unchanged"], &backup["unfenced"]), (&false.into(), &false.into()));
    run(&["restore", "app", "--target", "new.db"]);
    assert!(same_bytes(&folder.path("new.db"), &folder.path("app.db")));
    for agreed in ["prefix/rounds/1/", "prefix/rounds/2/", "app/rounds/00000000000000000002/"] {
        assert!(!folder.objects_of(agreed).is_empty(), "{agreed}");
    }
}

#[test]
fn a_bucket_is_made_where_there_is_none() {
    let folder = Folder::without_repository(Place::Own);
    let run = |arguments: &[&str]| -> Ran {
        let mut command = folder.under(Command::new(binary()));
        command.env_remove("LIFEBOAT_REPOSITORY").env("GOOGLE_SKIP_SIGNATURE", "true");
        command.env("AZURE_STORAGE_ACCOUNT_NAME", "madeup");
        command.env("AZURE_STORAGE_ACCOUNT_KEY", "bWFkZSB1cA==");
        command.args(arguments).output().expect("runs").into()
    };
    let url = "s3://another-bucket/app";
    let refused = run(&["-r", url, "init", "--no-encryption"]);
    assert_eq!(refused.code, 13, "{refused:?}");
    assert!(refused.err.contains("--create-bucket"), "{refused:?}");
    let init = ["-r", url, "init", "--no-encryption", "--create-bucket"];
    let made = run(&init).ok();
    assert!(made.out.contains("made the bucket"), "{made:?}");
    one_row_a_page(&folder.path("app.db"), "delete", 10, 1);
    run(&["-r", url, "backup", "app.db"]).ok();
    // Once more, and nothing about it changes.
    let again = run(&init).ok();
    assert!(again.out.contains("was there"), "{again:?}");
    run(&["-r", url, "snapshots", "app"]).ok();
    for (place, words) in [
        ("./backups", "leave out --create-bucket"),
        ("gs://some-bucket", "gcloud storage buckets create gs://some-bucket"),
        ("az://container", "az storage container create --name container"),
    ] {
        let ran = run(&["-r", place, "init", "--no-encryption", "--create-bucket"]);
        assert_eq!(ran.code, 2, "{place}: {ran:?}");
        assert!(ran.err.contains(words), "{place}: {ran:?}");
    }
}

#[test]
fn a_bucket_that_cannot_be_made() {
    for (status, code, exit, words) in [
        (409, "BucketAlreadyExists", 2, "somebody else has one of that name"),
        (400, "InvalidBucketName", 2, "it is no name for one"),
        (403, "AccessDenied", 13, "allow s3:CreateBucket"),
        (400, "IllegalLocationConstraintException", 13, "with the option region"),
    ] {
        let folder = Folder::without_repository(Place::Faulty);
        let wire = folder.store().proxy();
        wire.when(Kind::Get, "format/").always(Fault::Refuse(404, "NoSuchBucket"));
        wire.when(Kind::Bucket, "").always(Fault::Refuse(status, code));
        let ran = folder.run(&["init", "--no-encryption", "--create-bucket"]);
        assert_eq!(ran.code, exit, "{code}: {ran:?}");
        assert!(ran.err.contains(words), "{code}: {ran:?}");
    }
    // One that is there, and not for us.
    let folder = Folder::without_repository(Place::Faulty);
    let wire = folder.store().proxy();
    wire.when(Kind::Get, "format/").always(Fault::Refuse(403, "AccessDenied"));
    let ran = folder.run(&["init", "--no-encryption", "--create-bucket"]);
    assert_eq!(ran.code, 13, "{ran:?}");
    assert!(ran.err.contains("may be somebody else's"), "{ran:?}");
    let asked = wire.requests().iter().filter(|request| request.kind == Kind::Bucket).count();
    assert_eq!(asked, 0, "nothing was made");
}
