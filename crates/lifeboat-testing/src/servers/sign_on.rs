//! Stands in for the services of AWS that give credentials: STS, which gives those
//! of a role, and the portal of the sign-on. It believes everybody.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::background::Background;
use super::s3::{ACCESS_KEY, SECRET_KEY};

/// The token that goes with the credentials it gives. Made up.
pub const SESSION_TOKEN: &str = "a-made-up-session-token";

/// What it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The path and query.
    pub target: String,
    /// The form or nothing.
    pub body: String,
    /// The header that says who asks.
    pub authorization: String,
    /// The token of a sign-on.
    pub bearer: String,
}

/// A service that gives the credentials of [`S3Server`](super::S3Server), in the
/// form that is asked for.
#[derive(Debug)]
pub struct SignOn {
    background: Background,
    asked: Arc<Mutex<Vec<Asked>>>,
    refuses: Arc<Mutex<bool>>,
}

impl SignOn {
    /// Starts one.
    pub fn start() -> Self {
        let (asked, refuses) = (Arc::default(), Arc::default());
        let service = Service { asked: Arc::clone(&asked), refuses: Arc::clone(&refuses) };
        let background = Background::start("sign-on", move |stream| serve(service.clone(), stream));
        Self { background, asked, refuses }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.background.address())
    }

    /// From now on nobody gets anything.
    pub fn refuse(&self) {
        *self.refuses.lock().expect("nothing panics while holding it") = true;
    }

    /// Everything it was asked.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("nothing panics while holding it").clone()
    }
}

#[derive(Clone)]
struct Service {
    asked: Arc<Mutex<Vec<Asked>>>,
    refuses: Arc<Mutex<bool>>,
}

async fn serve(service: Service, stream: TcpStream) {
    let answer = service_fn(|request| service.answer(request));
    let connection = hyper::server::conn::http1::Builder::new();
    // A client that goes away is its own affair.
    let _ = connection.serve_connection(TokioIo::new(stream), answer).await;
}

impl Service {
    async fn answer(
        &self,
        request: hyper::Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let body = String::from_utf8_lossy(&body).into_owned();
        let header = |name: &str| {
            let value = head.headers.get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        let is_sts = body.contains("Action=AssumeRole");
        self.asked.lock().expect("nothing panics while holding it").push(Asked {
            target: head.uri.to_string(),
            body,
            authorization: header("authorization"),
            bearer: header("x-amz-sso_bearer_token"),
        });
        let refuses = *self.refuses.lock().expect("nothing panics while holding it");
        let (status, kind, text) = match (is_sts, refuses) {
            (true, false) => (StatusCode::OK, "text/xml", role_credentials()),
            (true, true) => (StatusCode::FORBIDDEN, "text/xml", REFUSED.to_owned()),
            (false, false) => (StatusCode::OK, "application/json", portal_credentials()),
            (false, true) => {
                let text = "{\"message\":\"Session token not found or invalid\"}".to_owned();
                (StatusCode::UNAUTHORIZED, "application/json", text)
            }
        };
        let mut answer = Response::builder().status(status).header("content-type", kind);
        if !is_sts && refuses {
            answer = answer.header("x-amzn-errortype", "UnauthorizedException");
        }
        Ok(answer.body(Full::new(text.into())).expect("a good answer"))
    }
}

const REFUSED: &str = "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error>\
    <Type>Sender</Type><Code>AccessDenied</Code><Message>not for you</Message></Error>\
    <RequestId>1</RequestId></ErrorResponse>";

fn role_credentials() -> String {
    format!(
        "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
         <AssumeRoleResult><AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/r/s</Arn>\
         <AssumedRoleId>AROA:s</AssumedRoleId></AssumedRoleUser><Credentials>\
         <AccessKeyId>{ACCESS_KEY}</AccessKeyId><SecretAccessKey>{SECRET_KEY}</SecretAccessKey>\
         <SessionToken>{SESSION_TOKEN}</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration>\
         </Credentials></AssumeRoleResult><ResponseMetadata><RequestId>1</RequestId>\
         </ResponseMetadata></AssumeRoleResponse>"
    )
}

/// As the portal answers; it counts in milliseconds.
fn portal_credentials() -> String {
    format!(
        "{{\"roleCredentials\":{{\"accessKeyId\":\"{ACCESS_KEY}\",\"secretAccessKey\":\
         \"{SECRET_KEY}\",\"sessionToken\":\"{SESSION_TOKEN}\",\"expiration\":4070908800000}}}}"
    )
}
