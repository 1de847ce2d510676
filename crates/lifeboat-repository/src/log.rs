//! The record log: finding the newest record, reading those between, creating
//! the next.
//!
//! Records are dense and never deleted (rule R1), so the newest is found by
//! galloping; an error is never taken for an absence.

mod commit;

use std::sync::Arc;

use lifeboat_format::digest::Digest;
use lifeboat_format::id::EpochId;
use lifeboat_format::numbers::RecordNo;
use lifeboat_format::object::{DecodeError, ObjectKind};
use lifeboat_format::record::{EpochEnd, LastSegment, Record, RecordPlace, State};

use crate::error::ReadError;
use crate::repository::Database;

pub(crate) use commit::{Committed, Draft};

/// The largest record that is read, in bytes.
pub(crate) const RECORD_LIMIT: u64 = 64 * 1024 * 1024;

/// The end of a record log, as it was found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Head {
    /// The highest number that is taken.
    pub(crate) newest: Option<RecordNo>,
    /// The newest record that proves itself.
    pub(crate) record: Option<Arc<Record>>,
    /// Numbers above that one whose records are damaged: burnt (rule R10).
    pub(crate) burnt: Vec<RecordNo>,
    /// An epoch that was ended since: the next record names its last segment.
    pub(crate) ended: Option<(EpochId, LastSegment)>,
}

impl Head {
    /// The number of the next record.
    pub(crate) fn next(&self) -> RecordNo {
        self.newest.map_or(RecordNo::FIRST, RecordNo::next)
    }

    /// The state of the database: of the last good record, or of an empty log.
    pub(crate) fn state(&self) -> State {
        let mut state =
            self.record.as_ref().map(|record| record.envelope.state.clone()).unwrap_or_default();
        if let Some((id, last)) = self.ended
            && let Some(epoch) = state.log.iter_mut().find(|epoch| epoch.id == id)
            && epoch.last().is_none()
        {
            epoch.end = Some(EpochEnd { last: Some(last) });
        }
        state
    }

    /// The digest that the next record chains to; none after a damaged one.
    pub(crate) fn digest(&self) -> Option<Digest> {
        self.record.as_ref().filter(|_| self.burnt.is_empty()).map(|record| record.digest())
    }
}

/// A record that was looked for.
pub(crate) enum Found {
    Absent,
    Good(Arc<Record>),
    Damaged(DecodeError),
}

impl Database {
    /// Reads one record, which may be absent or damaged.
    pub(crate) async fn find_record(&self, number: RecordNo) -> Result<Found, ReadError> {
        let key = self.keys.record(number);
        let Some(object) = self.remote().get(&key, RECORD_LIMIT).await? else {
            return Ok(Found::Absent);
        };
        let place = RecordPlace { home: self.home(), number };
        match Record::decode(&object, place) {
            Ok(record) => Ok(Found::Good(Arc::new(record))),
            Err(error) if error.is_corruption() => Ok(Found::Damaged(error)),
            Err(error) => Err(ReadError::unusable(key)(error)),
        }
    }

    /// Reads one record, which must be there and whole.
    pub(crate) async fn record(&self, number: RecordNo) -> Result<Arc<Record>, ReadError> {
        let key = self.keys.record(number);
        match self.find_record(number).await? {
            Found::Good(record) => Ok(record),
            Found::Damaged(error) => Err(ReadError::unusable(key)(error)),
            Found::Absent => Err(ReadError::Missing { kind: ObjectKind::Record, key }),
        }
    }

    /// As [`record`](Self::record), without a request where the record is the
    /// one at the head.
    pub(crate) async fn record_below(
        &self,
        head: &Head,
        number: RecordNo,
    ) -> Result<Arc<Record>, ReadError> {
        match &head.record {
            Some(record) if record.number() == number => Ok(Arc::clone(record)),
            _ => self.record(number).await,
        }
    }

    /// Finds the end of the log.
    ///
    /// What this installation saw before must still be there, unless `expect`
    /// says that the newest record is meant to be that one (0 for none).
    pub(crate) async fn head(&self, expect: Option<RecordNo>) -> Result<Head, ReadError> {
        let seen = self.memory().read()?.highest;
        let newest = match seen {
            // Who remembers nothing has only the log itself to tell a whole one
            // from one with a gap.
            None => {
                let newest = self.gallop(None).await?;
                let accepted = expect == Some(newest.unwrap_or(RecordNo(0)));
                if accepted { newest } else { self.to_the_end(newest).await? }
            }
            Some((number, digest)) => match self.find_record(number).await? {
                Found::Good(record) if record.digest() != digest => {
                    if expect.is_none() {
                        return Err(ReadError::Replaced { number });
                    }
                    self.gallop(Some(number)).await?
                }
                Found::Good(_) | Found::Damaged(_) => self.gallop(Some(number)).await?,
                Found::Absent => {
                    let newest = self.gallop(None).await?;
                    if expect != Some(newest.unwrap_or(RecordNo(0))) {
                        return Err(ReadError::RolledBack { seen: number, newest });
                    }
                    newest
                }
            },
        };
        if let Some(expect) = expect.filter(|n| *n != newest.unwrap_or(RecordNo(0))) {
            return Err(ReadError::Unexpected { expected: expect, newest });
        }
        let head = self.last_good(newest).await?;
        if expect.is_some() {
            let found = head.record.as_ref().map(|record| (record.number(), record.digest()));
            self.memory().accept(found)?;
        } else if let Some(record) = &head.record {
            self.memory().saw(record, self.local().installation()?)?;
        }
        Ok(head)
    }

    /// The newest record, given one that has none next to it. A number beyond a
    /// free one is a record that was lost: the log is dense.
    pub(crate) async fn to_the_end(
        &self,
        newest: Option<RecordNo>,
    ) -> Result<Option<RecordNo>, ReadError> {
        let mut newest = newest;
        loop {
            let last = newest.unwrap_or(RecordNo(0));
            let later = |key: &str| self.keys.record_number(key).is_some_and(|n| n > last);
            let (folder, after) = (self.keys.records(), self.keys.record(last));
            let Some(beyond) = self.remote().any_after(&folder, &after, later).await? else {
                return Ok(newest);
            };
            // Somebody may have written in the meantime.
            let again = self.gallop(newest).await?;
            if again == newest {
                let key = self.keys.record(RecordNo(last.0 + 1));
                return Err(ReadError::Gap { key, beyond });
            }
            newest = again;
        }
    }

    /// The newest record that is there now, whatever was seen before.
    pub(crate) async fn newest_now(&self) -> Result<Option<RecordNo>, ReadError> {
        self.gallop(None).await
    }

    /// The greatest number that is taken, at or above `from`.
    async fn gallop(&self, from: Option<RecordNo>) -> Result<Option<RecordNo>, ReadError> {
        let mut taken = from.map_or(0, |number| number.0);
        let mut step = 1;
        while self.is_taken(taken + step).await? {
            taken += step;
            step *= 2;
        }
        let mut free = taken + step;
        while free - taken > 1 {
            let middle = taken + (free - taken) / 2;
            if self.is_taken(middle).await? { taken = middle } else { free = middle }
        }
        Ok((taken > 0).then_some(RecordNo(taken)))
    }

    async fn is_taken(&self, number: u64) -> Result<bool, ReadError> {
        Ok(self.remote().size(&self.keys.record(RecordNo(number))).await?.is_some())
    }

    /// Reads the newest record, going down where records are damaged.
    async fn last_good(&self, newest: Option<RecordNo>) -> Result<Head, ReadError> {
        let mut head = Head { newest, ..Head::default() };
        let mut number = newest;
        while let Some(at) = number {
            match self.find_record(at).await? {
                Found::Good(record) => {
                    head.record = Some(record);
                    break;
                }
                Found::Damaged(error) => {
                    tracing::error!(record = at.0, %error, "damaged record; its number is burnt");
                    head.burnt.push(at);
                }
                Found::Absent => {
                    let (kind, key) = (ObjectKind::Record, self.keys.record(at));
                    return Err(ReadError::Missing { kind, key });
                }
            }
            number = (at.0 > 1).then(|| RecordNo(at.0 - 1));
        }
        Ok(head)
    }

    /// Reads every record after `head`, in order, and moves `head` to the last.
    pub(crate) async fn advance(&self, head: &mut Head) -> Result<Vec<Arc<Record>>, ReadError> {
        let mut news = Vec::new();
        loop {
            let number = head.next();
            match self.find_record(number).await? {
                Found::Absent => return Ok(news),
                Found::Damaged(error) => {
                    tracing::error!(record = number.0, %error, "damaged record");
                    head.burnt.push(number);
                }
                Found::Good(record) => {
                    let broken = record.envelope.previous.is_some()
                        && head.digest().is_some()
                        && record.envelope.previous != head.digest();
                    if broken {
                        return Err(ReadError::Replaced { number });
                    }
                    self.memory().saw(&record, self.local().installation()?)?;
                    head.burnt.clear();
                    head.record = Some(Arc::clone(&record));
                    news.push(record);
                }
            }
            head.newest = Some(number);
        }
    }
}
