//! Flags, durations and sizes, as people write them.

use std::time::Duration;

/// `true`, `yes`, `on`, `1` and their opposites.
pub(crate) fn flag(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Some(true),
        "0" | "false" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// `90s`, `1h 30m`, `7d`. A number without a unit is refused: nobody knows what
/// was meant.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let number: u64 = rest[..digits].parse().ok()?;
        rest = rest[digits..].trim_start();
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let seconds = match &rest[..letters] {
            "ms" => {
                total = total.checked_add(Duration::from_millis(number))?;
                0
            }
            "s" | "second" | "seconds" => 1,
            "m" | "min" | "minute" | "minutes" => 60,
            "h" | "hour" | "hours" => 3600,
            "d" | "day" | "days" => 86_400,
            "w" | "week" | "weeks" => 604_800,
            _ => return None,
        };
        total = total.checked_add(Duration::from_secs(number.checked_mul(seconds)?))?;
        rest = rest[letters..].trim_start();
    }
    Some(total)
}

/// `64MiB`, `10 GB`, `4096`: bytes.
pub(crate) fn size(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().ok()?;
    let factor: u64 = match text[digits..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "t" | "tib" => 1 << 40,
        _ => return None,
    };
    number.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let check = |text: &str, seconds: Option<u64>| {
            assert_eq!(duration(text), seconds.map(Duration::from_secs), "{text}");
        };
        check("90s", Some(90));
        check("1h30m", Some(5400));
        check("1 h 30 min", Some(5400));
        check("2w 1d", Some(15 * 86_400));
        check("0s", Some(0));
        assert_eq!(duration("1500ms"), Some(Duration::from_millis(1500)));
        for none in ["", "90", "h", "1.5h", "-1s", "1y", "99999999999999999w"] {
            check(none, None);
        }
    }

    #[test]
    fn sizes_and_flags() {
        assert_eq!(size("64MiB"), Some(64 << 20));
        assert_eq!(size("10 GB"), Some(10_000_000_000));
        assert_eq!(size("4096"), Some(4096));
        assert_eq!(size("x"), None);
        assert_eq!(size("99999999999 TiB"), None);
        assert_eq!((flag("Yes"), flag("OFF"), flag("maybe")), (Some(true), Some(false), None));
    }
}
