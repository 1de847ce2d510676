//! `lifeboat snapshots`: what there is.

use std::collections::BTreeMap;

use lifeboat::{Error, Inventory, Merged, Missing};
use time::OffsetDateTime;

use super::restore::name_of;
use crate::arguments::{Arguments, SnapshotsArguments};
use crate::exit::Exit;
use crate::report::{Listed, Reporter};
use lifeboat::hint::About;
use lifeboat::setup::Kept;

pub(crate) async fn run(
    arguments: &Arguments,
    list: &SnapshotsArguments,
    reporter: &Reporter,
) -> Exit {
    let several = arguments.setup().places().len() + arguments.setup().mirrors().len() > 1;
    let read = match list.expect {
        // A number is of one destination.
        None if several => super::patiently(arguments, of_all(arguments, list, reporter)).await,
        _ => super::patiently(arguments, of_one(arguments, list)).await,
    };
    let (all, shown) = match read {
        Ok(read) => read,
        Err(error) => return reporter.error("", &error, About::Reading),
    };
    let damaged =
        all.iter().any(|one| !one.merged.broken.is_empty() || !one.merged.burnt.is_empty());
    let exit = if damaged { Exit::Damage } else { Exit::Ok };
    reporter.snapshots(&all, &shown, exit);
    exit
}

async fn of_one(
    arguments: &Arguments,
    list: &SnapshotsArguments,
) -> Result<(Vec<Listed>, String), Error> {
    let destination = super::choose(arguments, Missing::Refuse, &[]).await?.destination;
    let names = super::names(arguments, &destination, list.name.as_deref()).await?;
    let mut all = Vec::new();
    for name in names {
        let inventory = destination.inventory(&name, list.expect).await?;
        all.push(together(arguments, name, vec![(destination.shown().to_owned(), inventory)]));
    }
    Ok((all, destination.shown().to_owned()))
}

/// The snapshots of all destinations together. One that does not answer is told:
/// what only it has is not shown.
async fn of_all(
    arguments: &Arguments,
    list: &SnapshotsArguments,
    reporter: &Reporter,
) -> Result<(Vec<Listed>, String), Error> {
    let destinations = super::destinations(arguments);
    let (names, mut troubles) = match list.name.as_deref() {
        Some(name) => (vec![name_of(arguments, name)], Vec::new()),
        None => destinations.databases().await?,
    };
    let mut all = Vec::new();
    for name in names {
        let (inventories, causes) = destinations.inventories(&name).await?;
        if troubles.is_empty() {
            troubles = causes;
        }
        all.push(together(arguments, name, inventories));
    }
    for cause in &troubles {
        reporter.warn(&format!("what is only there is not shown: {cause}"));
    }
    let places: Vec<&str> = destinations.settings().map(|one| one.name.as_str()).collect();
    Ok((all, places.join(", ")))
}

/// What several destinations have of a database.
fn together(arguments: &Arguments, name: String, inventories: Vec<(String, Inventory)>) -> Listed {
    let mut kept = BTreeMap::new();
    for (_, inventory) in &inventories {
        let reasons = kept_because(arguments, &name, inventory);
        for snapshot in &inventory.listing.snapshots {
            if let Some(reasons) = reasons.get(&snapshot.number().0) {
                // As with all that is shown, the first place counts.
                kept.entry(snapshot.id().to_string()).or_insert_with(|| reasons.clone());
            }
        }
    }
    Listed { name, merged: Merged::of(inventories), kept_because: kept }
}

/// Why the policy of the settings keeps each snapshot, by its number: nothing
/// where there is none, or where it cannot be applied as it is.
fn kept_because(
    arguments: &Arguments,
    name: &str,
    inventory: &Inventory,
) -> BTreeMap<u64, Vec<String>> {
    let Ok(Kept { policy: Some(policy), zone, .. }) = arguments.setup().keeping(name) else {
        return BTreeMap::new();
    };
    match inventory.plan(policy, OffsetDateTime::now_utc(), zone) {
        Ok(plan) => plan
            .kept()
            .map(|one| (one.number, one.reasons.iter().map(ToString::to_string).collect()))
            .collect(),
        Err(error) => {
            tracing::warn!("{name}: failed to {}", crate::report::causes(&error));
            BTreeMap::new()
        }
    }
}
