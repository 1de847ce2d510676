//! What a store really does, tried out: some accept a condition and ignore it, or
//! honour it only where nobody races.

mod creates;
mod listings;
mod reads;

use std::time::{Duration, SystemTime};

use crate::error::RemoteError;
use crate::fencing::Fencing;
use crate::random;
use crate::remote::{Listed, Remote};

/// The folder in which a probe works.
const FOLDER: &str = "probes";
/// What a probe left that was killed is swept by one that comes so much later, by
/// the store's clock. No probe takes as long.
const OLD: Duration = Duration::from_secs(3600);

/// How thoroughly a store is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProbeOptions {
    /// How many create the same object at once.
    pub racers: usize,
    /// How often they do.
    pub races: usize,
    /// How many put an object and then list, at once.
    pub watchers: usize,
    /// How often each does.
    pub looks: usize,
    /// The time on this machine.
    pub now: SystemTime,
}

impl ProbeOptions {
    /// Some seventy requests, as when a repository is made.
    pub fn new(now: SystemTime) -> Self {
        Self { racers: 8, races: 2, watchers: 4, looks: 2, now }
    }

    /// Some three hundred, for who asks what a store does.
    pub fn thorough(now: SystemTime) -> Self {
        Self { racers: 12, races: 8, watchers: 8, looks: 3, now }
    }
}

/// What a store did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Probed {
    /// With "create it if it is not there".
    pub creates: Creates,
    /// With listings.
    pub listings: Listings,
    /// With deletes.
    pub deletes: Deletes,
    /// It gave back what was put: whole, in ranges, and the last that was put
    /// where one was put over another.
    pub reads_back: bool,
    /// What it said of an object that is not there.
    pub absence: Absence,
    /// How many seconds its clock is ahead of this machine's, where it listed
    /// what was put.
    pub clock_ahead: Option<i64>,
    /// How many requests it took.
    pub requests: u64,
}

/// What became of "create it if it is not there", from the best to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Creates {
    /// Of all who tried at once, exactly one succeeded, every time.
    Once,
    /// It was refused for an object that was there, and of several who tried at
    /// once more than one was told that it had succeeded.
    Racy,
    /// An object that was there was overwritten.
    Ignored,
    /// The store does not take such requests.
    Refused,
}

/// What listings showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Listings {
    /// What was put before, and nothing that was deleted before.
    Consistent,
    /// What is not so any more, or not everything.
    Stale,
}

/// What became of deletes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Deletes {
    /// What was deleted was gone.
    Done,
    /// They were refused.
    Refused,
    /// They were accepted, and the objects stayed.
    Kept,
}

/// What a store says of an object that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Absence {
    /// That it is not there.
    Told,
    /// That access is denied, as S3 does to who may not list.
    Denied,
}

impl Probed {
    /// What keeps two writers apart there.
    pub fn fencing(&self) -> Fencing {
        match (self.creates, self.listings) {
            (Creates::Once, _) => Fencing::Create,
            (_, Listings::Consistent) => Fencing::Rounds,
            (_, Listings::Stale) => Fencing::Nothing,
        }
    }

    /// Whether backups can lie there at all.
    pub fn is_usable(&self) -> bool {
        self.reads_back && self.absence == Absence::Told
    }
}

/// A probe under way.
struct Scratch<'a> {
    remote: &'a Remote,
    /// What all keys of this one begin with. No folder of its own: in a directory
    /// it would stay behind.
    own: String,
    options: ProbeOptions,
}

impl Scratch<'_> {
    fn key(&self, name: impl std::fmt::Display) -> String {
        format!("{}{name}", self.own)
    }
}

impl Remote {
    /// Finds out what the store really does, by doing it, several times at once.
    ///
    /// Works below `probes/` and sweeps there, also what probes left that were
    /// killed. Cancelled, it leaves objects of a few bytes there, which a later one
    /// sweeps. Where deletes are refused they stay.
    pub async fn probe(&self, options: ProbeOptions) -> Result<Probed, RemoteError> {
        let remote = self.at_once();
        let own = format!("{FOLDER}/{}-", random::token()?);
        let before = remote.requests();
        let scratch = Scratch { remote: &remote, own, options };
        let probed = scratch.run().await;
        // Where it may not delete, or the store has broken off, a later one will.
        if let Err(error) = scratch.sweep().await {
            tracing::debug!(%error, "scratch of a probe stays behind");
        }
        let mut probed = probed?;
        probed.requests = remote.requests().saturating_sub(before);
        Ok(probed)
    }
}

impl Scratch<'_> {
    async fn run(&self) -> Result<Probed, RemoteError> {
        let creates = self.creates().await?;
        let absence = self.absence().await?;
        let reads_back = self.reads(creates).await?;
        let (listings, clock_ahead, deletes) = self.listings(creates).await?;
        Ok(Probed { creates, listings, deletes, reads_back, absence, clock_ahead, requests: 0 })
    }

    /// Removes what this probe put, and what others left behind.
    async fn sweep(&self) -> Result<(), RemoteError> {
        let listed = self.remote.list(FOLDER).await?;
        let own = |one: &&Listed| one.key.starts_with(&self.own);
        let now = listed.iter().filter(own).map(|one| one.modified).max().unwrap_or(i64::MIN);
        let age = i64::try_from(OLD.as_secs()).expect("an hour");
        let gone = |one: &&Listed| own(one) || one.modified.saturating_add(age) < now;
        let gone: Vec<String> = listed.iter().filter(gone).map(|one| one.key.clone()).collect();
        self.remote.delete(&gone).await
    }
}
