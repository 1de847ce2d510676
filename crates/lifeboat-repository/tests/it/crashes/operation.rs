//! The operations, each as one command of one process runs it.

use std::error::Error;
use std::time::Duration;

use lifeboat_format::numbers::RecordNo;
use lifeboat_remote::Fencing;
use lifeboat_repository::{
    BackupError, BackupOptions, CheckOptions, CollectOptions, Database, Depth, HealExtent,
    Ownership, Repository, RestoreOptions, Selector, Share, WriteError,
};
use lifeboat_testing::script::{Op, World};

use super::scene::{FALLBACK, PRIMARY, Scene, open, other_name, secret};
use crate::image::{Image, Restored};
use crate::world::{Host, name, options};

pub(super) type Told = Result<(), Box<dyn Error + Send + Sync>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Init,
    Replicate,
    FirstBackup,
    Backup,
    UnchangedBackup,
    FullBackup,
    ConsolidatingBackup,
    /// Somebody else commits between its plan and its record.
    RacedBackup,
    TakeOver,
    /// By a machine that was cloned: it must be refused.
    TwinBackup,
    Archive,
    RacedArchive,
    Forget,
    RacedForget,
    Undelete,
    Pin,
    Unpin,
    Collect,
    RacedCollect,
    Check,
    Repair,
    Heal,
    HealLog,
    AddKey,
    RemoveKey,
    ReplaceKey,
    BeginDataKey,
    BeginDataKeyAlone,
    /// What the primary missed while a fallback stood in for it.
    ReturnFromFallback,
    /// Everything to a mirror that lacks it.
    Copy,
    Beat,
    SayFailed,
    Restore,
}

pub(super) fn at_once() -> CollectOptions {
    CollectOptions::default()
        .with_times(Duration::ZERO, Duration::ZERO)
        .with_floor(0, Duration::ZERO)
}

impl Operation {
    /// Whether it is refused, and must be.
    pub(super) fn is_refused(self) -> bool {
        self == Self::TwinBackup
    }

    /// Whether it is for a store in which something is damaged.
    pub(super) fn is_of_a_damaged_store(self) -> bool {
        matches!(self, Self::Repair | Self::Heal | Self::HealLog)
    }

    /// Whether there must be many snapshots before it.
    pub(super) fn needs_many(self) -> bool {
        self == Self::ConsolidatingBackup
    }

    /// Whether another installation than the one that owns the database runs it.
    pub(super) fn is_of_another(self) -> bool {
        matches!(self, Self::TakeOver | Self::TwinBackup)
    }

    /// Whether the cache was lost before.
    pub(super) fn has_no_cache(self) -> bool {
        matches!(self, Self::UnchangedBackup | Self::RacedBackup | Self::Repair)
    }

    /// Whether somebody else commits while it is under way.
    fn is_raced(self) -> bool {
        matches!(
            self,
            Self::RacedBackup | Self::RacedArchive | Self::RacedForget | Self::RacedCollect
        )
    }

    /// Which snapshots it may drop for ever.
    pub(super) fn drops_the_trash(self) -> bool {
        matches!(self, Self::Collect | Self::RacedCollect)
    }
}

fn done<S, E: Error + Send + Sync + 'static>(
    backup: Result<lifeboat_repository::Backup<S>, BackupError<E>>,
) -> Told {
    Ok(backup.map(drop)?)
}

/// Somebody did it already: so much is fine for whoever runs it again.
fn or_done(again: bool, done: Result<(), WriteError>) -> Told {
    match done {
        Err(WriteError::NotPossible { .. }) if again => Ok(()),
        done => Ok(done?),
    }
}

impl Scene {
    /// Runs the operation as a process does that is called `client` at the store.
    /// `again` says that it may have been done already.
    pub(super) async fn run(&self, world: &World, host: &Host, client: &str, again: bool) -> Told {
        if !self.operation.is_raced() || again {
            return self.act(world, host, client, again).await;
        }
        // Before anything is decided: where writers agree in rounds, it is by then
        // that a record is put.
        let first = if self.fencing == Fencing::Rounds { "/bodies/" } else { "/records/" };
        let pause = world.pause(client, Op::Put, first);
        let meanwhile = async {
            pause.reached().await;
            let told = open(world, host, "between", PRIMARY, &secret(1)).await;
            let other = told.expect("opens");
            other.backup(self.between.clone(), options()).await.expect("backs up");
            pause.release();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            told = self.act(world, host, client, again) => told,
            () = meanwhile => unreachable!("it never ends"),
        }
    }

    async fn act(&self, world: &World, host: &Host, client: &str, again: bool) -> Told {
        let remote = |place: &str| world.folder(client, place);
        let local = host.local.clone();
        if self.operation == Operation::Init {
            let first = secret(1);
            let made = Repository::create_with(remote(PRIMARY), local, Some(&first), "first");
            return Ok(made.await.map(drop)?);
        }
        let (in_use, database) = self.open_primary(world, host, client).await?;
        let repository = database.repository();
        let next = self.next.clone();
        match self.operation {
            Operation::Init => unreachable!("done above"),
            Operation::Replicate => {
                let replica = repository.replicate(remote(FALLBACK), Some(&secret(in_use))).await?;
                replica.database(name()).snapshots(None).await?;
                Ok(())
            }
            Operation::FirstBackup => {
                done(repository.database(other_name()).backup(next, options()).await)
            }
            Operation::ConsolidatingBackup => {
                let done = database.backup(next, options()).await?;
                assert!(done.report.pages_resent > 0 || again, "{:?}", done.report);
                Ok(())
            }
            Operation::Backup | Operation::RacedBackup | Operation::TwinBackup => {
                done(database.backup(next, options()).await)
            }
            Operation::UnchangedBackup => {
                let mut image = self.last_at_primary().clone();
                image.recognisable = true;
                done(database.backup(image, options()).await)
            }
            Operation::FullBackup => {
                let full = with(|options| options.full = true);
                done(database.backup(next, full).await)
            }
            Operation::TakeOver => {
                // The number that is named is that of the record before; once it is
                // taken over, it is one's own.
                let number = self.newest;
                let take = with(|options| options.ownership = Ownership::TakeOver(number));
                done(database.backup(next, take).await)
            }
            Operation::Archive | Operation::RacedArchive => {
                done(database.archive(next, options()).await)
            }
            Operation::Forget | Operation::RacedForget => {
                or_done(again, database.forget(&[RecordNo(2 + 1)]).await)
            }
            Operation::Undelete => or_done(again, database.undelete(&[RecordNo(4)]).await),
            Operation::Pin => Ok(database.pin(&[RecordNo(3)]).await?),
            Operation::Unpin => or_done(again, database.unpin(&[RecordNo(2)]).await),
            Operation::Collect | Operation::RacedCollect => {
                Ok(database.collect(at_once()).await.map(drop)?)
            }
            Operation::Check => {
                let all = CheckOptions::of_depth(Depth::Data(Share::All));
                let report = database.check(&all).await?;
                assert!(report.is_ok(), "{:?}", report.result.findings);
                Ok(())
            }
            Operation::Repair => {
                let live = self.first_image().clone();
                Ok(database.repair(Some(live), true, CollectOptions::default()).await.map(drop)?)
            }
            Operation::Heal | Operation::HealLog => {
                let there = open(world, host, client, FALLBACK, &secret(in_use)).await?;
                let database = database.with_others([there]);
                let report = database.heal(&HealExtent::All, &Ownership::Refuse).await?;
                match report.left.first() {
                    None => Ok(()),
                    Some((object, why)) => Err(format!("{object} is left: {why}").into()),
                }
            }
            Operation::Copy => {
                let there = open(world, host, client, FALLBACK, &secret(in_use)).await?;
                bring(&database, &there).await
            }
            Operation::ReturnFromFallback => {
                let there = open(world, host, client, FALLBACK, &secret(in_use)).await?;
                bring(&there, &database).await
            }
            Operation::Beat => {
                let latest = database.resolve(&Selector::Latest(0), None).await?;
                Ok(database.beat(host.local.now(), latest.number(), latest.id()).await?)
            }
            Operation::SayFailed => Ok(database
                .say_failed(host.local.now(), 3, &String::from_utf8_lossy(super::scene::CANARY))
                .await?),
            Operation::Restore => {
                let latest = database.resolve(&Selector::Latest(0), None).await?;
                let options = RestoreOptions::default();
                let (restored, _) =
                    database.restore(&latest, Restored::default(), &options).await?;
                assert!(restored.finish() == self.last_at_primary().bytes);
                Ok(())
            }
            _ => self.act_on_keys(repository, in_use).await,
        }
    }

    async fn act_on_keys(&self, repository: &Repository, in_use: u8) -> Told {
        match self.operation {
            Operation::AddKey => Ok(repository.add_secret(&secret(2), "new").await.map(drop)?),
            Operation::RemoveKey => {
                let Some(holder) = repository.holder_of(&secret(3)).await? else { return Ok(()) };
                Ok(repository.remove_holder(&holder.id).await.map(drop)?)
            }
            Operation::ReplaceKey => {
                if in_use == 2 {
                    return Ok(());
                }
                Ok(repository.replace_secret(&secret(in_use), &secret(2), "new").await.map(drop)?)
            }
            Operation::BeginDataKey => {
                Ok(repository.begin_data_key(&secret(in_use), false).await.map(drop)?)
            }
            Operation::BeginDataKeyAlone => {
                Ok(repository.begin_data_key(&secret(in_use), true).await.map(drop)?)
            }
            other => unreachable!("{other:?} is none of keys"),
        }
    }

    /// With the secret in use, or the one that has taken its place.
    pub(super) async fn open_primary(
        &self,
        world: &World,
        host: &Host,
        client: &str,
    ) -> Result<(u8, Database), Box<dyn Error + Send + Sync>> {
        let old = open(world, host, client, PRIMARY, &secret(1)).await;
        match old {
            Err(_) if self.operation == Operation::ReplaceKey => {
                Ok((2, open(world, host, client, PRIMARY, &secret(2)).await?))
            }
            old => Ok((1, old?)),
        }
    }

    pub(super) fn last_at_primary(&self) -> &Image {
        &self.known[self.at_primary.last().expect("there are some")]
    }

    fn first_image(&self) -> &Image {
        &self.known[&self.at_primary[0]]
    }
}

fn with(change: impl FnOnce(&mut BackupOptions)) -> BackupOptions {
    let mut options = options();
    change(&mut options);
    options
}

/// Copies what a destination missed.
async fn bring(from: &Database, to: &Database) -> Told {
    for snapshot in to.missed(from).await? {
        to.copy_from(from, &snapshot, &Ownership::Refuse).await?;
    }
    Ok(())
}
