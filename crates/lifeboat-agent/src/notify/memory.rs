//! What was told, over a restart: who was told of a failure is told once, and
//! hears of the recovery.

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::desk::{Desk, Trouble};
use super::message::{Item, Kind, rfc3339};
use super::topic::Topic;

impl Desk {
    /// What was told and is not over, to be kept somewhere. It names databases and
    /// holds no more than messages do.
    pub fn memory(&self) -> Value {
        let told = self.open.iter().filter(|(_, trouble)| trouble.told.is_some());
        let all: Vec<Value> = told
            .map(|((database, topic), trouble)| {
                json!({
                    "database": database,
                    "topic": topic.name(),
                    "kind": trouble.kind.to_string(),
                    "since": rfc3339(trouble.since),
                    "told": trouble.told.map(rfc3339),
                    "failures": trouble.item.failures,
                    "words": trouble.item.words,
                    "why": trouble.item.why,
                })
            })
            .collect();
        Value::Array(all)
    }

    /// Goes on from what was kept. What is not understood is left out: it is told
    /// once more then.
    pub fn recall(&mut self, memory: &Value) {
        for one in memory.as_array().into_iter().flatten() {
            let Some((subject, trouble)) = trouble(one) else { continue };
            self.open.insert(subject, trouble);
        }
    }
}

fn trouble(one: &Value) -> Option<((Option<String>, Topic), Trouble)> {
    let database = one["database"].as_str().map(str::to_owned);
    let topic = Topic::of_name(one["topic"].as_str()?)?;
    let kind = one["kind"].as_str()?;
    let kind = [Kind::Failure, Kind::Warning].into_iter().find(|it| it.to_string() == kind)?;
    let (since, told) = (time(&one["since"])?, time(&one["told"])?);
    let mut item = Item::new(told, database.as_deref(), topic.name());
    item.words = one["words"].as_str()?.to_owned();
    item.since = Some(since);
    item.failures = one["failures"].as_u64().and_then(|count| u32::try_from(count).ok());
    let why = one["why"].as_array().into_iter().flatten();
    item.why = why.filter_map(|line| line.as_str().map(str::to_owned)).collect();
    Some(((database, topic), Trouble { kind, since, told: Some(told), item }))
}

fn time(value: &Value) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(value.as_str()?, &Rfc3339).ok()
}
