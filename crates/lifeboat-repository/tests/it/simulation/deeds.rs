//! What the processes of a simulation do.

use std::time::Duration;

use lifeboat_format::id::SnapshotId;
use lifeboat_format::numbers::RecordNo;
use lifeboat_remote::Remote;
use lifeboat_repository::{CollectOptions, Local, Ownership, Repository};

use crate::image::Image;
use crate::world::{name, options};

/// What a backup made, for who made one; or why nothing came of it.
pub(super) type Done = Result<Option<SnapshotId>, String>;

#[derive(Clone, Debug)]
pub(super) enum Deed {
    Backup {
        image: Image,
        ownership: Ownership,
        archive: bool,
    },
    Forget(RecordNo),
    Undelete(RecordNo),
    Pin(RecordNo),
    Unpin(RecordNo),
    Collect {
        trash: Duration,
    },
    /// Copies what this place missed from the other one.
    Bring,
}

impl Deed {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Backup { archive: true, .. } => "archive",
            Self::Backup { ownership: Ownership::TakeOver(_), .. } => "take over",
            Self::Backup { .. } => "backup",
            Self::Forget(_) => "forget",
            Self::Undelete(_) => "undelete",
            Self::Pin(_) => "pin",
            Self::Unpin(_) => "unpin",
            Self::Collect { .. } => "collect",
            Self::Bring => "bring",
        }
    }

    /// Whether it may be impossible, and say so.
    pub(super) fn may_be_refused(&self) -> bool {
        matches!(self, Self::Forget(_) | Self::Undelete(_) | Self::Pin(_) | Self::Unpin(_))
    }

    pub(super) async fn run(self, remotes: [Remote; 2], local: Local, place: usize) -> Done {
        let [primary, fallback] = remotes;
        let (here, there) = if place == 0 { (primary, fallback) } else { (fallback, primary) };
        let open = async |remote: Remote| {
            let opened = Repository::open(remote, local.clone()).await;
            opened.map(|repository| repository.database(name())).map_err(told)
        };
        let database = open(here).await?;
        match self {
            Self::Backup { image, ownership, archive } => {
                let mut options = options();
                options.ownership = ownership;
                // What did not change is a snapshot all the same: the next one has to
                // be told from it.
                options.always = true;
                let done = match archive {
                    true => database.archive(image, options).await,
                    false => database.backup(image, options).await,
                };
                return done.map(|done| Some(done.report.snapshot_id)).map_err(told);
            }
            Self::Forget(number) => database.forget(&[number]).await.map_err(told)?,
            Self::Undelete(number) => database.undelete(&[number]).await.map_err(told)?,
            Self::Pin(number) => database.pin(&[number]).await.map_err(told)?,
            Self::Unpin(number) => database.unpin(&[number]).await.map_err(told)?,
            Self::Collect { trash } => {
                let options = CollectOptions::default()
                    .with_times(trash, Duration::ZERO)
                    .with_floor(1, Duration::ZERO);
                database.collect(options).await.map_err(told)?;
            }
            Self::Bring => {
                let other = open(there).await?;
                for snapshot in database.missed(&other).await.map_err(told)? {
                    let copied = database.copy_from(&other, &snapshot, &Ownership::Refuse).await;
                    copied.map_err(told)?;
                }
            }
        }
        Ok(None)
    }
}

fn told(error: impl std::error::Error) -> String {
    error.to_string()
}
