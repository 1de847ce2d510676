//! What the store does that a repository lies in: probed, written down in a format
//! object, and heeded by who opens it.

use std::time::{Duration, SystemTime};

use lifeboat_format::digest::Digest;
use lifeboat_format::info::{RepositoryInfo, StoreCreates, StoreFinding, StoreListings};
use lifeboat_format::key;
use lifeboat_remote::rounds::{Claim, Token};
use lifeboat_remote::{
    Absence, Created, Creates, Deletes, Fencing, Listings, ProbeOptions, Probed, Remote,
    RemoteError,
};
use time::OffsetDateTime;

use crate::backup::MAX_TRIES;
use crate::error::{ReadError, WriteError};
use crate::local::Local;
use crate::repository::{FORMAT_LIMIT, Repository, format_objects};

/// The digest of bytes, cut to 16, as it stands in keys: some stores take short ones
/// only.
pub(crate) fn token_of(bytes: &[u8]) -> Token {
    let digest = Digest::of(bytes).to_string();
    Token::new(&digest[..32]).expect("a digest is 64 hexadecimal digits")
}

/// What a probe found, as it is written down.
pub(crate) fn finding_of(probed: &Probed, now: OffsetDateTime) -> StoreFinding {
    StoreFinding {
        probed_at: now,
        creates: match probed.creates {
            Creates::Once => StoreCreates::Once,
            Creates::Racy => StoreCreates::Racy,
            Creates::Ignored => StoreCreates::Ignored,
            Creates::Refused => StoreCreates::Refused,
        },
        listings: match probed.listings {
            Listings::Consistent => StoreListings::Consistent,
            Listings::Stale => StoreListings::Stale,
        },
        deletes: probed.deletes == Deletes::Done,
    }
}

/// What keeps two writers apart, going by a finding.
pub(crate) fn fencing_of(finding: &StoreFinding) -> Fencing {
    match (finding.creates, finding.listings) {
        (StoreCreates::Once, _) => Fencing::Create,
        (_, StoreListings::Consistent) => Fencing::Rounds,
        (_, StoreListings::Stale) => Fencing::Nothing,
    }
}

/// Probes a store that is not known, and has the remote heed what was found.
pub(crate) async fn find_out(
    remote: &Remote,
    local: &Local,
) -> Result<Option<StoreFinding>, WriteError> {
    if remote.is_trusted() {
        return Ok(None);
    }
    let now = local.now();
    let since = Duration::from_secs(u64::try_from(now.unix_timestamp()).unwrap_or(0));
    let probed = remote.probe(ProbeOptions::new(SystemTime::UNIX_EPOCH + since)).await?;
    let unfit = match (probed.reads_back, probed.absence) {
        (false, _) => Some("it does not give back what was put there"),
        (_, Absence::Denied) => Some(
            "of an object that is not there it says that access is denied, as to who may not list",
        ),
        _ => None,
    };
    if let Some(why) = unfit {
        return Err(WriteError::Unfit { place: remote.shown().to_owned(), why });
    }
    let finding = finding_of(&probed, now);
    remote.learn(fencing_of(&finding));
    match remote.fencing() {
        Fencing::Create => {}
        Fencing::Rounds => tracing::warn!(
            "{} does not honour conditional creates; writers agree in rounds instead",
            remote.shown()
        ),
        Fencing::Nothing => tracing::warn!(
            "{} is unfenced: nothing keeps two writers apart there, so have one only",
            remote.shown()
        ),
    }
    Ok(Some(finding))
}

/// Puts a format object, unless another has that number.
pub(crate) async fn claim_format(
    remote: &Remote,
    number: u64,
    info: &RepositoryInfo,
) -> Result<Created, RemoteError> {
    let claim = Claim {
        key: &key::format(number),
        bodies: &key::format_body(number),
        rounds: &key::format_rounds(number),
        digest: token_of,
        limit: FORMAT_LIMIT,
    };
    remote.claim(&claim, info.encode().into()).await
}

impl Repository {
    /// What keeps two writers apart here, going by what the store was found to do.
    pub fn fencing(&self) -> Fencing {
        self.remote().fencing()
    }

    /// Probes the store of a repository that was copied there by other means, where
    /// nobody did. What it finds holds from then on; that it fails stops nothing,
    /// since it is no worse then than before.
    pub(crate) async fn probe_if_nobody_did(&self) {
        if self.is_to_be_probed()
            && let Err(error) = self.probe_store().await
        {
            tracing::warn!(%error, "nobody knows what the storage does with two writers");
        }
    }

    /// Finds out what the store does, unless it is known, and writes it down where
    /// that is news: where nothing was written down yet, or it does worse than what
    /// was.
    ///
    /// Killed half-way, scratch objects stay, and nothing has changed.
    pub async fn probe_store(&self) -> Result<Option<StoreFinding>, WriteError> {
        let Some(found) = find_out(self.remote(), self.local()).await? else { return Ok(None) };
        for _ in 0..MAX_TRIES {
            let infos = format_objects(self.remote()).await?;
            let known = StoreFinding::of_all(&infos);
            let both = known.as_ref().map_or_else(|| found.clone(), |known| known.and(&found));
            if known.is_some_and(|known| known.agrees_with(&both)) {
                return Ok(Some(both));
            }
            let Some(last) = infos.last() else {
                let place = self.remote().shown().to_owned();
                return Err(ReadError::NoRepository { place }.into());
            };
            let info = RepositoryInfo { store: Some(both.clone()), ..last.clone() };
            let number = infos.len() as u64 + 1;
            if claim_format(self.remote(), number, &info).await? == Created::New {
                return Ok(Some(both));
            }
        }
        Err(WriteError::Contention { tries: MAX_TRIES })
    }
}
