//! What was proven of each snapshot, and when: from the results in `checks/`.
//!
//! Results are found by a listing. One that a stale listing does not show makes
//! a snapshot look less proven than it is, never more.

use std::collections::BTreeMap;

use futures::StreamExt;
use lifeboat_format::check::{
    self, CheckKind, CheckName, CheckResult, Drill, MAX_CHECK_LEN, Positions,
};
use lifeboat_format::key;
use lifeboat_format::numbers::{NumberSet, RecordNo};
use lifeboat_remote::{Created, Failure};
use time::OffsetDateTime;

use crate::error::{ReadError, WriteError};
use crate::local::random;
use crate::repository::Database;

/// How many results are read at once.
pub(crate) const READERS: usize = 16;
/// So many results are read at most, the newest first: whoever checks one part
/// in a hundred every day still has all of it.
pub(crate) const MAX_RESULTS: usize = 400;

/// A drill that the restored database did not stand.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FailedDrill {
    /// When it ended.
    pub at: OffsetDateTime,
    /// What was found first.
    pub what: String,
}

impl FailedDrill {
    fn of(drill: &Drill, at: OffsetDateTime) -> Self {
        let found = drill.integrity.iter().chain(&drill.foreign_keys).next().cloned();
        let failed = || {
            let failed = drill.assertions.iter().find(|assertion| !assertion.holds)?;
            let returned = failed.returned.as_deref().unwrap_or("something else");
            Some(format!("{} returned {returned}, not 1", failed.sql))
        };
        Self { at, what: found.or_else(failed).unwrap_or_default() }
    }
}

/// What was proven of one snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Proof {
    /// Every byte that it needs was read and proven, no longer ago than this.
    pub verified_at: Option<OffsetDateTime>,
    /// When it was last restored and put to the test, with success.
    pub drilled_at: Option<OffsetDateTime>,
    /// The last drill, if it was one without success.
    pub failed_drill: Option<FailedDrill>,
    /// What was last found wrong with it, unless it was proven since.
    pub damage: Option<String>,
}

/// What was proven of the snapshots of a database.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Proofs {
    /// By the numbers of their records.
    pub snapshots: BTreeMap<RecordNo, Proof>,
    /// Results that cannot be read, and why. They prove nothing.
    pub unreadable: Vec<(String, ReadError)>,
    /// Where the next partial check goes on.
    pub(crate) cursor: u64,
}

impl Proofs {
    /// What was proven of a snapshot.
    pub fn of(&self, number: RecordNo) -> Proof {
        self.snapshots.get(&number).cloned().unwrap_or_default()
    }

    pub(crate) fn is_verified(&self, number: RecordNo) -> bool {
        self.snapshots.get(&number).is_some_and(|proof| proof.verified_at.is_some())
    }
}

/// What is still to be learned of one snapshot, from the newest result back.
#[derive(Clone, Debug, Default)]
struct Inquiry {
    proof: Proof,
    /// Positions that newer results have read.
    covered: Vec<Positions>,
    verified: bool,
    drilled: bool,
}

impl Inquiry {
    fn is_settled(&self) -> bool {
        self.proof.damage.is_some() || (self.verified && self.drilled && is_all(&self.covered))
    }

    /// Takes the next older result into account.
    fn hear(&mut self, number: RecordNo, result: &CheckResult) {
        let at = result.finished_at;
        let drill = result.drill.as_ref().filter(|drill| drill.snapshot == number);
        let found = result.findings.iter().find(|finding| finding.snapshots.contains(number));
        if let Some(found) = found.filter(|_| self.proof.damage.is_none()) {
            // A drill reads what it restores, and so says nothing of the rest.
            let read_since = self.covers(check::position(&found.object));
            if !read_since {
                self.proof
                    .damage
                    .get_or_insert_with(|| format!("{}: {}", found.object, found.what));
                // What was proven before the damage is proven no more.
                self.proof.verified_at = None;
                (self.verified, self.drilled) = (true, true);
                return;
            }
        }
        if let Some(drill) = drill {
            // It was restored whole, whatever SQLite then said of it.
            self.verify(at);
            match drill.passed() {
                _ if self.drilled => {}
                true => self.proof.drilled_at = Some(at),
                false => self.proof.failed_drill = Some(FailedDrill::of(drill, at)),
            }
            self.drilled = true;
        }
        if result.kind != CheckKind::Drill && result.snapshots.contains(number) {
            self.covered.extend_from_slice(&result.read);
            if is_all(&self.covered) {
                self.verify(at);
            }
        }
    }

    fn verify(&mut self, at: OffsetDateTime) {
        if !self.verified {
            self.proof.verified_at = Some(at);
            self.verified = true;
        }
    }

    fn covers(&self, position: u64) -> bool {
        self.covered.iter().any(|range| range.contains(position))
    }
}

/// Whether ranges together are all positions.
fn is_all(ranges: &[Positions]) -> bool {
    let mut sorted = ranges.to_vec();
    sorted.sort();
    let mut next = Some(0);
    for range in sorted {
        match next {
            Some(at) if range.first > at => return false,
            Some(at) if range.last >= at => next = range.last.checked_add(1),
            _ => {}
        }
    }
    next.is_none()
}

impl Database {
    /// What was proven of all that are kept, without reading their records.
    pub async fn proofs_of_all(&self) -> Result<Proofs, ReadError> {
        let alive = self.head(None).await?.state().alive;
        self.proofs(&alive).await
    }

    /// What was proven of these snapshots.
    pub async fn proofs(&self, numbers: &NumberSet) -> Result<Proofs, ReadError> {
        let mut proofs = Proofs::default();
        let mut inquiries: BTreeMap<RecordNo, Inquiry> =
            numbers.iter().map(|number| (number, Inquiry::default())).collect();
        let mut cursor = None;
        let names = self.check_names().await?;
        let mut results = std::pin::pin!(
            futures::stream::iter(names.into_iter().rev().take(MAX_RESULTS))
                .map(|name| async move {
                    let key = self.keys.at(&key::check(&name));
                    (key, self.check_result(&name).await)
                })
                .buffered(READERS)
        );
        // Names tell seconds. What ended within one second is told apart by the
        // results themselves, so that damage is not taken for older than it is.
        let mut together: Vec<CheckResult> = Vec::new();
        loop {
            let next = match results.next().await {
                Some((_, Ok(Some(result)))) => Some(result),
                // Listed, and gone: somebody else cleaned up.
                Some((_, Ok(None))) => continue,
                Some((key, Err(error @ ReadError::Unusable { .. }))) => {
                    proofs.unreadable.push((key, error));
                    continue;
                }
                Some((_, Err(error))) => return Err(error),
                None => None,
            };
            let second = |result: &CheckResult| result.finished_at.unix_timestamp();
            let same = next.as_ref().zip(together.first());
            if same.is_none_or(|(next, first)| second(next) != second(first)) {
                together.sort_by_key(|result| std::cmp::Reverse(result.finished_at));
                for result in together.drain(..) {
                    let checked = result.read.last().filter(|_| result.kind == CheckKind::Check);
                    if let Some(last) = checked {
                        cursor.get_or_insert(last.last.wrapping_add(1));
                    }
                    let open = inquiries.iter_mut().filter(|(_, one)| !one.is_settled());
                    open.for_each(|(number, inquiry)| inquiry.hear(*number, &result));
                }
                if inquiries.values().all(Inquiry::is_settled) {
                    break;
                }
            }
            match next {
                Some(result) => together.push(result),
                None => break,
            }
        }
        proofs.cursor = cursor.unwrap_or(0);
        proofs.snapshots =
            inquiries.into_iter().map(|(number, inquiry)| (number, inquiry.proof)).collect();
        Ok(proofs)
    }

    /// The names of the results that a listing shows, the oldest first.
    pub(crate) async fn check_names(&self) -> Result<Vec<CheckName>, ReadError> {
        let listed = self.remote().list(&self.keys.checks()).await?;
        let name = |key: &str| key.rsplit('/').next()?.parse().ok();
        let mut names: Vec<CheckName> =
            listed.iter().filter_map(|object| name(&object.key)).collect();
        names.sort();
        Ok(names)
    }

    pub(crate) async fn check_result(
        &self,
        name: &CheckName,
    ) -> Result<Option<CheckResult>, ReadError> {
        let key = self.keys.at(&key::check(name));
        let Some(object) = self.remote().get(&key, MAX_CHECK_LEN).await? else {
            return Ok(None);
        };
        check::decode(&object, name, &self.home()).map(Some).map_err(ReadError::unusable(key))
    }

    /// Stores the result of a check or a drill, and returns its key.
    ///
    /// Cancelled or killed, the result is there whole or not at all.
    pub async fn record_check(&self, result: &CheckResult) -> Result<String, WriteError> {
        loop {
            let name = CheckName::new(result.record, result.finished_at, random());
            let object = check::encode(result, &name, &self.home());
            let key = self.keys.at(&key::check(&name));
            if self.remote().create(&key, object.into()).await? == Created::New {
                self.heed(&name, result);
                return Ok(key);
            }
        }
    }

    /// As [`record_check`](Self::record_check), where whoever checks may only
    /// read: none, if the store refuses the result.
    pub async fn record_check_if_allowed(
        &self,
        result: &CheckResult,
    ) -> Result<Option<String>, WriteError> {
        match self.record_check(result).await {
            Ok(key) => Ok(Some(key)),
            Err(WriteError::Read(ReadError::Remote(error))) if error.what == Failure::Denied => {
                tracing::warn!(%error, "the result cannot be stored");
                // The next backup of this machine knows it all the same.
                self.heed(&CheckName::new(result.record, result.finished_at, random()), result);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// A result of a kind with nothing in it yet, begun now.
    pub fn begin_check(&self, kind: CheckKind, record: RecordNo) -> Result<CheckResult, ReadError> {
        let now = self.local().now();
        Ok(CheckResult {
            repository: self.repository.info().repository,
            database: self.name.clone(),
            kind,
            by: self.local().installation()?.clone(),
            started_at: now,
            finished_at: now,
            record,
            snapshots: NumberSet::default(),
            read: Vec::new(),
            objects_read: 0,
            bytes_read: 0,
            findings: Vec::new(),
            drill: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_are_all() {
        let range = |first, last| Positions { first, last };
        assert!(is_all(&[Positions::ALL]));
        assert!(is_all(&[range(6, u64::MAX), range(0, 3), range(2, 5)]));
        assert!(!is_all(&[]) && !is_all(&[range(0, u64::MAX - 1)]));
        assert!(!is_all(&[range(0, 3), range(5, u64::MAX)]) && !is_all(&[range(1, u64::MAX)]));
        assert!(is_all(&[Positions::ALL, range(3, 4)]));
    }
}
