//! Signatures of webhooks.

use std::time::Duration;

use lifeboat_agent::notify::{SignatureError, sign, verify};
use time::OffsetDateTime;

const TOLERANCE: Duration = Duration::from_secs(300);

fn at(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(seconds).expect("a time")
}

/// Calculated with `printf 1795255530.{} | openssl dgst -sha256 -hmac hush`.
#[test]
fn a_signature_that_others_made() {
    let header = sign("hush", b"{}", at(1_795_255_530));
    assert_eq!(
        header,
        "t=1795255530,v1=c2b6f393b8c8997fc7aed835b7b9ba86e9a81e52b4a2e1bb9c6ed4c16d86c87f"
    );
}

#[test]
fn what_is_believed() {
    let now = at(1_795_255_530);
    let header = sign("hush", b"{\"a\":1}", now);
    let check = |secret: &str, header: &str, body: &[u8], now, expected| {
        assert_eq!(verify(secret, header, body, now, TOLERANCE), expected, "{header}");
    };
    check("hush", &header, b"{\"a\":1}", now, Ok(()));
    check("hush", &header, b"{\"a\":1}", now + TOLERANCE, Ok(()));
    check("hush", &header, b"{\"a\":2}", now, Err(SignatureError::Wrong));
    check("hist", &header, b"{\"a\":1}", now, Err(SignatureError::Wrong));
    let late = now + Duration::from_secs(301);
    check("hush", &header, b"{\"a\":1}", late, Err(SignatureError::Old(TOLERANCE)));
    // Its time is signed as well.
    let moved = header.replace("t=1795255530", "t=1795255831");
    check("hush", &moved, b"{\"a\":1}", late, Err(SignatureError::Wrong));
    // While the secret is replaced.
    let both = format!("{},v1={}", sign("new", b"{}", now), &sign("hush", b"{}", now)[16..]);
    check("new", &both, b"{}", now, Ok(()));
    for malformed in ["", "t=1", "v1=00", "t=x,v1=00", "t=1,v1=0", "t=1,v1=zz"] {
        check("hush", malformed, b"{}", now, Err(SignatureError::Malformed));
    }
}
