//! Record numbers, and sets of them in runs.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::ParseIdError;

/// The number of a record in the record log of one destination, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RecordNo(pub u64);

impl RecordNo {
    /// The first record of a log.
    pub const FIRST: Self = Self(1);

    /// The number after this one.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for RecordNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A set of record numbers, kept and written as ascending runs: `1-5,7,9-12`.
///
/// Whatever a text claims, the set costs memory in proportion to the text.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NumberSet {
    /// First and last number of each run; runs neither touch nor overlap.
    runs: Vec<(u64, u64)>,
}

impl NumberSet {
    /// Whether a number is in the set.
    pub fn contains(&self, n: RecordNo) -> bool {
        let after = self.runs.partition_point(|run| run.0 <= n.0);
        after > 0 && n.0 <= self.runs[after - 1].1
    }

    /// Adds a number; false if it was there.
    pub fn insert(&mut self, n: RecordNo) -> bool {
        if self.contains(n) {
            return false;
        }
        let at = self.runs.partition_point(|run| run.0 <= n.0);
        let joins_left = at > 0 && self.runs[at - 1].1 + 1 == n.0;
        let joins_right = at < self.runs.len() && n.0 + 1 == self.runs[at].0;
        match (joins_left, joins_right) {
            (true, true) => {
                self.runs[at - 1].1 = self.runs[at].1;
                self.runs.remove(at);
            }
            (true, false) => self.runs[at - 1].1 = n.0,
            (false, true) => self.runs[at].0 = n.0,
            (false, false) => self.runs.insert(at, (n.0, n.0)),
        }
        true
    }

    /// Takes a number out; false if it was not there.
    pub fn remove(&mut self, n: RecordNo) -> bool {
        if !self.contains(n) {
            return false;
        }
        let at = self.runs.partition_point(|run| run.0 <= n.0) - 1;
        let (first, last) = self.runs[at];
        let left = (first < n.0).then(|| (first, n.0 - 1));
        let right = (n.0 < last).then(|| (n.0 + 1, last));
        self.runs.splice(at..=at, left.into_iter().chain(right));
        true
    }

    /// The numbers, ascending.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = RecordNo> + '_ {
        self.runs.iter().flat_map(|&(first, last)| (first..=last).map(RecordNo))
    }

    /// The greatest number.
    pub fn last(&self) -> Option<RecordNo> {
        self.runs.last().map(|run| RecordNo(run.1))
    }

    /// How many numbers there are.
    pub fn len(&self) -> u64 {
        self.runs.iter().map(|(first, last)| last - first + 1).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }
}

impl FromIterator<RecordNo> for NumberSet {
    fn from_iter<I: IntoIterator<Item = RecordNo>>(numbers: I) -> Self {
        let mut set = Self::default();
        for n in numbers {
            set.insert(n);
        }
        set
    }
}

impl From<NumberSet> for String {
    fn from(set: NumberSet) -> Self {
        let runs = set.runs.iter().map(|(first, last)| {
            if first == last { first.to_string() } else { format!("{first}-{last}") }
        });
        runs.collect::<Vec<_>>().join(",")
    }
}

impl TryFrom<String> for NumberSet {
    type Error = ParseIdError;

    fn try_from(text: String) -> Result<Self, ParseIdError> {
        let wrong = ParseIdError { what: "set of record numbers" };
        let mut set = Self::default();
        for run in text.split(',').filter(|_| !text.is_empty()) {
            let (first, last) = run.split_once('-').unwrap_or((run, run));
            let number = |digits: &str| {
                let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
                // Half the range, so that sums and successors cannot overflow.
                digits.parse::<u64>().ok().filter(|n| plain && (1..u64::MAX / 2).contains(n))
            };
            let (first, last) = number(first).zip(number(last)).ok_or_else(|| wrong.clone())?;
            let apart = set.runs.last().is_none_or(|run| run.1 + 1 < first);
            if first > last || !apart {
                return Err(wrong);
            }
            set.runs.push((first, last));
        }
        if set.runs.iter().try_fold(0u64, |sum, run| sum.checked_add(run.1 - run.0 + 1)).is_none() {
            return Err(wrong);
        }
        // `01` and `1-1` are other spellings of `1`.
        if String::from(set.clone()) == text { Ok(set) } else { Err(wrong) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(numbers: &[u64]) -> String {
        numbers.iter().copied().map(RecordNo).collect::<NumberSet>().into()
    }

    #[test]
    fn runs_join_and_split() {
        assert_eq!(text(&[]), "");
        assert_eq!(text(&[3, 1, 2, 7, 5, 6]), "1-3,5-7");
        assert_eq!(text(&[1, 3, 2]), "1-3");
        let mut set: NumberSet = [1, 2, 3, 4].map(RecordNo).into_iter().collect();
        assert!(set.remove(RecordNo(2)) && !set.remove(RecordNo(2)));
        assert_eq!(String::from(set.clone()), "1,3-4");
        assert!(
            set.contains(RecordNo(4)) && !set.contains(RecordNo(2)) && !set.contains(RecordNo(5))
        );
        assert_eq!((set.len(), set.last()), (3, Some(RecordNo(4))));
        assert!(set.iter().eq([1, 3, 4].map(RecordNo)));
    }

    #[test]
    fn only_the_one_text_form_is_read() {
        for good in ["", "1", "1-3,5", "9-9000000000"] {
            let set = NumberSet::try_from(good.to_owned()).expect(good);
            assert_eq!(String::from(set), good);
        }
        for bad in [
            "0",
            "3-1",
            "1,2",
            "1-2,2-3",
            "5,1",
            "1-",
            "-",
            "a",
            "1,",
            " 1",
            "+1",
            "1-99999999999999999999",
        ] {
            assert!(NumberSet::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
