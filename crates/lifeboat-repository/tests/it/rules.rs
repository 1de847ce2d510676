//! The rules of the record log, under the schedules that broke the designs
//! before it: every test names the rule that it would miss.

mod collection;
mod commits;
mod consolidating;
mod damage;
mod owners;
mod uploads;

use std::sync::Arc;
use std::time::Duration;

use lifeboat_format::numbers::RecordNo;
use lifeboat_repository::{
    BackupError, CollectOptions, Database, Ownership, ReadError, RestoreOptions, Selector,
    WriteError,
};

use lifeboat_testing::script::{Op, World};

use crate::image::{Image, Restored};

use crate::world::{Host, backup, check_all_restore, check_restores, name, options, resolve};

const LATEST: Selector = Selector::Latest(0);
pub(crate) const DAY: Duration = Duration::from_secs(24 * 3600);

fn at_once() -> CollectOptions {
    CollectOptions::default()
        .with_times(Duration::ZERO, Duration::ZERO)
        .with_floor(0, Duration::ZERO)
}

/// The same image with another page changed, taken later.
fn next(image: &Image, page: u32) -> Image {
    let mut image = image.clone().later(1);
    image.write(page, 1_000_000 + u64::from(page));
    image
}

async fn client(world: &World, host: &Host, name_of_client: &str) -> Database {
    host.open(world.client(name_of_client)).await
}
