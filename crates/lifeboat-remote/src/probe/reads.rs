//! Whether a store gives back what was put.

use bytes::Bytes;

use super::{Absence, Creates, Scratch};
use crate::error::{Failure, RemoteError};

impl Scratch<'_> {
    pub(super) async fn absence(&self) -> Result<Absence, RemoteError> {
        match self.remote.get(&self.key("never-put"), 64).await {
            Ok(_) => Ok(Absence::Told),
            Err(error) if error.what == Failure::Denied => Ok(Absence::Denied),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn reads(&self, creates: Creates) -> Result<bool, RemoteError> {
        let key = self.key("read");
        let bytes: Bytes = (0..5000u32).map(|at| (at % 251) as u8).collect();
        self.put(creates, &key, bytes.clone()).await?;
        if !self.holds(&key, &bytes).await? {
            return Ok(false);
        }
        // In the middle, up to the end, over the end, beyond it.
        for (from, to) in [(1, 3), (4000, 5000), (4990, 9000), (6000, 9000)] {
            let wanted = bytes.slice(from.min(5000)..to.min(5000));
            if self.remote.get_range(&key, from as u64..to as u64).await? != Some(wanted) {
                return Ok(false);
            }
        }
        // What agrees in rounds puts over what is there; whoever may only create
        // is not asked to.
        if creates == Creates::Once {
            return Ok(true);
        }
        self.remote.put_own(&key, Bytes::from_static(b"over it")).await?;
        self.holds(&key, b"over it").await
    }

    /// Puts an object in a way that the store takes.
    pub(super) async fn put(
        &self,
        creates: Creates,
        key: &str,
        bytes: Bytes,
    ) -> Result<(), RemoteError> {
        if creates == Creates::Refused {
            return self.remote.put_own(key, bytes).await;
        }
        self.remote.create_by_condition(key, vec![bytes], None).await.map(drop)
    }
}
