//! Who may write snapshots of a database (rule R6).

use lifeboat_format::id::InstallationId;
use lifeboat_format::numbers::RecordNo;
use lifeboat_format::record::{EpochEnd, RecordKind};

use crate::error::WriteError;
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
        self.repository.probe_if_nobody_did().await;
        let me = self.local().installation()?;
        let mut superseded = None;
        for _ in 0..crate::backup::MAX_TRIES {
            self.check_twin()?;
            let mut state = head.state();
            let (Some(owner), Some(number)) = (state.owner.take(), head.newest) else {
                return Ok(None);
            };
            if owner == *me {
                self.settle_log(head).await?;
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
            // Whoever comes anew does not rely on what another believed of the store.
            self.repository.probe_store().await?;
            state.owner = Some(me.clone());
            // The record first, then the seal (rule R8): what the owner before puts
            // in between still counts, and nothing after it.
            if let Some(open) = state.log.last_mut().filter(|epoch| epoch.is_open()) {
                open.end = Some(EpochEnd::default());
            }
            let mut draft = Draft::new(RecordKind::TakeOver, state);
            draft.subject.insert(number);
            match self.commit(head, draft).await? {
                Committed::Done(_) => superseded = Some(owner),
                Committed::Lost => {
                    self.advance(head).await?;
                }
            }
        }
        Err(WriteError::Contention { tries: crate::backup::MAX_TRIES })
    }

    /// Stops where a record bears this installation's id and is not its own.
    fn check_twin(&self) -> Result<(), WriteError> {
        match self.memory().read()?.twin_of(self.local().installation()?) {
            Some(number) => Err(WriteError::Twin { number }),
            None => Ok(()),
        }
    }
}
