//! Objects on two sides, one of which may fail.

mod shelf;

use std::sync::Arc;

use lifeboat_remote::Remote;
use lifeboat_remote::objects::{
    Content, FallbackStore, ObjectError, ObjectProvider, Placement, RemoteProvider,
};

use shelf::Shelf;

/// Larger than what goes up in one request.
const LARGE: usize = 9 * 1024 * 1024 + 17;

/// A directory, which keeps no content types, and a provider that is no store.
struct Both {
    dir: tempfile::TempDir,
    shelf: Arc<Shelf>,
    store: FallbackStore,
}

fn directory(dir: &tempfile::TempDir) -> Arc<RemoteProvider> {
    let remote = Remote::open(dir.path().to_str().expect("UTF-8")).expect("opens");
    Arc::new(RemoteProvider::new("local", remote))
}

/// The shelf is the primary, the directory the fallback.
fn both() -> Both {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let shelf = Arc::new(Shelf::default());
    let store = FallbackStore::new(vec![shelf.clone(), directory(&dir)]).expect("two names");
    Both { dir, shelf, store }
}

fn photo() -> Content {
    Content::bytes("a photo").with_type("image/jpeg").with_metadata("by", "ada")
}

async fn read(store: &FallbackStore, placement: &Placement) -> Vec<u8> {
    store.get(placement).await.expect("is read").bytes(1 << 30).await.expect("all of it").to_vec()
}

#[tokio::test]
async fn the_primary_takes_it_and_the_placement_says_so() {
    let Both { store, .. } = both();
    let placement = store.put("photos/1.jpg", &photo()).await.expect("is stored");
    assert_eq!(placement.provider.as_deref(), Some("shelf"));
    assert_eq!(placement.key, "photos/1.jpg");
    assert_eq!(placement.size, Some(7));
    assert_eq!(placement.content_type.as_deref(), Some("image/jpeg"));
    assert_eq!(read(&store, &placement).await, b"a photo");
    assert_eq!(store.stat(&placement).await.expect("is there"), placement);
}

#[tokio::test]
async fn the_primary_is_down_and_the_fallback_is_named() {
    let Both { shelf, store, dir } = both();
    shelf.is_out(true);
    let placement = store.put("photos/1.jpg", &photo()).await.expect("is stored");
    assert_eq!(placement.provider.as_deref(), Some("local"));
    assert!(dir.path().join("photos/1.jpg").is_file());
    // Type and metadata are kept by a directory as well.
    let object = store.get(&placement).await.expect("is read");
    assert_eq!(object.provider, "local");
    assert_eq!(object.info.content_type.as_deref(), Some("image/jpeg"));
    assert_eq!(object.info.metadata["by"], "ada");
    // The placement holds when the primary is back.
    shelf.is_out(false);
    assert_eq!(read(&store, &placement).await, b"a photo");
}

#[tokio::test]
async fn both_down_is_one_error_with_both_causes() {
    let Both { shelf, store, dir } = both();
    shelf.is_out(true);
    // A file where a folder should be: whatever the user may do.
    std::fs::write(dir.path().join("photos"), "").expect("writes");
    let error = store.put("photos/1.jpg", &photo()).await.expect_err("nobody takes it");
    let text = error.to_string();
    assert!(text.contains("shelf: store photos/1.jpg: the shelf is out"), "{text}");
    assert!(text.contains("local: create photos/1.jpg"), "{text}");
    let ObjectError::Everywhere { causes, .. } = &error else { panic!("{error:?}") };
    assert_eq!(causes.len(), 2);
}

#[tokio::test]
async fn a_key_is_not_stored_twice() {
    let Both { store, .. } = both();
    store.put("a", &Content::bytes("one")).await.expect("is stored");
    store.put("a", &Content::bytes("one")).await.expect("the same is a success");
    let error = store.put("a", &Content::bytes("two")).await.expect_err("another one");
    assert!(matches!(error, ObjectError::Exists { .. }), "{error}");
    assert_eq!(read(&store, &Placement::unknown("a")).await, b"one");
    store.replace("a", &Content::bytes("two")).await.expect("is meant");
    assert_eq!(read(&store, &Placement::unknown("a")).await, b"two");
}

#[tokio::test]
async fn the_same_in_a_directory_large_and_small() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let store = FallbackStore::new(vec![directory(&dir)]).expect("one");
    let large = |byte| Content::bytes(vec![byte; LARGE]);
    for (one, two) in [(Content::bytes("one"), Content::bytes("two")), (large(1), large(2))] {
        let key = format!("k{}", one.size());
        store.put(&key, &one).await.expect("is stored");
        store.put(&key, &one).await.expect("the same is a success");
        let error = store.put(&key, &two).await.expect_err("another one");
        assert!(matches!(error, ObjectError::Exists { .. }), "{error}");
        let two = two.with_type("video/mp4");
        let placement = store.replace(&key, &two).await.expect("is meant");
        assert_eq!(placement.content_type.as_deref(), Some("video/mp4"));
        // What described the one before does not describe the next.
        let placement = store.replace(&key, &one).await.expect("is meant");
        assert_eq!(placement.content_type, None);
    }
}

#[tokio::test]
async fn reads_go_to_the_other_side_when_it_is_not_there() {
    let Both { shelf, store, dir } = both();
    std::fs::write(dir.path().join("old"), "from before").expect("writes");
    // A row older than the column: the primary, and then the other side.
    assert_eq!(read(&store, &Placement::unknown("old")).await, b"from before");
    // The primary does not answer: what it may have is not known, but here it is.
    shelf.is_out(true);
    assert_eq!(read(&store, &Placement::at("shelf", "old")).await, b"from before");
    let error = store.get(&Placement::unknown("none")).await.expect_err("nobody has it");
    // Whether it is missing is not known while one side is out.
    assert!(matches!(error, ObjectError::Everywhere { .. }), "{error}");
    shelf.is_out(false);
    let error = store.get(&Placement::unknown("none")).await.expect_err("nobody has it");
    assert!(matches!(error, ObjectError::Missing { .. }), "{error}");
    let error = store.get(&Placement::at("else", "none")).await.expect_err("is not known");
    assert!(matches!(error, ObjectError::UnknownProvider { .. }), "{error}");
}

#[tokio::test]
async fn a_placement_without_a_provider_means_the_primary() {
    let Both { store, dir, shelf } = both();
    shelf.hold("a", "on the shelf");
    std::fs::write(dir.path().join("a"), "in the directory").expect("writes");
    assert_eq!(read(&store, &Placement::unknown("a")).await, b"on the shelf");
    assert_eq!(read(&store, &Placement::at("local", "a")).await, b"in the directory");
}

#[tokio::test]
async fn a_deletion_empties_both_sides() {
    let Both { store, dir, shelf } = both();
    // The answer of the primary was lost: it has the object, and so has the
    // fallback, which the placement names.
    shelf.loses_answers(true);
    let placement = store.put("a", &photo()).await.expect("is stored");
    shelf.loses_answers(false);
    assert_eq!(placement.provider.as_deref(), Some("local"));
    assert!(shelf.holds("a") && dir.path().join("a").is_file());
    let deleted = store.delete(&placement).await.expect("is deleted");
    assert_eq!(deleted.providers, ["local", "shelf"]);
    assert!(!shelf.holds("a") && !dir.path().join("a").exists());
    assert!(!dir.path().join(".lifeboat/objects/a.json").exists());
    store.delete(&placement).await.expect("what is gone is gone");
    // A side that does not answer may still have it: that is said.
    let placement = store.put("b", &photo()).await.expect("is stored");
    shelf.is_out(true);
    let error = store.delete(&placement).await.expect_err("one side is out");
    assert!(matches!(error, ObjectError::Undeleted { .. }), "{error}");
    let error = store.delete(&Placement::at("else", "b")).await.expect_err("is not known");
    assert!(matches!(error, ObjectError::UnknownProvider { .. }), "{error}");
}

/// The same errors, whoever is asked.
#[tokio::test]
async fn a_file_by_its_id() {
    let Both { store, dir, shelf } = both();
    let file = dir.path().join("photo.jpg");
    std::fs::write(&file, "a photo").expect("writes");
    for out in [false, true] {
        shelf.is_out(out);
        let id = format!("photos/{out}");
        let placement = store.store_file(&file, &id).await.expect("is stored");
        let expected = if out { "local" } else { "shelf" };
        assert_eq!((placement.provider.as_deref(), &*placement.key), (Some(expected), &*id));
        assert_eq!(read(&store, &placement).await, b"a photo");
        store.store_file(&file, &id).await.expect("the same is a success");
        let other = dir.path().join("other.jpg");
        std::fs::write(&other, "another one").expect("writes");
        let error = store.store_file(&other, &id).await.expect_err("another one");
        assert!(matches!(error, ObjectError::Exists { .. }), "{error}");
        let error = store.store_file(dir.path().join("none"), "a").await.expect_err("no file");
        assert!(matches!(&error, ObjectError::Content { .. }), "{error:?}");
        let error = store.store_file(&file, "../a").await.expect_err("no key");
        assert!(matches!(error, ObjectError::Key { .. }), "{error}");
    }
}

#[tokio::test]
async fn there_and_back() {
    let Both { store, dir, shelf } = both();
    let video: Vec<u8> = (0..LARGE).map(|n| (n / 7 % 251) as u8).collect();
    let file = dir.path().join("video");
    std::fs::write(&file, &video).expect("writes");
    let content = Content::file(&file).await.expect("is a file").with_type("video/mp4");
    let first = store.put("v", &content).await.expect("is stored");
    let there = store.migrate(&first, "local").await.expect("is copied");
    assert_eq!(there.provider.as_deref(), Some("local"));
    assert_eq!(there.content_type.as_deref(), Some("video/mp4"));
    assert!(shelf.holds("v"), "the original stays until it is no longer needed");
    assert_eq!(store.prune(&there).await.expect("is removed"), ["shelf"]);
    assert!(!shelf.holds("v"));
    // Whoever still goes by the old placement finds it.
    assert_eq!(read(&store, &first).await, video);
    let back = store.migrate(&there, "shelf").await.expect("is copied");
    store.prune(&back).await.expect("is removed");
    assert_eq!(back.provider.as_deref(), Some("shelf"));
    assert_eq!(back.content_type.as_deref(), Some("video/mp4"));
    assert!(!dir.path().join("v").exists());
    assert_eq!(read(&store, &there).await, video);
    // Done twice, it is done.
    assert_eq!(store.migrate(&first, "shelf").await.expect("is there"), back);
}

#[tokio::test]
async fn a_copy_that_is_not_the_original_removes_nothing() {
    let Both { store, shelf, dir } = both();
    let placement = store.put("a", &Content::bytes("right")).await.expect("is stored");
    std::fs::write(dir.path().join("a"), "wrong").expect("writes");
    let error = store.migrate(&placement, "local").await.expect_err("something else lies there");
    assert!(matches!(error, ObjectError::Exists { .. }), "{error}");
    assert!(shelf.holds("a"));
    // Nothing is removed for the sake of a copy that is not there.
    std::fs::remove_file(dir.path().join("a")).expect("is there");
    let error = store.prune(&Placement::at("local", "a")).await.expect_err("no copy");
    assert!(matches!(error, ObjectError::Missing { .. }), "{error}");
    shelf.garbles(true);
    let local = directory(&dir);
    local.put("b", &Content::bytes("right"), false).await.expect("is stored");
    let error = store.migrate(&Placement::at("local", "b"), "shelf").await.expect_err("garbled");
    assert!(matches!(error, ObjectError::Differs { .. }), "{error}");
    assert!(dir.path().join("b").is_file());
}

#[tokio::test]
async fn what_is_asked_for_must_make_sense() {
    let Both { store, .. } = both();
    for key in ["", "/a", "a//b", "a/../b", ".", "a/", ".lifeboat/objects/a.json", "a#1", "a\nb"] {
        let error = store.put(key, &photo()).await.expect_err(key);
        assert!(matches!(error, ObjectError::Key { .. }), "{key:?}: {error}");
    }
    for (name, value) in [("Name", "x"), ("a-b", "x"), ("a", "ü"), ("a", " x"), ("", "x")] {
        let content = Content::bytes("").with_metadata(name, value);
        let error = store.put("a", &content).await.expect_err(name);
        assert!(matches!(error, ObjectError::Metadata { .. }), "{name:?}: {error}");
    }
    let shelf = || Arc::new(Shelf::default());
    let twice = FallbackStore::new(vec![shelf(), shelf()]).expect_err("one name for two");
    assert!(matches!(twice, ObjectError::Providers));
    FallbackStore::new(vec![]).expect_err("none at all");
    Content::file("/nonexistent/file").await.expect_err("no such file");
    Content::file("/").await.expect_err("a directory");
}

/// What is wrong with the content is not the primary's fault: nothing else is
/// tried, and nothing is stored that was cut short.
#[tokio::test]
async fn a_file_that_shrinks_meanwhile() {
    for size in [100, LARGE] {
        let Both { store, dir, .. } = both();
        let file = dir.path().join("file");
        std::fs::write(&file, vec![7; size]).expect("writes");
        let content = Content::file(&file).await.expect("is a file");
        std::fs::write(&file, vec![7; size - 1]).expect("writes");
        let error = store.put("a", &content).await.expect_err("it is shorter");
        assert!(matches!(error, ObjectError::Length { .. }), "{error}");
        let only = FallbackStore::new(vec![directory(&dir)]).expect("one");
        let error = only.put("a", &content).await.expect_err("it is shorter");
        assert!(matches!(error, ObjectError::Length { .. }), "{error}");
        assert!(!dir.path().join("a").exists());
        std::fs::write(&file, vec![7; size + 1]).expect("writes");
        let error = only.put("a", &content).await.expect_err("it is longer");
        assert!(matches!(error, ObjectError::Length { .. }), "{error}");
        assert!(!dir.path().join("a").exists());
    }
}

#[tokio::test]
async fn urls() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let remote = Remote::open(dir.path().to_str().expect("UTF-8")).expect("opens");
    let valid = std::time::Duration::from_secs(60);
    let plain = RemoteProvider::new("local", remote.clone());
    let error = plain.url("a", valid).await.expect_err("nobody serves it");
    assert!(matches!(error, ObjectError::NoUrl { .. }));
    let public = plain.with_public_base("https://media.example/m/");
    let store = FallbackStore::new(vec![Arc::new(public)]).expect("one");
    let url = store.url(&Placement::unknown("photos/a b.jpg"), valid).await.expect("is public");
    assert_eq!(url, "https://media.example/m/photos/a%20b.jpg");
}

#[cfg(feature = "aws")]
#[tokio::test]
async fn a_signed_url_names_the_object_and_its_time() {
    let url = "s3://media/app?endpoint=http://localhost:9&region=us-east-1&access_key_id=K";
    let mut options = lifeboat_remote::RemoteOptions::default();
    options.environment = false;
    options.set("secret_access_key", "made up").expect("is an option");
    let remote = Remote::open_with(url, options).expect("opens");
    let provider = RemoteProvider::new("s3", remote);
    let valid = std::time::Duration::from_secs(900);
    let signed = provider.url("photos/a b.jpg", valid).await.expect("is signed");
    assert!(signed.starts_with("http://localhost:9/media/app/photos/a%20b.jpg?"), "{signed}");
    assert!(signed.contains("X-Amz-Expires=900"), "{signed}");
    assert!(!signed.contains("made"), "{signed}");
}
