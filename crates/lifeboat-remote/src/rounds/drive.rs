//! The rounds on a store.

use std::time::Duration;

use bytes::Bytes;

use super::{Decision, Mark, Step, Token, decided_in, decided_key, folder};
use crate::error::{Failure, RemoteError};
use crate::random;
use crate::remote::Remote;
use crate::retry::{RetryPolicy, chance};

/// More rounds than writers in lock-step can need but by a miracle.
const MOST_ROUNDS: u32 = 64;

/// What a look at the rounds tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decided {
    /// It is decided, for good.
    Value(Token),
    /// Somebody began, and nobody finished: whoever needs to know takes part with
    /// [`Remote::decide`].
    Open,
    /// Nobody began.
    Nothing,
}

impl Remote {
    /// Takes part in deciding on the value of a prefix, and returns what was
    /// decided: the proposal, or somebody else's. Alone it costs three puts and
    /// three listings.
    ///
    /// What the value stands for must be stored before. Cancelled or failed, marks
    /// stay behind, and the proposal may still be decided on later; the call may
    /// be made again. Writers that meet pause by chance, up to 5 s, where the store
    /// has a retry policy.
    pub async fn decide(&self, prefix: &str, proposal: &Token) -> Result<Token, RemoteError> {
        if let Decided::Value(value) = self.decided(prefix).await? {
            self.tell(prefix, &value).await?;
            return Ok(value);
        }
        let mut decision = Decision::new(random::token()?, proposal.clone());
        loop {
            match decision.step() {
                Step::Put(mark) => {
                    self.put_mark(&mark.key(prefix)).await?;
                    decision.put();
                }
                Step::List { round } => {
                    decision.seen(&self.marks(prefix, &folder(prefix, round)).await?);
                    if decision.round() > round {
                        self.pause_after(round, prefix).await?;
                    }
                }
                Step::Done(value) => {
                    self.tell(prefix, &value).await?;
                    return Ok(value);
                }
            }
        }
    }

    /// What was decided on a prefix, as far as one listing tells.
    pub async fn decided(&self, prefix: &str) -> Result<Decided, RemoteError> {
        let listed = self.list(prefix).await?;
        let told = |key: &str| Token::new(key.strip_prefix(prefix)?.strip_prefix("/decided-")?);
        if let Some(value) = listed.iter().find_map(|object| told(&object.key)) {
            return Ok(Decided::Value(value));
        }
        let marks: Vec<Mark> =
            listed.iter().filter_map(|object| Mark::parse(prefix, &object.key)).collect();
        Ok(match decided_in(&marks) {
            Some(value) => Decided::Value(value),
            None if marks.is_empty() => Decided::Nothing,
            None => Decided::Open,
        })
    }

    /// A mark says everything in its key, and is put without a condition: stores
    /// that refuse conditions need the rounds too, and putting it twice is as good.
    async fn put_mark(&self, key: &str) -> Result<(), RemoteError> {
        self.put_own(key, Bytes::from_static(b"\n")).await
    }

    async fn tell(&self, prefix: &str, value: &Token) -> Result<(), RemoteError> {
        self.put_mark(&decided_key(prefix, value)).await
    }

    async fn marks(&self, prefix: &str, folder: &str) -> Result<Vec<Mark>, RemoteError> {
        let listed = self.list(folder).await?;
        Ok(listed.iter().filter_map(|object| Mark::parse(prefix, &object.key)).collect())
    }

    async fn pause_after(&self, round: u32, prefix: &str) -> Result<(), RemoteError> {
        if round >= MOST_ROUNDS {
            return Err(RemoteError::of("agree with other writers on", prefix, Failure::Conflict));
        }
        if let Some(policy) = self.retry_policy() {
            let policy = RetryPolicy { longest: Duration::from_secs(5), ..policy };
            if let Some(pause) = policy.pause(round, Duration::ZERO, chance(), None) {
                tokio::time::sleep(pause).await;
            }
        }
        Ok(())
    }
}
