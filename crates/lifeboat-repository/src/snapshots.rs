//! What snapshots there are, and which one is meant.

use std::sync::Arc;

use futures::StreamExt;
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
        let head = self.head(expect).await?;
        self.list(&head).await
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
        let head = self.head(expect).await?;
        if let (Selector::Latest(_), Some(&burnt)) = (selector, head.burnt.first()) {
            let error = DecodeError::Damaged { kind: ObjectKind::Record, what: "newest record" };
            return Err(ReadError::unusable(self.keys.record(burnt))(error).into());
        }
        let state = head.state();
        if let (Selector::Latest(0), Some(latest)) = (selector, state.latest) {
            let record = self.record_below(&head, latest.number).await?;
            let pinned = state.pins.contains(latest.number);
            return Ok(Snapshot { record, pinned });
        }
        let listing = self.list(&head).await?;
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

/// Picks the snapshot that is meant; pure.
fn select(listing: Listing, selector: &Selector) -> Result<Snapshot, ResolveError> {
    let all = listing.snapshots;
    let asked = selector.to_string();
    let ids = |snapshots: &[&Snapshot]| snapshots.iter().map(|s| s.id().clone()).collect();
    match selector {
        Selector::Latest(back) => match all.len().checked_sub(back + 1) {
            Some(at) => Ok(all[at].clone()),
            None => {
                let nearest = ids(&all.iter().take(1).collect::<Vec<_>>());
                Err(ResolveError::NotFound { asked, nearest })
            }
        },
        Selector::Prefix(prefix) => {
            let found: Vec<&Snapshot> =
                all.iter().filter(|s| s.id().as_str().starts_with(prefix.as_str())).collect();
            match found[..] {
                [one] => Ok(one.clone()),
                [] => {
                    let nearest = ids(&all.iter().rev().take(NAMED).collect::<Vec<_>>());
                    Err(ResolveError::NotFound { asked, nearest })
                }
                _ => Err(ResolveError::Ambiguous { asked, matches: ids(&found) }),
            }
        }
        Selector::At(time) => {
            let before = all.iter().filter(|s| s.body().taken_at <= *time);
            match before.max_by_key(|s| (s.body().generation, s.number())) {
                Some(snapshot) => Ok(snapshot.clone()),
                None => {
                    let mut nearest: Vec<&Snapshot> = all.iter().collect();
                    nearest.sort_by_key(|s| s.body().taken_at);
                    nearest.truncate(NAMED);
                    Err(ResolveError::NotFound { asked, nearest: ids(&nearest) })
                }
            }
        }
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
