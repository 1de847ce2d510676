//! `lifeboat repair`: says what can be mended, and with `--apply` mends it.

use std::path::{Path, PathBuf};

use lifeboat::repository::{CollectOptions, MendedPack, RepairReport, Selector};
use lifeboat::{Destination, Error, Missing};
use serde_json::{Value, json};

use super::check::{list, numbers, tell_finding};
use crate::arguments::{Arguments, RepairArguments};
use crate::exit::Exit;
use crate::hint::About;
use crate::report::Reporter;
use crate::text::{several, size};

pub(crate) async fn run(
    arguments: &Arguments,
    repair: &RepairArguments,
    reporter: &Reporter,
) -> Exit {
    let opened = async {
        let destination = super::open(arguments, Missing::Refuse).await?;
        let names = super::names(arguments, &destination, repair.name.as_deref()).await?;
        Ok((destination, names))
    };
    let (destination, names) = match opened.await {
        Ok(opened) => opened,
        Err(error) => return reporter.error("", &error, About::Reading),
    };
    let (mut exits, mut damaged, mut mended) = (Vec::new(), 0, 0);
    for name in &names {
        match one(&destination, name, repair, reporter).await {
            Ok(report) => {
                damaged += report.broken.len();
                mended += report.mended.len();
                exits.push(tell(reporter, name, &report));
            }
            Err(error) => exits.push(reporter.error(name, &error, About::Reading)),
        }
    }
    let exit = Exit::of_all(&exits);
    let summary = json!({
        "databases": names.len(),
        "broken": damaged,
        "mended": mended,
        "applied": repair.apply,
        "code": exit.code(),
    });
    reporter.told(summary, &[]);
    exit
}

async fn one(
    destination: &Destination,
    name: &str,
    repair: &RepairArguments,
    reporter: &Reporter,
) -> Result<RepairReport, Error> {
    let live = match &repair.database {
        Some(path) => Some(path.clone()),
        None => origin(destination, name).await,
    };
    match &live {
        Some(path) => reporter.say(&format!("{name}: with the live database {}", path.display())),
        None => reporter.say(&format!(
            "{name}: without the live database, which is not at the path it was backed up from \
             (--database names it)"
        )),
    }
    destination.repair(name, live.as_deref(), repair.apply, CollectOptions::default()).await
}

/// The database itself, if it still is where it was backed up.
async fn origin(destination: &Destination, name: &str) -> Option<PathBuf> {
    let latest = destination.resolve(name, &Selector::Latest(0)).await.ok()?;
    let path = Path::new(&latest.body().origin);
    path.is_file().then(|| path.to_owned())
}

fn tell(reporter: &Reporter, name: &str, report: &RepairReport) -> Exit {
    for finding in &report.findings {
        tell_finding(reporter, Some(name), finding);
    }
    let mut lines = Vec::new();
    for pack in &report.packs {
        lines.push(pack_line(pack, report.applied));
    }
    let (did, does) = if report.applied {
        ("mended", "deleted")
    } else {
        ("would be mended", "would be deleted")
    };
    if report.broken.is_empty() {
        lines.push(format!("{name}: no snapshot is broken"));
    } else {
        lines.push(format!(
            "{name}: {} of {} {did}",
            report.mended.len(),
            several(report.broken.len(), "broken snapshot"),
        ));
        lines.push(match report.whole.is_empty() {
            true => "  no snapshot is whole; the next backup will be".to_owned(),
            false => format!("  whole: {}", numbers(&report.whole)),
        });
    }
    if !report.collected.deleted.is_empty() {
        lines.push(format!(
            "  {} that no snapshot needs {does}, {}",
            several(report.collected.deleted.len() as u64, "object"),
            size(report.collected.bytes_freed)
        ));
    }
    let others = report.left.iter().filter(|finding| !finding.object.starts_with("packs/"));
    for finding in others {
        lines.push(format!("  {} cannot be mended: nothing else holds it", finding.object));
    }
    let something = !report.packs.is_empty() || !report.collected.deleted.is_empty();
    if !report.applied && something {
        lines.push("  nothing was changed: --apply does it".to_owned());
    }
    reporter.found("repair", object(name, report), &lines.join("\n"));
    // What would be mended is not mended.
    let undone = !report.applied && !report.findings.is_empty();
    if undone || !report.is_mended() { Exit::Damage } else { Exit::Ok }
}

fn pack_line(pack: &MendedPack, applied: bool) -> String {
    if let Some(hindrance) = pack.hindrance {
        return format!("  {} cannot be mended: {hindrance}", pack.object);
    }
    let lost = match pack.lost() {
        0 => "nothing is lost".to_owned(),
        n => format!("{} lost", several(n, "block")),
    };
    format!(
        "  {}: {} of {} from packs, {} from the live database, {lost}; {}",
        pack.object,
        pack.from_packs,
        several(pack.blocks, "block"),
        pack.from_database,
        if applied { "made anew" } else { "can be made anew" }
    )
}

fn object(name: &str, report: &RepairReport) -> Value {
    let packs: Vec<Value> = report
        .packs
        .iter()
        .map(|pack| {
            json!({
                "object": pack.object,
                "blocks": pack.blocks,
                "from_packs": pack.from_packs,
                "from_database": pack.from_database,
                "lost": pack.lost(),
                "healed": pack.healed,
                "hindrance": pack.hindrance,
            })
        })
        .collect();
    json!({
        "database": name,
        "findings": report.findings.len(),
        "packs": packs,
        "broken": list(&report.broken),
        "mended": list(&report.mended),
        "whole": list(&report.whole),
        "left": report.left.len(),
        "deleted": report.collected.deleted,
        "bytes_freed": report.collected.bytes_freed,
        "applied": report.applied,
        "result": report.key,
    })
}
