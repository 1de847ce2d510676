//! `lifeboat timeline`: which states of a database can be restored.

use lifeboat::Missing;
use lifeboat::format::numbers::RecordNo;
use lifeboat::repository::{Snapshot, Stretch, Timeline};
use serde_json::json;
use time::OffsetDateTime;

use super::restore::name_of;
use crate::arguments::{Arguments, TimelineArguments};
use crate::exit::Exit;
use crate::report::Reporter;
use crate::text::{count, length, local_time, several, size, utc};
use lifeboat::hint::About;

pub(crate) async fn run(
    arguments: &Arguments,
    timeline: &TimelineArguments,
    reporter: &Reporter,
) -> Exit {
    let name = name_of(arguments, &timeline.name);
    let done = async {
        let destination = super::open(arguments, Missing::Refuse).await?;
        let expect = timeline.expect.map(RecordNo);
        let found = destination.database(&name)?.timeline(expect).await?;
        if found.snapshots.is_empty() {
            // Which databases there are is said by the same error everywhere.
            destination.resolve(&name, &lifeboat::repository::Selector::Latest(0)).await?;
        }
        Ok(found)
    };
    match done.await {
        Ok(found) => {
            tell(reporter, &name, &found);
            Exit::Ok
        }
        Err(error) => reporter.error(&name, &error, About::Reading),
    }
}

/// Something that is shown, by when it begins.
enum Row<'a> {
    Stretch(&'a Stretch),
    Gap { from: OffsetDateTime, until: OffsetDateTime },
    Snapshot(&'a Snapshot),
}

fn tell(reporter: &Reporter, name: &str, timeline: &Timeline) {
    let mut rows: Vec<(OffsetDateTime, Row<'_>)> = Vec::new();
    let (mut gaps, mut commits) = (0, 0);
    for stretch in &timeline.stretches {
        commits += stretch.last.0 - stretch.first.0;
        rows.push((stretch.from, Row::Stretch(stretch)));
    }
    for pair in timeline.stretches.windows(2) {
        let (from, until) = (pair[0].until, pair[1].from);
        if from < until {
            gaps += 1;
            rows.push((from, Row::Gap { from, until }));
        }
    }
    rows.extend(timeline.snapshots.iter().map(|one| (one.body().taken_at, Row::Snapshot(one))));
    // A stretch comes before the snapshot that it begins with.
    rows.sort_by_key(|(at, row)| (*at, matches!(row, Row::Snapshot(_))));
    reporter.say(&format!("{name}: WHAT CAN BE RESTORED, the earliest first"));
    for (_, row) in &rows {
        match row {
            Row::Stretch(stretch) => tell_stretch(reporter, name, stretch),
            Row::Gap { from, until } => {
                let line = format!(
                    "  {} to {}  a gap of {}: nobody followed the database",
                    local_time(*from),
                    local_time(*until),
                    length((*until - *from).whole_seconds())
                );
                let object = json!({ "database": name, "from": utc(*from), "until": utc(*until) });
                reporter.found("gap", object, &line);
            }
            Row::Snapshot(snapshot) => tell_snapshot(reporter, name, snapshot),
        }
    }
    let summary = json!({
        "database": name,
        "stretches": timeline.stretches.len(),
        "gaps": gaps,
        "commits": commits,
        "snapshots": timeline.snapshots.len(),
        "code": 0,
    });
    let words = format!(
        "{name}: {} in which every commit is there, {} in all; {}; {}",
        several(timeline.stretches.len() as u64, "range"),
        several(commits, "commit"),
        several(gaps, "gap"),
        several(timeline.snapshots.len() as u64, "snapshot"),
    );
    reporter.told(summary, &[words]);
}

fn tell_stretch(reporter: &Reporter, name: &str, stretch: &Stretch) {
    let line = format!(
        "  {} to {}  every commit, {} to {}{}",
        local_time(stretch.from),
        local_time(stretch.until),
        count(stretch.first.0),
        count(stretch.last.0),
        if stretch.is_open { ", and going on" } else { "" },
    );
    let object = json!({
        "database": name,
        "epoch": stretch.epoch.to_string(),
        "from": utc(stretch.from),
        "until": utc(stretch.until),
        "first_commit": stretch.first.0,
        "last_commit": stretch.last.0,
        "segments": stretch.segments,
        "grid_seconds": 0,
        "open": stretch.is_open,
    });
    reporter.found("stretch", object, &line);
}

fn tell_snapshot(reporter: &Reporter, name: &str, snapshot: &Snapshot) {
    let body = snapshot.body();
    let bytes = u64::from(body.page_size) * u64::from(body.page_count);
    let line = format!(
        "  {}  snapshot {}, {}{}",
        local_time(body.taken_at),
        snapshot.id(),
        size(bytes),
        body.description.as_ref().map_or_else(String::new, |text| format!(", {text}")),
    );
    let object = json!({
        "database": name,
        "snapshot_id": snapshot.id().as_str(),
        "sequence": snapshot.number().0,
        "taken_at": utc(body.taken_at),
        "size": bytes,
        "commit": body.log.filter(|place| place.from == place.to).map(|place| place.to.0),
        "description": body.description,
    });
    reporter.found("snapshot", object, &line);
}
