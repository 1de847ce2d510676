//! URLs that let anybody read one object for a while.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use object_store::Result;

type Sign = dyn Fn(&str, Duration) -> BoxFuture<'static, Result<String>> + Send + Sync;

/// A store that signs URLs of its keys.
#[derive(Clone)]
pub(crate) struct Signing(Arc<Sign>);

impl fmt::Debug for Signing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signing")
    }
}

impl Signing {
    /// With the credentials of a store, below a prefix in it.
    #[cfg(feature = "http-stores")]
    pub(crate) fn new<S>(signer: Arc<S>, prefix: &str) -> Self
    where
        S: object_store::signer::Signer + 'static,
    {
        use object_store::path::Path;
        let prefix = Path::from(prefix);
        Self(Arc::new(move |key, valid| {
            let location: Path = prefix.parts().chain(crate::remote::path(key).parts()).collect();
            let signer = signer.clone();
            Box::pin(async move {
                let method = object_store::signer::Method::GET;
                signer.signed_url(method, &location, valid).await.map(String::from)
            })
        }))
    }

    pub(crate) async fn url(&self, key: &str, valid: Duration) -> Result<String> {
        (self.0)(key, valid).await
    }
}
