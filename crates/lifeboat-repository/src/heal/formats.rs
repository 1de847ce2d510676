//! Format objects and slots: without them nothing else can be read.
//!
//! Each destination has its own format objects, since they say what its store does;
//! what they say of the repository is the same everywhere. Slots are the same bytes
//! everywhere. A slot that is gone may have been taken away on purpose, and comes
//! back only where the repository does not open without.

use lifeboat_crypto::Secret;
use lifeboat_format::info::{RepositoryInfo, Scheme, StoreFinding};
use lifeboat_format::key::{self, DatabaseKeys};
use lifeboat_format::numbers::RecordNo;
use lifeboat_format::record::{Record, RecordPlace};
use lifeboat_remote::{Created, Failure, Remote};

use super::HealReport;
use crate::error::{ReadError, WriteError};
use crate::keys::{self, Keys, SLOT_LIMIT, StoredSlot};
use crate::log::RECORD_LIMIT;
use crate::repository::{FORMAT_LIMIT, Repository, format_objects};
use crate::store::{claim_format, find_out};

/// So many records are tried at most to see whose they are.
const TRIED: u64 = 16;

impl Repository {
    /// Puts back what makes a store a destination of this repository, where it does
    /// not open any more: format objects that are damaged or gone, and slots.
    ///
    /// Refused where nothing shows that what lies there is of this repository.
    /// Killed, some of them are whole again; run again, it goes on.
    pub async fn reopen(
        &self,
        remote: &Remote,
        secret: Option<&Secret>,
    ) -> Result<HealReport, WriteError> {
        let mut report = HealReport::default();
        let mut there = formats_there(remote).await?;
        let good = |one: &Option<Result<RepositoryInfo, ReadError>>| match one {
            Some(Ok(info)) => Some(info.clone()),
            _ => None,
        };
        let whole: Vec<RepositoryInfo> = there.iter().filter_map(good).collect();
        let ours = |info: &RepositoryInfo| info.repository == self.info().repository;
        let is_this = match whole.is_empty() {
            true => self.lies_at(remote).await?,
            false => whole.iter().all(ours),
        };
        if !is_this {
            let place = remote.shown().to_owned();
            let wanted = self.info().repository;
            let found = whole.iter().map(|info| info.repository).find(|found| *found != wanted);
            return Err(WriteError::OtherRepository { place, wanted, found });
        }
        self.put_slots(remote, true, &mut report).await?;
        let finding = match StoreFinding::of_all(&whole) {
            Some(finding) => Some(finding),
            None => find_out(remote, self.local()).await?,
        };
        let mut wanted: Vec<RepositoryInfo> = Vec::new();
        for info in format_objects(self.remote()).await? {
            if wanted.iter().all(|known| known.scheme != info.scheme) {
                wanted.push(RepositoryInfo { store: finding.clone(), ..info });
            }
        }
        for at in 0..there.len().max(wanted.len()) {
            let k = at as u64 + 1;
            let known = |scheme: &Scheme, there: &[Option<Result<RepositoryInfo, ReadError>>]| {
                there.iter().filter_map(good).any(|info| info.scheme == *scheme)
            };
            let missing = wanted.iter().find(|info| !known(&info.scheme, &there)).cloned();
            // Where none is missing, it said once more what the one before says.
            let before = at.checked_sub(1).and_then(|before| good(&there[before]));
            let info = missing.or(before).or_else(|| wanted.last().cloned());
            let Some(info) = info else { break };
            match there.get(at) {
                Some(Some(Ok(_))) => continue,
                Some(Some(Err(error))) if !error.is_lost_record() => {
                    // Whole, and not ours or of later days.
                    report.leave(key::format(k), error.to_string());
                    return Ok(report);
                }
                Some(Some(Err(_))) => {
                    let put = remote.put_own(&key::format(k), info.encode().into()).await;
                    match put {
                        Err(error) if error.what == Failure::Denied => {
                            report.leave(key::format(k), "the store lets nothing be replaced");
                            return Ok(report);
                        }
                        put => put?,
                    }
                }
                Some(None) | None => {
                    if claim_format(remote, k, &info).await? == Created::Exists {
                        // Another was faster; the next run sees what it says.
                        return Ok(report);
                    }
                }
            }
            report.healed.push(key::format(k));
            if at < there.len() {
                there[at] = Some(Ok(info));
            } else {
                there.push(Some(Ok(info)));
            }
        }
        let _: Self = Self::open_with(remote.clone(), self.local().clone(), secret).await?;
        Ok(report)
    }

    /// Puts back slots that are damaged here, from another destination.
    pub async fn heal_slots(&self, other: &Self) -> Result<HealReport, WriteError> {
        let mut report = HealReport::default();
        if other.info().repository == self.info().repository && self.is_sealed() {
            other.put_slots(self.remote(), false, &mut report).await?;
        }
        Ok(report)
    }

    /// Puts slots that are damaged there as they are here, and those that are gone
    /// if that is said.
    async fn put_slots(
        &self,
        remote: &Remote,
        missing: bool,
        report: &mut HealReport,
    ) -> Result<(), WriteError> {
        for data_key in self.keys().map(Keys::all).unwrap_or_default() {
            for slot in keys::slot_keys(self.remote(), *data_key.id()).await? {
                let put = match StoredSlot::read(remote, &slot).await {
                    Ok(Some(_)) => false,
                    Ok(None) => missing,
                    Err(error) if error.is_lost_record() => true,
                    Err(error) => return Err(error.into()),
                };
                if !put {
                    continue;
                }
                let Some(object) = self.remote().get(&slot, SLOT_LIMIT).await? else { continue };
                if let Err(error) = StoredSlot::decode(&object) {
                    report.leave(slot, error.to_string());
                    continue;
                }
                match remote.put_own(&slot, object).await {
                    Ok(()) => report.healed.push(slot),
                    Err(error) if error.what == Failure::Denied => {
                        report.leave(slot, "the store lets nothing be replaced");
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    /// Whether some record there is of this repository.
    async fn lies_at(&self, remote: &Remote) -> Result<bool, WriteError> {
        for folder in remote.folders(key::DATABASES).await? {
            let Ok(name) = lifeboat_format::id::DatabaseName::from_key(&folder) else { continue };
            let (keys, database) = (DatabaseKeys::new(&name), self.database(name));
            for number in (1..=TRIED).map(RecordNo) {
                let Some(object) = remote.get(&keys.record(number), RECORD_LIMIT).await? else {
                    continue;
                };
                if Record::decode(&object, RecordPlace { home: database.home(), number }).is_ok() {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}

/// The format objects of a store, whole or not, as far as a listing shows them.
async fn formats_there(
    remote: &Remote,
) -> Result<Vec<Option<Result<RepositoryInfo, ReadError>>>, ReadError> {
    let number = |key: &str| key.rsplit('/').next()?.parse::<u64>().ok();
    let listed = remote.list(key::FORMAT).await?;
    let most = listed.iter().filter_map(|object| number(&object.key)).max().unwrap_or(0);
    let mut there = Vec::new();
    for k in 1..=most.min(FORMAT_LIMIT) {
        let key = key::format(k);
        let object = remote.get(&key, FORMAT_LIMIT).await?;
        there.push(
            object.map(|object| RepositoryInfo::decode(&object).map_err(ReadError::unusable(key))),
        );
    }
    Ok(there)
}
