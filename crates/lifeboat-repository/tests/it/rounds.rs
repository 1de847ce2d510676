//! Rule R11: repositories on stores that ignore conditions, under the schedules
//! that lose a record where the condition is relied on.

mod findings;

use lifeboat_format::numbers::RecordNo;
use lifeboat_remote::Fencing;
use lifeboat_repository::{BackupError, CollectOptions, Database, Repository, WriteError};
use lifeboat_testing::script::{Op, World};

use crate::image::Image;
use crate::world::{Host, backup, check_all_restore, name, options};

/// A store that ignores conditions, and a repository there that knows it.
async fn careless() -> (World, Host, Database) {
    let world = World::new();
    world.ignore_conditions();
    let host = Host::new("a");
    let writer = host.create(world.stranger("W")).await;
    (world, host, writer)
}

/// The same image with another page changed, taken later.
fn next(image: &Image, page: u32) -> Image {
    let mut image = image.clone().later(1);
    image.write(page, 1_000_000 + u64::from(page));
    image
}

/// Which snapshots there are, by their numbers.
async fn numbers(database: &Database) -> Vec<u64> {
    let listing = database.snapshots(None).await.expect("lists");
    listing.snapshots.iter().map(|snapshot| snapshot.number().0).collect()
}

#[tokio::test]
async fn readers_notice_nothing() {
    let (world, host, writer) = careless().await;
    assert_eq!(writer.repository().fencing(), Fencing::Rounds);
    let mut image = Image::new(300);
    for page in 0..3 {
        backup(&writer, &image).await;
        image = next(&image, page);
    }
    // One who takes the store for a good one reads what lies there all the same.
    let reader = host.open(world.client("R")).await;
    assert_eq!(check_all_restore(&reader).await, 3);
    let rounds: Vec<_> = world.keys("/rounds/").await;
    assert!(rounds.iter().any(|key| key.contains("/rounds/00000000000000000003/decided-")));
    assert_eq!(world.keys("probes/").await, [""; 0], "a probe sweeps");
}

/// What it costs, beside a look for each pack.
#[tokio::test]
async fn calls_are_counted() {
    let (world, _, writer) = careless().await;
    let first = Image::new(300);
    backup(&writer, &first).await;
    world.take_calls();
    writer.backup(next(&first, 3), options()).await.expect("backs up");
    let calls: Vec<Op> = world.take_calls().iter().map(|call| call.op).collect();
    let head = [Op::Get, Op::Head, Op::Get];
    let pack = [Op::Get, Op::Put];
    let agreed = [Op::Put, Op::List, Op::Put, Op::List, Op::Put, Op::List, Op::Put];
    let record = [Op::Get, Op::Put];
    assert_eq!(calls, [&head[..], &pack, &agreed, &record].concat());
}

/// One writer has the number, and stands still before its record is put. The next
/// one puts it for it, and takes the number after.
#[tokio::test]
async fn who_comes_next_finishes_what_was_decided() {
    let (world, host, slow) = careless().await;
    let first = Image::new(300);
    backup(&slow, &first).await;
    let (mine, theirs) = (next(&first, 3), next(&first, 7).later(5));
    let pause = world.pause("W", Op::Put, "records/00000000000000000002");
    let waiting = tokio::spawn({
        let (slow, mine) = (slow.clone(), mine.clone());
        async move { slow.backup(mine, options()).await }
    });
    pause.reached().await;
    let quick = host.open(world.stranger("Z")).await;
    let report = backup(&quick, &theirs).await;
    assert_eq!(report.number, RecordNo(3), "number 2 was decided");
    pause.release();
    let report = waiting.await.expect("ends").expect("is acknowledged").report;
    assert_eq!(report.number, RecordNo(2));
    assert_eq!(numbers(&quick).await, [1, 2, 3]);
    assert_eq!(check_all_restore(&quick).await, 3);
}

/// A writer dies at each of its calls in turn, before and after it is applied.
/// The next one goes on; what was acknowledged stays, what was not is there whole
/// or not at all; and the dead one, back again, is not taken for its own twin.
#[tokio::test]
async fn a_writer_dies_at_each_call() {
    let mut died = 0;
    for applied in [false, true] {
        for call in 1.. {
            let (world, host, dying) = careless().await;
            let first = Image::new(300);
            backup(&dying, &first).await;
            match applied {
                false => world.crash_at("W", call),
                true => world.crash_at_applied("W", call),
            }
            let second = next(&first, 3);
            let told = dying.backup(second.clone(), options()).await;
            let survivor = host.open(world.stranger("Z")).await;
            let third = next(&second, 4);
            let report = backup(&survivor, &third).await;
            let there = numbers(&survivor).await;
            assert_eq!(there.last(), Some(&report.number.0), "call {call}");
            assert!(there.len() == 2 || there.len() == 3, "call {call}: {there:?}");
            world.revive("W");
            let again = host.open(world.stranger("W")).await;
            backup(&again, &next(&third, 5)).await;
            assert_eq!(check_all_restore(&again).await, there.len() + 1, "call {call}");
            if told.is_ok() {
                assert_eq!(there.len(), 3, "call {call}: what was acknowledged is there");
                break;
            }
            died += 1;
        }
    }
    assert!(died > 20, "{died} deaths");
}

/// Two writers at once, in many orders: who is told that a snapshot exists finds it
/// for ever.
#[tokio::test]
async fn two_writers_in_many_orders() {
    let (mut both, mut mixed) = (0, 0);
    for seed in 0..60 {
        let (world, host, one) = careless().await;
        let other = host.open(world.stranger("Z")).await;
        let first = Image::new(40);
        backup(&one, &first).await;
        world.interleave(seed);
        let (mine, theirs) = (next(&first, 3), next(&first, 7));
        let (a, b) = tokio::join!(
            one.backup(mine.clone(), options()),
            other.backup(theirs.clone(), options())
        );
        let mut acknowledged = vec![1];
        for told in [a, b] {
            match told {
                Ok(done) => acknowledged.push(done.report.number.0),
                // Nobody pauses here, so that writers in lock-step may give up.
                Err(BackupError::Write(WriteError::Contention { .. } | WriteError::Read(_))) => {}
                Err(error) => panic!("{error}"),
            }
        }
        acknowledged.sort_unstable();
        acknowledged.dedup();
        let there = numbers(&one).await;
        assert!(acknowledged.iter().all(|number| there.contains(number)), "seed {seed}: {there:?}");
        assert_eq!(check_all_restore(&one).await, there.len(), "seed {seed}");
        both += usize::from(acknowledged.len() == 3);
        let marks = world.keys("rounds/00000000000000000002/").await;
        mixed += usize::from(marks.iter().any(|mark| mark.contains("/adopt-")));
    }
    assert!(both >= 50, "{both} of 60 races ended well for both");
    assert!(mixed >= 10, "only in {mixed} races did the two meet");
}

/// How records were agreed on is swept once they are there, and a writer that was
/// asleep all the while, and sees an empty round, still loses.
#[tokio::test]
async fn what_is_swept_is_not_decided_anew() {
    let (world, host, sleeper) = careless().await;
    let first = Image::new(300);
    backup(&sleeper, &first).await;
    let pause = world.pause("W", Op::List, "rounds/00000000000000000002");
    let mine = next(&first, 3).later(50);
    let asleep = tokio::spawn({
        let (sleeper, mine) = (sleeper.clone(), mine.clone());
        async move { sleeper.backup(mine, options()).await }
    });
    pause.reached().await;
    let awake = host.open(world.stranger("Z")).await;
    backup(&awake, &next(&first, 7)).await;
    let record = world.read("records/00000000000000000002").await;
    awake.collect(CollectOptions::default()).await.expect("collects");
    assert_eq!(world.keys("/rounds/").await, [""; 0]);
    let bodies = world.keys("/bodies/").await;
    assert_eq!(bodies, [""; 0], "no number is open");
    pause.release();
    let report = asleep.await.expect("ends").expect("takes the next number").report;
    assert_eq!(report.number, RecordNo(3));
    assert_eq!(world.read("records/00000000000000000002").await, record);
    assert_eq!(check_all_restore(&awake).await, 3);
}

/// Two make a repository at once: there is one, and both have it.
#[tokio::test]
async fn two_inits_make_one_repository() {
    for seed in 0..20 {
        let world = World::new();
        world.ignore_conditions();
        world.interleave(seed);
        let hosts = [Host::new("a"), Host::new("b")];
        let create =
            |host: &Host, name: &str| Repository::create(world.stranger(name), host.local.clone());
        let (a, b) = tokio::join!(create(&hosts[0], "W"), create(&hosts[1], "Z"));
        let mut ids = Vec::new();
        for made in [a, b].into_iter().flatten() {
            ids.push(made.info().repository);
        }
        let there = hosts[0].open(world.stranger("R")).await;
        assert!(!ids.is_empty(), "seed {seed}");
        assert!(ids.iter().all(|id| *id == there.repository().info().repository), "seed {seed}");
        assert_eq!(there.name(), &name());
    }
}
