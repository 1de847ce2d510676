//! `lifeboat status`: how the backups of every database are, the worst first.

use lifeboat::Inventory;
use lifeboat::hint::About;
use serde_json::json;
use time::OffsetDateTime;

use super::health::{self, Judged};
use crate::arguments::Arguments;
use crate::exit::Exit;
use crate::report::Reporter;
use crate::text::{age, several, utc};

pub(crate) async fn run(arguments: &Arguments, reporter: &Reporter) -> Exit {
    let now = OffsetDateTime::now_utc();
    let judged = match health::judged(arguments, None, now).await {
        Ok(judged) => judged,
        Err(refusal) => {
            reporter.refuse(&refusal);
            return refusal.exit;
        }
    };
    let mut exit = Exit::Ok;
    for one in &judged.all {
        if tell(reporter, one, now) {
            exit = Exit::Damage;
        }
    }
    if let Some(error) = &judged.error {
        return reporter.error("", error, About::Reading);
    }
    let destinations = super::destinations(arguments);
    let places: Vec<&str> = destinations.settings().map(|one| one.name.as_str()).collect();
    let shown = places.join(", ");
    if judged.all.is_empty() {
        reporter.say(&format!("no databases in {shown} yet"));
    }
    let summary = json!({
        "databases": judged.all.len(),
        "status": judged.level().to_string(),
        "destination": shown,
        "code": exit.code(),
    });
    reporter.told(summary, &[]);
    exit
}

/// Says how one database is; true if something is damaged. Of several destinations
/// the first counts snapshots, and all of them count damage.
fn tell(reporter: &Reporter, one: &Judged, now: OffsetDateTime) -> bool {
    let Judged { name, look, health } = one;
    let facts = &look.facts;
    let first = look.inventories.first();
    let listing = first.map(|(_, inventory)| &inventory.listing);
    let latest = listing.and_then(|listing| listing.snapshots.last());
    let broken: usize = look.inventories.iter().map(|(_, inventory)| damaged(inventory)).sum();
    let ago = |at: Option<OffsetDateTime>| at.map_or("never".to_owned(), |at| age(at, now));
    let taken_at = latest.map(|latest| latest.body().taken_at);
    let counted = listing.map(|listing| {
        format!(
            "; {}, the latest taken {}; last verified {}, last drilled {}{}{}",
            several(listing.snapshots.len() as u64, "snapshot"),
            ago(taken_at),
            ago(facts.verified_at),
            facts.failed_drill.as_ref().map_or_else(|| ago(facts.drilled_at), |_| "FAILED".into()),
            match listing.trash.len() as u64 {
                0 => String::new(),
                n => format!("; {n} in the trash"),
            },
            match broken as u64 {
                0 => String::new(),
                n => format!("; {} DAMAGED", several(n, "snapshot")),
            },
        )
    });
    let counted = counted.unwrap_or_default();
    let line = format!("{name}: {}{counted}{}", health.level, health::lines(health));
    let object = json!({
        "database": name,
        "status": health.level.to_string(),
        "reasons": health::reasons(health),
        "destination": first.map(|(place, _)| place),
        "snapshots": listing.map_or(0, |listing| listing.snapshots.len()),
        "trash": listing.map_or(0, |listing| listing.trash.len()),
        "latest": latest.map(|latest| latest.id().as_str()),
        "sequence": listing.and_then(|listing| listing.newest).map(|number| number.0),
        "taken_at": taken_at.map(utc),
        "verified_at": facts.verified_at.map(utc),
        "drilled_at": facts.drilled_at.map(utc),
        "failed_drill": facts.failed_drill,
        "damaged": broken,
    });
    reporter.found("database", object, &line);
    broken > 0
}

/// Of how many snapshots something is damaged.
fn damaged(inventory: &Inventory) -> usize {
    let listing = &inventory.listing;
    let proofs = listing.snapshots.iter().map(|one| inventory.proofs.of(one.number()));
    let found = proofs.filter(|proof| proof.damage.is_some()).count();
    listing.broken.len() + listing.burnt.len() + found
}
