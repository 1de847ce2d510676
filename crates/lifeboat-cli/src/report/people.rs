//! Tables and prose on standard output, errors on standard error.

use std::error::Error;
use std::fmt::Write;

use lifeboat::doctor::Finding;
use lifeboat::format::record::Trigger;
use lifeboat::repository::{MomentPlan, Snapshot};
use lifeboat::{Everywhere, Explanation, Merged};
use time::OffsetDateTime;

use super::{Backed, Brought, Listed};
use crate::out::{errln, outln};
use crate::text::{age, colours_on_stderr, count, local_time, several, shown, size};

/// "failed to … app.db: …: …", down to the last cause.
pub(super) fn chain(doing: &str, error: &lifeboat::Error) -> String {
    let doing = if doing.is_empty() { String::new() } else { format!("{doing}: ") };
    format!("{doing}failed to {}", causes(error))
}

/// An error and its causes. A cause that only repeats its effect is left out.
pub(crate) fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let words = cause.to_string();
        if !text.ends_with(&words) {
            let _ = write!(text, ": {words}");
        }
        next = cause.source();
    }
    text
}

fn label(word: &str, colour: u8) -> String {
    if colours_on_stderr() { format!("\x1b[1;{colour}m{word}\x1b[0m") } else { word.to_owned() }
}

pub(super) fn error(message: &str, hint: Option<&str>, safety: &str) {
    errln!("{} {message}", label("error:", 31));
    if let Some(hint) = hint {
        errln!(" {} {hint}", label("HINT:", 36));
    }
    errln!(" {safety}");
}

pub(super) fn refusal(message: &str, hint: &str) {
    error(message, Some(hint), "Nothing was read or written.");
}

pub(super) fn warn(text: &str) {
    errln!("{} {text}", label("warning:", 33));
}

pub(super) fn diagnosis(finding: &Finding) {
    let level = super::json::level(finding.level);
    outln!("{level:<8} {}: {}", finding.about, finding.text);
    if let Some(fix) = &finding.fix {
        outln!("         {fix}");
    }
}

pub(super) fn backup(done: &Backed<'_>) {
    let report = done.report;
    let (name, id) = (&report.name, &report.snapshot_id);
    let seconds = done.duration.as_secs_f64();
    if report.unchanged {
        let how = if report.bytes_read == 0 {
            "recognised without reading a page"
        } else {
            "read and compared"
        };
        outln!("{name}: unchanged since {id} ({how}); nothing sent");
        return;
    }
    outln!("{name}: snapshot {id} in {} ({seconds:.2} s)", done.destination);
    let total = u64::from(report.geometry.page_count());
    let what = if report.parent.is_none() {
        format!("all of {} ({})", several(total, "page"), size(report.geometry.file_size()))
    } else {
        format!("{} of {} changed", count(report.pages_changed), several(total, "page"))
    };
    outln!(
        "  {what}, {} sent in {}",
        size(report.bytes_sent),
        several(report.objects_written, "object")
    );
    if let Some(archive) = &report.archive {
        outln!("  as one file, archives/{archive}");
    }
    if report.packs_resumed > 0 {
        outln!(
            "  went on where an interrupted run had stopped: {} there already",
            several(report.packs_resumed, "pack")
        );
    }
    if report.pages_resent > 0 {
        outln!(
            "  with {} sent again, so that {} could be dropped",
            several(report.pages_resent, "unchanged page"),
            several(report.packs_dropped, "pack")
        );
    }
    if report.new_base && !report.vacuumed {
        outln!("  nearly everything changed: this snapshot needs no pack of the one before");
    }
    if report.vacuumed {
        outln!("  the database was vacuumed: most pages moved, and were sent again");
    }
    match &report.explanation {
        Some(Explanation::Objects(objects)) => {
            outln!("  changed pages:");
            for object in objects {
                let table = if object.table.is_empty() || object.table == object.name {
                    String::new()
                } else {
                    format!(" (of {})", object.table)
                };
                outln!("  {:>12}  {}{table}", count(object.pages), object.name);
            }
        }
        Some(Explanation::Unavailable(why)) => {
            outln!("  which tables changed is not known: failed to {why}")
        }
        Some(_) | None => {}
    }
}

pub(super) fn snapshots(all: &[Listed], destination: &str) {
    let now = OffsetDateTime::now_utc();
    if all.iter().all(|one| one.merged.snapshots.is_empty()) {
        outln!("no snapshots in {destination} yet");
    }
    for (at, Listed { name, merged, .. }) in all.iter().enumerate() {
        if at > 0 {
            outln!();
        }
        if let Some(last) = merged.snapshots.last() {
            outln!("{name}  {}", last.snapshot.body().origin);
            outln!("{}", table(merged, now).trim_end());
        }
        // Which of several destinations, where there are several.
        let at =
            |place: &str| if place == destination { "".into() } else { format!(" at {place}") };
        for (place, number, error) in &merged.broken {
            let (place, causes) = (at(place), causes(error));
            warn(&format!("{name}: snapshot {number}{place} is damaged: failed to {causes}"));
        }
        for (place, number) in &merged.burnt {
            let place = at(place);
            warn(&format!(
                "{name}: record {number}{place}, after the last that can be read, is damaged"
            ));
        }
    }
}

fn table(merged: &Merged, now: OffsetDateTime) -> String {
    let ago = |at: Option<OffsetDateTime>| at.map_or("never".to_owned(), |at| age(at, now));
    let mut rows = vec![
        ["SNAPSHOT", "TAKEN", "AGE", "SIZE", "ADDED", "VERIFIED", "DRILLED", "WHERE", "NOTES"]
            .map(str::to_owned),
    ];
    for one in &merged.snapshots {
        let Everywhere { snapshot, proof, places, .. } = one;
        let body = snapshot.body();
        rows.push([
            snapshot.id().to_string(),
            local_time(body.taken_at),
            age(body.taken_at, now),
            size(u64::from(body.page_size) * u64::from(body.page_count)),
            size(body.statistics.bytes_sent),
            if proof.damage.is_some() { "DAMAGED".to_owned() } else { ago(proof.verified_at) },
            if proof.failed_drill.is_some() { "FAILED".to_owned() } else { ago(proof.drilled_at) },
            places.join(", "),
            notes(snapshot, merged.is_fork(one)),
        ]);
    }
    let mut widths = [0; 9];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in &rows {
        let mut line = String::from(" ");
        for (at, (cell, width)) in row.iter().zip(widths).enumerate() {
            // Sizes stand below each other by their last digit.
            let _ = match at {
                3 | 4 => write!(line, " {cell:>width$} "),
                _ => write!(line, " {cell:<width$} "),
            };
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn notes(snapshot: &Snapshot, is_fork: bool) -> String {
    let body = snapshot.body();
    let mut notes: Vec<String> = body.tags.iter().map(|(k, v)| format!("{k}={v}")).collect();
    if snapshot.is_pinned() {
        notes.insert(0, "pinned".to_owned());
    }
    if is_fork {
        notes.push("made apart from another of its generation".to_owned());
    }
    if body.trigger == Trigger::Safety {
        notes.push("before a restore in place".to_owned());
    }
    notes.extend(body.description.clone());
    shown(&notes.join(", "))
}

pub(super) fn will_restore(name: &str, snapshot: &Snapshot) {
    let body = snapshot.body();
    outln!(
        "{name}: restoring {}, record {}, taken {} ({}), {}",
        snapshot.id(),
        snapshot.number(),
        local_time(body.taken_at),
        age(body.taken_at, OffsetDateTime::now_utc()),
        size(u64::from(body.page_size) * u64::from(body.page_count)),
    );
}

pub(super) fn will_restore_moment(name: &str, moment: &MomentPlan) {
    outln!("{name}: restoring {}", of_moment(moment));
}

/// A state between snapshots, and what it is put together from.
pub(super) fn of_moment(moment: &MomentPlan) -> String {
    let base = &moment.base;
    let seen = moment.seen_at.map_or_else(String::new, |seen_at| {
        let age = age(seen_at, OffsetDateTime::now_utc());
        format!(", seen {} ({age})", local_time(seen_at))
    });
    format!(
        "the state after commit {}{seen}, {}: snapshot {}, record {}, and {} of the log",
        count(moment.commit.0),
        size(moment.geometry.file_size()),
        base.id(),
        base.number(),
        several(moment.commits(), "commit"),
    )
}

pub(super) fn restored(done: &Brought<'_>) {
    let report = done.report;
    if let Some(moment) = &report.moment {
        outln!(
            "{}: {} restored to {}: the state after commit {}, {} applied, all proven ({:.2} s){}",
            done.name,
            several(u64::from(moment.geometry.page_count()), "page"),
            done.target.display(),
            count(moment.commit.0),
            several(moment.commits, "commit"),
            done.duration.as_secs_f64(),
            if report.checked { "; SQLite's own checks found nothing wrong" } else { "" },
        );
        return;
    }
    outln!(
        "{}: {} restored to {} and proven against the snapshot{} ({:.2} s){}",
        done.name,
        several(u64::from(report.body.page_count), "page"),
        done.target.display(),
        super::restored::kept(done.report.bytes_kept, done.report.resumed),
        done.duration.as_secs_f64(),
        if done.report.checked { "; SQLite's own checks found nothing wrong" } else { "" },
    );
}
