//! Whether an object is created once.

use bytes::Bytes;
use futures::future::join_all;

use super::{Creates, Scratch};
use crate::error::{Failure, RemoteError};
use crate::remote::Created;

impl Scratch<'_> {
    pub(super) async fn creates(&self) -> Result<Creates, RemoteError> {
        let key = self.key("once");
        let create = |text: &'static str| {
            self.remote.create_by_condition(&key, vec![Bytes::from_static(text.as_bytes())], None)
        };
        match create("first").await {
            Ok(_) => {}
            Err(error) if matches!(error.what, Failure::Unsupported | Failure::Refused) => {
                tracing::info!(%error, "conditional creates are refused");
                return Ok(Creates::Refused);
            }
            Err(error) => return Err(error),
        }
        if create("other").await? == Created::New || !self.holds(&key, b"first").await? {
            return Ok(Creates::Ignored);
        }
        for race in 0..self.options.races {
            if !self.has_one_winner(race).await? {
                return Ok(Creates::Racy);
            }
        }
        Ok(Creates::Once)
    }

    /// Many create one object at once. Exactly one must be told that it did, and
    /// what lies there must be what that one put.
    async fn has_one_winner(&self, race: usize) -> Result<bool, RemoteError> {
        let key = self.key(format_args!("race-{race}"));
        let words: Vec<Bytes> =
            (0..self.options.racers).map(|racer| format!("racer {racer}").into()).collect();
        let racers = words
            .iter()
            .map(|word| self.remote.create_by_condition(&key, vec![word.clone()], None));
        let mut winners = Vec::new();
        for (word, told) in words.iter().zip(join_all(racers).await) {
            match told {
                Ok(Created::New) => winners.push(word),
                Ok(Created::Exists) => {}
                // Some stores refuse all but one in this way.
                Err(error) if error.what == Failure::Conflict => {}
                Err(error) => return Err(error),
            }
        }
        match winners[..] {
            [winner] => self.holds(&key, winner).await,
            // Nobody was told, which leaves everything open: the store is overloaded.
            [] => Err(RemoteError::of("create", &key, Failure::Conflict)),
            _ => Ok(false),
        }
    }

    /// Whether an object is there with these bytes.
    pub(super) async fn holds(&self, key: &str, bytes: &[u8]) -> Result<bool, RemoteError> {
        let limit = 64 * 1024;
        Ok(self.remote.get(key, limit).await?.is_some_and(|there| there == bytes))
    }
}
