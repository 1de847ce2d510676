//! "Come back later", as servers say it (RFC 9110, section 10.2.3).

use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode, header};

/// How long an answer asks to wait.
pub(super) fn asked(status: StatusCode, headers: &HeaderMap) -> Option<Duration> {
    let later = [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE];
    if !later.contains(&status) {
        return None;
    }
    let text = |name| headers.get(name)?.to_str().ok().map(str::trim);
    // Azure says it twice, and here more finely.
    if let Some(millis) = text("x-ms-retry-after-ms".parse().ok()?).and_then(|t| t.parse().ok()) {
        return Some(Duration::from_millis(millis));
    }
    let value = text(header::RETRY_AFTER)?;
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = |text: &str| httpdate::parse_http_date(text).ok();
    // By the server's clock where it says it: ours may be wrong.
    let now = text(header::DATE).and_then(date).unwrap_or_else(SystemTime::now);
    Some(date(value)?.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates() {
        let check = |status: u16, lines: &[(&'static str, &str)], expected: Option<u64>| {
            let mut headers = HeaderMap::new();
            for (name, value) in lines {
                headers.insert(*name, value.parse().expect("a value"));
            }
            let status = StatusCode::from_u16(status).expect("a status");
            assert_eq!(asked(status, &headers), expected.map(Duration::from_millis), "{lines:?}");
        };
        let now = ("date", "Fri, 31 Dec 1999 23:59:50 GMT");
        check(503, &[("retry-after", "12")], Some(12_000));
        check(429, &[("retry-after", " 0 ")], Some(0));
        check(503, &[("retry-after", "1"), ("x-ms-retry-after-ms", "1500")], Some(1_500));
        check(503, &[("retry-after", "Fri, 31 Dec 1999 23:59:59 GMT"), now], Some(9_000));
        check(503, &[("retry-after", "Fri, 31 Dec 1999 23:59:00 GMT"), now], Some(0));
        check(503, &[("retry-after", "soon"), now], None);
        check(503, &[], None);
        check(500, &[("retry-after", "12")], None);
    }
}
