//! What harms nobody and cannot be mended is told once, and not for ever.

use std::time::Duration;

use super::*;

async fn found(host: &Host, database: &Database) -> (Vec<String>, usize) {
    host.advance(Duration::from_secs(60));
    let report = database.check(&CheckOptions::default()).await.expect("checks");
    let findings = report.result.findings.iter().map(|finding| finding.object.clone());
    (findings.collect(), report.known.len())
}

#[tokio::test]
async fn told_once() {
    let world = World::new();
    let host = Host::new("a");
    let database = host.create(world.client("W")).await;
    let mut image = Image::new(20);
    for n in 0..2 {
        image.write(n, 9 + u64::from(n));
        image = image.later(1);
        database.backup(image.clone(), options()).await.expect("backs up");
    }
    database.pin(&[RecordNo(1)]).await.expect("pins");
    let pin = "records/00000000000000000003";
    assert_eq!(found(&host, &database).await, (vec![], 0));
    let damage = async |object: &str| {
        world.change(&format!("databases/app/{object}"), |bytes| bytes[60] ^= 1).await;
    };
    // The newest: it may have been anything, until somebody builds on the last good
    // one.
    damage(pin).await;
    for _ in 0..3 {
        assert_eq!(found(&host, &database).await, (vec![pin.to_owned()], 0));
    }
    damage(pin).await;
    image.write(7, 70);
    database.backup(image.later(1), options()).await.expect("backs up");
    assert_eq!(found(&host, &database).await, (vec![], 0));
    // Followed by a good one, it is of nobody. A reader without memory says so too.
    damage(pin).await;
    let stranger = Host::new("b");
    stranger.advance(Duration::from_secs(600));
    let other = stranger.open(world.client("R")).await;
    assert_eq!(found(&stranger, &other).await, (vec![pin.to_owned()], 0));
    for _ in 0..3 {
        stranger.advance(Duration::from_secs(600));
        assert_eq!(found(&stranger, &other).await, (vec![], 1));
    }
    // The result of a check: what it proved is proven no more, and that is all.
    let result = world.keys("databases/app/checks").await.pop().expect("one");
    let result = relative(&result).to_owned();
    damage(&result).await;
    stranger.advance(Duration::from_secs(600));
    assert_eq!(found(&stranger, &other).await, (vec![result.clone()], 1));
    assert_eq!(found(&stranger, &other).await, (vec![], 2));
    // A hole is another matter: the log seems to end there.
    world.remove(&format!("databases/app/{pin}")).await;
    for _ in 0..2 {
        assert_eq!(found(&stranger, &other).await, (vec![pin.to_owned()], 1));
    }
}
