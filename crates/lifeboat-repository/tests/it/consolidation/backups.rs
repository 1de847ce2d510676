//! Real backups that consolidate.

use lifeboat_remote::Remote;
use lifeboat_repository::{BackupReport, Database, Selector};
use lifeboat_testing::databases::Numbers;

use crate::image::Image;
use crate::world::{Host, backup, check_all_restore, options};

/// An image whose scattered changes go on.
pub(crate) struct Churn {
    pub(crate) image: Image,
    numbers: Numbers,
    round: u64,
}

impl Churn {
    pub(crate) fn new(pages: u32) -> Self {
        Self { image: Image::new(pages), numbers: Numbers::new(3), round: 0 }
    }

    /// Overwrites so many pages.
    pub(crate) fn change(&mut self, pages: u32) -> &Image {
        let count = u64::from(self.image.geometry().page_count());
        for _ in 0..pages {
            self.round += 1;
            self.image.write(self.numbers.below(count) as u32, 1_000_000 + self.round);
        }
        self.image = self.image.clone().later(1);
        &self.image
    }
}

async fn take(database: &Database, image: &Image) -> BackupReport {
    database.backup(image.clone(), options()).await.expect("backs up").report
}

/// Small changes share packs, whose number stays small; every snapshot restores.
#[tokio::test]
async fn two_hundred_small_changes() {
    let host = Host::new("a");
    let remote = Remote::memory();
    let database = host.create(remote.clone()).await;
    let mut churn = Churn::new(600);
    backup(&database, &churn.image).await;
    let (mut changed, mut resent, mut sent) = (0, 0, 0);
    for round in 0..200 {
        let image = churn.change(3).clone();
        let report = if round % 25 == 0 {
            backup(&database, &image).await
        } else {
            take(&database, &image).await
        };
        assert!(report.pages_resent <= 15 * report.pages_changed + 512);
        changed += report.pages_changed;
        resent += report.pages_resent;
        sent += report.bytes_sent;
    }
    assert!(resent > 0 && resent < 2 * changed, "{resent} sent again for {changed}");
    // 2.5 KB for each record, and for lists.
    assert!(sent < (changed + resent) * 4200 + 200 * 2500, "{sent} for {changed} and {resent}");
    assert_eq!(check_all_restore(&database).await, 201);
    assert!(lists(&remote).await <= 40, "the list is seldom written anew");
}

async fn lists(remote: &Remote) -> usize {
    remote.list("databases/app/lists").await.expect("lists").len()
}

/// More is sent again than fits into the pack of the change, which is held back
/// meanwhile; and less, when it is streamed.
#[tokio::test]
async fn changes_of_every_size() {
    for per_round in [40, 200, 900] {
        let host = Host::new("a");
        let database = host.create(Remote::memory()).await;
        let mut churn = Churn::new(6000);
        take(&database, &churn.image).await;
        let (mut resent, mut dropped) = (0, 0);
        for round in 0..(9000 / per_round).min(60) {
            let image = churn.change(per_round).clone();
            let report = take(&database, &image).await;
            assert!(report.pages_changed <= u64::from(per_round), "{per_round}: {round}");
            resent += report.pages_resent;
            dropped += report.packs_dropped;
        }
        let image = churn.change(1).clone();
        backup(&database, &image).await;
        assert!(resent > 0 && dropped > 0, "{per_round}: {resent}, {dropped}");
    }
}

/// What is sent again fills the first new pack, and the change goes into the
/// second: the table must say so, or the second would be dropped too early.
#[tokio::test]
async fn the_change_goes_into_the_second_pack() {
    // An 8 MiB pack is full with 2,041 blocks that cannot be compressed.
    for in_the_first in [2041, 2500] {
        let host = Host::new("a");
        let database = host.create(Remote::memory()).await;
        let mut image = Image::new(6000);
        take(&database, &image).await;
        for part in 0..20u32 {
            let pages = in_the_first * part / 20..in_the_first * (part + 1) / 20;
            pages.for_each(|page| image.write(page, 100_000 + u64::from(page)));
            image = image.later(1);
            assert_eq!(take(&database, &image).await.pages_resent, 0);
        }
        (5000..5200).for_each(|page| image.write(page, 200_000 + u64::from(page)));
        image = image.later(1);
        let report = backup(&database, &image).await;
        assert_eq!((report.pages_resent, report.packs_dropped), (in_the_first.into(), 20));
        // All of the second pack that the first snapshots knew is overwritten.
        (2000..3000).for_each(|page| image.write(page, 300_000 + u64::from(page)));
        image = image.later(1);
        backup(&database, &image).await;
    }
}

/// Without a cache the same is known from the indexes of the packs.
#[tokio::test]
async fn without_a_cache() {
    let host = Host::new("a");
    let database = host.create(Remote::memory()).await;
    let mut churn = Churn::new(300);
    backup(&database, &churn.image).await;
    let mut resent = 0;
    for _ in 0..60 {
        host.drop_cache();
        let image = churn.change(3).clone();
        let report = backup(&database, &image).await;
        assert!(report.pages_changed <= 3);
        resent += report.pages_resent;
    }
    assert!(resent > 0);
}

/// Everything changed: a new base, and nothing is sent twice.
#[tokio::test]
async fn a_new_base() {
    let host = Host::new("a");
    let database = host.create(Remote::memory()).await;
    let first = Image::new(500);
    assert!(!backup(&database, &first).await.new_base);
    let mut second = first.clone().later(1);
    (0..500).for_each(|page| second.write(page, 9000 + u64::from(page)));
    let report = backup(&database, &second).await;
    assert_eq!((report.new_base, report.packs_dropped, report.pages_resent), (true, 1, 0));
    // Nearly everything: what is left of the old base is sent again with it.
    let mut third = second.clone().later(1);
    (0..480).for_each(|page| third.write(page, 70_000 + u64::from(page)));
    let report = backup(&database, &third).await;
    assert_eq!((report.new_base, report.packs_dropped, report.pages_resent), (true, 1, 20));
    assert_eq!(check_all_restore(&database).await, 3);
    let gone = Selector::Latest(2);
    assert_eq!(database.resolve(&gone, None).await.expect("is there").number().0, 1);
}

/// A source that can no longer read the state again, or reads another one,
/// costs nothing but the room.
#[tokio::test]
async fn a_source_that_moved_on() {
    for ends_early in [true, false] {
        let host = Host::new("a");
        let database = host.create(Remote::memory()).await;
        let mut churn = Churn::new(300);
        churn.image.moves_on = Some(ends_early);
        backup(&database, &churn.image).await;
        for _ in 0..60 {
            let image = churn.change(3).clone();
            let report = backup(&database, &image).await;
            assert_eq!(report.pages_resent, 0);
        }
        churn.image.moves_on = None;
        let image = churn.change(3).clone();
        assert!(backup(&database, &image).await.pages_resent > 0);
    }
}
