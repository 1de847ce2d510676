//! Stores through the public API.

mod objects;
mod stores;

use lifeboat_remote::{Created, OpenError, Remote};

fn local(dir: &tempfile::TempDir) -> Remote {
    Remote::open(dir.path().to_str().expect("temporary paths are UTF-8")).expect("opens")
}

async fn check_contract(remote: Remote) {
    let key = "databases/a%20b/records/00000000000000000001";
    assert_eq!(remote.get(key, 100).await.expect("reads"), None);
    assert_eq!(remote.size(key).await.expect("looks"), None);
    assert_eq!(remote.get_range(key, 0..5).await.expect("reads"), None);
    assert_eq!(remote.create(key, "mine".into()).await.expect("creates"), Created::New);
    assert_eq!(remote.create(key, "yours".into()).await.expect("refuses"), Created::Exists);
    assert_eq!(remote.create(key, "longer".into()).await.expect("refuses"), Created::Exists);
    assert_eq!(remote.create(key, "me".into()).await.expect("refuses"), Created::Exists);
    assert_eq!(remote.create(key, "mine".into()).await.expect("is there"), Created::New);
    let parts = |parts: &[&'static str]| parts.iter().map(|&part| part.into()).collect();
    for (is_it, pieces) in [(true, parts(&["mi", "", "ne"])), (false, parts(&["mi", "nd"]))] {
        let expected = if is_it { Created::New } else { Created::Exists };
        assert_eq!(remote.create_of_parts(key, pieces).await.expect("answers"), expected);
    }
    assert_eq!(remote.get(key, 100).await.expect("reads").as_deref(), Some(&b"mine"[..]));
    assert!(remote.get(key, 3).await.is_err());
    let range = |range| remote.get_range(key, range);
    assert_eq!(range(1..3).await.expect("reads").as_deref(), Some(&b"in"[..]));
    assert_eq!(range(2..30).await.expect("reads").as_deref(), Some(&b"ne"[..]));
    assert_eq!(range(4..30).await.expect("reads").as_deref(), Some(&b""[..]));
    let listed = remote.list("databases").await.expect("lists");
    assert_eq!(listed.iter().map(|o| (o.key.as_str(), o.size)).collect::<Vec<_>>(), [(key, 4)]);
    assert_eq!(remote.folders("databases").await.expect("lists"), ["a%20b"]);
    assert_eq!(remote.folders("nothing").await.expect("lists"), [""; 0]);
    let pieces = parts(&["in ", "two"]);
    let two = "databases/two";
    assert_eq!(remote.create_of_parts(two, pieces).await.expect("creates"), Created::New);
    assert_eq!(remote.get(two, 100).await.expect("reads").as_deref(), Some(&b"in two"[..]));
    let gone = [key.to_owned(), "databases/never".to_owned()];
    remote.delete(&gone).await.expect("deletes");
    assert_eq!(remote.size(key).await.expect("looks"), None);
}

#[tokio::test]
async fn a_directory_keeps_the_contract() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    check_contract(local(&dir)).await;
}

#[tokio::test]
async fn memory_keeps_the_contract() {
    check_contract(Remote::memory()).await;
}

#[tokio::test]
async fn keys_are_paths_as_they_are() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let created = local(&dir).create("databases/a%20b/x", "1".into()).await.expect("creates");
    assert_eq!(created, Created::New);
    assert!(dir.path().join("databases/a%20b/x").is_file());
}

#[test]
fn a_missing_directory_is_said() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let missing = dir.path().join("x/y");
    let text = missing.to_str().expect("temporary paths are UTF-8");
    assert!(matches!(Remote::open(text), Err(OpenError::NoDirectory { .. })));
    Remote::open_or_create(text).expect("makes it");
    Remote::open(text).expect("is there now");
    std::fs::write(dir.path().join("file"), "").expect("writes");
    let file = dir.path().join("file");
    let error = Remote::open_or_create(file.to_str().expect("UTF-8")).expect_err("a file");
    assert!(matches!(error, OpenError::Directory { .. }));
}
