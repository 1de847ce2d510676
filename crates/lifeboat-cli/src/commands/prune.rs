//! `lifeboat prune`: what was in the trash long enough goes, and what no
//! snapshot needs.

use lifeboat::Missing;
use lifeboat::repository::CollectReport;
use serde_json::json;

use crate::arguments::{Arguments, PruneArguments};
use crate::exit::Exit;
use crate::report::Reporter;
use crate::text::{several, size};
use lifeboat::hint::About;

pub(crate) async fn run(
    arguments: &Arguments,
    prune: &PruneArguments,
    reporter: &Reporter,
) -> Exit {
    let opened = async {
        let destination = super::open(arguments, Missing::Refuse).await?;
        let names = super::names(arguments, &destination, prune.name.as_deref()).await?;
        Ok((destination, names))
    };
    let (destination, names) = match opened.await {
        Ok(opened) => opened,
        Err(error) => return reporter.error("", &error, About::Reading),
    };
    let (mut exits, mut bytes, mut objects, mut dropped) = (Vec::new(), 0, 0, 0);
    for name in &names {
        let mut options = arguments.setup().collecting(name);
        options = options.with_times(prune.trash.unwrap_or(options.trash), options.grace);
        let done = async {
            let database = destination.database(name)?;
            let report = if prune.dry_run {
                database.would_collect(options).await?
            } else {
                database.collect(options).await?
            };
            if report == CollectReport::default() {
                super::must_be_there(&destination, name).await?;
            }
            Ok(report)
        };
        match done.await {
            Ok(report) => {
                bytes += report.bytes_freed;
                objects += report.deleted.len();
                dropped += report.dropped.len();
                exits.push(tell(reporter, name, &report, prune.dry_run));
            }
            Err(error) => exits.push(reporter.error(name, &error, About::Reading)),
        }
    }
    let exit = Exit::of_all(&exits);
    let object = json!({
        "databases": names.len(),
        "dropped": dropped,
        "deleted": objects,
        "bytes_freed": bytes,
        "dry_run": prune.dry_run,
        "code": exit.code(),
    });
    reporter.told(object, &[]);
    exit
}

fn tell(reporter: &Reporter, name: &str, report: &CollectReport, dry_run: bool) -> Exit {
    let would = if dry_run { "would drop" } else { "dropped" };
    let line = format!(
        "{name}: {would} {} from the trash; {} {}, {}; {} left in the trash",
        several(report.dropped.len() as u64, "snapshot"),
        several(report.deleted.len() as u64, "object"),
        if dry_run { "would go" } else { "deleted" },
        size(report.bytes_freed),
        several(report.left_in_trash, "snapshot"),
    );
    let dropped: Vec<u64> = report.dropped.iter().map(|number| number.0).collect();
    let object = json!({
        "database": name,
        "dropped": dropped,
        "deleted": report.deleted,
        "bytes_freed": report.bytes_freed,
        "left_in_trash": report.left_in_trash,
        "dry_run": dry_run,
    });
    reporter.found("collection", object, &line);
    if report.stopped_by_damage {
        reporter.warn(&format!(
            "{name}: the newest record is damaged, and nobody knows what it says; nothing is \
             deleted before the next backup"
        ));
        return Exit::Damage;
    }
    Exit::Ok
}
