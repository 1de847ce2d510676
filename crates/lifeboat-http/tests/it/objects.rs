//! The object proxy.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use lifeboat_http::{ObjectFacts, Objects, Problem};

use crate::script::{READ, Script, Tried, request, tokens};

struct Shelf;

#[async_trait]
impl Objects for Shelf {
    async fn stat(&self, key: &str) -> Result<Option<ObjectFacts>, Problem> {
        let kind = match key {
            "photos/1.jpg" => "image/jpeg",
            "photos/page.html" => "text/html",
            "private/1.jpg" => panic!("it is never asked for"),
            _ => return Ok(None),
        };
        Ok(Some(ObjectFacts {
            size: 10,
            etag: Some("\"tag\"".into()),
            content_type: Some(kind.into()),
            modified: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777)),
            provider: None,
        }))
    }

    async fn read(
        &self,
        _: &str,
        _: &ObjectFacts,
        range: Range<u64>,
    ) -> Result<BoxStream<'static, std::io::Result<Bytes>>, Problem> {
        let range = range.start as usize..range.end as usize;
        let part = Bytes::from_static(b"0123456789").slice(range);
        Ok(futures::stream::iter([Ok(part)]).boxed())
    }
}

fn shelf(public: bool) -> Tried {
    let script = Script { objects: Some(Arc::new(Shelf)), ..Script::default() };
    Tried::of(script, tokens().objects(vec!["photos/".into()], public))
}

#[tokio::test]
async fn objects_are_handed_on_with_all_that_caches_need() {
    let tried = shelf(false);
    let whole = tried.get(READ, "/objects/photos/1.jpg").await;
    assert_eq!((whole.status.as_u16(), whole.text().as_str()), (200, "0123456789"));
    assert_eq!(whole.header("content-type"), "image/jpeg");
    assert_eq!(whole.header("etag"), "\"tag\"");
    assert_eq!(whole.header("last-modified"), "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_eq!(whole.header("cache-control"), "private, no-cache");
    assert_eq!(whole.header("accept-ranges"), "bytes");
    let with = |name: &'static str, value: &str, method: &str| {
        let mut one = request(method, "/objects/photos/1.jpg", Some(READ), None);
        one.headers_mut().insert(name, value.parse().expect("a value"));
        tried.send(one)
    };
    let part = with("range", "bytes=2-4", "GET").await;
    assert_eq!((part.status.as_u16(), part.text().as_str()), (206, "234"));
    assert_eq!(part.header("content-range"), "bytes 2-4/10");
    assert_eq!(with("if-none-match", "\"tag\"", "GET").await.status, 304);
    assert_eq!(with("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT", "GET").await.status, 304);
    assert_eq!(with("if-match", "\"other\"", "GET").await.status, 412);
    let head = with("range", "bytes=0-", "HEAD").await;
    assert_eq!((head.body.len(), head.header("content-length")), (0, "10"));
}

#[tokio::test]
async fn only_what_is_allowed_is_handed_on() {
    let tried = shelf(false);
    let plain = request("GET", "/objects/photos/1.jpg", None, None);
    assert_eq!(tried.send(plain).await.status, 401);
    for other in [
        "private/1.jpg",
        "photos/2.jpg",
        "photos/%2e%2e/private/1.jpg",
        "photos/..%2fprivate/1.jpg",
    ] {
        assert_eq!(tried.get(READ, &format!("/objects/{other}")).await.status, 404, "{other}");
    }
    // What a browser would run is saved instead.
    let html = tried.get(READ, "/objects/photos/page.html").await;
    assert_eq!(html.header("content-disposition"), "attachment");
    let public = shelf(true);
    let plain = request("GET", "/objects/photos/1.jpg", None, None);
    let answer = public.send(plain).await;
    assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (200, "public, no-cache"));
}
