//! What is typed of retention, and what of it makes sense.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::period::Period;
use crate::slot::Unit;

/// What was typed. A snapshot is kept if any of these keeps it. In a file an
/// unknown name is an error.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// So many of the newest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_last: Option<u32>,
    /// The newest of each of the last so many hours that have any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_hourly: Option<u32>,
    /// The same of days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_daily: Option<u32>,
    /// The same of weeks, which begin on Monday.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_weekly: Option<u32>,
    /// The same of months.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_monthly: Option<u32>,
    /// The same of years.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_yearly: Option<u32>,
    /// All that are no older than this, compared with the newest one, and the
    /// last one before: whatever the database was within this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_within: Option<Period>,
    /// The newest of each hour, among those no older than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_within_hourly: Option<Period>,
    /// The newest of each day, among those no older than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_within_daily: Option<Period>,
    /// The newest of each week, among those no older than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_within_weekly: Option<Period>,
    /// The newest of each month, among those no older than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_within_monthly: Option<Period>,
    /// The newest of each year, among those no older than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_within_yearly: Option<Period>,
    /// Those that bear one of these tags.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keep_tag: Vec<Tag>,
    /// The oldest go until what is left has at most so many bytes. Does not
    /// touch what `keep_within` and `keep_tag` keep. Alone, it keeps all that
    /// fits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<u64>,
    /// Never fewer than this, whatever the others say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_snapshots: Option<u32>,
}

/// A tag that keeps: `NAME=VALUE`, or `NAME` for any value.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tag {
    name: String,
    value: Option<String>,
}

/// A text that is no tag.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("understand {text:?} as a tag: NAME=VALUE, or NAME for any value")]
pub struct ParseTagError {
    /// The text.
    pub text: String,
}

/// Rules that make sense together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    rules: Rules,
}

/// Why rules are no policy. Nothing is forgotten by them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// No rule at all: it would forget everything.
    #[error("apply a retention policy without any rule")]
    Empty,
    /// A number is zero, which would keep nothing.
    #[error("apply {rule} = 0, which keeps nothing")]
    Zero {
        /// Its name.
        rule: &'static str,
    },
    /// Only a lower bound: nothing says what is kept besides.
    #[error("apply min_snapshots alone: nothing says what else is kept")]
    OnlyAMinimum,
    /// The one rule that counts keeps fewer than the least that is allowed.
    #[error("apply keep_last = {last} with min_snapshots = {least}: they contradict each other")]
    MinimumAboveLast {
        /// `keep_last`.
        last: u32,
        /// `min_snapshots`.
        least: u32,
    },
    /// A rule keeps nothing that another one does not keep.
    #[error("apply {rule} = {inner} beside {other} = {outer}, which keeps all of that already")]
    Pointless {
        /// The rule that does nothing.
        rule: &'static str,
        /// Its value.
        inner: Period,
        /// The rule that does it already.
        other: &'static str,
        /// Its value.
        outer: Period,
    },
}

impl Rules {
    /// The counts, with their names.
    pub(crate) fn counts(&self) -> [(Unit, &'static str, Option<u32>); 5] {
        [
            (Unit::Hour, "keep_hourly", self.keep_hourly),
            (Unit::Day, "keep_daily", self.keep_daily),
            (Unit::Week, "keep_weekly", self.keep_weekly),
            (Unit::Month, "keep_monthly", self.keep_monthly),
            (Unit::Year, "keep_yearly", self.keep_yearly),
        ]
    }

    /// The periods of one snapshot each, with their names.
    pub(crate) fn within(&self) -> [(Unit, &'static str, Option<Period>); 5] {
        [
            (Unit::Hour, "keep_within_hourly", self.keep_within_hourly),
            (Unit::Day, "keep_within_daily", self.keep_within_daily),
            (Unit::Week, "keep_within_weekly", self.keep_within_weekly),
            (Unit::Month, "keep_within_monthly", self.keep_within_monthly),
            (Unit::Year, "keep_within_yearly", self.keep_within_yearly),
        ]
    }

    /// Whether any rule says what is kept, sizes and minimum apart.
    pub(crate) fn keeps_anything(&self) -> bool {
        self.keep_last.is_some()
            || self.keep_within.is_some()
            || !self.keep_tag.is_empty()
            || self.counts().iter().any(|(_, _, count)| count.is_some())
            || self.within().iter().any(|(_, _, period)| period.is_some())
    }
}

impl Policy {
    /// Accepts rules that make sense together.
    pub fn new(rules: Rules) -> Result<Self, PolicyError> {
        if rules == Rules::default() {
            return Err(PolicyError::Empty);
        }
        let counts = rules.counts().map(|(_, rule, count)| (rule, count.map(u64::from)));
        let others = [
            ("keep_last", rules.keep_last.map(u64::from)),
            ("max_bytes", rules.max_bytes),
            ("min_snapshots", rules.min_snapshots.map(u64::from)),
        ];
        for (rule, number) in counts.into_iter().chain(others) {
            if number == Some(0) {
                return Err(PolicyError::Zero { rule });
            }
        }
        if !rules.keeps_anything() && rules.max_bytes.is_none() {
            return Err(PolicyError::OnlyAMinimum);
        }
        let only_last = Rules { keep_last: None, ..rules.clone() };
        if let (Some(last), Some(least)) = (rules.keep_last, rules.min_snapshots)
            && !only_last.keeps_anything()
            && least > last
        {
            return Err(PolicyError::MinimumAboveLast { last, least });
        }
        if let Some(outer) = rules.keep_within {
            for (_, rule, inner) in rules.within() {
                if let Some(inner) = inner.filter(|i| i.rough_hours() <= outer.rough_hours()) {
                    return Err(PolicyError::Pointless {
                        rule,
                        inner,
                        other: "keep_within",
                        outer,
                    });
                }
            }
        }
        Ok(Self { rules })
    }

    /// The newest `count`, and no other rule. 0 is no policy: it means that
    /// nothing is cleaned up, never that nothing is kept.
    pub fn of_count(count: u32) -> Option<Self> {
        let rules = Rules { keep_last: Some(count), ..Rules::default() };
        Self::new(rules).ok()
    }

    /// Everything for 7 days, one a day for 16 days, one a week for 8 weeks, one
    /// a month for 4 months, one a year for 2 years.
    pub fn preset() -> Self {
        Self {
            rules: Rules {
                keep_within: Some(Period::days(7)),
                keep_within_daily: Some(Period::days(16)),
                keep_within_weekly: Some(Period::weeks(8)),
                keep_within_monthly: Some(Period::months(4)),
                keep_within_yearly: Some(Period::years(2)),
                ..Rules::default()
            },
        }
    }

    /// The rules.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }
}

impl Tag {
    /// Whether a snapshot bears it.
    pub fn is_on(&self, tags: &BTreeMap<String, String>) -> bool {
        let value = tags.get(&self.name);
        value.is_some_and(|value| self.value.as_ref().is_none_or(|wanted| wanted == value))
    }
}

impl FromStr for Tag {
    type Err = ParseTagError;

    fn from_str(text: &str) -> Result<Self, ParseTagError> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (text, None),
        };
        if name.trim().is_empty() {
            return Err(ParseTagError { text: text.to_owned() });
        }
        Ok(Self { name: name.to_owned(), value })
    }
}

impl TryFrom<String> for Tag {
    type Error = ParseTagError;

    fn try_from(text: String) -> Result<Self, ParseTagError> {
        text.parse()
    }
}

impl From<Tag> for String {
    fn from(tag: Tag) -> Self {
        tag.to_string()
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{}={value}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_policy() {
        let check = |rules: Rules, expected| assert_eq!(Policy::new(rules).err(), expected);
        let none = Rules::default;
        check(none(), Some(PolicyError::Empty));
        let zero = |rule| Some(PolicyError::Zero { rule });
        check(Rules { keep_last: Some(0), ..none() }, zero("keep_last"));
        let later_zero = Rules { keep_last: Some(3), keep_yearly: Some(0), ..none() };
        check(later_zero, zero("keep_yearly"));
        check(Rules { max_bytes: Some(0), ..none() }, zero("max_bytes"));
        check(Rules { min_snapshots: Some(3), ..none() }, Some(PolicyError::OnlyAMinimum));
        let less = Rules { keep_last: Some(3), min_snapshots: Some(5), ..none() };
        check(less.clone(), Some(PolicyError::MinimumAboveLast { last: 3, least: 5 }));
        check(Rules { keep_daily: Some(7), ..less }, None);
        let inside = Rules {
            keep_within: Some(Period::weeks(2)),
            keep_within_daily: Some(Period::days(14)),
            ..none()
        };
        assert!(matches!(Policy::new(inside), Err(PolicyError::Pointless { .. })));
        check(Rules { max_bytes: Some(1), ..none() }, None);
        check(Policy::preset().rules, None);
        assert_eq!(Policy::of_count(0), None);
        assert_eq!(Policy::of_count(7).map(|p| p.rules.keep_last), Some(Some(7)));
    }

    #[test]
    fn tags() {
        let tags = BTreeMap::from([("release".to_owned(), "1.2".to_owned())]);
        let check = |text: &str, expected| {
            assert_eq!(text.parse::<Tag>().expect(text).is_on(&tags), expected, "{text}");
        };
        check("release", true);
        check("release=1.2", true);
        check("release=1.3", false);
        check("relaese", false);
        check("release=", false);
        assert!("=x".parse::<Tag>().is_err() && " ".parse::<Tag>().is_err());
    }
}
