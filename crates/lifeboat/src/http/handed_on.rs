//! Objects of the configured store, as the interface hands them on.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt as _};
use lifeboat_http::{ObjectFacts, Objects, Problem};

use super::problem::explained;
use crate::error::Error;
use crate::hint::About;
use crate::objects::{FallbackStore, ObjectError, Placement};

/// A store, to be handed on.
pub(super) fn of(store: FallbackStore) -> Arc<dyn Objects> {
    Arc::new(Shelf { store })
}

struct Shelf {
    store: FallbackStore,
}

fn told(error: ObjectError) -> Problem {
    explained(About::Object)(Error::Object(error))
}

/// A time in seconds since 1970.
fn at(seconds: i64) -> Option<SystemTime> {
    let since = Duration::from_secs(u64::try_from(seconds).ok()?);
    SystemTime::UNIX_EPOCH.checked_add(since)
}

#[async_trait]
impl Objects for Shelf {
    async fn stat(&self, key: &str) -> Result<Option<ObjectFacts>, Problem> {
        match self.store.about(&Placement::unknown(key)).await {
            Ok((provider, found)) => Ok(Some(ObjectFacts {
                size: found.size,
                etag: found.etag,
                content_type: found.content_type,
                modified: found.modified.and_then(at),
                provider: Some(provider),
            })),
            Err(ObjectError::Missing { .. }) => Ok(None),
            Err(error) if error.is_usage() => Ok(None),
            Err(error) => Err(told(error)),
        }
    }

    async fn read(
        &self,
        key: &str,
        facts: &ObjectFacts,
        range: Range<u64>,
    ) -> Result<BoxStream<'static, std::io::Result<Bytes>>, Problem> {
        let mut placement = Placement::unknown(key);
        placement.provider.clone_from(&facts.provider);
        let object = self.store.get_part(&placement, range).await.map_err(told)?;
        // Another one in the meantime would be sent under the tag of the first.
        if object.info.etag != facts.etag || object.info.size != facts.size {
            return Err(Problem::conflict(1, "the object was replaced just now"));
        }
        let chunks = object.into_chunks();
        Ok(chunks.map(|chunk| chunk.map_err(std::io::Error::other)).boxed())
    }
}
