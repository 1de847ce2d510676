//! Out and back: what is sent, what is recognised, what comes back.

use std::sync::{Arc, Mutex};

use lifeboat_remote::Remote;
use lifeboat_repository::{Event, Selector};

use crate::image::Image;
use crate::world::{Host, backup, check_all_restore, check_restores, options};

const LATEST: Selector = Selector::Latest(0);

#[tokio::test]
async fn images_of_every_shape() {
    for (page_size, pages) in [
        (4096, 1),
        (4096, 64),
        (4096, 65),
        (512, 1),
        (512, 9),
        (1024, 300),
        (65_536, 7),
        (8192, 33),
    ] {
        let host = Host::new("a");
        let database = host.create(Remote::memory()).await;
        let mut image = Image { page_size, ..Image::new(0) };
        image.resize(pages);
        (0..pages).for_each(|page| image.write(page, u64::from(page)));
        let report = backup(&database, &image).await;
        assert_eq!(report.pages_changed, u64::from(pages));
        check_restores(&database, &LATEST, &image).await;
    }
}

#[tokio::test]
async fn what_changed_is_sent_and_nothing_else() {
    let host = Host::new("a");
    let database = host.create(Remote::memory()).await;
    let mut image = Image::new(3000);
    let first = backup(&database, &image).await;
    assert!(!first.unchanged && first.pages_changed == 3000);
    for (round, page) in [7, 8, 500, 2999].into_iter().enumerate() {
        image.write(page, 1_000_000 + round as u64);
    }
    let second = backup(&database, &image.clone().later(1)).await;
    assert_eq!((second.pages_changed, second.parent), (4, Some(first.snapshot_id)));
    assert_eq!(second.objects_written, 2, "a pack and a record");
    assert!(second.bytes_sent < 4 * 4096 + 4096, "{}", second.bytes_sent);
    assert_eq!(second.number.0, 2);
    assert_eq!(check_all_restore(&database).await, 2);
}

#[tokio::test]
async fn unchanged_writes_nothing() {
    let host = Host::new("a");
    let database = host.create(Remote::memory()).await;
    let mut image = Image::new(500);
    let first = backup(&database, &image).await;
    for drop_cache in [false, true, false] {
        if drop_cache {
            host.drop_cache();
        }
        let again = backup(&database, &image).await;
        assert!(again.unchanged);
        assert_eq!((again.snapshot_id, again.objects_written), (first.snapshot_id.clone(), 0));
        assert_eq!((again.bytes_sent, again.pages_changed), (0, 0));
    }
    // Once the state can be recognised, the image is not read at all.
    image.recognisable = true;
    image.write(3, 77);
    let read = |image: &Image| {
        let image = image.clone();
        let database = database.clone();
        async move { database.backup(image, options()).await.expect("backs up").source.captures }
    };
    assert_eq!(read(&image).await, 1);
    assert_eq!(read(&image).await, 0);
    image.write(4, 78);
    assert_eq!(read(&image).await, 1);
    check_restores(&database, &LATEST, &image).await;
}

#[tokio::test]
async fn without_a_cache_only_the_change_is_sent() {
    let host = Host::new("a");
    let remote = Remote::memory();
    let database = host.create(remote.clone()).await;
    let mut image = Image::new(3000);
    backup(&database, &image).await;
    for round in 0..5u32 {
        image.write(round * 100, 5_000 + u64::from(round));
        host.drop_cache();
        let report = backup(&database, &image).await;
        assert_eq!(report.pages_changed, 1, "round {round}");
    }
    assert_eq!(check_all_restore(&database).await, 6);
}

#[tokio::test]
async fn growing_shrinking_and_growing_again() {
    let host = Host::new("a");
    let database = host.create(Remote::memory()).await;
    let mut image = Image::new(1000);
    backup(&database, &image).await;
    for (round, pages) in [500, 1, 0, 700, 1000, 999, 1500].into_iter().enumerate() {
        if round % 2 == 0 {
            host.drop_cache();
        }
        image.resize(pages);
        if pages > 0 {
            image.write(pages - 1, 9_000 + round as u64);
        }
        backup(&database, &image).await;
    }
    assert_eq!(check_all_restore(&database).await, 8);
}

#[tokio::test]
async fn another_page_size_is_a_new_base() {
    let host = Host::new("a");
    let database = host.create(Remote::memory()).await;
    let mut image = Image::new(640);
    backup(&database, &image).await;
    for page_size in [8192, 512, 4096, 65_536] {
        image.page_size = page_size;
        backup(&database, &image).await;
    }
    assert_eq!(check_all_restore(&database).await, 5);
}

#[tokio::test]
async fn packs_that_hold_nothing_any_more_leave_the_list() {
    let host = Host::new("a");
    let remote = Remote::memory();
    let database = host.create(remote.clone()).await;
    let mut image = Image::new(100);
    for round in 0..40 {
        (0..100).for_each(|page| image.write(page, round * 1000 + u64::from(page)));
        backup(&database, &image).await;
    }
    // Each snapshot needs one pack alone, and its record says so.
    let records = remote.list("databases/app/records").await.expect("lists");
    let largest = records.iter().map(|record| record.size).max();
    assert!(largest < Some(3000), "{largest:?}");
    assert_eq!(check_all_restore(&database).await, 40);
}

#[tokio::test]
async fn long_lists_become_list_objects() {
    let host = Host::new("a");
    let remote = Remote::memory();
    let database = host.create(remote.clone()).await;
    let mut image = Image::new(100);
    for round in 0..60 {
        image.write(round, 1000 + u64::from(round));
        backup(&database, &image).await;
    }
    let lists = remote.list("databases/app/lists").await.expect("lists").len();
    assert!((3..=6).contains(&lists), "{lists}");
    assert_eq!(check_all_restore(&database).await, 60);
}

#[tokio::test]
async fn a_full_backup_needs_nothing_older() {
    let host = Host::new("a");
    let database = host.create(Remote::memory()).await;
    let image = Image::new(100);
    backup(&database, &image).await;
    let mut full = options();
    full.full = true;
    let report = database.backup(image.clone(), full).await.expect("backs up").report;
    assert_eq!((report.pages_changed, report.unchanged), (100, false));
    check_restores(&database, &LATEST, &image).await;
}

#[tokio::test]
async fn progress_adds_up() {
    let host = Host::new("a");
    let database = host.create(Remote::memory()).await;
    let image = Image::new(5000);
    let events = Arc::new(Mutex::new(Vec::new()));
    let mut listening = options();
    let sink = Arc::clone(&events);
    listening.progress =
        Some(Arc::new(move |event| sink.lock().expect("never poisoned").push(event)));
    database.backup(image, listening).await.expect("backs up");
    let events = events.lock().expect("never poisoned");
    let sum = |pick: fn(&Event) -> u64| events.iter().map(pick).sum::<u64>();
    let size = 5000 * 4096;
    assert_eq!(sum(|e| if let Event::Reading { bytes } = e { *bytes } else { 0 }), size);
    assert_eq!(sum(|e| if let Event::Scanned { bytes } = e { *bytes } else { 0 }), size);
    let packed = sum(|e| if let Event::Packed { bytes } = e { *bytes } else { 0 });
    assert_eq!(sum(|e| if let Event::Sent { bytes } = e { *bytes } else { 0 }), packed);
    assert!(packed > size);
}
