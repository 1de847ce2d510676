//! `lifeboat snapshots`: what there is.

use lifeboat::{Destination, Error, Missing};

use super::restore::name_of;
use crate::arguments::{Arguments, SnapshotsArguments};
use crate::exit::Exit;
use crate::hint::About;
use crate::report::{Listed, Reporter};

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
        all.push(Listed { name, listing: inventory.listing, proofs: inventory.proofs });
    }
    Ok(all)
}
