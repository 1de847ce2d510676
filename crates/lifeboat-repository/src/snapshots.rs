//! What snapshots there are, and which one is meant.

use std::sync::Arc;

use futures::StreamExt;
use lifeboat_format::attached::Attachments;
use lifeboat_format::id::SnapshotId;
use lifeboat_format::numbers::RecordNo;
use lifeboat_format::object::{DecodeError, ObjectKind};
use lifeboat_format::record::{Record, SnapshotBody, Trashed};
use time::OffsetDateTime;

use crate::error::{ReadError, ResolveError};
use crate::log::Head;
use crate::repository::Database;

/// How many records are read at once.
const READERS: usize = 16;
/// How many snapshots an error names.
const NAMED: usize = 3;

/// A living snapshot.
#[derive(Clone, Debug)]
pub struct Snapshot {
    record: Arc<Record>,
    pinned: bool,
}

impl Snapshot {
    /// The snapshot of a record, if it is of one.
    pub(crate) fn of(record: Arc<Record>, pinned: bool) -> Option<Self> {
        record.body.is_some().then_some(Self { record, pinned })
    }

    /// The number of its record on this destination.
    pub fn number(&self) -> RecordNo {
        self.record.number()
    }

    /// What identifies it everywhere.
    pub fn id(&self) -> &SnapshotId {
        &self.body().snapshot_id
    }

    /// What its record says of it.
    pub fn body(&self) -> &SnapshotBody {
        self.record.body.as_ref().expect("only records of snapshots become snapshots")
    }

    /// Whether it is protected from being forgotten.
    pub fn is_pinned(&self) -> bool {
        self.pinned
    }

    /// What its record says of the files that it has beside the database.
    pub fn attachments(&self) -> Option<&Attachments> {
        self.record.envelope.attachments.as_ref()
    }

    pub(crate) fn record(&self) -> &Record {
        &self.record
    }
}

/// The snapshots of a database on one destination.
#[derive(Debug)]
#[non_exhaustive]
pub struct Listing {
    /// Those that are alive, by generation, the oldest first.
    pub snapshots: Vec<Snapshot>,
    /// Numbers of living snapshots whose records cannot be read, and why.
    pub broken: Vec<(RecordNo, ReadError)>,
    /// Numbers after the last good record whose records are damaged: they may
    /// have been snapshots.
    pub burnt: Vec<RecordNo>,
    /// Those in the trash.
    pub trash: Vec<Trashed>,
    /// The newest record.
    pub newest: Option<RecordNo>,
}

/// Which snapshot is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Selector {
    /// The one of the highest generation, or so many before it.
    Latest(usize),
    /// The one whose id begins like this.
    Prefix(String),
    /// The newest that was taken at this time or before.
    At(OffsetDateTime),
}

impl Selector {
    /// Reads `latest`, `latest~N`, an id or the beginning of one.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "latest" {
            return Some(Self::Latest(0));
        }
        if let Some(back) = text.strip_prefix("latest~") {
            return back.parse().ok().map(Self::Latest);
        }
        let prefix = !text.is_empty()
            && text.bytes().all(|b| b.is_ascii_hexdigit() || matches!(b, b'T' | b'Z' | b'-'));
        prefix.then(|| Self::Prefix(text.to_owned()))
    }
}

impl std::fmt::Display for Selector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Latest(0) => f.write_str("latest"),
            Self::Latest(back) => write!(f, "latest~{back}"),
            Self::Prefix(prefix) => f.write_str(prefix),
            Self::At(time) => {
                let time = time.replace_nanosecond(0).unwrap_or(*time);
                let text = time.format(&time::format_description::well_known::Rfc3339);
                write!(f, "from {} or before", text.unwrap_or_default())
            }
        }
    }
}

impl Database {
    /// Lists the living snapshots.
    pub async fn snapshots(&self, expect: Option<RecordNo>) -> Result<Listing, ReadError> {
        let head = self.whole_head(expect).await?;
        self.list(&head).await
    }

    /// The end of the log, for whoever wants to know all there is: one listing
    /// more tells a log that ends from one with a gap.
    async fn whole_head(&self, expect: Option<RecordNo>) -> Result<Head, ReadError> {
        let mut head = self.head(expect).await?;
        if expect.is_none() && self.to_the_end(head.newest).await? != head.newest {
            self.advance(&mut head).await?;
        }
        Ok(head)
    }

    async fn list(&self, head: &Head) -> Result<Listing, ReadError> {
        let state = head.state();
        let mut listing = Listing {
            snapshots: Vec::new(),
            broken: Vec::new(),
            burnt: head.burnt.clone(),
            trash: state.trash.clone(),
            newest: head.newest,
        };
        let mut records = std::pin::pin!(
            futures::stream::iter(state.alive.iter())
                .map(|number| async move { (number, self.record_below(head, number).await) })
                .buffered(READERS)
        );
        while let Some((number, record)) = records.next().await {
            match record {
                Ok(record) if record.body.is_some() => {
                    let pinned = state.pins.contains(number);
                    listing.snapshots.push(Snapshot { record, pinned });
                }
                Ok(_) => {
                    let kind = ObjectKind::Record;
                    let error = DecodeError::Misplaced { kind, place: "state" };
                    let key = self.keys.record(number);
                    listing.broken.push((number, ReadError::unusable(key)(error)));
                }
                Err(error) if error.is_damage() => listing.broken.push((number, error)),
                Err(error) => return Err(error),
            }
        }
        listing.snapshots.sort_by_key(|snapshot| (snapshot.body().generation, snapshot.number()));
        Ok(listing)
    }

    /// Finds the snapshot that is meant.
    ///
    /// Where the newest record is damaged, `latest` is an error: it might have
    /// been a newer snapshot, and an older one must not pass for it.
    pub async fn resolve(
        &self,
        selector: &Selector,
        expect: Option<RecordNo>,
    ) -> Result<Snapshot, ResolveError> {
        let head = self.whole_head(expect).await?;
        let burnt = |number: RecordNo| {
            let error = DecodeError::Damaged { kind: ObjectKind::Record, what: "newest record" };
            ReadError::unusable(self.keys.record(number))(error)
        };
        if let (Selector::Latest(_), Some(&number)) = (selector, head.burnt.first()) {
            return Err(burnt(number).into());
        }
        let state = head.state();
        if let (Selector::Latest(0), Some(latest)) = (selector, state.latest) {
            let record = self.record_below(&head, latest.number).await?;
            let pinned = state.pins.contains(latest.number);
            return Ok(Snapshot { record, pinned });
        }
        let mut listing = self.list(&head).await?;
        listing.broken.extend(head.burnt.iter().map(|&number| (number, burnt(number))));
        if listing.snapshots.is_empty() && listing.broken.is_empty() {
            return Err(self.no_snapshots().await?);
        }
        select(listing, selector)
    }

    async fn no_snapshots(&self) -> Result<ResolveError, ReadError> {
        let known = self.repository.databases().await?;
        let known = known.iter().map(ToString::to_string).collect();
        Ok(ResolveError::NoSnapshots { database: self.name.to_string(), known })
    }
}

/// Picks the snapshot that is meant; pure. Where a damaged record may be the
/// one, that is the error: another must not pass for it.
fn select(mut listing: Listing, selector: &Selector) -> Result<Snapshot, ResolveError> {
    let all = std::mem::take(&mut listing.snapshots);
    let asked = selector.to_string();
    let ids = |snapshots: &[&Snapshot]| snapshots.iter().map(|s| s.id().clone()).collect();
    let found: Vec<&Snapshot> = match selector {
        Selector::Latest(back) => {
            all.len().checked_sub(back + 1).map(|at| &all[at]).into_iter().collect()
        }
        Selector::Prefix(prefix) => {
            all.iter().filter(|s| s.id().as_str().starts_with(prefix.as_str())).collect()
        }
        Selector::At(time) => {
            let before = all.iter().filter(|s| s.body().taken_at <= *time);
            before.max_by_key(|s| (s.body().generation, s.number())).into_iter().collect()
        }
    };
    let may_be_meant = |number: RecordNo| match (selector, &found[..]) {
        // An id says which it is, whatever became of the others.
        (Selector::Prefix(_), found) => found.is_empty(),
        (Selector::Latest(_), [one]) => number > one.number(),
        (Selector::At(time), [one]) => {
            let later = all.iter().filter(|s| s.body().taken_at > *time).map(Snapshot::number);
            number > one.number() && later.min().is_none_or(|later| number < later)
        }
        _ => true,
    };
    let broken = listing.broken.into_iter().find(|(number, _)| may_be_meant(*number));
    if let Some((_, error)) = broken {
        return Err(error.into());
    }
    match found[..] {
        [one] => Ok(one.clone()),
        [] => {
            let mut nearest: Vec<&Snapshot> = all.iter().rev().collect();
            match selector {
                Selector::Latest(_) => nearest.reverse(),
                Selector::Prefix(_) => {}
                Selector::At(_) => nearest.sort_by_key(|s| s.body().taken_at),
            }
            nearest.truncate(if matches!(selector, Selector::Latest(_)) { 1 } else { NAMED });
            Err(ResolveError::NotFound { asked, nearest: ids(&nearest) })
        }
        _ => Err(ResolveError::Ambiguous { asked, matches: ids(&found) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors() {
        let check = |text: &str, expected| assert_eq!(Selector::parse(text), expected, "{text}");
        check("latest", Some(Selector::Latest(0)));
        check("latest~2", Some(Selector::Latest(2)));
        check("20261120T1015", Some(Selector::Prefix("20261120T1015".into())));
        check("", None);
        check("latest~x", None);
        check("lastest", None);
        check("../x", None);
    }
}
