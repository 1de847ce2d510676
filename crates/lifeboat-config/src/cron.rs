//! Five fields of cron: which minutes of which days.

use std::fmt;

use serde::{Deserialize, Deserializer};

/// Which minutes, as cron writes them: minute, hour, day of the month, month and
/// day of the week, as in `30 3 * * mon-fri`. `@hourly`, `@daily`, `@weekly`,
/// `@monthly` and `@yearly` are understood as well. The grammar and the rule for
/// days are those of crontab(5).
#[derive(Clone, PartialEq, Eq)]
pub struct Cron {
    text: String,
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Both kinds of days are restricted: then one of them is enough.
    either_day: bool,
}

/// One field: the numbers that it takes, and names for them.
struct Field {
    low: u8,
    high: u8,
    names: &'static [&'static str],
}

const MINUTE: Field = Field { low: 0, high: 59, names: &[] };
const HOUR: Field = Field { low: 0, high: 23, names: &[] };
const DAY: Field = Field { low: 1, high: 31, names: &[] };
const MONTH: Field = Field {
    low: 1,
    high: 12,
    names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
};
/// Sunday is 0, and 7 as well.
const WEEKDAY: Field =
    Field { low: 0, high: 7, names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] };

/// The days of each month, in the longest year.
const MONTH_DAYS: [u8; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

impl Cron {
    /// Reads the fields; nothing where they are none, or name a day that never
    /// comes, such as 30 February.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let fields = match text {
            "@hourly" => "0 * * * *",
            "@daily" | "@midnight" => "0 0 * * *",
            "@weekly" => "0 0 * * 0",
            "@monthly" => "0 0 1 * *",
            "@yearly" | "@annually" => "0 0 1 1 *",
            fields => fields,
        };
        let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = fields[..] else { return None };
        // As cron has it: a field that begins with a star restricts nothing.
        let either_day = !days.starts_with('*') && !weekdays.starts_with('*');
        let mut weekday_set = WEEKDAY.read(weekdays)?;
        if weekday_set & (1 << 7) != 0 {
            weekday_set = (weekday_set & !(1 << 7)) | 1;
        }
        let cron = Self {
            text: text.to_owned(),
            minutes: MINUTE.read(minutes)?,
            hours: HOUR.read(hours)?,
            days: DAY.read(days)?,
            months: MONTH.read(months)?,
            weekdays: weekday_set,
            either_day,
        };
        let comes = |month: u8| {
            let last = MONTH_DAYS[usize::from(month) - 1];
            has(cron.months, month) && (1..=last).any(|day| has(cron.days, day))
        };
        (either_day || (1..=12).any(comes)).then_some(cron)
    }

    /// Whether it means this minute. Months and days count from 1, weekdays from
    /// Sunday, which is 0.
    pub fn contains(&self, month: u8, day: u8, weekday: u8, hour: u8, minute: u8) -> bool {
        let (day, weekday) = (has(self.days, day), has(self.weekdays, weekday));
        let on_day = if self.either_day { day || weekday } else { day && weekday };
        on_day && has(self.months, month) && has(self.hours, hour) && has(self.minutes, minute)
    }
}

fn has(set: u64, number: u8) -> bool {
    number < 64 && set & (1 << number) != 0
}

impl Field {
    /// Ranges, lists and steps, as a set of bits.
    fn read(&self, text: &str) -> Option<u64> {
        let mut set = 0;
        for part in text.split(',') {
            let (range, step) = match part.split_once('/') {
                Some((range, step)) => (range, step.parse::<u8>().ok().filter(|step| *step > 0)?),
                None => (part, 1),
            };
            let (low, high) = match range.split_once('-') {
                _ if range == "*" => (self.low, self.high),
                Some((low, high)) => (self.number(low)?, self.number(high)?),
                // A step from one number goes on to the end.
                None if part.contains('/') => (self.number(range)?, self.high),
                None => (self.number(range)?, self.number(range)?),
            };
            if low > high {
                return None;
            }
            for number in (low..=high).step_by(usize::from(step)) {
                set |= 1 << number;
            }
        }
        Some(set)
    }

    fn number(&self, text: &str) -> Option<u8> {
        let lower = text.to_ascii_lowercase();
        if let Some(at) = self.names.iter().position(|name| *name == lower) {
            return u8::try_from(at).ok().map(|at| at + self.low);
        }
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number: u8 = digits.then(|| text.parse().ok())??;
        (self.low..=self.high).contains(&number).then_some(number)
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
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

    /// A Saturday, 21 November, at an hour and a minute.
    #[track_caller]
    fn on_saturday(text: &str, hour: u8, minute: u8) -> bool {
        let cron = Cron::parse(text).unwrap_or_else(|| panic!("{text}"));
        assert_eq!(cron.to_string(), text);
        cron.contains(11, 21, 6, hour, minute)
    }

    #[test]
    fn which_minutes() {
        for (text, expected) in [
            ("* * * * *", true),
            ("30 3 * * *", true),
            ("30 3 * * sat", true),
            ("30 3 * * SAT,sun", true),
            ("30 3 * * mon-fri", false),
            ("*/15 * * nov *", true),
            ("*/20 * * * *", false),
            ("5/5 * * * *", true),
            ("0-10,25-35/5 3 * * *", true),
            ("30 3 21 * *", true),
            ("30 3 20 * *", false),
            // One kind of days is enough where both are said, and both where one
            // is not.
            ("30 3 21 * mon", true),
            ("30 3 20 * sat", true),
            ("30 3 20 * mon", false),
            ("30 3 */2 * mon", false),
            ("30 3 * 12 *", false),
            ("@daily", false),
        ] {
            assert_eq!(on_saturday(text, 3, 30), expected, "{text}");
        }
        assert!(on_saturday("@hourly", 3, 0) && on_saturday("@daily", 0, 0));
        let sunday = |text: &str| Cron::parse(text).expect("is one").contains(11, 22, 0, 0, 0);
        assert!(sunday("0 0 * * 7") && sunday("0 0 * * 0") && sunday("0 0 * * sun-mon"));
        assert!(sunday("0 0 * * 6-7") && !sunday("0 0 * * 1-6"));
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
            "5-1 * * * *",
            "*/0 * * * *",
            "a * * * *",
            ", * * * *",
            "+5 * * * *",
            "-1 * * * *",
            "* * * * sat-mon",
            "@reboot",
            "0 0 30 2 *",
            "0 0 31 4,6 *",
        ] {
            assert!(Cron::parse(text).is_none(), "{text}");
        }
        assert!(Cron::parse("0 0 29 2 *").is_some() && Cron::parse("0 0 30 2 mon").is_some());
    }
}
