//! What is told, as a person reads it and as a program does.

use std::fmt;

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

/// What kind of news it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// Something failed, or is critical.
    Failure,
    /// What was told before is over.
    Recovery,
    /// It worked, but not as it should.
    Warning,
    /// It worked.
    Success,
}

impl Kind {
    /// All of them, the worst first.
    pub const ALL: [Self; 4] = [Self::Failure, Self::Warning, Self::Recovery, Self::Success];
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Failure => "failure",
            Self::Recovery => "recovery",
            Self::Warning => "warning",
            Self::Success => "success",
        })
    }
}

/// One piece of news.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Item {
    /// When it happened.
    pub at: OffsetDateTime,
    /// The name of the database; none where it is about all of them.
    pub database: Option<String>,
    /// What it is about: `backup` or another job, `fallback`, `health`, `disabled`.
    pub topic: String,
    /// What happened, in a few words that follow the name of the database.
    pub words: String,
    /// Why, with causes; free of secrets.
    pub why: Vec<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// Whether what was stored before is untouched, where that is a question.
    pub data_is_safe: Option<bool>,
    /// How often it failed in a row.
    pub failures: Option<u32>,
    /// Since when it is so.
    pub since: Option<OffsetDateTime>,
    /// The snapshot that there is now.
    pub snapshot: Option<String>,
    /// The number of the newest record, and its digest.
    pub record: Option<(u64, String)>,
    /// What the settings call the destination.
    pub destination: Option<String>,
}

impl Item {
    pub(crate) fn new(at: OffsetDateTime, database: Option<&str>, topic: &str) -> Self {
        Self {
            at,
            database: database.map(str::to_owned),
            topic: topic.to_owned(),
            words: String::new(),
            why: Vec::new(),
            hint: None,
            data_is_safe: None,
            failures: None,
            since: None,
            snapshot: None,
            record: None,
            destination: None,
        }
    }

    /// Name and words, on one line.
    fn headline(&self) -> String {
        match &self.database {
            Some(name) => format!("{}: {}", one_line(name), one_line(&self.words)),
            None => one_line(&self.words),
        }
    }

    fn text(&self) -> String {
        let mut text = self.headline();
        let mut line = |words: &str| {
            text.push_str("\n  ");
            text.push_str(words);
        };
        for why in &self.why {
            line(&one_line(why));
        }
        if let Some(hint) = &self.hint {
            line(&format!("HINT: {}", one_line(hint)));
        }
        match self.data_is_safe {
            Some(true) => line("What was stored before is untouched."),
            Some(false) => line("What was stored before may be damaged."),
            None => {}
        }
        if let Some((number, digest)) = &self.record {
            line(&format!("newest record: {number}, {digest}"));
        }
        line(&format!("at {}", for_people(self.at)));
        text
    }

    fn json(&self) -> Value {
        json!({
            "at": rfc3339(self.at),
            "database": self.database,
            "topic": self.topic,
            "message": self.words,
            "reasons": self.why,
            "hint": self.hint,
            "data_is_safe": self.data_is_safe,
            "failures": self.failures,
            "since": self.since.map(rfc3339),
            "snapshot_id": self.snapshot,
            "sequence": self.record.as_ref().map(|(number, _)| number),
            "record_digest": self.record.as_ref().map(|(_, digest)| digest),
            "destination": self.destination,
        })
    }
}

/// News of one kind that leaves at once.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Message {
    /// Different for every message, and the same when it is sent again.
    pub id: String,
    /// When it was put together.
    pub at: OffsetDateTime,
    /// What kind of news.
    pub kind: Kind,
    /// Who tells it: the name of a machine.
    pub source: String,
    /// The news; never none.
    pub items: Vec<Item>,
    /// How many more there are that were left out.
    pub more: usize,
    /// Whether it is only a test.
    pub is_test: bool,
}

/// A subject has no more characters.
const LONGEST_SUBJECT: usize = 160;

impl Message {
    /// A message that says only that messages arrive.
    pub fn test(source: &str, at: OffsetDateTime) -> Self {
        let mut item = Item::new(at, None, "test");
        item.words = "this is a test; messages from here arrive".to_owned();
        Self {
            id: random_id(),
            at,
            kind: Kind::Success,
            source: source.to_owned(),
            items: vec![item],
            more: 0,
            is_test: true,
        }
    }

    /// One line that says the most important.
    pub fn subject(&self) -> String {
        let count = self.items.len() + self.more;
        let what = match &self.items[..] {
            [only] if count == 1 => only.headline(),
            [first, ..] => format!("{} (and {} more)", first.headline(), count - 1),
            [] => String::new(),
        };
        let kind = if self.is_test { "test".to_owned() } else { self.kind.to_string() };
        let line = format!("[lifeboat {}] {kind}: {what}", one_line(&self.source));
        if line.chars().count() <= LONGEST_SUBJECT {
            return line;
        }
        let short: String = line.chars().take(LONGEST_SUBJECT - 1).collect();
        format!("{short}…")
    }

    /// All of it, for people.
    pub fn text(&self) -> String {
        let mut text: String = self.items.iter().map(|item| item.text() + "\n").collect();
        if self.more > 0 {
            text.push_str(&format!("and {} more\n", self.more));
        }
        text
    }

    /// All of it, for programs.
    pub fn json(&self) -> String {
        let items: Vec<Value> = self.items.iter().map(Item::json).collect();
        json!({
            "version": 1,
            "id": self.id,
            "kind": if self.is_test { "test".to_owned() } else { self.kind.to_string() },
            "sent_at": rfc3339(self.at),
            "source": self.source,
            "subject": self.subject(),
            "text": self.text(),
            "items": items,
            "more": self.more,
        })
        .to_string()
    }
}

/// Different for everybody at every time.
pub(crate) fn random_id() -> String {
    let mut bytes = [0; 16];
    // Without randomness two messages may look like one to a receiver, no more.
    let _ = getrandom::fill(&mut bytes);
    hex(&bytes)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn rfc3339(at: OffsetDateTime) -> String {
    at.to_offset(time::UtcOffset::UTC).format(&Rfc3339).unwrap_or_default()
}

pub(crate) fn for_people(at: OffsetDateTime) -> String {
    let form = format_description!("[year]-[month]-[day] [hour]:[minute]:[second] UTC");
    at.to_offset(time::UtcOffset::UTC).format(&form).unwrap_or_default()
}

/// No reason has more characters: a message is read on a telephone.
const LONGEST: usize = 600;

/// Its beginning, where it is long.
pub(crate) fn clip(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// Without line breaks and other controls, which mean something in the head of a
/// mail, and on a terminal.
fn one_line(text: &str) -> String {
    let spaced: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}
