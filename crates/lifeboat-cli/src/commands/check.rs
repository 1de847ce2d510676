//! `lifeboat check`: what is stored is read, at every place, and what is wrong is named.

use lifeboat::format::check::Finding;
use lifeboat::format::numbers::{NumberSet, RecordNo};
use lifeboat::repository::{Called, CheckOptions, CheckReport, Depth};
use lifeboat::{Destination, Error, ErrorKind};
use serde_json::{Value, json};

use crate::arguments::{Arguments, CheckArguments};
use crate::exit::Exit;
use crate::progress;
use crate::report::Reporter;
use crate::text::{several, size};
use lifeboat::hint::About;

pub(crate) async fn run(
    arguments: &Arguments,
    check: &CheckArguments,
    reporter: &Reporter,
) -> Exit {
    let opened = super::each_place(arguments, check.name.as_deref(), false).await;
    let (destinations, unopened, names) = match opened {
        Ok(opened) => opened,
        Err(error) => return reporter.error("", &error, About::Reading),
    };
    let unopened = unopened.troubles;
    let mut exits = Vec::new();
    for cause in &unopened {
        reporter.warn(&format!("not checked: {cause}"));
        let damaged = cause.error.kind() == ErrorKind::Damage;
        exits.push(if damaged { Exit::Damage } else { Exit::PartlyDone });
    }
    let mut sums = Sums::default();
    for destination in &destinations {
        let several = destinations.len() + unopened.len() > 1;
        match destination.repository().check_keys().await {
            Ok(keys) => {
                for finding in &keys {
                    tell_finding(reporter, None, finding, &Called::default());
                    exits.push(Exit::Damage);
                }
                sums.findings += keys.len();
            }
            Err(error) => {
                exits.push(reporter.error(destination.shown(), &error.into(), About::Reading));
            }
        }
        for name in &names {
            if several && !super::announce(reporter, destination, name).await {
                continue;
            }
            match one(destination, name, check, reporter).await {
                Ok(report) => {
                    let about = (name.as_str(), destination.shown());
                    exits.push(tell(reporter, about, check, &report, &mut sums));
                }
                Err(error) => exits.push(reporter.error(name, &error, About::Reading)),
            }
        }
    }
    let exit = Exit::of_all(&exits);
    let object = json!({
        "databases": names.len(),
        "snapshots": sums.snapshots,
        "verified": sums.verified,
        "broken": sums.broken,
        "findings": sums.findings,
        "objects_read": sums.objects,
        "bytes_read": sums.bytes,
        "code": exit.code(),
    });
    reporter.told(object, &[]);
    exit
}

#[derive(Default)]
struct Sums {
    snapshots: u64,
    verified: u64,
    broken: u64,
    findings: usize,
    objects: u64,
    bytes: u64,
}

async fn one(
    destination: &Destination,
    name: &str,
    check: &CheckArguments,
    reporter: &Reporter,
) -> Result<CheckReport, Error> {
    let mut options = CheckOptions::of_depth(check.depth());
    options.max_duration = check.max_duration;
    options.expect = check.expect.map(RecordNo);
    options.progress = progress::show(reporter.progress(), name);
    let report = destination.database(name)?.check(&options).await?;
    if report.alive.is_empty() && report.result.findings.is_empty() {
        // Which databases there are is said by the same error everywhere.
        destination.resolve(name, &lifeboat::repository::Selector::Latest(0)).await?;
    }
    Ok(report)
}

/// A finding, with the snapshots that it hits.
pub(super) fn tell_finding(
    reporter: &Reporter,
    name: Option<&str>,
    finding: &Finding,
    called: &Called,
) {
    let hits = match finding.snapshots.len() {
        0 => "hits no snapshot".to_owned(),
        n => format!("hits {}: {}", several(n, "snapshot"), names(&finding.snapshots, called)),
    };
    let ids: Vec<&str> = finding
        .snapshots
        .iter()
        .filter_map(|number| called.ids.get(&number))
        .map(|id| id.as_str())
        .collect();
    let line = format!("DAMAGED {}: {}; {hits}", finding.object, finding.what);
    let object = json!({
        "database": name,
        "object": finding.object,
        "message": finding.what,
        "sequences": list(&finding.snapshots),
        "snapshot_ids": ids,
    });
    reporter.found("finding", object, &line);
}

/// So many snapshots are named one by one.
const NAMED: u64 = 4;

/// What people call these snapshots: their ids, or the first and the last, and
/// how many of them are in the trash.
pub(super) fn names(set: &NumberSet, called: &Called) -> String {
    let name = |number: RecordNo| {
        let id = called.ids.get(&number).map(ToString::to_string);
        let id = id.unwrap_or_else(|| format!("record {number}"));
        let place = if called.trash.contains(number) { " (in the trash)" } else { "" };
        format!("{id}{place}")
    };
    let all: Vec<RecordNo> = set.iter().collect();
    match all[..] {
        [first, .., last] if set.len() > NAMED => {
            let trash = all.iter().filter(|number| called.trash.contains(**number)).count();
            let trash =
                if trash > 0 { format!(", {trash} of them in the trash") } else { String::new() };
            format!("{} to {}{trash}", name(first), name(last))
        }
        _ => all.into_iter().map(name).collect::<Vec<_>>().join(", "),
    }
}

pub(super) fn list(set: &NumberSet) -> Vec<u64> {
    set.iter().map(|number| number.0).collect()
}

fn tell(
    reporter: &Reporter,
    (name, place): (&str, &str),
    check: &CheckArguments,
    report: &CheckReport,
    sums: &mut Sums,
) -> Exit {
    let result = &report.result;
    for finding in &result.findings {
        tell_finding(reporter, Some(name), finding, &report.called);
    }
    let orphan_bytes: u64 = report.orphans.iter().map(|(_, size)| size).sum();
    let mut lines = vec![summary(name, check, report)];
    if !report.broken.is_empty() {
        lines.push(format!(
            "  broken: {}; `lifeboat repair {name}` says what can be mended",
            names(&report.broken, &report.called)
        ));
    }
    if !report.known.is_empty() {
        let known = report.known.len() as u64;
        lines.push(format!(
            "  {} that an earlier check told, and that no snapshot is hit by, left out",
            several(known, "finding")
        ));
    }
    if !report.orphans.is_empty() {
        lines.push(format!(
            "  {} that no snapshot needs, {}; `lifeboat prune` deletes them",
            several(report.orphans.len() as u64, "object"),
            size(orphan_bytes)
        ));
    }
    sums.snapshots += report.alive.len();
    sums.verified += report.verified.len();
    sums.broken += report.broken.len();
    sums.findings += result.findings.len();
    sums.objects += result.objects_read;
    sums.bytes += result.bytes_read;
    reporter.found("check", object(name, place, report, orphan_bytes), &lines.join("\n"));
    if report.key.is_none() && !report.alive.is_empty() {
        reporter.warn(&format!("{name}: the result could not be stored"));
    }
    if report.is_ok() { Exit::Ok } else { Exit::Damage }
}

fn object(name: &str, place: &str, report: &CheckReport, orphan_bytes: u64) -> Value {
    let orphans: Vec<Value> = report
        .orphans
        .iter()
        .map(|(object, size)| json!({ "object": object, "size": size }))
        .collect();
    json!({
        "database": name,
        "destination": place,
        "snapshots": report.alive.len(),
        "verified": list(&report.verified),
        "broken": list(&report.broken),
        "findings": report.result.findings.len(),
        "known": report.known.len(),
        "objects": report.objects,
        "bytes": report.bytes,
        "objects_read": report.result.objects_read,
        "bytes_read": report.result.bytes_read,
        "complete": report.complete,
        "orphans": orphans,
        "orphan_bytes": orphan_bytes,
        "result": report.key,
    })
}

/// What was done, and never more than that: "verified" only where every byte
/// was read.
fn summary(name: &str, check: &CheckArguments, report: &CheckReport) -> String {
    let snapshots = several(report.alive.len(), "snapshot");
    let read = format!(
        "{} of {} read, {} of {}",
        report.result.objects_read,
        several(report.objects, "object"),
        size(report.result.bytes_read),
        size(report.bytes)
    );
    let found = match report.result.findings.len() {
        0 => "nothing wrong found".to_owned(),
        n => several(n as u64, "finding"),
    };
    let data = matches!(check.depth(), Depth::Data(_));
    if !data {
        return format!(
            "{name}: {snapshots}: records, lists, presence and sizes looked at; {found}. No data \
             was read: --read-data proves it"
        );
    }
    if report.verified.is_empty() {
        let more = if report.complete { "the other parts" } else { "the next check" };
        let rest = if report.is_ok() { format!("; {more} will go on") } else { String::new() };
        return format!("{name}: {snapshots}: {read}; {found}{rest}");
    }
    format!("{name}: {} of {snapshots} verified: {read}; {found}", report.verified.len())
}
