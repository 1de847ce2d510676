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
        let cron = fields(text)?;
        comes(&cron).then(|| Self(text.trim().to_owned()))
    }

    /// Whether these are fields of cron that name a day which never comes.
    pub(crate) fn never_comes(text: &str) -> bool {
        fields(text).is_some_and(|cron| !comes(&cron))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn fields(text: &str) -> Option<croner::Cron> {
    CronParser::builder()
        .seconds(Seconds::Disallowed)
        .year(Year::Disallowed)
        .build()
        .parse(text)
        .ok()
}

fn comes(cron: &croner::Cron) -> bool {
    let some_day = jiff::Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC);
    cron.find_next_occurrence(&some_day, false).is_ok()
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
            assert!(Cron::parse(text).is_none(), "{text}");
            let has_no_day = ["0 0 30 2 *", "0 0 31 4,6 *"].contains(&text);
            assert_eq!(Cron::never_comes(text), has_no_day, "{text}");
        }
    }
}
