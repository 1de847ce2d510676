//! Our HTTP client, as the library of AWS wants one: no second TLS, and the same
//! authorities, proxy and time limits.

use std::sync::Arc;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use object_store::client::{HttpError, HttpErrorKind, HttpService};

use super::{Connector, Elapsed, Wire};

/// A client for services that give credentials. Plain http is what the metadata
/// services speak; the others are asked as their endpoints say.
pub(crate) fn aws_client(connector: &Connector) -> Result<SharedHttpClient, reqwest::Error> {
    let patient = connector.client(true, connector.connect_timeout)?;
    // For the metadata address, which is asked where it may not exist.
    let hasty = connector.client(true, connector.connect_timeout.min(Duration::from_secs(1)))?;
    Ok(SharedHttpClient::new(Client { patient, hasty }))
}

#[derive(Debug)]
struct Client {
    patient: Wire,
    hasty: Wire,
}

impl HttpClient for Client {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let hasty = settings.connect_timeout().is_some_and(|time| time <= Duration::from_secs(1));
        let wire = if hasty { &self.hasty } else { &self.patient };
        let limit = settings.read_timeout().unwrap_or(Duration::MAX);
        SharedHttpConnector::new(Limited { wire: Arc::new(wire.clone()), limit })
    }
}

#[derive(Debug)]
struct Limited {
    wire: Arc<Wire>,
    limit: Duration,
}

impl HttpConnector for Limited {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (wire, limit) = (Arc::clone(&self.wire), self.limit);
        HttpConnectorFuture::new(async move {
            let elapsed = |_| {
                Err(ConnectorError::timeout(
                    HttpError::new(HttpErrorKind::Timeout, Elapsed(limit)).into(),
                ))
            };
            tokio::time::timeout(limit, send(&wire, request)).await.unwrap_or_else(elapsed)
        })
    }
}

async fn send(wire: &Wire, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
    let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
    let (parts, body) = request.into_parts();
    let Some(body) = body.bytes() else {
        return Err(ConnectorError::user("a body that is not in memory".into()));
    };
    let body = Bytes::copy_from_slice(body).into();
    let answer = wire.call(http::Request::from_parts(parts, body)).await.map_err(failed)?;
    let (parts, body) = answer.into_parts();
    let body = body.bytes().await.map_err(failed)?;
    let answer = http::Response::from_parts(parts, SdkBody::from(body));
    answer.try_into().map_err(|error| ConnectorError::other(Box::new(error), None))
}

fn failed(error: HttpError) -> ConnectorError {
    match error.kind() {
        HttpErrorKind::Timeout => ConnectorError::timeout(error.into()),
        _ => ConnectorError::io(error.into()),
    }
}
