//! After a restore: whether the objects are there that the database mentions.

use lifeboat_testing::servers::{Fault, Kind};

use super::{app, message, put_into};
use crate::command::Ran;

#[test]
fn after_a_restore_the_objects_are_looked_for_and_brought_back() {
    let app = app();
    app.fill(20, 0, 0);
    let rules = std::fs::read_to_string(app.folder.path("lifeboat.toml")).expect("reads");
    app.run(&["backup", "app"]).ok();
    let restore = |arguments: &[&str]| {
        let _ = std::fs::remove_file(app.folder.path("new.db"));
        app.run(&[&["--json", "restore", "app", "--target", "new.db"], arguments].concat())
    };
    let audited = |ran: &Ran| {
        let all = ran.json();
        assert_eq!(all.last().expect("a summary")["message_type"], "summary");
        let one = message(&all, "links");
        (one["asked"].as_u64(), one["missing"].as_u64(), one["all"].as_bool())
    };
    assert_eq!(audited(&restore(&[]).ok()), (Some(60), Some(0), Some(true)));
    // Two objects are lost; the other place has one of them.
    for key in ["docs/10/a b0", "u/1.jpg"] {
        std::fs::remove_file(app.bucket.join(key)).expect("is there");
    }
    put_into(&app.folder.path("mirror"), "docs/10/a b0");
    let rules =
        rules.replace("on_broken = \"delete\"", "on_broken = \"delete\"\nalso = \"mirror\"");
    std::fs::write(app.folder.path("lifeboat.toml"), rules).expect("writes");
    let restored = restore(&[]).ok();
    assert_eq!(audited(&restored), (Some(60), Some(2), Some(true)));
    let keys = message(&restored.json(), "links")["missing_keys"].to_string();
    assert_eq!(keys, r#"["docs/10/a b0","u/1.jpg"]"#);
    assert_eq!(restore(&["--links"]).code, 4);
    assert!(restore(&["--no-links"]).ok().json().iter().all(|one| one["message_type"] != "links"));
    // A store that does not answer is no reason for a restore to fail.
    app.wire.when(Kind::Head, "").always(Fault::Refuse(500, "InternalError"));
    assert_eq!(audited(&restore(&[]).ok()), (Some(60), Some(0), Some(true)));
    assert_eq!(restore(&["--links"]).code, 3);
    app.wire.heal();

    let would = app.links(&["fix", "--bring-back"]);
    assert_eq!((would.code, &would.last()["found"]), (4, &1.into()), "{would:?}");
    assert!(!app.bucket.join("docs/10/a b0").exists());
    let done = app.links(&["fix", "--bring-back", "--apply"]);
    let last = done.last();
    assert_eq!(
        (done.code, &last["found"], &last["nowhere"]),
        (4, &1.into(), &1.into()),
        "{done:?}"
    );
    let bytes = std::fs::read(app.bucket.join("docs/10/a b0")).expect("is back");
    assert_eq!(bytes, b"bytes");
    assert!(app.folder.path("mirror/docs/10/a b0").exists());
}
