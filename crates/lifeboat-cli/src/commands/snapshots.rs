//! `lifeboat snapshots`: what there is.

use std::collections::BTreeMap;

use lifeboat::{Destination, Error, Inventory, Missing};
use time::OffsetDateTime;

use super::restore::name_of;
use crate::arguments::{Arguments, SnapshotsArguments};
use crate::exit::Exit;
use crate::hint::About;
use crate::report::{Listed, Reporter};
use crate::setup::Kept;

pub(crate) async fn run(
    arguments: &Arguments,
    list: &SnapshotsArguments,
    reporter: &Reporter,
) -> Exit {
    let destination = match super::open(arguments, Missing::Refuse).await {
        Ok(destination) => destination,
        Err(error) => return reporter.error("", &error, About::Reading),
    };
    let all = match read(arguments, &destination, list).await {
        Ok(all) => all,
        Err(error) => return reporter.error("", &error, About::Reading),
    };
    let damaged =
        all.iter().any(|one| !one.listing.broken.is_empty() || !one.listing.burnt.is_empty());
    let exit = if damaged { Exit::Damage } else { Exit::Ok };
    reporter.snapshots(&all, destination.shown(), exit);
    exit
}

async fn read(
    arguments: &Arguments,
    destination: &Destination,
    list: &SnapshotsArguments,
) -> Result<Vec<Listed>, Error> {
    let names = match list.name.as_deref() {
        Some(name) => vec![name_of(arguments, name)],
        None => destination.databases().await?.iter().map(ToString::to_string).collect(),
    };
    let mut all = Vec::new();
    for name in names {
        let inventory = destination.inventory(&name, list.expect).await?;
        let kept_because = kept_because(arguments, &name, &inventory);
        let Inventory { listing, proofs, .. } = inventory;
        all.push(Listed { name, listing, proofs, kept_because });
    }
    Ok(all)
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
