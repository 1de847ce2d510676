//! Five fields of cron, understood by the library that the agent goes by.

use std::fmt;

use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer};

/// Which minutes, as cron writes them: minute, hour, day of the month, month and
/// day of the week, as in `30 3 * * mon-fri`. `@hourly`, `@daily`, `@weekly`,
/// `@monthly` and `@yearly` are understood as well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron(String);

impl Cron {
    /// Reads the fields; nothing where they are none, or name a day that never
    /// comes, such as 30 February.
    pub fn parse(text: &str) -> Option<Self> {
        Self::understand(text).ok()
    }

    /// The same, and why it is none. To find no day takes a look at all of them.
    pub(crate) fn understand(text: &str) -> Result<Self, NoCron> {
        let parser =
            CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        // The parser takes an empty list for one of nothing.
        if text.split_whitespace().any(|field| field.split(',').any(str::is_empty)) {
            return Err(NoCron::Fields);
        }
        let cron = parser.parse(text).map_err(|_| NoCron::Fields)?;
        let some_day = jiff::Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC);
        cron.find_next_occurrence(&some_day, false).map_err(|_| NoCron::NeverComes)?;
        Ok(Self(text.trim().to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a text is no cron.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoCron {
    /// These are no five fields.
    Fields,
    /// They name a day that no month has.
    NeverComes,
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Cron {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("these are no fields of cron"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_one() {
        for text in [
            "* * * * *",
            "30 3 * * mon-fri",
            "30 3 * * SAT,sun",
            "*/15 0-10,12-20/4 * nov *",
            "0 0 29 2 *",
            "0 0 30 2 mon",
            "@hourly",
            "@daily",
            "@yearly",
        ] {
            let parsed = Cron::parse(text).map(|cron| cron.to_string());
            assert_eq!(parsed.as_deref(), Some(text));
        }
    }

    #[test]
    fn what_is_none() {
        for text in [
            "",
            "* * * *",
            "* * * * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * 32 * *",
            "* * * 13 *",
            "* * * * 8",
            "*/0 * * * *",
            "a * * * *",
            ", * * * *",
            "+5 * * * *",
            "-1 * * * *",
            "@reboot",
            "0 0 30 2 *",
            "0 0 31 4,6 *",
        ] {
            let why = match text {
                "0 0 30 2 *" | "0 0 31 4,6 *" => NoCron::NeverComes,
                _ => NoCron::Fields,
            };
            assert_eq!(Cron::understand(text), Err(why), "{text}");
        }
    }
}
