//! One JSON object a line, on standard output.

use lifeboat::doctor::{Finding, Level};
use lifeboat::repository::{Proof, Snapshot};
use serde_json::{Value, json};

use super::restored::add_replacement;
use super::{Backed, Brought, Listed};
use crate::exit::Exit;
use crate::out::outln;
use crate::text::utc;

/// Prints an object of a type.
pub(super) fn line(message_type: &str, fields: Value) {
    outln!("{}", text(message_type, fields));
}

/// An object as the line that is printed.
pub(super) fn text(message_type: &str, mut fields: Value) -> String {
    if let Some(fields) = fields.as_object_mut() {
        fields.insert("message_type".into(), message_type.into());
    }
    fields.to_string()
}

pub(super) fn error(exit: Exit, message: &str, hint: Option<&str>, safe: bool) {
    line(
        "error",
        json!({ "code": exit.code(), "message": message, "hint": hint, "data_is_safe": safe }),
    );
}

/// What the level of a finding is called.
pub(super) fn level(level: Level) -> &'static str {
    match level {
        Level::Ok => "ok",
        Level::Warning => "warning",
        _ => "problem",
    }
}

pub(super) fn diagnosis(finding: &Finding) -> Value {
    json!({
        "level": level(finding.level),
        "about": finding.about,
        "message": finding.text,
        "fix": finding.fix,
    })
}

pub(super) fn backup(done: &Backed<'_>) -> Value {
    let report = done.report;
    let mut object = json!({
        "database": report.name,
        "snapshot_id": report.snapshot_id.as_str(),
        "sequence": report.number.0,
        "destination": done.destination,
        "unchanged": report.unchanged,
        "fallback_reason": done.fallback_reason,
        "unfenced": done.unfenced,
        "pages_total": report.geometry.page_count(),
        "pages_changed": report.pages_changed,
        "bytes_read": report.bytes_read,
        "bytes_sent": report.bytes_sent,
        "objects_written": report.objects_written,
        "requests": done.requests,
        "duration_seconds": done.duration.as_secs_f64(),
        "packs_resumed": report.packs_resumed,
        "vacuumed": report.vacuumed,
        "pages_resent": report.pages_resent,
        "packs_listed": report.packs_listed,
        "packs_dropped": report.packs_dropped,
        "new_base": report.new_base,
        "notices": report.notices.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "damaged_records": report.damaged_records.iter().map(|n| n.0).collect::<Vec<_>>(),
        "damaged_objects": report.damaged_objects,
    });
    if let Some(archive) = &report.archive {
        object["archive"] = archive.as_str().into();
    }
    if let Some(media) = &report.media {
        object["media"] = json!({
            "files": media.files,
            "bytes": media.bytes,
            "copied": media.copied,
            "bytes_copied": media.bytes_copied,
            "missing": media.missing.count,
            "unread": media.unread.count,
            "unusable": media.unusable.count,
        });
    }
    if let Some(lifeboat::Explanation::Objects(objects)) = &report.explanation {
        let rows: Vec<Value> = objects
            .iter()
            .map(|object| json!({ "name": object.name, "table": object.table, "pages": object.pages }))
            .collect();
        object["changed_objects"] = rows.into();
    }
    object
}

/// The summary of several backups: their fields if there is one, else sums.
pub(super) fn sum(done: &[Value], failed: usize, exit: Exit) -> Value {
    let mut object = match done {
        [one] => one.clone(),
        many => {
            let mut object = json!({});
            for field in [
                "pages_total",
                "pages_changed",
                "pages_resent",
                "bytes_read",
                "bytes_sent",
                "objects_written",
                "requests",
            ] {
                let total: u64 = many.iter().filter_map(|one| one[field].as_u64()).sum();
                object[field] = total.into();
            }
            let seconds: f64 = many.iter().filter_map(|one| one["duration_seconds"].as_f64()).sum();
            object["duration_seconds"] = seconds.into();
            object["unchanged"] = many.iter().all(|one| one["unchanged"] == true).into();
            object["unfenced"] = many.iter().any(|one| one["unfenced"] == true).into();
            object
        }
    };
    object["databases"] = (done.len() + failed).into();
    object["failed"] = failed.into();
    object["code"] = exit.code().into();
    object
}

fn snapshot(name: &str, snapshot: &Snapshot, proof: &Proof, destination: &str) -> Value {
    let body = snapshot.body();
    json!({
        "database": name,
        "snapshot_id": snapshot.id().as_str(),
        "sequence": snapshot.number().0,
        "generation": body.generation,
        "taken_at": utc(body.taken_at),
        "size": u64::from(body.page_size) * u64::from(body.page_count),
        "bytes_added": body.statistics.bytes_sent,
        "pages_changed": body.statistics.pages_changed,
        "trigger": body.trigger,
        "tags": body.tags,
        "description": body.description,
        "kept_because": [],
        "pinned": snapshot.is_pinned(),
        "verified_at": proof.verified_at.map(utc),
        "drilled_at": proof.drilled_at.map(utc),
        "drill_failed_at": proof.failed_drill.as_ref().map(|drill| utc(drill.at)),
        "drill_failure": proof.failed_drill.as_ref().map(|drill| &drill.what),
        "damage": proof.damage,
        "origin": body.origin,
        "media_files": snapshot.attachments().map(|media| media.files),
        "media_bytes": snapshot.attachments().map(|media| media.bytes),
        "destination": destination,
    })
}

pub(super) fn snapshots(all: &[Listed], destination: &str, exit: Exit) {
    let mut total = 0;
    let found = |name: &str, place: &str, number: u64, message: &str| {
        let object = json!({
            "database": name, "sequence": number, "message": message, "destination": place,
        });
        line("finding", object);
    };
    for Listed { name, merged, kept_because } in all {
        for one in &merged.snapshots {
            let first = one.places.first().map_or(destination, String::as_str);
            let mut object = snapshot(name, &one.snapshot, &one.proof, first);
            object["destinations"] = one.places.as_slice().into();
            object["fork"] = merged.is_fork(one).into();
            object["kept_because"] =
                kept_because.get(one.snapshot.id().as_str()).cloned().unwrap_or_default().into();
            line("snapshot", object);
            total += 1;
        }
        for (place, number, error) in &merged.broken {
            found(name, place, number.0, &super::people::causes(error));
        }
        for (place, number) in &merged.burnt {
            found(name, place, number.0, "the newest record is damaged");
        }
    }
    line(
        "summary",
        json!({
            "databases": all.len(),
            "snapshots": total,
            "destination": destination,
            "code": exit.code(),
        }),
    );
}

pub(super) fn restore(done: &Brought<'_>) -> Value {
    let body = &done.report.body;
    let mut object = json!({
        "database": done.name,
        "snapshot_id": done.report.snapshot_id.as_str(),
        "sequence": done.report.number.0,
        "taken_at": utc(body.taken_at),
        "destination": done.destination,
        "target": done.target.to_string_lossy(),
        "size": u64::from(body.page_size) * u64::from(body.page_count),
        "image_digest": body.image_digest,
        "bytes_fetched": done.report.bytes_fetched,
        "bytes_kept": done.report.bytes_kept,
        "resumed": done.report.resumed,
        "checked": done.report.checked,
        "requests": done.requests,
        "duration_seconds": done.duration.as_secs_f64(),
    });
    add_replacement(&mut object, done.report.replaced.as_ref());
    object
}
