//! `lifeboat status`: how the backups of every database are.

use lifeboat::{Inventory, Missing};
use serde_json::json;
use time::OffsetDateTime;

use crate::arguments::Arguments;
use crate::exit::Exit;
use crate::report::Reporter;
use crate::text::{age, several, utc};
use lifeboat::hint::About;

pub(crate) async fn run(arguments: &Arguments, reporter: &Reporter) -> Exit {
    let done = async {
        let destination = super::open(arguments, Missing::Refuse).await?;
        let mut all = Vec::new();
        for name in super::names(arguments, &destination, None).await? {
            let inventory = destination.inventory(&name, None).await?;
            all.push((name, inventory));
        }
        Ok((destination, all))
    };
    let (destination, all) = match done.await {
        Ok(done) => done,
        Err(error) => return reporter.error("", &error, About::Reading),
    };
    let mut exit = Exit::Ok;
    for (name, inventory) in &all {
        if tell(reporter, name, destination.shown(), inventory) {
            exit = Exit::Damage;
        }
    }
    if all.is_empty() {
        reporter.say(&format!("no databases in {} yet", destination.shown()));
    }
    let summary = json!({
        "databases": all.len(),
        "destination": destination.shown(),
        "code": exit.code(),
    });
    reporter.told(summary, &[]);
    exit
}

/// Says how one database is; true if something is damaged.
fn tell(reporter: &Reporter, name: &str, destination: &str, inventory: &Inventory) -> bool {
    let now = OffsetDateTime::now_utc();
    let listing = &inventory.listing;
    let latest = listing.snapshots.last();
    let proofs = listing.snapshots.iter().map(|snapshot| inventory.proofs.of(snapshot.number()));
    let (mut verified, mut drilled) = (None, None);
    let mut broken = listing.broken.len() + listing.burnt.len();
    for proof in proofs {
        verified = verified.max(proof.verified_at);
        drilled = drilled.max(proof.drilled_at);
        broken += usize::from(proof.damage.is_some());
    }
    let ago = |at: Option<OffsetDateTime>| at.map_or("never".to_owned(), |at| age(at, now));
    let taken_at = latest.map(|latest| latest.body().taken_at);
    let line = format!(
        "{name}: {}, the latest taken {}; last verified {}, last drilled {}{}{}",
        several(listing.snapshots.len() as u64, "snapshot"),
        ago(taken_at),
        ago(verified),
        ago(drilled),
        match listing.trash.len() as u64 {
            0 => String::new(),
            n => format!("; {n} in the trash"),
        },
        match broken as u64 {
            0 => String::new(),
            n => format!("; {} DAMAGED", several(n, "snapshot")),
        },
    );
    let object = json!({
        "database": name,
        "destination": destination,
        "snapshots": listing.snapshots.len(),
        "trash": listing.trash.len(),
        "latest": latest.map(|latest| latest.id().as_str()),
        "sequence": listing.newest.map(|number| number.0),
        "taken_at": taken_at.map(utc),
        "verified_at": verified.map(utc),
        "drilled_at": drilled.map(utc),
        "damaged": broken,
    });
    reporter.found("database", object, &line);
    broken > 0
}
