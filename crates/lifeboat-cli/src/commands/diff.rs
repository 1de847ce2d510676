//! `lifeboat diff`: two snapshots side by side.

use lifeboat::{Comparison, Missing, Whole};
use serde_json::{Value, json};

use super::restore::{name_of, named};
use crate::arguments::{Arguments, DiffArguments};
use crate::exit::Exit;
use crate::report::Reporter;
use crate::text::{count, local_time};
use lifeboat::hint::About;

pub(crate) async fn run(arguments: &Arguments, diff: &DiffArguments, reporter: &Reporter) -> Exit {
    let selectors = named(Some(&diff.a)).and_then(|a| Ok((a, named(Some(&diff.b))?)));
    let (a, b) = match selectors {
        Ok(selectors) => selectors,
        Err(refusal) => {
            reporter.refuse(&refusal);
            return refusal.exit;
        }
    };
    let name = name_of(arguments, &diff.name);
    let done = async {
        if super::has_several(arguments) {
            return super::destinations(arguments).compare(&name, &a, &b).await;
        }
        let destination = super::open(arguments, Missing::Refuse).await?;
        let report = destination.compare(&name, &a, &b).await?;
        Ok(Whole::of(report, destination))
    };
    match done.await {
        Ok(Whole { report: comparison, failed, .. }) => {
            super::tell_detours(reporter, &failed, &[]);
            reporter.told(object(&name, &comparison), &lines(&name, &comparison));
            Exit::Ok
        }
        Err(error) => reporter.error(&name, &error, About::Reading),
    }
}

fn lines(name: &str, comparison: &Comparison) -> Vec<String> {
    let [a, b] = &comparison.snapshots;
    let mut lines = vec![
        format!("{name}: {} ({})", a.id(), local_time(a.body().taken_at)),
        format!(
            "{:width$}  {} ({})",
            "",
            b.id(),
            local_time(b.body().taken_at),
            width = name.len()
        ),
        format!(
            "  pages: {} → {}, {} of those that both have differ",
            count(comparison.pages[0]),
            count(comparison.pages[1]),
            count(comparison.pages_changed)
        ),
    ];
    for entry in &comparison.schema_removed {
        lines.push(format!("  - {} {}", entry.kind, entry.name));
    }
    for entry in &comparison.schema_added {
        lines.push(format!("  + {} {}", entry.kind, entry.name));
    }
    let rows = |rows: Option<u64>| rows.map_or("—".to_owned(), count);
    for table in &comparison.tables {
        lines.push(format!(
            "  {}: {} → {} rows",
            table.name,
            rows(table.before),
            rows(table.after)
        ));
    }
    lines
}

fn object(name: &str, comparison: &Comparison) -> Value {
    let tables: Vec<Value> = comparison
        .tables
        .iter()
        .map(|table| {
            json!({ "name": table.name, "rows_before": table.before, "rows_after": table.after })
        })
        .collect();
    let entries = |entries: &[_]| -> Vec<Value> { entries.iter().map(entry).collect() };
    json!({
        "database": name,
        "before": comparison.snapshots[0].id().as_str(),
        "after": comparison.snapshots[1].id().as_str(),
        "pages_before": comparison.pages[0],
        "pages_after": comparison.pages[1],
        "pages_changed": comparison.pages_changed,
        "tables": tables,
        "schema_added": entries(&comparison.schema_added),
        "schema_removed": entries(&comparison.schema_removed),
    })
}

fn entry(entry: &lifeboat::SchemaEntry) -> Value {
    json!({ "kind": entry.kind, "name": entry.name, "sql": entry.sql })
}
