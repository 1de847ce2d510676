//! Plain http: on this machine, or where somebody said so.

use std::net::{Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use crate::error::OpenError;
use crate::place::without_secrets;

/// Whether an endpoint is plain http. Refuses one that is, on another machine,
/// where nobody allowed it.
pub(super) fn is_plain(endpoint: &str, allowed: bool) -> Result<bool, OpenError> {
    let plain = |text: &str| text.get(..7).is_some_and(|t| t.eq_ignore_ascii_case("http://"));
    if !plain(endpoint) {
        return Ok(false);
    }
    if allowed || Url::parse(endpoint).is_ok_and(|url| is_here(&url)) {
        return Ok(true);
    }
    Err(OpenError::PlainHttp { endpoint: without_secrets(endpoint) })
}

/// Whether it names this machine. Names are not looked up: what a name server
/// says may change.
fn is_here(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => Ipv4Addr::is_loopback(&address),
        Some(Host::Ipv6(address)) => Ipv6Addr::is_loopback(&address),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn here_it_is_allowed_and_elsewhere_it_is_to_be_said() {
        let check = |endpoint: &str, expected: Option<bool>| {
            assert_eq!(is_plain(endpoint, false).ok(), expected, "{endpoint}");
            assert_eq!(is_plain(endpoint, true).ok(), Some(expected != Some(false)), "{endpoint}");
        };
        for here in
            ["http://localhost:9", "http://b.localhost/x", "HTTP://127.0.0.9", "http://[::1]:1"]
        {
            check(here, Some(true));
        }
        for elsewhere in
            ["http://h:9", "http://10.0.0.1", "http://localhost.example", "http://[::2]"]
        {
            check(elsewhere, None);
        }
        for encrypted in ["https://h", "h:9", ""] {
            check(encrypted, Some(false));
        }
        let error = is_plain("http://key:hush@h:9/?hush", false).expect_err("is refused");
        assert!(error.to_string().contains("http://h:9/,"), "{error}");
        assert!(error.is_usage());
    }
}
