//! Who may write snapshots of a database (rule R6).

use std::sync::Arc;

use lifeboat_format::id::InstallationId;
use lifeboat_format::numbers::RecordNo;
use lifeboat_format::record::{Record, RecordKind};

use crate::error::WriteError;
use crate::local::Remembered;
use crate::log::{Committed, Draft, Head};
use crate::repository::Database;

/// What to do where another installation owns the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Ownership {
    /// Refuse.
    #[default]
    Refuse,
    /// Take it over, if the newest record is still this one. Works once.
    TakeOver(RecordNo),
    /// Always take it over: for a plain local directory, which has one user,
    /// and for single containers that keep no state.
    Adopt,
}

impl Database {
    /// Makes sure that this installation owns the database, before anything is
    /// planned. Returns the owner that it took it over from.
    pub(crate) async fn own(
        &self,
        head: &mut Head,
        ownership: &Ownership,
    ) -> Result<Option<InstallationId>, WriteError> {
        let me = self.local().installation();
        let mut superseded = None;
        for _ in 0..crate::backup::MAX_TRIES {
            self.check_twin(head)?;
            let mut state = head.state();
            let (Some(owner), Some(number)) = (state.owner.take(), head.newest) else {
                return Ok(None);
            };
            if owner == *me {
                return Ok(superseded);
            }
            let allowed = match ownership {
                Ownership::Refuse => false,
                Ownership::TakeOver(named) => *named == number,
                Ownership::Adopt => true,
            };
            if !allowed {
                return Err(WriteError::HeldByOther { owner, number });
            }
            tracing::warn!(%owner, record = number.0, "taking over a database from another installation");
            state.owner = Some(me.clone());
            let mut draft = Draft::new(RecordKind::TakeOver, state);
            draft.subject.insert(number);
            match self.commit(head, draft).await? {
                Committed::Done(_) => superseded = Some(owner),
                Committed::Lost => {
                    self.advance(head).await?;
                }
            }
        }
        Err(WriteError::Contention {
            tries: crate::backup::MAX_TRIES,
        })
    }

    /// Looks for records that bear this installation's id and are not its own.
    fn check_twin(&self, head: &Head) -> Result<(), WriteError> {
        let seen = self.memory().read()?;
        match &head.record {
            Some(record) if self.is_twin(record, &seen) => Err(WriteError::Twin {
                number: record.number(),
            }),
            _ => Ok(()),
        }
    }

    fn is_twin(&self, record: &Arc<Record>, seen: &Remembered) -> bool {
        record.envelope.writer == *self.local().installation()
            && seen.is_foreign(record.number(), record.envelope.nonce)
    }
}
