//! An object store in this process that speaks S3.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Response, StatusCode};
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use tokio::net::TcpStream;

use super::background::Background;
use super::fault::refusal;
use super::kind::{Kind, Request};

/// The access key of every server here. Made up.
pub const ACCESS_KEY: &str = "LIFEBOATTESTACCESSKEY";
/// The secret key of every server here. Made up.
pub const SECRET_KEY: &str = "made-up-for-tests-and-good-for-nothing-else";
/// The region that the server says it is in.
pub const REGION: &str = "us-east-1";

/// A store with one bucket, in a temporary folder that goes with it.
///
/// It checks signatures, knows conditional creates, and counts what it is asked.
#[derive(Debug)]
pub struct S3Server {
    background: Background,
    bucket: String,
    root: PathBuf,
    /// The folder, if it goes with the server.
    _temporary: Option<tempfile::TempDir>,
    requests: Arc<Mutex<Vec<Request>>>,
    careless: Arc<AtomicBool>,
}

impl S3Server {
    /// Starts one with an empty bucket of that name.
    pub fn start(bucket: &str) -> Self {
        let root = tempfile::tempdir().expect("a temporary folder");
        let server = Self::over(root.path(), bucket, 0);
        Self { _temporary: Some(root), ..server }
    }

    /// Starts one with a bucket in a folder that stays, on this port, or on a free
    /// one if it is 0.
    pub fn over(root: &Path, bucket: &str, port: u16) -> Self {
        std::fs::create_dir_all(root.join(bucket)).expect("a bucket is a folder");
        let mut builder =
            S3ServiceBuilder::new(FileSystem::new(root).expect("the folder is there"));
        builder.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let (requests, careless) = (Arc::default(), Arc::default());
        let store = Store {
            service: builder.build(),
            root: root.into(),
            requests: Arc::clone(&requests),
            writing: Arc::default(),
            careless: Arc::clone(&careless),
        };
        let background =
            Background::start_at("s3", port, move |stream| serve(store.clone(), stream));
        let (root, bucket) = (root.to_owned(), bucket.to_owned());
        Self { background, bucket, root, _temporary: None, requests, careless }
    }

    /// From now on "create it if it is not there" overwrites what is, without a
    /// word, as some stores do.
    pub fn ignore_conditions(&self) {
        self.careless.store(true, Ordering::SeqCst);
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.background.address()
    }

    /// The URL of the whole server, as `AWS_ENDPOINT_URL` wants it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// The name of its bucket.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// The folder that holds the objects of the bucket as files, to look at them
    /// and to damage them.
    pub fn folder(&self) -> PathBuf {
        self.root.join(&self.bucket)
    }

    /// Every request since the start or the last [`Self::forget_requests`], in
    /// the order in which they arrived.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("nothing panics while holding it").clone()
    }

    /// How many of these were of one kind.
    pub fn count(&self, kind: Kind) -> usize {
        self.requests().iter().filter(|request| request.matches(kind, "")).count()
    }

    /// Forgets the requests so far.
    pub fn forget_requests(&self) {
        self.requests.lock().expect("nothing panics while holding it").clear();
    }
}

#[derive(Clone)]
struct Store {
    service: S3Service,
    root: Arc<Path>,
    requests: Arc<Mutex<Vec<Request>>>,
    /// The store looks for an object first and puts it later, so that two
    /// creates can both win. One writer at a time makes it keep its word.
    writing: Arc<tokio::sync::Mutex<()>>,
    careless: Arc<AtomicBool>,
}

async fn serve(store: Store, stream: TcpStream) {
    let answer = service_fn(|request| store.answer(request));
    let connection = hyper::server::conn::http1::Builder::new();
    // A client that goes away is its own affair.
    let _ = connection.serve_connection(TokioIo::new(stream), answer).await;
}

impl Store {
    async fn answer(
        &self,
        request: hyper::Request<Incoming>,
    ) -> Result<Response<s3s::Body>, Infallible> {
        self.note(Request::of(&request));
        let (head, body) = request.into_parts();
        // Taken in before the lock, so that a slow upload holds up nobody. One
        // that breaks off changes nothing.
        let Ok(body) = body.collect().await else {
            return Ok(refusal(StatusCode::BAD_REQUEST, "IncompleteBody").map(Into::into));
        };
        if head.method != Method::PUT && !self.has_bucket(head.uri.path()) {
            return Ok(refusal(StatusCode::NOT_FOUND, "NoSuchBucket").map(Into::into));
        }
        let changes = [Method::PUT, Method::POST, Method::DELETE].contains(&head.method);
        let _alone = if changes { Some(self.writing.lock().await) } else { None };
        if self.careless.load(Ordering::SeqCst)
            && head.headers.contains_key(hyper::header::IF_NONE_MATCH)
        {
            // The header is among those that are signed, so that it has to stay.
            let _ = std::fs::remove_file(self.root.join(head.uri.path().trim_start_matches('/')));
        }
        let request = hyper::Request::from_parts(head, s3s::Body::from(body.to_bytes()));
        Ok(self.service.call(request).await.unwrap_or_else(|_| {
            let failed = StatusCode::INTERNAL_SERVER_ERROR;
            refusal(failed, "InternalError").map(Into::into)
        }))
    }

    fn note(&self, request: Request) {
        self.requests.lock().expect("nothing panics while holding it").push(request);
    }

    /// The store beneath says "no such key" where the bucket is missing; others
    /// make a difference, and so do we.
    fn has_bucket(&self, path: &str) -> bool {
        let path = path.trim_start_matches('/');
        let bucket = path.split('/').next().unwrap_or_default();
        bucket.is_empty() || self.root.join(bucket).is_dir()
    }
}

/// The bytes of a whole answer, for those who make one.
pub(super) type Whole = Response<Bytes>;
