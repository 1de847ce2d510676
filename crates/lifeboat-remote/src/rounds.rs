//! Deciding on one value among many writers, on stores that ignore conditions.
//!
//! Where "create this if it is not there" overwrites without a word, no key can
//! be anybody's. What still holds is that a key nobody else uses is one's own,
//! and that a listing shows what was put before it began. From these two comes
//! *commit-adopt* (Gafni, "Round-by-round fault detectors", PODC 1998), in rounds:
//!
//! 1. Put a mark that proposes a value, and list the round. Seen no other value,
//!    put a mark that commits to it; else one that only adopts it.
//! 2. List again. If all say commit, it is **decided**. If one does, its value is
//!    taken to the next round; if none does, one's own is.
//!
//! Two writers cannot both see only themselves, so that no two values are ever
//! committed in a round; and whoever did not see the commit had put its own mark
//! where the one who committed sees it and goes on. A writer that dies leaves
//! marks and nothing else: whoever comes next takes its value along and finishes.
//! Writers in lock-step may need several rounds, which chance ends.
//!
//! Everything a mark says stands in its key, so that one listing is one view:
//! `<prefix>/<round>/<phase>-<value>-<writer>`, and `<prefix>/decided-<value>` for
//! readers, put before a decision is told to anybody.
//!
//! **It rests on consistent listings** (AWS, R2, Garage, …). Where the
//! probe finds them stale, there is one writer only.

mod claim;
mod drive;
mod machine;

use std::fmt;

pub use self::claim::Claim;
pub use self::drive::Decided;
pub use self::machine::{Decision, Step, decided_in};

/// A word in a key: a value to decide on, or the name of a writer. 1 to 64
/// digits and lower-case letters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(String);

impl Token {
    /// Takes a text, if it is one.
    pub fn new(text: &str) -> Option<Self> {
        let good = |c: char| c.is_ascii_digit() || c.is_ascii_lowercase();
        let fits = (1..=64).contains(&text.len()) && text.chars().all(good);
        fits.then(|| Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a mark says about its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// "I propose it."
    Propose,
    /// "I saw no other."
    Commit,
    /// "I saw others too."
    Adopt,
}

/// An object of a round.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark {
    /// The round, from 0.
    pub round: u32,
    /// What it says.
    pub phase: Phase,
    /// About which value.
    pub value: Token,
    /// Who says it.
    pub writer: Token,
}

impl Mark {
    /// Its key below a prefix.
    pub fn key(&self, prefix: &str) -> String {
        let phase = match self.phase {
            Phase::Propose => "propose",
            Phase::Commit => "commit",
            Phase::Adopt => "adopt",
        };
        format!("{}/{phase}-{}-{}", folder(prefix, self.round), self.value, self.writer)
    }

    /// The mark of a key below a prefix, if it is one.
    pub fn parse(prefix: &str, key: &str) -> Option<Self> {
        let (round, name) = key.strip_prefix(prefix)?.strip_prefix('/')?.split_once('/')?;
        let mut words = name.splitn(3, '-');
        let phase = match words.next()? {
            "propose" => Phase::Propose,
            "commit" => Phase::Commit,
            "adopt" => Phase::Adopt,
            _ => return None,
        };
        let (value, writer) = (Token::new(words.next()?)?, Token::new(words.next()?)?);
        Some(Self { round: round.parse().ok()?, phase, value, writer })
    }
}

fn folder(prefix: &str, round: u32) -> String {
    format!("{prefix}/{round:06}")
}

/// The key that tells readers what was decided.
fn decided_key(prefix: &str, value: &Token) -> String {
    format!("{prefix}/decided-{value}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_stands_in_its_key() {
        let token = |text| Token::new(text).expect("is one");
        let mark =
            Mark { round: 7, phase: Phase::Adopt, value: token("ab12"), writer: token("w0") };
        let key = mark.key("databases/x/rounds/3");
        assert_eq!(key, "databases/x/rounds/3/000007/adopt-ab12-w0");
        assert_eq!(Mark::parse("databases/x/rounds/3", &key), Some(mark));
        for other in ["decided-ab", "000007/adopt-ab", "000007/x-a-b", "7a/adopt-a-b"] {
            assert_eq!(Mark::parse("p", &format!("p/{other}")), None, "{other}");
        }
    }

    #[test]
    fn tokens_are_plain_words() {
        for none in ["", "A", "a-b", "a/b", "ä", &"a".repeat(65)] {
            assert_eq!(Token::new(none), None, "{none}");
        }
    }
}
