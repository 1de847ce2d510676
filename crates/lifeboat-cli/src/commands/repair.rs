//! `lifeboat repair`: says what can be mended, and with `--apply` mends it.

use std::path::PathBuf;

use lifeboat::format::check::Finding;
use lifeboat::format::numbers::RecordNo;
use lifeboat::repository::{CollectOptions, MendedPack, RepairReport, Selector};
use lifeboat::{Destination, Error};
use serde_json::{Value, json};

use super::check::{list, names, tell_finding};
use crate::arguments::{Arguments, RepairArguments};
use crate::exit::Exit;
use crate::report::Reporter;
use crate::text::{several, size};
use lifeboat::hint::About;

pub(crate) async fn run(
    arguments: &Arguments,
    repair: &RepairArguments,
    reporter: &Reporter,
) -> Exit {
    let opened = super::each_place(arguments, repair.name.as_deref(), repair.apply).await;
    let (destinations, reopened, names) = match opened {
        Ok(opened) => opened,
        Err(error) => return reporter.error("", &error, About::Reading),
    };
    super::tell_healed(reporter, "", &reopened);
    let (mut exits, mut damaged, mut mended) = (Vec::new(), 0, 0);
    exits.extend(reopened.troubles.iter().map(|cause| Exit::of(cause.error.kind())));
    for destination in &destinations {
        for name in &names {
            if destinations.len() > 1 && !super::announce(reporter, destination, name).await {
                continue;
            }
            let options = arguments.setup().collecting(name);
            match one(destination, name, repair, options, reporter).await {
                Ok(report) => {
                    damaged += report.broken.len();
                    mended += report.mended.len();
                    exits.push(tell(reporter, (name, destination.shown()), &report));
                }
                Err(error) => exits.push(reporter.error(name, &error, About::Reading)),
            }
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
    options: CollectOptions,
    reporter: &Reporter,
) -> Result<RepairReport, Error> {
    let live = match &repair.database {
        Some(path) => Some(path.clone()),
        None => origin(destination, name).await,
    };
    match &live {
        Some(path) => reporter.say(&format!("{name}: with the live database {}", path.display())),
        None => reporter.say(&format!(
            "{name}: without the live database, which is not where its snapshots say, as far as \
             they can be read (--database names it)"
        )),
    }
    let report = destination.repair(name, live.as_deref(), repair.apply, options).await?;
    if report.whole.is_empty() && report.findings.is_empty() {
        super::must_be_there(destination, name).await?;
    }
    Ok(report)
}

/// The database itself, if it still is where it was backed up.
async fn origin(destination: &Destination, name: &str) -> Option<PathBuf> {
    let origin = match destination.resolve(name, &Selector::Latest(0)).await {
        Ok(latest) => latest.body().origin.clone(),
        // Any snapshot that can be read says where it was.
        Err(_) => destination.snapshots(name).await.ok()?.snapshots.pop()?.body().origin.clone(),
    };
    let path = PathBuf::from(origin);
    path.is_file().then_some(path)
}

fn tell(reporter: &Reporter, (name, place): (&str, &str), report: &RepairReport) -> Exit {
    for finding in &report.findings {
        tell_finding(reporter, Some(name), finding, &report.called);
    }
    let mut lines: Vec<String> = Vec::new();
    let told = ["packs/", "lists/", "archives/"];
    let other = |key: &&String| !told.iter().any(|folder| key.starts_with(folder));
    let back = report.back.healed.iter().filter(other);
    lines.extend(back.map(|key| format!("  {key}: put back")));
    for (id, number) in &report.back.moved {
        lines.push(format!("  {id}: written again, as record {}", number.0));
    }
    for number in &report.back.given_up {
        lines.push(format!("  record {} is given up", number.0));
    }
    for list in report.objects.iter().filter(|list| list.hindrance.is_none()) {
        let how = if report.applied {
            "made anew, byte for byte"
        } else if list.object.starts_with("lists/") {
            "can be made anew; the packs that it names are read then"
        } else {
            "can be made anew, byte for byte"
        };
        lines.push(format!("  {}: {how}", list.object));
    }
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
            false => format!("  whole: {}", names(&report.whole, &report.called)),
        });
    }
    if !report.collected.deleted.is_empty() {
        lines.push(format!(
            "  {} that no snapshot needs {does}, {}",
            several(report.collected.deleted.len() as u64, "object"),
            size(report.collected.bytes_freed)
        ));
    }
    let can = |object: &str| {
        report.objects.iter().any(|list| list.object == object && list.hindrance.is_none())
    };
    let others = report
        .left
        .iter()
        .filter(|finding| !finding.object.starts_with("packs/") && !can(&finding.object));
    lines.extend(others.map(|finding| cannot(name, finding, report)));
    let something = !report.packs.is_empty()
        || report.objects.iter().any(|list| list.hindrance.is_none())
        || !report.collected.deleted.is_empty();
    if !report.applied && something {
        lines.push("  nothing was changed: --apply does it".to_owned());
    }
    let mut object = object(name, report);
    object["destination"] = place.into();
    reporter.found("repair", object, &lines.join("\n"));
    // What would be mended is not mended.
    let undone = !report.applied && !report.findings.is_empty();
    if undone || !report.is_mended() { Exit::Damage } else { Exit::Ok }
}

/// Why something that is no pack cannot be mended, and what to do about it.
fn cannot(name: &str, finding: &Finding, report: &RepairReport) -> String {
    let object = &finding.object;
    let (folder, rest) = object.split_once('/').unwrap_or((object.as_str(), ""));
    let is_whole = |number: RecordNo| report.called.ids.contains_key(&number);
    let why = match folder {
        "records" if finding.snapshots.iter().any(is_whole) => {
            "pages of this snapshot are lost; forget it, or restore what is left with --salvage"
                .to_owned()
        }
        "records" if rest.is_empty() => format!(
            "what is there is not what was seen there before; where that is meant, `lifeboat check \
             {name} --expect N` accepts record N as the newest"
        ),
        "records" => format!(
            "nothing else holds what a record says; `lifeboat forget {name} {}` takes its snapshot \
             out, if it is one",
            rest.trim_start_matches('0')
        ),
        "lists" => {
            let list = report.objects.iter().find(|list| list.object == *object);
            let why = list.and_then(|list| list.hindrance).unwrap_or("nothing else holds it");
            format!("{why}; the next backup does without it")
        }
        "archives" => {
            let archive = report.objects.iter().find(|one| one.object == *object);
            let why = archive.and_then(|one| one.hindrance).unwrap_or("nothing else holds it");
            format!("{why}; the next one is whole")
        }
        "checks" => "a result proves nothing any more; check again, and nothing is lost".to_owned(),
        "repairs" => "the next repair of that pack is a new object".to_owned(),
        "keys" => "the key slot opens nothing any more; add the key or passphrase anew".to_owned(),
        _ => "nothing else holds it".to_owned(),
    };
    format!("  {object} cannot be mended: {why}")
}

fn pack_line(pack: &MendedPack, applied: bool) -> String {
    if let Some(hindrance) = pack.hindrance {
        return format!("  {} cannot be mended: {hindrance}", pack.object);
    }
    if pack.is_put_back() {
        let how = if applied { "put back" } else { "can be put back" };
        return format!("  {}: {how}, byte for byte", pack.object);
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
    let objects: Vec<Value> = report
        .objects
        .iter()
        .map(|list| json!({ "object": list.object, "hindrance": list.hindrance }))
        .collect();
    json!({
        "database": name,
        "findings": report.findings.len(),
        "objects": objects,
        "packs": packs,
        "broken": list(&report.broken),
        "mended": list(&report.mended),
        "whole": list(&report.whole),
        "left": report.left.len(),
        "put_back": report.back.healed,
        "written_again": report.back.moved.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(),
        "given_up": report.back.given_up.iter().map(|number| number.0).collect::<Vec<_>>(),
        "deleted": report.collected.deleted,
        "bytes_freed": report.collected.bytes_freed,
        "applied": report.applied,
        "result": report.key,
    })
}
