//! What was found: tables and prose, JSON lines, or CSV.

use std::collections::BTreeMap;

use lifeboat::links::{Checked, Finding, Kind, LinksError, StoreLinks};
use lifeboat::{Error, SqlValue};
use serde_json::{Value, json};

use super::rule_of;
use crate::exit::Exit;
use crate::out::outln;
use crate::report::Reporter;
use crate::text::{count, several, shown, size};

/// So many of a kind are shown to people.
const SHOWN: u64 = 10;

/// Prints what is found, one after the other.
pub(super) struct Printed<'a> {
    reporter: &'a Reporter,
    csv: bool,
    head: bool,
}

impl<'a> Printed<'a> {
    pub(super) fn new(reporter: &'a Reporter, csv: bool) -> Self {
        Self { reporter, csv, head: false }
    }

    pub(super) fn findings(
        &mut self,
        store: &StoreLinks,
        checked: &mut Checked,
    ) -> Result<(), Error> {
        let mut times: BTreeMap<Kind, u64> = BTreeMap::new();
        checked.findings.read(|finding| -> Result<(), LinksError> {
            if self.csv {
                self.csv(store, &finding);
                return Ok(());
            }
            let times = times.entry(finding.kind).or_default();
            *times += 1;
            let object = object(store, &finding);
            if self.reporter.is_json() || *times <= SHOWN {
                self.reporter.found("finding", object, &line(store, &finding));
            }
            Ok(())
        })?;
        let left: Vec<String> = times
            .iter()
            .filter(|(_, times)| **times > SHOWN)
            .map(|(kind, times)| format!("{} more {}", count(times - SHOWN), words(*kind)))
            .collect();
        if !left.is_empty() && !self.reporter.is_json() {
            self.reporter.say(&format!("… and {}; --csv lists all", left.join(", ")));
        }
        Ok(())
    }

    /// How many of what there are.
    pub(super) fn counts(&self, store: &StoreLinks, checked: &Checked) {
        if self.csv {
            return;
        }
        let all = checked.all();
        let mut lines = vec![format!(
            "{}: {}, {}",
            store.shown,
            several(all.mentions, "row") + " that mention objects",
            several(checked.objects, "object") + " there",
        )];
        let mut tell = |number: u64, what: &str| {
            if number > 0 {
                lines.push(format!("  {:>12}  {what}", count(number)));
            }
        };
        tell(all.healthy, "healthy");
        tell(all.broken, "broken: the row's object is missing");
        tell(all.unknown, "unknown: the store did not say whether the row's object is there");
        tell(all.wrong_size, "of another size than the row says");
        tell(all.wrong_digest, "with another digest than the row says");
        tell(all.unusable, "unusable: what stands in the row is no key");
        let orphaned =
            format!("orphaned: no row mentions the object ({})", size(checked.orphaned_bytes));
        tell(checked.orphaned, &orphaned);
        tell(checked.young, "mentioned by no row, and too young to count");
        tell(checked.duplicates, "objects that several rows mention");
        tell(all.elsewhere, "rows about something elsewhere");
        tell(all.uncompared, "digests that the store cannot be asked for");
        tell(checked.quarantined, "in quarantine");
        for probe in &checked.probes {
            let said = match (probe.object, probe.rows.is_empty()) {
                (true, false) => "survived".to_owned(),
                (false, false) => "its object is gone: THE STORE FORGETS".to_owned(),
                (true, true) => "its row is gone: the database is another, or forgets".to_owned(),
                (false, true) => "is gone".to_owned(),
            };
            lines.push(format!("  the test of {}: {said}", probe.made()));
        }
        if let Some(doubt) = checked.doubt().or_else(|| checked.doubt_about_orphans()) {
            lines.push(format!("  in doubt: {}", shown(&doubt)));
        }
        self.reporter.found("store", summary_of(store, checked), &lines.join("\n"));
    }

    fn csv(&mut self, store: &StoreLinks, finding: &Finding) {
        if !self.head {
            outln!("kind,key,store,rule,database,row,value,size,modified,detail");
            self.head = true;
        }
        let (rule, database) = rule_of(store, finding.rule);
        let row = row(store, finding).map(|row| row.to_string()).unwrap_or_default();
        let value = finding.mention.as_ref().map(|mention| text_of(&mention.value));
        let seen = finding.seen.as_ref();
        let fields = [
            finding.kind.name().to_owned(),
            finding.key.clone(),
            store.shown.clone(),
            rule.to_owned(),
            database.unwrap_or_default().to_owned(),
            row,
            value.unwrap_or_default(),
            seen.map(|seen| seen.size.to_string()).unwrap_or_default(),
            seen.map(|seen| time(seen.modified)).unwrap_or_default(),
            finding.detail.clone(),
        ];
        let fields: Vec<String> = fields.iter().map(|field| quoted(field)).collect();
        outln!("{}", fields.join(","));
    }
}

/// A field of CSV (RFC 4180).
fn quoted(field: &str) -> String {
    match field.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field.to_owned(),
    }
}

fn words(kind: Kind) -> &'static str {
    match kind {
        Kind::WrongSize => "of another size",
        Kind::WrongDigest => "with another digest",
        kind => kind.name(),
    }
}

fn line(store: &StoreLinks, finding: &Finding) -> String {
    let (rule, database) = rule_of(store, finding.rule);
    let mut line = format!("{:<12} {}", finding.kind.name(), shown(&finding.key));
    let mut about = Vec::new();
    if let Some(database) = database {
        let which = row(store, finding).map(|row| format!(" {row}")).unwrap_or_default();
        about.push(format!("{database}: {rule}{which}"));
    } else if !rule.is_empty() {
        about.push(rule.to_owned());
    }
    if let (Kind::Orphaned, Some(seen)) = (finding.kind, &finding.seen) {
        about.push(format!("{}, of {}", size(seen.size), time(seen.modified)));
    }
    if !finding.detail.is_empty() {
        about.push(finding.detail.clone());
    }
    if !about.is_empty() {
        line = format!("{line}  ({})", shown(&about.join("; ")));
    }
    line
}

/// What says which row it is.
fn row(store: &StoreLinks, finding: &Finding) -> Option<Value> {
    let mention = finding.mention.as_ref()?;
    let source = store.group.sources().get(mention.rule)?;
    let named = source.named(mention).into_iter();
    let row: serde_json::Map<_, _> = named.map(|(name, value)| (name, json_of(&value))).collect();
    (!row.is_empty()).then_some(Value::Object(row))
}

fn object(store: &StoreLinks, finding: &Finding) -> Value {
    let (rule, database) = rule_of(store, finding.rule);
    let seen = finding.seen.as_ref();
    json!({
        "kind": finding.kind.name(),
        "key": finding.key,
        "store": store.shown,
        "rule": Some(rule).filter(|rule| !rule.is_empty()),
        "database": database,
        "row": row(store, finding),
        "value": finding.mention.as_ref().map(|mention| json_of(&mention.value)),
        "size": seen.map(|seen| seen.size),
        "modified": seen.map(|seen| time(seen.modified)),
        "detail": Some(&finding.detail).filter(|detail| !detail.is_empty()),
    })
}

fn summary_of(store: &StoreLinks, checked: &Checked) -> Value {
    let mut object = counts(std::slice::from_ref(checked));
    object["store"] = store.shown.as_str().into();
    object["doubt"] = checked.doubt().or_else(|| checked.doubt_about_orphans()).into();
    object["tests"] = checked
        .probes
        .iter()
        .map(|probe| {
            json!({
                "key": probe.key,
                "made": probe.made(),
                "object": probe.object,
                "row": !probe.rows.is_empty(),
                "survived": probe.survived(),
            })
        })
        .collect();
    object
}

fn counts(all: &[Checked]) -> Value {
    let sum = |of: fn(&Checked) -> u64| all.iter().map(of).sum::<u64>();
    json!({
        "mentions": sum(|one| one.all().mentions),
        "objects": sum(|one| one.objects),
        "healthy": sum(|one| one.all().healthy),
        "broken": sum(|one| one.all().broken),
        "unknown": sum(|one| one.all().unknown),
        "orphaned": sum(|one| one.orphaned),
        "orphaned_bytes": sum(|one| one.orphaned_bytes),
        "young": sum(|one| one.young),
        "wrong_size": sum(|one| one.all().wrong_size),
        "wrong_digest": sum(|one| one.all().wrong_digest),
        "unusable": sum(|one| one.all().unusable),
        "duplicates": sum(|one| one.duplicates),
        "elsewhere": sum(|one| one.all().elsewhere),
        "quarantined": sum(|one| one.quarantined),
    })
}

/// The last object of a comparison.
pub(super) fn summary(all: &[Checked], exit: Exit) -> Value {
    let mut object = counts(all);
    object["stores"] = all.len().into();
    object["code"] = exit.code().into();
    object
}

fn json_of(value: &SqlValue) -> Value {
    match value {
        SqlValue::Null => Value::Null,
        SqlValue::Integer(number) => (*number).into(),
        SqlValue::Real(number) => (*number).into(),
        SqlValue::Text(text) => text.as_str().into(),
        SqlValue::Blob(bytes) => {
            bytes.iter().map(|b| format!("{b:02x}")).collect::<String>().into()
        }
    }
}

fn text_of(value: &SqlValue) -> String {
    match json_of(value) {
        Value::String(text) => text,
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn time(seconds: i64) -> String {
    let time = time::OffsetDateTime::from_unix_timestamp(seconds);
    time.map(crate::text::utc).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_csv() {
        assert_eq!(quoted("a b"), "a b");
        assert_eq!(quoted("a,b"), "\"a,b\"");
        assert_eq!(quoted("say \"x\"\n"), "\"say \"\"x\"\"\n\"");
    }
}
