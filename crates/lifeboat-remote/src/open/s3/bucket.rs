//! Questions about the bucket itself, which the storage library does not ask.

use std::sync::Arc;

use http::{Method, Request};
use object_store::aws::{AwsAuthorizer, AwsCredential};
use object_store::client::{HttpError, HttpRequestBody, HttpService};
use object_store::{CredentialProvider, Error};

use crate::error::RemoteError;
use crate::remote::Doing;
use crate::wire::Wire;

/// A bucket, to be asked about itself.
#[derive(Debug)]
pub(crate) struct AboutBucket {
    pub(super) base: String,
    pub(super) region: String,
    /// None for a reader who shows none.
    pub(super) credentials: Option<Arc<dyn CredentialProvider<Credential = AwsCredential>>>,
    pub(super) request_payer: bool,
    pub(super) wire: Wire,
}

impl AboutBucket {
    /// The answer to `GET ?what`, as XML.
    pub(crate) async fn ask(&self, doing: Doing<'_>, what: &str) -> Result<String, RemoteError> {
        self.answer(what).await.map_err(|error| RemoteError::new(doing.operation, doing.key, error))
    }

    async fn answer(&self, what: &str) -> Result<String, Error> {
        // Below a host of its own the bucket is the root, which has a path.
        let slash = if self.base.matches('/').count() == 2 { "/" } else { "" };
        let mut request = Request::builder()
            .method(Method::GET)
            .uri(format!("{}{slash}?{what}", self.base))
            .body(HttpRequestBody::empty())
            .map_err(|error| generic(error.into()))?;
        if let Some(credentials) = &self.credentials {
            let credential = credentials.get_credential().await?;
            AwsAuthorizer::new(&credential, "s3", &self.region)
                .with_request_payer(self.request_payer)
                .try_authorize(&mut request, None)?;
        }
        let answer = self.wire.call(request).await.map_err(over_http)?;
        let (parts, body) = answer.into_parts();
        let body = body.bytes().await.map_err(over_http)?;
        let text = String::from_utf8_lossy(&body).into_owned();
        if parts.status.is_success() {
            return Ok(text);
        }
        // In the words in which the library tells the others.
        Err(generic(
            format!("Server returned non-2xx status code: {}: {text}", parts.status).into(),
        ))
    }
}

fn generic(source: Box<dyn std::error::Error + Send + Sync>) -> Error {
    Error::Generic { store: "S3", source }
}

fn over_http(error: HttpError) -> Error {
    generic(error.into())
}
