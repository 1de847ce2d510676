//! `lifeboat stats`: what snapshots cost.

use lifeboat::Missing;
use lifeboat::repository::{SnapshotStats, Stats};
use serde_json::json;

use crate::arguments::Arguments;
use crate::exit::Exit;
use crate::report::Reporter;
use crate::text::{local_time, several, size, utc};
use lifeboat::hint::About;

pub(crate) async fn run(arguments: &Arguments, name: Option<&str>, reporter: &Reporter) -> Exit {
    let done = async {
        let destination = super::open(arguments, Missing::Refuse).await?;
        let mut all = Vec::new();
        for name in super::names(arguments, &destination, name).await? {
            let stats = destination.database(&name)?.stats().await?;
            if stats == Stats::default() {
                // Which databases there are is said by the same error everywhere.
                destination.resolve(&name, &lifeboat::repository::Selector::Latest(0)).await?;
            }
            all.push((name, stats));
        }
        Ok(all)
    };
    let all = match done.await {
        Ok(all) => all,
        Err(error) => return reporter.error("", &error, About::Reading),
    };
    let mut exit = Exit::Ok;
    let (mut alive, mut trash, mut orphans) = (0, 0, 0);
    for (name, stats) in &all {
        tell(reporter, name, stats);
        alive += stats.alive_bytes;
        trash += stats.trash_bytes;
        orphans += stats.orphan_bytes;
        if !stats.broken.is_empty() {
            exit = Exit::Damage;
        }
    }
    let summary = json!({
        "databases": all.len(),
        "alive_bytes": alive,
        "trash_bytes": trash,
        "orphan_bytes": orphans,
        "code": exit.code(),
    });
    reporter.told(summary, &[]);
    exit
}

fn tell(reporter: &Reporter, name: &str, stats: &Stats) {
    reporter.say(&format!("{name}: SNAPSHOT, TAKEN, SIZE, ADDED, FREED IF FORGOTTEN ALONE"));
    for one in &stats.snapshots {
        let SnapshotStats { id, taken_at, .. } = one;
        let line = format!(
            "  {id}  {}  {:>8}  {:>8}  {:>8}",
            local_time(*taken_at),
            size(one.size),
            size(one.added),
            size(one.exclusive)
        );
        let object = json!({
            "database": name,
            "snapshot_id": id.as_str(),
            "sequence": one.number.0,
            "taken_at": utc(*taken_at),
            "size": one.size,
            "added": one.added,
            "exclusive": one.exclusive,
        });
        reporter.found("snapshot", object, &line);
    }
    let lines = [
        format!(
            "  {} in {} for {}",
            size(stats.alive_bytes),
            several(stats.alive_objects, "object"),
            several(stats.snapshots.len() as u64, "living snapshot"),
        ),
        format!(
            "  {} only for {} in the trash; {} in {} for none: pruning frees that",
            size(stats.trash_bytes),
            several(stats.trash, "snapshot"),
            size(stats.orphan_bytes),
            several(stats.orphans, "object"),
        ),
    ];
    let object = json!({
        "database": name,
        "snapshots": stats.snapshots.len(),
        "alive_bytes": stats.alive_bytes,
        "alive_objects": stats.alive_objects,
        "trash": stats.trash,
        "trash_bytes": stats.trash_bytes,
        "orphans": stats.orphans,
        "orphan_bytes": stats.orphan_bytes,
    });
    reporter.found("stats", object, &lines.join("\n"));
    if !stats.broken.is_empty() {
        reporter.warn(&format!(
            "{name}: {} broken; `lifeboat check` says why",
            several(stats.broken.len(), "snapshot")
        ));
    }
}
