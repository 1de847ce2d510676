//! What a request wants, as the S3 protocol spells it.

use std::ops::Range;

use hyper::Method;

/// Kinds of requests. Stores bill by these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Anything: for rules, never of a request.
    Any,
    /// Reads an object, or a part of it.
    Get,
    /// Asks what an object is.
    Head,
    /// Puts an object whole.
    Put,
    /// Begins, ends or aborts an upload in parts, or puts one.
    Multipart,
    /// Lists objects.
    List,
    /// Deletes one object.
    Delete,
    /// Deletes many objects in one request.
    DeleteMany,
    /// About the bucket itself.
    Bucket,
}

/// A request that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What it wanted.
    pub kind: Kind,
    /// The path below the bucket; of a listing, its prefix; of what is about the
    /// bucket itself, the query.
    pub key: String,
    /// Whether it wants to create and never to overwrite.
    pub conditional: bool,
    /// Which bytes of the object it wants, where that is said.
    pub range: Option<Range<u64>>,
}

impl Request {
    pub(super) fn of<B>(request: &hyper::Request<B>) -> Self {
        let path = request.uri().path().trim_start_matches('/');
        let key = path.split_once('/').map_or("", |(_, key)| key).to_owned();
        let query = request.uri().query().unwrap_or_default();
        let header = request.headers().get(hyper::header::IF_NONE_MATCH);
        let conditional = header.is_some_and(|value| value == "*");
        let range = request.headers().get(hyper::header::RANGE);
        let range = range.and_then(|value| bytes_of(value.to_str().ok()?));
        let has = |wanted: &str| query.split('&').any(|pair| name_of(pair) == wanted);
        let kind = match request.method() {
            _ if has("uploadId") || has("uploads") => Kind::Multipart,
            method if method == Method::GET && key.is_empty() && has("list-type") => {
                return Self { kind: Kind::List, key: prefix(query), conditional, range };
            }
            method if method == Method::POST && has("delete") => Kind::DeleteMany,
            _ if key.is_empty() => {
                return Self { kind: Kind::Bucket, key: query.to_owned(), conditional, range };
            }
            method if method == Method::GET => Kind::Get,
            method if method == Method::HEAD => Kind::Head,
            method if method == Method::DELETE => Kind::Delete,
            _ => Kind::Put,
        };
        Self { kind, key, conditional, range }
    }

    /// Whether a rule for such requests holds for this one.
    pub(super) fn matches(&self, kind: Kind, part: &str) -> bool {
        (kind == Kind::Any || kind == self.kind) && self.key.contains(part)
    }
}

/// `bytes=4-7` are four bytes. What begins or ends somewhere else is not used.
fn bytes_of(text: &str) -> Option<Range<u64>> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    Some(first.parse().ok()?..last.parse::<u64>().ok()? + 1)
}

fn name_of(pair: &str) -> &str {
    pair.split_once('=').map_or(pair, |(name, _)| name)
}

/// The prefix that a listing asks for.
fn prefix(query: &str) -> String {
    let value = query.split('&').find_map(|pair| pair.strip_prefix("prefix="));
    value.unwrap_or_default().replace("%2F", "/").replace("%2f", "/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(method: &str, uri: &str, kind: Kind, key: &str) {
        let request = hyper::Request::builder().method(method).uri(uri).body(());
        let found = Request::of(&request.expect("a good request"));
        assert_eq!((found.kind, found.key.as_str()), (kind, key), "{method} {uri}");
    }

    #[test]
    fn ranges_end_before_their_end() {
        assert_eq!(bytes_of("bytes=4-7"), Some(4..8));
        assert_eq!(bytes_of("bytes=-7"), None);
    }

    #[test]
    fn as_the_protocol_spells_them() {
        check("GET", "/b/a/1", Kind::Get, "a/1");
        check("HEAD", "/b/a/1", Kind::Head, "a/1");
        check("PUT", "/b/a/1", Kind::Put, "a/1");
        check("DELETE", "/b/a/1", Kind::Delete, "a/1");
        check("POST", "/b?delete", Kind::DeleteMany, "");
        check("POST", "/b/?delete=", Kind::DeleteMany, "");
        check("GET", "/b?list-type=2&prefix=a%2Fb%2F", Kind::List, "a/b/");
        check("POST", "/b/a/1?uploads", Kind::Multipart, "a/1");
        check("PUT", "/b/a/1?partNumber=1&uploadId=x", Kind::Multipart, "a/1");
        check("DELETE", "/b/a/1?uploadId=x", Kind::Multipart, "a/1");
        check("PUT", "/b", Kind::Bucket, "");
        check("HEAD", "/b/", Kind::Bucket, "");
        check("GET", "/b?versioning", Kind::Bucket, "versioning");
    }
}
