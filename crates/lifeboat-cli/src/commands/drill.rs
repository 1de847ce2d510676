//! `lifeboat drill`: a restore to scratch, and the tests that it must stand.

use std::io::Write;
use std::path::Path;

use lifeboat::repository::{Selector, Snapshot};
use lifeboat::{Destination, DrillReport, DrillSettings, Error, ReadAs, Whole};
use serde_json::{Value, json};

use super::restore::named;
use crate::arguments::{Arguments, DrillArguments, Refusal};
use crate::exit::Exit;
use crate::progress;
use crate::report::Reporter;
use crate::text::{several, utc};
use lifeboat::hint::About;

pub(crate) async fn run(
    arguments: &Arguments,
    drill: &DrillArguments,
    reporter: &Reporter,
) -> Exit {
    let selector = match named(drill.snapshot.as_deref()) {
        Ok(selector) => selector,
        Err(refusal) => {
            reporter.refuse(&refusal);
            return refusal.exit;
        }
    };
    let opened = async {
        let names = super::names_anywhere(arguments, drill.name.as_deref()).await?;
        // Made before anything is restored: a receipt that cannot be written
        // is known at once.
        let receipt = drill.receipt.as_deref().map(create).transpose()?;
        Ok((names, receipt))
    };
    let (names, mut receipt) = match opened.await {
        Ok(opened) => opened,
        Err(error) => return reporter.error("", &error, About::Reading),
    };
    let (mut exits, mut receipts) = (Vec::new(), Vec::new());
    for name in &names {
        let assertions = match arguments.setup().assertions(name) {
            Ok(configured) => configured.into_iter().chain(drill.assertions.clone()).collect(),
            Err(error) => {
                let refusal = Refusal::from(error);
                reporter.refuse(&refusal);
                exits.push(refusal.exit);
                continue;
            }
        };
        match one(arguments, name, &selector, assertions, reporter).await {
            Ok(Whole { report, destination, failed, .. }) => {
                let object = object(name, destination.shown(), &report);
                tell(reporter, name, &report, &object);
                receipts.push(object);
                exits.push(if report.drill.passed() { Exit::Ok } else { Exit::Damage });
                // It restores, and still not from everywhere.
                super::tell_detours(reporter, &failed, &[]);
                exits.extend(failed.iter().map(|cause| Exit::of(cause.error.kind())));
            }
            Err(error) => exits.push(reporter.error(name, &error, About::Reading)),
        }
    }
    if let (Some(file), Some(path)) = (&mut receipt, &drill.receipt) {
        let text = serde_json::to_string_pretty(&receipts).expect("JSON serialises");
        let written = writeln!(file, "{text}").and_then(|()| file.sync_all());
        if let Err(source) = written {
            let error = Error::Path { path: path.clone(), source };
            exits.push(reporter.error("", &error, About::Reading));
        }
    }
    let exit = Exit::of_all(&exits);
    let passed = exits.iter().filter(|exit| **exit == Exit::Ok).count();
    let summary = json!({ "databases": names.len(), "passed": passed, "code": exit.code() });
    reporter.told(summary, &[]);
    exit
}

fn create(path: &Path) -> Result<std::fs::File, Error> {
    let io = |source| Error::Path { path: path.to_owned(), source };
    std::fs::File::create_new(path).map_err(io)
}

async fn one(
    arguments: &Arguments,
    name: &str,
    selector: &Selector,
    assertions: Vec<String>,
    reporter: &Reporter,
) -> Result<Whole<DrillReport>, Error> {
    let mut settings = DrillSettings::default();
    settings.assertions = assertions;
    settings.progress = progress::show(reporter.progress(), name);
    let announce = |snapshot: &Snapshot| {
        reporter.say(&format!("{name}: drilling {}", snapshot.id()));
    };
    let (with, announce) = (&settings, &announce);
    // Each destination by itself: what is proven is what lies there.
    let job = |destination: Destination, selector: Selector| async move {
        destination.drill(name, &selector, with, announce).await
    };
    let how = (ReadAs::Alone, false);
    super::at_first_whole(arguments, name, selector, how, job).await
}

/// The receipt: what, when, digest, duration, and what was tested.
fn object(name: &str, destination: &str, report: &DrillReport) -> Value {
    let drill = &report.drill;
    let assertions: Vec<Value> = drill
        .assertions
        .iter()
        .map(|one| json!({ "sql": one.sql, "holds": one.holds, "returned": one.returned }))
        .collect();
    json!({
        "database": name,
        "destination": destination,
        "repository": report.result.repository,
        "snapshot_id": drill.snapshot_id.as_str(),
        "sequence": drill.snapshot.0,
        "taken_at": utc(drill.taken_at),
        "image_digest": drill.image_digest,
        "size": drill.size,
        "started_at": utc(report.result.started_at),
        "finished_at": utc(report.result.finished_at),
        "restore_seconds": drill.restore_ms as f64 / 1000.0,
        "duration_seconds": drill.duration_ms as f64 / 1000.0,
        "bytes_fetched": report.bytes_fetched,
        "by": report.result.by,
        "passed": drill.passed(),
        "integrity": drill.integrity,
        "foreign_keys": drill.foreign_keys,
        "assertions": assertions,
        "result": report.key,
    })
}

/// Says what a drill showed that nobody asked for.
pub(crate) fn unattended(reporter: &Reporter, name: &str, place: &str, report: &DrillReport) {
    tell(reporter, name, report, &object(name, place, report));
}

fn tell(reporter: &Reporter, name: &str, report: &DrillReport, object: &Value) {
    let drill = &report.drill;
    let mut lines = Vec::new();
    let faults = drill.integrity.iter().chain(&drill.foreign_keys);
    lines.extend(faults.map(|fault| format!("  FOUND {fault}")));
    for assertion in drill.assertions.iter().filter(|assertion| !assertion.holds) {
        let returned = assertion.returned.as_deref().unwrap_or("something else");
        lines.push(format!("  FAILED {} returned {returned}, not 1", assertion.sql));
    }
    let held = drill.assertions.iter().filter(|assertion| assertion.holds).count() as u64;
    let verdict = if drill.passed() { "passed" } else { "FAILED" };
    lines.insert(
        0,
        format!(
            "{name}: drill of {} {verdict} ({:.2} s): restored and proven, integrity_check, \
             foreign_key_check, {}",
            drill.snapshot_id,
            drill.duration_ms as f64 / 1000.0,
            match drill.assertions.len() as u64 {
                0 => "no assertions".to_owned(),
                all => format!("{held} of {}", several(all, "assertion")),
            }
        ),
    );
    reporter.found("drill", object.clone(), &lines.join("\n"));
    if report.key.is_none() {
        reporter.warn(&format!("{name}: the result could not be stored"));
    }
}
