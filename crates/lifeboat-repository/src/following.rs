//! Snapshots of a database that is being followed: where their images stand in the
//! commit log, and which records open its epochs (rule R8).

use std::sync::Arc;

use lifeboat_format::id::{EpochId, Nonce};
use lifeboat_format::log::CommitNo;
use lifeboat_format::numbers::RecordNo;
use lifeboat_format::record::{Epoch, LogPlace, State};
use lifeboat_remote::Fencing;

use crate::error::WriteError;
use crate::local::random;
use crate::log::Head;
use crate::repository::Database;

/// Somebody who follows the database of which a snapshot is taken, commit by
/// commit. Asked off the async threads.
pub trait Following: Send + Sync {
    /// The epoch whose segments it writes. Where the newest record has another one
    /// open, the snapshot's record ends that and opens this one.
    fn epoch(&self) -> EpochId;

    /// The first commit of that epoch. Numbers go on across epochs.
    fn first_commit(&self) -> CommitNo;

    /// The last commit that was taken. Asked before the read begins that fixes the
    /// image: it has all of these.
    fn before(&self) -> CommitNo;

    /// The last commit that there is. Asked after that read began, and may wait until
    /// somebody has looked: the image has none that comes later.
    fn after(&self) -> CommitNo;
}

/// What a capture needs to know of who follows.
#[derive(Clone)]
pub(crate) struct Follower(pub(crate) Arc<dyn Following>);

impl Follower {
    /// Where an image stands that is read between two calls: this one, and the one
    /// of what is returned.
    pub(crate) fn begin(&self) -> impl FnOnce() -> LogPlace + Send + use<> {
        let from = self.0.before();
        let following = Arc::clone(&self.0);
        move || LogPlace { epoch: following.epoch(), from, to: following.after().max(from) }
    }

    /// Whether a snapshot's record has to open an epoch.
    pub(crate) fn opens_after(&self, head: &Head) -> bool {
        head.state().open_epoch().map(|epoch| epoch.id) != Some(self.0.epoch())
    }

    /// Notes in the state after a record which epoch is open. Another one must have
    /// been ended.
    pub(crate) fn open(&self, state: &mut State, number: RecordNo) {
        let id = self.0.epoch();
        if state.epoch(id).is_none() {
            let first_commit = self.0.first_commit();
            state.log.push(Epoch { id, base: number, first_commit, floor: None, end: None });
        }
    }
}

impl Database {
    /// Draws the id of an epoch that is to be opened.
    pub fn draw_epoch(&self) -> EpochId {
        EpochId::from_bytes(random())
    }

    /// Draws the nonce of a segment.
    pub fn draw_nonce(&self) -> Nonce {
        Nonce::from_bytes(random())
    }

    /// Whether the store can keep a commit log: it must honour conditional creates.
    pub fn can_keep_log(&self) -> bool {
        self.repository.fencing() == Fencing::Create
    }

    pub(crate) fn check_can_keep_log(&self) -> Result<(), WriteError> {
        if self.can_keep_log() {
            return Ok(());
        }
        Err(WriteError::NoConditions { place: self.remote().shown().to_owned() })
    }

    /// Ends the epoch that is open, if it is another one than that which is followed.
    pub(crate) async fn end_other_epoch(
        &self,
        head: &mut Head,
        follower: &Follower,
    ) -> Result<(), WriteError> {
        let (state, id) = (head.state(), follower.0.epoch());
        // Who goes on with an epoch that was ended must not end the present one.
        if let Some(ended) = state.epoch(id).filter(|epoch| !epoch.is_open()) {
            let segment = ended.last().map(|last| last.segment);
            return Err(WriteError::EpochEnded { epoch: id, segment });
        }
        match state.open_epoch() {
            Some(open) if open.id != id => {
                let last = self.seal(head, open.id).await?;
                head.ended = Some((open.id, last));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Puts the seal that the record of a take-over announced, unless it is there: its
    /// writer may have died in between. Nobody writes before.
    pub(crate) async fn settle_log(&self, head: &mut Head) -> Result<(), WriteError> {
        let state = head.state();
        let Some(last) = state.log.last() else { return Ok(()) };
        if last.end.is_some_and(|end| end.last.is_none()) {
            let sealed = self.seal(head, last.id).await?;
            head.ended = Some((last.id, sealed));
        }
        Ok(())
    }
}
