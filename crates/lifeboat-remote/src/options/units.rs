//! Values that people write: rates, times, yes and no.

use std::time::Duration;

/// `yes`, `no` and their like.
pub(super) fn flag(text: &str) -> Result<bool, &'static str> {
    match text.to_ascii_lowercase().as_str() {
        "" | "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        _ => Err("yes or no"),
    }
}

/// A number above 0.
pub(super) fn count(text: &str) -> Result<usize, &'static str> {
    text.parse().ok().filter(|count| *count > 0).ok_or("a number above 0")
}

/// Seconds, or a number with `ms`, `s`, `m` or `h`.
pub(super) fn duration(text: &str) -> Result<Duration, &'static str> {
    const NONE: &str = "a time above 0 such as 500ms, 30s, 5m or 1h";
    let (number, unit) = split(text).ok_or(NONE)?;
    let seconds = match unit {
        "ms" => number / 1000.0,
        "" | "s" => number,
        "m" => number * 60.0,
        "h" => number * 3600.0,
        _ => return Err(NONE),
    };
    Duration::try_from_secs_f64(seconds).ok().filter(|time| !time.is_zero()).ok_or(NONE)
}

/// Bytes a second: `500k`, `1.5MiB`, `2M/s`.
pub(super) fn rate(text: &str) -> Result<u64, &'static str> {
    const NONE: &str = "bytes a second above 0, such as 500k, 2M or 1.5MiB";
    let (number, unit) = split(text.strip_suffix("/s").unwrap_or(text)).ok_or(NONE)?;
    let unit = unit.to_ascii_lowercase();
    let factor = match unit.strip_suffix('b').unwrap_or(&unit) {
        "" => 1.0,
        "k" => 1e3,
        "m" => 1e6,
        "g" => 1e9,
        "ki" => 1024.0,
        "mi" => 1024.0 * 1024.0,
        "gi" => 1024.0 * 1024.0 * 1024.0,
        _ => return Err(NONE),
    };
    let bytes = number * factor;
    // Beyond 2^53 a rate means nothing, and would not be exact.
    if (1.0..9e15).contains(&bytes) { Ok(bytes as u64) } else { Err(NONE) }
}

fn split(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let check = |text, millis: Option<u64>| {
            assert_eq!(duration(text).ok(), millis.map(Duration::from_millis), "{text}");
        };
        check("500ms", Some(500));
        check("30", Some(30_000));
        check("1.5 m", Some(90_000));
        check("2h", Some(7_200_000));
        for none in ["", "0s", "-1s", "5 years", "1e99999s", "."] {
            check(none, None);
        }
    }

    #[test]
    fn rates() {
        let check = |text, bytes: Option<u64>| assert_eq!(rate(text).ok(), bytes, "{text}");
        check("1000", Some(1000));
        check("500k", Some(500_000));
        check("1.5MiB/s", Some(1_572_864));
        check("2MB", Some(2_000_000));
        for none in ["", "0", "0.5", "-3", "fast", "99999999G"] {
            check(none, None);
        }
    }
}
