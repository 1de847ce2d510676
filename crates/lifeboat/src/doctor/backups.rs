//! How old the last backup, verification and drill of a database are.

use lifeboat_repository::Proof;
use time::{Duration, OffsetDateTime};

use super::{Finding, Level};
use crate::keep::Inventory;

/// From which ages on something is said.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Ages {
    /// Of the last backup.
    pub backup: Duration,
    /// Of the last time that every byte of a snapshot was read and proven.
    pub verification: Duration,
    /// Of the last time that a snapshot was restored and put to the test.
    pub drill: Duration,
}

impl Default for Ages {
    /// For a backup every day, a check every month and a drill every quarter.
    fn default() -> Self {
        Self {
            backup: Duration::days(2),
            verification: Duration::days(31),
            drill: Duration::days(92),
        }
    }
}

/// Looks at what is recorded of a database. `unchanged` is when it was last seen as
/// its last snapshot has it; `age` puts a time into words.
pub fn backups(
    name: &str,
    destination: &str,
    inventory: &Inventory,
    unchanged: Option<OffsetDateTime>,
    ages: Ages,
    now: OffsetDateTime,
    age: impl Fn(OffsetDateTime) -> String,
) -> Vec<Finding> {
    let about = format!("{name} in {destination}");
    let listing = &inventory.listing;
    let mut findings = Vec::new();
    if !listing.broken.is_empty() || !listing.burnt.is_empty() {
        let text = "records of it are damaged";
        let fix = format!("lifeboat check '{name}'");
        findings.push(Finding::bad(Level::Problem, &about, text, fix));
    }
    let Some(last) = listing.snapshots.last() else {
        let fix = format!("lifeboat backup '{name}'    # or its file");
        findings.push(Finding::bad(Level::Warning, about, "there are no snapshots of it", fix));
        return findings;
    };
    let proofs = listing.snapshots.iter().map(|snapshot| {
        let proof = inventory.proofs.of(snapshot.number());
        (snapshot.id(), proof)
    });
    let proofs: Vec<_> = proofs.collect();
    for (id, proof) in &proofs {
        if let Some(damage) = &proof.damage {
            let text = format!("snapshot {id} is damaged: {damage}");
            let fix = format!("lifeboat repair '{name}'");
            findings.push(Finding::bad(Level::Problem, &about, text, fix));
        }
    }
    let newest = |pick: fn(&Proof) -> Option<OffsetDateTime>| {
        proofs.iter().filter_map(|(_, proof)| pick(proof)).max()
    };
    let aged = |what: &str, at: Option<OffsetDateTime>, limit: Duration, fix: String| match at {
        Some(at) if now - at > limit => {
            let text = format!("the last {what} is from {}", age(at));
            Finding::bad(Level::Warning, &about, text, fix)
        }
        Some(at) => Finding::ok(&about, format!("the last {what} is from {}", age(at))),
        None => Finding::bad(Level::Warning, &about, format!("no {what} is recorded"), fix),
    };
    let taken = last.body().taken_at;
    findings.push(match unchanged.filter(|at| *at > taken) {
        Some(at) if now - at <= ages.backup => {
            let text = format!("the last backup is from {}, and nothing changed", age(taken));
            Finding::ok(&about, format!("{text} until {}", age(at)))
        }
        _ => {
            let origin = last.body().origin.replace('\'', r"'\''");
            let fix = format!("lifeboat backup '{origin}'    # says so if nothing changed");
            aged("backup", Some(taken), ages.backup, fix)
        }
    });
    findings.push(aged(
        "verification",
        newest(|proof| proof.verified_at),
        ages.verification,
        format!("lifeboat check '{name}' --read-data"),
    ));
    findings.push(aged(
        "drill",
        newest(|proof| proof.drilled_at),
        ages.drill,
        format!("lifeboat drill '{name}'"),
    ));
    for (object, _) in &inventory.proofs.unreadable {
        let text = format!("the result {object} cannot be read, and proves nothing");
        let fix = format!("lifeboat check '{name}' --read-data");
        findings.push(Finding::bad(Level::Warning, &about, text, fix));
    }
    findings
}
