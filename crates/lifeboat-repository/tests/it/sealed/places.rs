//! Objects that are whole, and lie where they do not belong.

use super::*;

/// What is said of a pack with the bytes of another: their length, and the digest
/// of their index, stand in the pack list.
const PACK: [&str; 3] = ["pack damaged: index digest", "pack damaged: trailer", "pack cut short"];

/// Two databases in one repository, and one in another, with the same secret.
struct Three {
    world: World,
    other: World,
    images: Vec<Image>,
}

impl Three {
    async fn new() -> Self {
        let (world, other) = (World::new(), World::new());
        let host = Host::new("a");
        let repository = make(&world, &host, &raw(1)).await;
        let images = fill(&named(&repository, "app"), &Image::new(40), 14).await;
        fill(&named(&repository, "web"), &Image::new(40), 14).await;
        let repository = make(&other, &host, &raw(1)).await;
        fill(&named(&repository, "app"), &Image::new(40), 14).await;
        Self { world, other, images }
    }

    async fn complaints(&self) -> Vec<String> {
        complaints(&self.world, Some(&raw(1)), "app", &self.images).await
    }

    /// Puts bytes in the place of an object of `app`, and checks what is said.
    async fn check(&self, key: &str, bytes: &[u8], words: &[&str]) {
        let whole = bytes_of(&self.world, key).await;
        assert!(whole != bytes, "{key} is as it was");
        set(&self.world, key, bytes).await;
        let found = self.complaints().await;
        let said = |complaint: &String| {
            complaint.contains(key) && words.iter().any(|words| complaint.contains(words))
        };
        assert!(found.iter().any(said), "{key}: {found:?}");
        set(&self.world, key, &whole).await;
    }

    async fn app(&self, kind: &str) -> Vec<String> {
        self.world.keys(&format!("app/{kind}/")).await
    }
}

#[tokio::test]
async fn swapped_within_a_database() {
    let three = Three::new().await;
    assert_eq!(three.complaints().await, [""; 0]);
    let records = three.app("records").await;
    for (a, b) in [(0, 1), (1, 0), (3, 12), (13, 12)] {
        let bytes = bytes_of(&three.world, &records[a]).await;
        three.check(&records[b], &bytes, &["belongs to another number"]).await;
    }
    let packs = three.app("packs").await;
    let mut small = Vec::new();
    for key in &packs {
        small.push((key, bytes_of(&three.world, key).await));
    }
    for (at, (key, whole)) in small.iter().enumerate() {
        let (_, another) = &small[(at + 1) % small.len()];
        let words = PACK;
        assert!(whole != another);
        three.check(key, another, &words).await;
    }
}

#[tokio::test]
async fn moved_between_databases_and_repositories() {
    let three = Three::new().await;
    for kind in ["records", "lists", "packs"] {
        let here = three.app(kind).await;
        let key = here.last().expect("is there");
        let words: &[&str] = match kind {
            "packs" => &PACK,
            _ => &["belongs to another database or repository"],
        };
        let beside = three.world.keys(&format!("web/{kind}/")).await.pop().expect("is there");
        three.check(key, &bytes_of(&three.world, &beside).await, words).await;
        let words: &[&str] = match kind {
            "packs" => &PACK,
            _ => &["was encrypted with data key"],
        };
        let far = three.other.keys(&format!("app/{kind}/")).await.pop().expect("is there");
        three.check(key, &bytes_of(&three.other, &far).await, words).await;
    }
}

/// A whole folder of another database, or of another repository.
#[tokio::test]
async fn whole_folders() {
    let three = Three::new().await;
    let client = three.world.client("mover");
    for (world, name) in [(&three.world, "copied"), (&three.other, "far")] {
        for key in world.keys("databases/app/").await {
            let to = key.replace("/app/", &format!("/{name}/"));
            let put = client.create(&to, bytes_of(world, &key).await.into()).await;
            assert_eq!(put.expect("puts"), lifeboat_remote::Created::New);
        }
    }
    for (name, words) in [
        ("copied", "belongs to another database or repository"),
        ("far", "was encrypted with data key"),
    ] {
        let found = complaints(&three.world, Some(&raw(1)), name, &three.images).await;
        let record = format!("databases/{name}/records/");
        let said = |c: &String| c.contains(words) && c.contains(&record);
        assert!(found.iter().any(said), "{name}: {found:?}");
    }
}

/// Slots and format objects of another repository open nothing here.
#[tokio::test]
async fn a_slot_or_format_object_from_elsewhere() {
    let three = Three::new().await;
    let [slot, far_slot] = [&three.world, &three.other].map(|world| world.keys("keys/"));
    let (slot, far_slot) = (slot.await.remove(0), far_slot.await.remove(0));
    let whole = bytes_of(&three.world, &slot).await;
    set(&three.world, &slot, &bytes_of(&three.other, &far_slot).await).await;
    let found = three.complaints().await;
    assert!(found[0].contains("the key or passphrase is not the one"), "{found:?}");
    set(&three.world, &slot, &whole).await;
    set(&three.world, "format/1", &bytes_of(&three.other, "format/1").await).await;
    let found = three.complaints().await;
    assert!(found[0].contains("open scripted://"), "{found:?}");
}

/// Sealed and plain never mix, either way.
#[tokio::test]
async fn plain_objects_in_a_sealed_repository_and_the_reverse() {
    let three = Three::new().await;
    let plain = World::new();
    let host = Host::new("p");
    let repository = Repository::create(plain.client("W"), host.local.clone()).await;
    fill(&named(&repository.expect("creates"), "app"), &Image::new(40), 14).await;
    for kind in ["records", "lists", "packs"] {
        let key = three.app(kind).await.pop().expect("is there");
        let from = plain.keys(&format!("app/{kind}/")).await.pop().expect("is there");
        let words: &[&str] = match kind {
            // Nobody can make a list that names a plain pack: it is sealed.
            "packs" => &["pack cut short", "pack damaged", "is not encrypted"],
            _ => &["is not encrypted, in a repository where everything is"],
        };
        three.check(&key, &bytes_of(&plain, &from).await, words).await;

        let whole = bytes_of(&plain, &from).await;
        set(&plain, &from, &bytes_of(&three.world, &key).await).await;
        let found = complaints(&plain, None, "app", &three.images).await;
        let words: &[&str] = match kind {
            "packs" => &["pack cut short", "pack damaged", "is encrypted"],
            _ => &["is encrypted, and no key was given"],
        };
        let said = |c: &String| c.contains(&from) && words.iter().any(|words| c.contains(words));
        assert!(found.iter().any(said), "{kind}: {found:?}");
        set(&plain, &from, &whole).await;
    }
    assert_eq!(complaints(&plain, None, "app", &three.images).await, [""; 0]);
}

/// A plain format object over a sealed repository: refused with a key, and
/// without one by whoever saw it sealed.
#[tokio::test]
async fn passed_off_as_plain() {
    let world = World::new();
    let host = Host::new("a");
    let repository = make(&world, &host, &raw(1)).await;
    let mut info = repository.info().clone();
    info.scheme = lifeboat_format::info::Scheme::Plain { block_hash_key: "ab".repeat(32) };
    set(&world, "format/1", &info.encode()).await;
    for secret in [None, Some(raw(1))] {
        let opened =
            Repository::open_with(world.client("W"), host.local.clone(), secret.as_ref()).await;
        let error = opened.expect_err("refused");
        assert!(error.is_damage() && error.to_string().contains("encrypted before"), "{error}");
    }
    let stranger = Host::new("b");
    let error = open(world.client("W"), &stranger, &raw(1)).await.expect_err("refused");
    assert!(error.to_string().contains("is not encrypted"), "{error}");
}
