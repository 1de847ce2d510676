//! Questions about the bucket itself, which the storage library does not ask, and
//! how one is made.

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
        let answer = self.answer(Method::GET, &format!("?{what}"), HttpRequestBody::empty()).await;
        answer.map_err(|error| RemoteError::new(doing.operation, doing.key, error))
    }

    /// Makes the bucket in the region that is configured. Nobody but its owner can
    /// read it: that is what stores do where nothing else is asked for.
    pub(crate) async fn make(&self, doing: Doing<'_>) -> Result<(), RemoteError> {
        let body = match self.region.as_str() {
            // Where nothing is to be said: Amazon's first region, and R2's only one.
            "us-east-1" | "auto" => HttpRequestBody::empty(),
            region => format!(
                "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
                 <LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
            )
            .into(),
        };
        let answer = self.answer(Method::PUT, "", body).await;
        answer.map(drop).map_err(|error| RemoteError::new(doing.operation, doing.key, error))
    }

    async fn answer(
        &self,
        method: Method,
        query: &str,
        body: HttpRequestBody,
    ) -> Result<String, Error> {
        // Below a host of its own the bucket is the root, which has a path.
        let slash = if self.base.matches('/').count() == 2 { "/" } else { "" };
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{slash}{query}", self.base))
            .body(body)
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
