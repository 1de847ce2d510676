//! A proxy before a store, on which a test decides what goes wrong.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use futures::TryStreamExt;

use super::background::Background;
use super::fault::{Fault, Rules, When, refusal};
use super::kind::{Kind, Request};
use super::log::Log;
use super::s3::Whole;
use super::wire::{self, Reset, Wire};

type Body = http_body_util::combinators::UnsyncBoxBody<Bytes, io::Error>;

/// Passes requests on to a store over plain HTTP, except where a rule says
/// otherwise. It changes nothing in them, so that signatures stay good.
#[derive(Debug)]
pub struct FaultProxy {
    background: Background,
    rules: Rules,
    log: Log,
}

impl FaultProxy {
    /// Starts one before the store that listens there.
    pub fn before(store: SocketAddr) -> Self {
        let (rules, log) = (Rules::default(), Log::default());
        let proxy = Proxy { store, rules: rules.clone(), log: log.clone() };
        let background = Background::start("faults", move |stream| serve(proxy.clone(), stream));
        Self { background, rules, log }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.background.address()
    }

    /// Its URL, to be used in place of the store's.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Begins a rule for requests of a kind whose key contains a text.
    pub fn when(&self, kind: Kind, part: &str) -> When {
        When { rules: self.rules.clone(), kind, part: part.to_owned() }
    }

    /// Forgets all rules: the wire is good again.
    pub fn heal(&self) {
        self.rules.clear();
    }

    /// How many faults that were asked for have not happened. A test that ends
    /// with some left has tested something else.
    pub fn waiting(&self) -> u32 {
        self.rules.waiting()
    }

    /// Forgets the requests so far.
    pub fn forget_requests(&self) {
        self.log.clear();
    }

    /// Every request that arrived here, in order.
    pub fn requests(&self) -> Vec<Request> {
        self.log.requests()
    }

    /// How many requests of some kind were under way at once, at most. One is, from
    /// its arrival until all of its answer is on the wire.
    pub fn most_at_once(&self, of: impl Fn(&Request) -> bool) -> usize {
        self.log.most_at_once(of)
    }
}

#[derive(Clone, Debug)]
struct Proxy {
    store: SocketAddr,
    rules: Rules,
    log: Log,
}

async fn serve(proxy: Proxy, stream: TcpStream) {
    let reset = Reset::default();
    let answer = service_fn(|request| proxy.answer(request, reset.clone()));
    let wire = TokioIo::new(Wire::new(stream, reset.clone()));
    let mut connection = hyper::server::conn::http1::Builder::new();
    // Small, so that a body that is cut is not still in a buffer of ours.
    connection.max_buf_size(16 * 1024);
    // It ends with an error wherever a fault wants it to.
    let _ = connection.serve_connection(wire, answer).await;
}

impl Proxy {
    async fn answer(
        &self,
        request: hyper::Request<Incoming>,
        reset: Reset,
    ) -> io::Result<Response<Body>> {
        let about = Request::of(&request);
        let fault = self.rules.take(&about);
        let underway = self.log.begin(about);
        let (cut, rate) = match fault {
            Some(Fault::CutAnswer(at)) => (Some(at), None),
            Some(Fault::SlowDownload(rate)) => (None, Some(rate)),
            _ => (None, None),
        };
        let answer = match fault {
            Some(Fault::Hang) => std::future::pending().await,
            Some(Fault::Refuse(code, word)) => {
                take_in(request.into_body(), None, None).await?;
                refusal(status(code), word)
            }
            Some(Fault::RefuseFor(code, word, seconds)) => {
                take_in(request.into_body(), None, None).await?;
                let mut answer = refusal(status(code), word);
                answer.headers_mut().insert(header::RETRY_AFTER, seconds.into());
                answer
            }
            Some(Fault::Swallow) => {
                take_in(request.into_body(), None, None).await?;
                std::future::pending().await
            }
            Some(Fault::Late(millis)) => {
                let answer = self.pass_on(request, None).await?;
                tokio::time::sleep(Duration::from_millis(millis.into())).await;
                answer
            }
            Some(Fault::Say(body)) => Response::new(Bytes::from_static(body.as_bytes())),
            Some(Fault::OtherRegion(region)) => other_region(region),
            Some(Fault::CutRequest(at)) => {
                take_in(request.into_body(), Some(at), None).await?;
                return Err(break_off(&reset));
            }
            Some(Fault::LoseAnswer) => {
                self.pass_on(request, None).await?;
                return Err(break_off(&reset));
            }
            Some(Fault::FailAfterwards(code)) => {
                self.pass_on(request, None).await?;
                refusal(status(code), "InternalError")
            }
            Some(Fault::SlowUpload(rate)) => self.pass_on(request, Some(rate)).await?,
            Some(Fault::CutAnswer(_) | Fault::SlowDownload(_)) | None => {
                self.pass_on(request, None).await?
            }
        };
        let (head, bytes) = answer.into_parts();
        if cut.is_none() && rate.is_none() {
            return Ok(Response::from_parts(head, whole(bytes)));
        }
        if cut.is_some() {
            reset.wanted();
        }
        let slow = wire::body(bytes, cut, rate).map_ok(move |bytes| {
            // It ends with the body.
            let _ = &underway;
            Frame::data(bytes)
        });
        Ok(Response::from_parts(head, BodyExt::boxed_unsync(StreamBody::new(slow))))
    }

    /// Has the store do the work, and returns its whole answer.
    async fn pass_on(
        &self,
        request: hyper::Request<Incoming>,
        rate: Option<u32>,
    ) -> io::Result<Whole> {
        let (head, body) = request.into_parts();
        let body = take_in(body, None, rate).await?;
        let request = hyper::Request::from_parts(head, Full::new(body));
        let stream = TcpStream::connect(self.store).await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(other)?;
        let ask = async move {
            let answer = sender.send_request(request).await.map_err(other)?;
            let (mut head, body) = answer.into_parts();
            let bytes = body.collect().await.map_err(other)?.to_bytes();
            // Framing is a matter of each connection; the answer to a HEAD keeps
            // the length of what it does not hold.
            head.headers.remove(header::TRANSFER_ENCODING);
            head.headers.remove(header::CONNECTION);
            Ok(Response::from_parts(head, bytes))
        };
        let (answer, _) = tokio::join!(ask, connection);
        answer
    }
}

/// Takes in a body, or its first `end` bytes, at most `rate` bytes a second.
async fn take_in(mut body: Incoming, end: Option<usize>, rate: Option<u32>) -> io::Result<Bytes> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.map_err(other)?.into_data() {
            wire::pause(rate, data.len()).await;
            bytes.extend_from_slice(&data);
        }
        if end.is_some_and(|end| bytes.len() >= end) {
            break;
        }
    }
    Ok(bytes.freeze())
}

fn break_off(reset: &Reset) -> io::Error {
    reset.wanted();
    io::ErrorKind::ConnectionReset.into()
}

/// As S3 answers where the bucket lies elsewhere.
fn other_region(region: &str) -> Whole {
    let mut answer = refusal(StatusCode::MOVED_PERMANENTLY, "PermanentRedirect");
    let region = region.parse().expect("a region is plain text");
    answer.headers_mut().insert("x-amz-bucket-region", region);
    answer
}

fn whole(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).expect("tests name statuses that there are")
}

fn other(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::other(error)
}
