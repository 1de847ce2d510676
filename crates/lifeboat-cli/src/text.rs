//! Numbers, sizes and times as people read them.

use std::io::IsTerminal;

use jiff::tz::TimeZone;
use time::OffsetDateTime;

/// A number with separators: `12,345`.
pub(crate) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A text from a repository, safe for a terminal: what could move the cursor or
/// change colours is written out.
pub(crate) fn shown(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { safe.extend(c.escape_default()) } else { safe.push(c) }
    }
    safe
}

/// A number of things: `1 page`, `2 pages`.
pub(crate) fn several(n: u64, thing: &str) -> String {
    format!("{} {thing}{}", count(n), if n == 1 { "" } else { "s" })
}

/// A size in binary units: `1.5 MiB`.
pub(crate) fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut unit = "B";
    for next in ["KiB", "MiB", "GiB", "TiB", "PiB"] {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    match unit {
        "B" => format!("{bytes} B"),
        _ if value < 10.0 => format!("{value:.1} {unit}"),
        _ => format!("{value:.0} {unit}"),
    }
}

/// Reads a size: `500`, `500M`, `20GiB`; units are binary.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is no size, such as 500M or 20GiB");
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().map_err(|_| wrong())?;
    let unit = text[digits..].trim().to_ascii_uppercase();
    let unit = unit.trim_end_matches('B').trim_end_matches('I');
    let power = ["", "K", "M", "G", "T", "P"].iter().position(|one| *one == unit);
    let factor = 1024u64.pow(power.ok_or_else(wrong)? as u32);
    number.checked_mul(factor).filter(|bytes| *bytes > 0).ok_or_else(wrong)
}

/// Reads a length of time: `90s`, `30m`, `2h`, `7d`.
pub(crate) fn parse_duration(text: &str) -> Result<std::time::Duration, String> {
    let wrong = || format!("{text:?} is no length of time, such as 30m, 2h or 7d");
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let most = 100 * 366 * 86_400;
    let total = number.checked_mul(seconds).filter(|total| *total <= most).ok_or_else(wrong)?;
    Ok(std::time::Duration::from_secs(total))
}

/// A length of time as people say it, roughly: `7 days`.
pub(crate) fn length(seconds: i64) -> String {
    let seconds = seconds.unsigned_abs();
    match seconds {
        0..120 => several(seconds, "second"),
        120..7200 => several(seconds / 60, "minute"),
        7200..172_800 => several(seconds / 3600, "hour"),
        _ => several(seconds / 86_400, "day"),
    }
}

/// How long ago something was, roughly.
pub(crate) fn age(then: OffsetDateTime, now: OffsetDateTime) -> String {
    let seconds = (now - then).whole_seconds();
    if seconds < -1 {
        return "in the future".into();
    }
    let seconds = seconds.max(0);
    let (n, unit) = match seconds {
        0..60 => (seconds, "second"),
        60..3600 => (seconds / 60, "minute"),
        3600..172_800 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{n} {unit}{} ago", if n == 1 { "" } else { "s" })
}

/// A time in the local zone: `2026-11-20 11:15:30`.
pub(crate) fn local_time(time: OffsetDateTime) -> String {
    match jiff::Timestamp::from_second(time.unix_timestamp()) {
        Ok(stamp) => stamp.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => time.to_string(),
    }
}

/// A time for programs: RFC 3339 in UTC.
pub(crate) fn utc(time: OffsetDateTime) -> String {
    let time = time.to_offset(time::UtcOffset::UTC);
    time.format(&time::format_description::well_known::Rfc3339).unwrap_or_default()
}

/// Whether colours and bars are wanted on standard error.
pub(crate) fn colours_on_stderr() -> bool {
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !plain && std::io::stderr().is_terminal()
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn as_people_read_them() {
        assert_eq!(count(0), "0");
        assert_eq!(count(1234), "1,234");
        assert_eq!(count(123_456), "123,456");
        assert_eq!(size(1023), "1023 B");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(size(300 * 1024 * 1024), "300 MiB");
        assert_eq!(parse_size("20GiB"), Ok(20 << 30));
        assert_eq!(parse_size("500M"), Ok(500 << 20));
        assert!(
            ["", "M", "5X", "-5", "0", "99999999999999P"].iter().all(|t| parse_size(t).is_err())
        );
        assert_eq!(parse_duration("30m"), Ok(std::time::Duration::from_secs(1800)));
        assert!(["", "m", "5", "5w", "-5d", "1.5h"].iter().all(|t| parse_duration(t).is_err()));
        let then = datetime!(2026-11-20 10:00 UTC);
        for (seconds, text) in [
            (1, "1 second ago"),
            (120, "2 minutes ago"),
            (86_400, "24 hours ago"),
            (864_000, "10 days ago"),
        ] {
            assert_eq!(age(then, then + time::Duration::seconds(seconds)), text);
        }
        assert_eq!(age(then + time::Duration::hours(1), then), "in the future");
    }
}
