//! Bytes that are handed on piece by piece, whole or in part.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures::Stream;

use crate::admin::Fetched;
use crate::problem::Problem;

/// What is read of a file at once.
const PIECE: u64 = 64 * 1024;

/// What a request wants of something that has a size and perhaps a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All of it.
    Whole,
    /// From one offset to before another.
    Part(Range<u64>),
    /// Nothing: the caller has it.
    Unchanged,
    /// It is not what the caller has.
    Changed,
    /// There is no such part.
    Beyond,
}

/// What a request wants, by its conditions and its range (RFC 9110, 13 and 14).
pub(crate) fn wanted(
    headers: &HeaderMap,
    size: u64,
    etag: Option<&str>,
    modified: Option<SystemTime>,
) -> Wanted {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let modified = modified.map(whole_seconds);
    let date = |name: HeaderName| text(name).and_then(|t| httpdate::parse_http_date(t).ok());
    match text(header::IF_MATCH) {
        Some(list) if !names(list, etag, false) => return Wanted::Changed,
        Some(_) => {}
        None => {
            let since = date(header::IF_UNMODIFIED_SINCE);
            if since.zip(modified).is_some_and(|(since, modified)| modified > since) {
                return Wanted::Changed;
            }
        }
    }
    match text(header::IF_NONE_MATCH) {
        Some(list) if names(list, etag, true) => return Wanted::Unchanged,
        Some(_) => {}
        None => {
            let since = date(header::IF_MODIFIED_SINCE);
            if since.zip(modified).is_some_and(|(since, modified)| modified <= since) {
                return Wanted::Unchanged;
            }
        }
    }
    let Some(range) = text(header::RANGE) else { return Wanted::Whole };
    let still_the_same = match text(header::IF_RANGE) {
        None => true,
        Some(tag) if tag.starts_with('"') => names(tag, etag, false),
        Some(_) => {
            let since = date(header::IF_RANGE);
            since.zip(modified).is_some_and(|(since, modified)| since == modified)
        }
    };
    if still_the_same { part(range, size) } else { Wanted::Whole }
}

/// One range of bytes. Several, and what is no range, are answered with all.
fn part(range: &str, size: u64) -> Wanted {
    let Some(one) = range.strip_prefix("bytes=").filter(|list| !list.contains(',')) else {
        return Wanted::Whole;
    };
    let Some((first, last)) = one.trim().split_once('-') else { return Wanted::Whole };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(first) || !digits(last) || (first.is_empty() && last.is_empty()) {
        return Wanted::Whole;
    }
    let number = |text: &str| text.parse::<u64>().unwrap_or(u64::MAX);
    let range = if first.is_empty() {
        let length = number(last).min(size);
        if length == 0 {
            return Wanted::Beyond;
        }
        size - length..size
    } else {
        let first = number(first);
        let last = if last.is_empty() { u64::MAX } else { number(last) };
        if last < first {
            return Wanted::Whole;
        }
        if first >= size {
            return Wanted::Beyond;
        }
        first..last.saturating_add(1).min(size)
    };
    Wanted::Part(range)
}

/// Whether a list of tags names this one.
fn names(list: &str, etag: Option<&str>, weak: bool) -> bool {
    if list.trim() == "*" {
        return true;
    }
    let Some(etag) = etag else { return false };
    list.split(',').map(str::trim).any(|one| {
        let one = if weak { one.strip_prefix("W/").unwrap_or(one) } else { one };
        one.strip_prefix('"').and_then(|one| one.strip_suffix('"')) == Some(etag)
    })
}

/// Headers have times in whole seconds.
fn whole_seconds(at: SystemTime) -> SystemTime {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(since.as_secs())
}

/// Status and headers that follow from what is wanted; and the part to send.
pub(crate) fn answer(
    wanted: &Wanted,
    size: u64,
    etag: Option<&str>,
) -> (StatusCode, HeaderMap, Range<u64>) {
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Some(tag) = etag.and_then(|tag| HeaderValue::from_str(&format!("\"{tag}\"")).ok()) {
        headers.insert(header::ETAG, tag);
    }
    let mut put = |name, text: String| {
        headers.insert(name, HeaderValue::from_str(&text).expect("numbers are visible"));
    };
    let (status, range) = match wanted {
        Wanted::Whole => (StatusCode::OK, 0..size),
        Wanted::Part(range) => {
            put(header::CONTENT_RANGE, format!("bytes {}-{}/{size}", range.start, range.end - 1));
            (StatusCode::PARTIAL_CONTENT, range.clone())
        }
        Wanted::Unchanged => return (StatusCode::NOT_MODIFIED, headers, 0..0),
        Wanted::Changed => return (StatusCode::PRECONDITION_FAILED, headers, 0..0),
        Wanted::Beyond => {
            put(header::CONTENT_RANGE, format!("bytes */{size}"));
            return (StatusCode::RANGE_NOT_SATISFIABLE, headers, 0..0);
        }
    };
    put(header::CONTENT_LENGTH, (range.end - range.start).to_string());
    (status, headers, range)
}

/// A file, to be saved under a name.
pub(crate) fn file(
    method: &Method,
    headers: &HeaderMap,
    fetched: &Arc<Fetched>,
    name: &str,
) -> Result<Response, Problem> {
    let wanted = wanted(headers, fetched.size, Some(&fetched.etag), None);
    let (status, mut answered, range) = answer(&wanted, fetched.size, Some(&fetched.etag));
    let kind = HeaderValue::from_static("application/vnd.sqlite3");
    answered.insert(header::CONTENT_TYPE, kind);
    let name: String = name.chars().map(|c| if c == '%' { '_' } else { c }).collect();
    let disposition = HeaderValue::from_str(&format!("attachment; filename=\"{name}\""));
    let disposition = disposition.map_err(|_| Problem::failed(1, "a name cannot be said"))?;
    answered.insert(header::CONTENT_DISPOSITION, disposition);
    let body = if method == Method::HEAD || range.is_empty() {
        Body::empty()
    } else {
        Body::from_stream(pieces(Arc::clone(fetched), range))
    };
    Ok((status, answered, body).into_response())
}

/// The bytes of a file. It is read when the one before was taken, and no earlier:
/// whoever takes nothing costs a descriptor and 64 KiB.
fn pieces(fetched: Arc<Fetched>, range: Range<u64>) -> impl Stream<Item = io::Result<Bytes>> {
    futures::stream::try_unfold((fetched, range), |(fetched, range)| async move {
        if range.is_empty() {
            return Ok(None);
        }
        let length = (range.end - range.start).min(PIECE);
        let (start, file) = (range.start, Arc::clone(&fetched));
        let read = tokio::task::spawn_blocking(move || -> io::Result<Bytes> {
            use std::os::unix::fs::FileExt as _;
            let mut piece = vec![0; usize::try_from(length).map_err(io::Error::other)?];
            file.file.read_exact_at(&mut piece, start)?;
            Ok(piece.into())
        });
        let piece = read.await.map_err(io::Error::other)??;
        Ok(Some((piece, (fetched, start + length..range.end))))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_those_of_the_standard() {
        let check =
            |range: &str, expected: Wanted| assert_eq!(part(range, 100), expected, "{range}");
        check("bytes=0-0", Wanted::Part(0..1));
        check("bytes=0-", Wanted::Part(0..100));
        check("bytes=99-", Wanted::Part(99..100));
        check("bytes=-1", Wanted::Part(99..100));
        check("bytes=-200", Wanted::Part(0..100));
        check("bytes=10-1000000000000000000000", Wanted::Part(10..100));
        check("bytes=100-", Wanted::Beyond);
        check("bytes=-0", Wanted::Beyond);
        check("bytes=5-4", Wanted::Whole);
        check("bytes=0-1,3-4", Wanted::Whole);
        check("bytes=-", Wanted::Whole);
        check("bytes=+1-2", Wanted::Whole);
        check("lines=0-1", Wanted::Whole);
    }

    #[test]
    fn conditions_come_before_ranges() {
        let check = |pairs: &[(&'static str, &str)], expected: Wanted| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, HeaderValue::from_str(value).expect("visible"));
            }
            let modified = SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(10_500);
            assert_eq!(wanted(&headers, 100, Some("abc"), Some(modified)), expected, "{pairs:?}");
        };
        let (before, at) = ("Thu, 01 Jan 1970 00:00:09 GMT", "Thu, 01 Jan 1970 00:00:10 GMT");
        check(&[], Wanted::Whole);
        check(&[("if-none-match", "\"x\", W/\"abc\"")], Wanted::Unchanged);
        check(&[("if-none-match", "\"x\"")], Wanted::Whole);
        check(&[("if-match", "\"abc\"")], Wanted::Whole);
        check(&[("if-match", "W/\"abc\"")], Wanted::Changed);
        check(&[("if-match", "*")], Wanted::Whole);
        check(&[("if-modified-since", at)], Wanted::Unchanged);
        check(&[("if-modified-since", before)], Wanted::Whole);
        check(&[("if-modified-since", at), ("if-none-match", "\"x\"")], Wanted::Whole);
        check(&[("if-unmodified-since", before)], Wanted::Changed);
        check(&[("range", "bytes=1-2"), ("if-range", "\"abc\"")], Wanted::Part(1..3));
        check(&[("range", "bytes=1-2"), ("if-range", "\"x\"")], Wanted::Whole);
        check(&[("range", "bytes=1-2"), ("if-range", at)], Wanted::Part(1..3));
        check(&[("range", "bytes=1-2"), ("if-range", before)], Wanted::Whole);
        check(&[("range", "bytes=1-2"), ("if-none-match", "\"abc\"")], Wanted::Unchanged);
    }
}
