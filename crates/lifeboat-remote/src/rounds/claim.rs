//! Taking a key that several writers may want at once, in whatever way the store
//! allows.

use bytes::Bytes;

use super::Token;
use crate::error::{Failure, RemoteError};
use crate::fencing::Fencing;
use crate::remote::{Created, Remote};

/// A key that several writers may want at once, such as the next number of a log,
/// and where they agree on who gets it.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// The key.
    pub key: &'a str,
    /// Where what is proposed lies while it is decided on: this, `-` and its
    /// digest. Below another folder than `rounds`.
    pub bodies: &'a str,
    /// The prefix of the rounds that decide on it. It belongs to this key alone.
    pub rounds: &'a str,
    /// The digest that stands for bytes.
    pub digest: fn(&[u8]) -> Token,
    /// What is longer is none of ours.
    pub limit: u64,
}

impl Claim<'_> {
    fn body(&self, value: &Token) -> String {
        format!("{}-{value}", self.bodies)
    }
}

impl Remote {
    /// Puts an object under a key that others may want as well: one of them gets
    /// it, and all others are told that it exists.
    ///
    /// Where the store creates once, that is all there is to it. Where it does not,
    /// and its listings can be relied on, writers agree in rounds on whose bytes
    /// it is to be, and whoever knows puts those there; one that died is finished
    /// by the next. Where neither holds, it is looked for, put, and looked at: one
    /// writer only.
    ///
    /// Cancelled or failed, it is not known whether the object is there or will be:
    /// another may finish it. The same call may be made again.
    pub async fn claim(&self, claim: &Claim<'_>, bytes: Bytes) -> Result<Created, RemoteError> {
        match self.fencing() {
            Fencing::Create => self.create(claim.key, bytes).await,
            Fencing::Rounds => self.claim_in_rounds(claim, bytes).await,
            Fencing::Nothing => {
                if let Some(created) = self.compared(claim, &bytes).await? {
                    return Ok(created);
                }
                self.put_own(claim.key, bytes.clone()).await?;
                let there = self.compared(claim, &bytes).await?;
                there.ok_or_else(|| RemoteError::of("write", claim.key, Failure::Incomplete))
            }
        }
    }

    async fn claim_in_rounds(
        &self,
        claim: &Claim<'_>,
        bytes: Bytes,
    ) -> Result<Created, RemoteError> {
        let own = (claim.digest)(&bytes);
        // Before anybody can decide on it, and under a key of its own: what is put
        // there by several is the same.
        self.put_own(&claim.body(&own), bytes.clone()).await?;
        let decided = self.decide(claim.rounds, &own).await?;
        // Looked at only now: how it was agreed may be removed once the object is
        // there, so that a writer who was asleep meanwhile may decide on anything. Who
        // finds nothing there has decided on what all others did.
        if let Some(created) = self.compared(claim, &bytes).await? {
            return Ok(created);
        }
        let winner = if decided == own {
            bytes.clone()
        } else {
            let body = claim.body(&decided);
            match self.get(&body, claim.limit).await? {
                Some(found) if (claim.digest)(&found) == decided => found,
                _ => {
                    let there = self.compared(claim, &bytes).await?;
                    return there
                        .ok_or_else(|| RemoteError::of("read", &body, Failure::Incomplete));
                }
            }
        };
        self.put_own(claim.key, winner).await?;
        Ok(if decided == own { Created::New } else { Created::Exists })
    }

    async fn compared(
        &self,
        claim: &Claim<'_>,
        bytes: &Bytes,
    ) -> Result<Option<Created>, RemoteError> {
        let parts = std::slice::from_ref(bytes);
        self.what_is_there(claim.key, parts, bytes.len() as u64).await
    }
}
