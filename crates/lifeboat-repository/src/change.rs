//! Forgetting and bringing back, pinning and unpinning: changes of state that
//! move no data.

use lifeboat_format::numbers::{NumberSet, RecordNo};
use lifeboat_format::record::{RecordKind, State, Trashed};

use crate::backup::MAX_TRIES;
use crate::error::WriteError;
use crate::log::{Committed, Draft};
use crate::repository::Database;

impl Database {
    /// Moves snapshots to the trash. The latest, the latest that was verified, the
    /// pinned, and those with which the commit log begins are refused.
    pub async fn forget(&self, numbers: &[RecordNo]) -> Result<(), WriteError> {
        let since = self.local().now();
        let head = self.head(None).await?;
        let protected = self.latest_verified(&head.state()).await?;
        let bases = self.log_bases(&head).await?;
        self.change(RecordKind::Forget, numbers, |state, number| {
            if !state.alive.contains(number) {
                return Err("is not there");
            }
            if state.latest.is_some_and(|latest| latest.number == number)
                || state.alive.last() == Some(number)
            {
                return Err("is the latest, which is never forgotten");
            }
            if state.pins.contains(number) {
                return Err("is pinned");
            }
            if protected == Some(number) {
                return Err("is the latest that was verified, which is never forgotten");
            }
            if bases.contains(number) {
                return Err("is what the commit log begins with, as long as that is kept");
            }
            state.alive.remove(number);
            state.trash.push(Trashed { number, since });
            Ok(())
        })
        .await
    }

    /// Brings snapshots back from the trash.
    pub async fn undelete(&self, numbers: &[RecordNo]) -> Result<(), WriteError> {
        self.change(RecordKind::Undelete, numbers, |state, number| {
            let before = state.trash.len();
            state.trash.retain(|trashed| trashed.number != number);
            if state.trash.len() == before {
                return Err("is not in the trash");
            }
            state.alive.insert(number);
            Ok(())
        })
        .await
    }

    /// Protects snapshots from being forgotten.
    pub async fn pin(&self, numbers: &[RecordNo]) -> Result<(), WriteError> {
        self.change(RecordKind::Pin, numbers, |state, number| {
            if !state.alive.contains(number) {
                return Err("is not there");
            }
            state.pins.insert(number);
            Ok(())
        })
        .await
    }

    /// Ends that protection.
    pub async fn unpin(&self, numbers: &[RecordNo]) -> Result<(), WriteError> {
        self.change(RecordKind::Unpin, numbers, |state, number| {
            if state.pins.remove(number) { Ok(()) } else { Err("is not pinned") }
        })
        .await
    }

    /// Applies a pure change of state to each number, and commits the result;
    /// all of them or none.
    async fn change(
        &self,
        kind: RecordKind,
        numbers: &[RecordNo],
        apply: impl Fn(&mut State, RecordNo) -> Result<(), &'static str>,
    ) -> Result<(), WriteError> {
        let mut head = self.head(None).await?;
        for _ in 0..MAX_TRIES {
            let mut state = head.state();
            for &number in numbers {
                apply(&mut state, number).map_err(|why| WriteError::NotPossible { number, why })?;
            }
            let mut draft = Draft::new(kind, state);
            draft.subject = numbers.iter().copied().collect::<NumberSet>();
            match self.commit(&mut head, draft).await? {
                Committed::Done(_) => return Ok(()),
                Committed::Lost => {
                    self.advance(&mut head).await?;
                }
            }
        }
        Err(WriteError::Contention { tries: MAX_TRIES })
    }
}
