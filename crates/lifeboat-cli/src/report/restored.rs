//! Restores in place, of all, planned, and of what is damaged: for people and
//! for programs.

use std::path::Path;

use lifeboat::hint::shell_word;
use lifeboat::snapshot::{LostPages, Replaced, Way};
use lifeboat::{OneOfAll, Outcome, PlannedRestore, Safety};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::people::{causes, chain, of_moment, warn};
use super::{AllBrought, BroughtInPlace, Reporter, Saved, Undone, json};
use crate::exit::Exit;
use crate::out::outln;
use crate::text::{age, count, local_time, several, size, utc};

/// How many pages of one table are named in a line.
const NAMED: usize = 12;

impl Reporter {
    /// A database was restored in place. The last line says how to undo it.
    pub(crate) fn restored_in_place(&self, done: &BroughtInPlace<'_>) {
        self.warn_of(&done.report.replaced);
        if let Safety::Failed(error) = &done.report.safety {
            self.warn(&format!(
                "{}: no snapshot of what was there before: {}; it was set aside whole",
                done.name,
                chain("", error)
            ));
        }
        if self.json {
            json::line("summary", in_place(done));
            return;
        }
        let report = done.report;
        match &report.safety {
            Safety::Taken(safety) if safety.unchanged => self
                .say(&format!("{}: what was there is snapshot {}", done.name, safety.snapshot_id)),
            Safety::Taken(safety) => self.say(&format!(
                "{}: what was there is snapshot {} now",
                done.name, safety.snapshot_id
            )),
            Safety::NotADatabase => self.say(&format!(
                "{}: what was there is no SQLite database; it was set aside whole",
                done.name
            )),
            _ => {}
        }
        let body = &report.restored.body;
        let kept = kept(report.restored.bytes_kept, report.restored.resumed);
        self.say(&format!(
            "{}: {} restored to {} and proven against the snapshot{kept} ({:.2} s){}",
            done.name,
            several(u64::from(body.page_count), "page"),
            report.target.display(),
            done.duration.as_secs_f64(),
            if report.restored.checked { "; SQLite's own checks found nothing wrong" } else { "" },
        ));
        self.say_replaced(&report.replaced);
    }

    /// What a restore set aside was brought back.
    pub(crate) fn undone(&self, done: &Undone<'_>) {
        self.warn_of(done.replaced);
        if self.json {
            let mut object = json!({
                "brought_back": done.aside.to_string_lossy(),
                "target": done.target.to_string_lossy(),
                "duration_seconds": done.duration.as_secs_f64(),
            });
            add_replaced(&mut object, done.replaced);
            json::line("summary", object);
            return;
        }
        self.say(&format!(
            "{} is again what was set aside as {} ({:.2} s)",
            done.target.display(),
            done.aside.display(),
            done.duration.as_secs_f64()
        ));
        self.say_replaced(done.replaced);
    }

    fn warn_of(&self, replaced: &Replaced) {
        if replaced.wal_is_full {
            self.warn(
                "a reader holds the WAL: it has the size of the whole database until the \
                 application's next checkpoint",
            );
        }
        if replaced.straggler {
            self.warn(
                "somebody opened the old database at the last moment and still has it open: \
                 restart that program before it writes",
            );
        }
    }

    /// Where the old database lies, and how it comes back.
    pub(super) fn say_replaced(&self, replaced: &Replaced) {
        let Some(aside) = &replaced.aside else {
            return;
        };
        if replaced.way == Way::Removed {
            self.say(&format!(
                "the old files, which SQLite cannot use, lie whole as {0}, {0}-wal and \
                 {0}-journal, as far as there were any",
                aside.display()
            ));
            return;
        }
        self.say(&format!(
            "the old database lies whole as {}; remove it when all is well, or take all of this \
             back:",
            aside.display()
        ));
        self.say(&undo_of(aside));
    }

    /// What a restore would do.
    pub(crate) fn would_restore(
        &self,
        name: &str,
        planned: &PlannedRestore,
        destination: &str,
        in_place: bool,
    ) {
        let (snapshot, plan) = (&planned.snapshot, &planned.plan);
        let body = snapshot.body();
        let kept = plan.blocks_kept * u64::from(plan.geometry.block_size());
        let now = OffsetDateTime::now_utc();
        if self.json {
            let mut object = json!({
                "dry_run": true,
                "database": name,
                "snapshot_id": snapshot.id().as_str(),
                "sequence": snapshot.number().0,
                "taken_at": utc(body.taken_at),
                "age_seconds": (now - body.taken_at).whole_seconds(),
                "destination": destination,
                "target": planned.target.to_string_lossy(),
                "in_place": in_place,
                "size": plan.geometry.file_size(),
                "bytes_to_fetch": plan.bytes,
                "bytes_kept": kept,
                "resumes": planned.resumes,
                "requests": plan.requests,
                "estimated_seconds": plan.estimate.as_secs_f64(),
            });
            if let Some(moment) = &planned.moment {
                object["commit"] = moment.commit.0.into();
                object["seen_at"] = moment.seen_at.map(utc).into();
                object["commits_applied"] = moment.commits().into();
            }
            json::line("summary", object);
            return;
        }
        let what = match &planned.moment {
            Some(moment) => of_moment(moment),
            None => format!(
                "{}, record {}, taken {} ({}), {}",
                snapshot.id(),
                snapshot.number(),
                local_time(body.taken_at),
                age(body.taken_at, now),
                size(plan.geometry.file_size()),
            ),
        };
        outln!(
            "{name}: would restore {what}, to {}{}",
            planned.target.display(),
            if in_place { "; the database there would be set aside" } else { "" },
        );
        let kept = match (kept, planned.resumes) {
            (0, _) => String::new(),
            (kept, false) => format!("; {} are there already", size(kept)),
            (kept, true) => {
                format!("; {} are there already, of a restore that was interrupted", size(kept))
            }
        };
        outln!(
            "  {} to fetch in {}, some {:.1} s{kept}",
            size(plan.bytes),
            several(plan.requests, "request"),
            plan.estimate.as_secs_f64(),
        );
    }

    /// What could be saved of a damaged snapshot.
    pub(crate) fn salvaged(&self, done: &Saved<'_>) {
        let (report, name) = (done.report, done.name);
        let (lost, doubtful) = report.pages();
        if self.json {
            for error in &report.damage {
                json::line("finding", json!({ "database": name, "message": causes(error) }));
            }
            for (state, all) in [("lost", &report.lost), ("doubtful", &report.doubtful)] {
                for one in all {
                    let object = json!({
                        "state": state,
                        "owner": one.owner,
                        "table": one.table,
                        "candidates": one.candidates,
                        "pages": one.pages,
                    });
                    json::line("lost_pages", object);
                }
            }
            json::line("summary", salvage(done, lost, doubtful));
            return;
        }
        for error in &report.damage {
            warn(&format!("{name}: damaged: failed to {}", causes(error)));
        }
        let total = u64::from(report.body.page_count);
        let (target, seconds) = (done.target.display(), done.duration.as_secs_f64());
        if report.proven.is_some() {
            self.say(&format!(
                "{name}: all of {} restored to {target} and proven against the snapshot \
                 ({seconds:.2} s)",
                several(total, "page")
            ));
            return;
        }
        outln!(
            "{name}: {} of {} saved to {target}, each proven ({seconds:.2} s)",
            count(total - lost as u64 - doubtful as u64),
            several(total, "page")
        );
        for (what, pages, all) in [
            ("lost, and zeros in the file", lost, &report.lost),
            ("there, but perhaps older than the snapshot", doubtful, &report.doubtful),
        ] {
            if pages > 0 {
                outln!("  {} {what}:", several(pages as u64, "page"));
                all.iter().for_each(|one| outln!("    {}", lost_pages(one)));
            }
        }
        outln!("  `sqlite3 {} .recover` reads what there is", shell_word(done.target));
    }

    /// One of several databases came back, or did not.
    pub(crate) fn one_of_all(&self, one: &OneOfAll) {
        if self.json {
            json::line("restore", of_all(one));
        }
    }

    /// All came back, or as many as could.
    pub(crate) fn all_restored(&self, done: &AllBrought<'_>) {
        let failed = done.all.iter().filter(|(_, one)| one.outcome.is_err()).count();
        if self.json {
            let worst: Vec<Value> =
                done.all.iter().map(|(_, one)| one.name.as_str().into()).collect();
            let object = json!({
                "databases": done.all.len(),
                "failed": failed,
                "worst_first": worst,
                "destination": done.destination,
                "into": done.folder.to_string_lossy(),
                "requests": done.requests,
                "duration_seconds": done.duration.as_secs_f64(),
                "code": done.exit.code(),
            });
            json::line("summary", object);
            return;
        }
        if self.quiet && failed == 0 {
            return;
        }
        let width = done.all.iter().map(|(_, one)| one.name.as_str().chars().count()).max();
        let width = width.unwrap_or(0);
        let now = OffsetDateTime::now_utc();
        for (exit, one) in done.all {
            let name = one.name.as_str();
            outln!("  {name:<width$}  {}", line_of(*exit, one, now));
        }
        outln!(
            "{} of {} in {} ({:.2} s)",
            count((done.all.len() - failed) as u64),
            several(done.all.len() as u64, "database"),
            done.folder.display(),
            done.duration.as_secs_f64()
        );
    }
}

fn line_of(exit: Exit, one: &OneOfAll, now: OffsetDateTime) -> String {
    let (what, id, body) = match &one.outcome {
        Ok(Outcome::Restored(report)) => ("restored", &report.snapshot_id, &report.body),
        Ok(Outcome::AlreadyThere(snapshot)) => {
            ("there already, proven", snapshot.id(), snapshot.body())
        }
        Err(error) => {
            let hint =
                lifeboat::hint::hint(error).map_or(String::new(), |hint| format!(" ({hint})"));
            return format!("NOT RESTORED, exit {}: {}{hint}", exit.code(), chain("", error));
        }
        Ok(_) => return String::new(),
    };
    let bytes = u64::from(body.page_size) * u64::from(body.page_count);
    format!("{what}: {id}, {}, {}", age(body.taken_at, now), size(bytes))
}

fn of_all(one: &OneOfAll) -> Value {
    let mut object = json!({
        "database": one.name.as_str(),
        "target": one.target.to_string_lossy(),
    });
    let (outcome, id, number, taken) = match &one.outcome {
        Ok(Outcome::Restored(report)) => {
            object["bytes_fetched"] = report.bytes_fetched.into();
            add_replacement(&mut object, report.replaced.as_ref());
            ("restored", &report.snapshot_id, report.number, report.body.taken_at)
        }
        Ok(Outcome::AlreadyThere(snapshot)) => {
            ("already_there", snapshot.id(), snapshot.number(), snapshot.body().taken_at)
        }
        Ok(_) => return object,
        Err(error) => {
            object["outcome"] = "failed".into();
            object["code"] = Exit::of(error.kind()).code().into();
            object["message"] = chain("", error).into();
            object["hint"] = lifeboat::hint::hint(error).into();
            return object;
        }
    };
    object["outcome"] = outcome.into();
    object["code"] = 0.into();
    object["snapshot_id"] = id.as_str().into();
    object["sequence"] = number.0.into();
    object["taken_at"] = utc(taken).into();
    object
}

fn in_place(done: &BroughtInPlace<'_>) -> Value {
    let (report, restored) = (done.report, &done.report.restored);
    let body = &restored.body;
    let mut object = json!({
        "database": done.name,
        "snapshot_id": restored.snapshot_id.as_str(),
        "sequence": restored.number.0,
        "taken_at": utc(body.taken_at),
        "destination": done.destination,
        "target": report.target.to_string_lossy(),
        "in_place": true,
        "size": u64::from(body.page_size) * u64::from(body.page_count),
        "image_digest": body.image_digest,
        "bytes_fetched": restored.bytes_fetched,
        "bytes_kept": restored.bytes_kept,
        "resumed": restored.resumed,
        "checked": restored.checked,
        "requests": done.requests,
        "duration_seconds": done.duration.as_secs_f64(),
        "safety_snapshot_id": null,
    });
    json::add_moment(&mut object, restored.moment.as_ref());
    match &report.safety {
        Safety::Taken(safety) => object["safety_snapshot_id"] = safety.snapshot_id.as_str().into(),
        Safety::Failed(error) => object["safety_error"] = chain("", error).into(),
        _ => {}
    }
    add_replaced(&mut object, &report.replaced);
    object
}

/// What became of a file that was there before.
pub(super) fn add_replacement(object: &mut Value, replaced: Option<&Replaced>) {
    if let Some(replaced) = replaced {
        add_replaced(object, replaced);
    }
}

fn add_replaced(object: &mut Value, replaced: &Replaced) {
    object["way"] = match replaced.way {
        Way::Placed => "placed",
        Way::Swapped => "swapped",
        Way::Overwritten => "overwritten",
        Way::Removed => "removed",
        _ => "other",
    }
    .into();
    object["set_aside"] = replaced.aside.as_ref().map(|path| path.to_string_lossy()).into();
    let undo = replaced.aside.as_deref().filter(|_| replaced.way != Way::Removed).map(undo_of);
    object["undo"] = undo.into();
    object["wal_is_full"] = replaced.wal_is_full.into();
    object["straggler"] = replaced.straggler.into();
}

fn undo_of(aside: &Path) -> String {
    format!("lifeboat restore --undo {}", shell_word(aside))
}

fn salvage(done: &Saved<'_>, lost: usize, doubtful: usize) -> Value {
    let (report, body) = (done.report, &done.report.body);
    json!({
        "database": done.name,
        "snapshot_id": report.snapshot_id.as_str(),
        "sequence": report.number.0,
        "taken_at": utc(body.taken_at),
        "destination": done.destination,
        "target": done.target.to_string_lossy(),
        "salvaged": true,
        "proven": report.proven.is_some(),
        "pages_total": body.page_count,
        "pages_lost": lost,
        "pages_doubtful": doubtful,
        "bytes_fetched": report.bytes_fetched,
        "requests": done.requests,
        "duration_seconds": done.duration.as_secs_f64(),
        "code": done.exit.code(),
    })
}

/// "table (12 pages): 4, 7-9, …"
fn lost_pages(lost: &LostPages) -> String {
    let whose = match (&lost.owner, &lost.table) {
        (Some(owner), Some(table)) if owner != table => format!("{owner}, of {table}"),
        (Some(owner), _) => owner.clone(),
        _ if lost.candidates.is_empty() => "no table that can be told".into(),
        _ => format!("one of {}", lost.candidates.join(", ")),
    };
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for &page in &lost.pages {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == page => *last = page,
            _ => runs.push((page, page)),
        }
    }
    let more = runs.len().saturating_sub(NAMED);
    let mut named: Vec<String> = runs
        .iter()
        .take(NAMED)
        .map(
            |(first, last)| {
                if first == last { first.to_string() } else { format!("{first}-{last}") }
            },
        )
        .collect();
    if more > 0 {
        named.push(format!("and {more} more runs (--json names all)"));
    }
    format!("{whose} ({}): {}", several(lost.pages.len() as u64, "page"), named.join(", "))
}

/// What needed not be fetched.
pub(super) fn kept(bytes: u64, resumed: bool) -> String {
    match (bytes, resumed) {
        (0, _) => String::new(),
        (bytes, false) => format!(", {} of it there already", size(bytes)),
        (bytes, true) => format!("; resumed, {} were there", size(bytes)),
    }
}
