//! An upload in parts, each of whose calls is noted like any other.

use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;
use object_store::path::Path;
use object_store::{MultipartUpload, PutPayload, PutResult, Result, UploadPart};
use tokio::sync::Mutex;

use super::Op;
use super::client::{Asked, Client};

#[derive(Debug)]
pub(super) struct Upload {
    client: Client,
    key: Path,
    /// Shared with parts under way, which reach the store below only when they
    /// are let through.
    inner: Arc<Mutex<Box<dyn MultipartUpload>>>,
}

impl Upload {
    pub(super) fn new(client: Client, key: Path, inner: Box<dyn MultipartUpload>) -> Self {
        Self { client, key, inner: Arc::new(Mutex::new(inner)) }
    }
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let (client, key) = (self.client.clone(), self.key.clone());
        let inner = Arc::clone(&self.inner);
        async move {
            let asked = Asked { sent: data.content_length(), ..Asked::new(Op::Part, &key) };
            let apply = async {
                let part = inner.lock().await.put_part(data);
                part.await
            };
            client.call(asked, apply, |()| 0).await
        }
        .boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let apply = async { self.inner.lock().await.complete().await };
        self.client.call(Asked::new(Op::Complete, &self.key), apply, |_| 0).await
    }

    async fn abort(&mut self) -> Result<()> {
        let apply = async { self.inner.lock().await.abort().await };
        self.client.call(Asked::new(Op::Abort, &self.key), apply, |()| 0).await
    }
}
