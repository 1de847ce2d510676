//! Healing: what is damaged or gone on one destination and whole on another is put
//! back.

use lifeboat_remote::Remote;
use lifeboat_repository::{HealExtent, HealReport, Ownership};

use super::Destinations;
use crate::destination::Destination;
use crate::error::{Cause, Error, ErrorKind};

/// What was healed where, and what could not be looked at.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Healed {
    /// What was done, by destination.
    pub reports: Vec<(String, HealReport)>,
    /// The destinations that could not be reached or written, and why.
    pub troubles: Vec<Cause>,
}

impl Healed {
    /// Whether nothing is left that is known to be damaged.
    pub fn is_whole(&self) -> bool {
        self.troubles.is_empty() && self.reports.iter().all(|(_, report)| report.left.is_empty())
    }

    fn add(&mut self, place: &str, report: HealReport) {
        match self.reports.iter_mut().find(|(known, _)| known == place) {
            Some((_, known)) => known.add(report),
            None => self.reports.push((place.to_owned(), report)),
        }
    }
}

impl Destinations {
    /// Puts back what is damaged or gone of a database on one destination and whole
    /// on another, on all of them. `adopt` takes the database over where another
    /// installation owns it, if that is needed to write its records again.
    ///
    /// Killed or cancelled, some objects are whole again and the others are as they
    /// were.
    pub async fn heal(
        &self,
        name: &str,
        extent: &HealExtent,
        adopt: bool,
    ) -> Result<Healed, Error> {
        let mut healed = Healed::default();
        self.heal_formats(&mut healed).await?;
        let (opened, causes) = self.open_for_reading().await?;
        healed.troubles.extend(causes);
        for (at, _) in &opened {
            if let Err(error) = self.heal_one(name, extent, adopt, *at, &opened, &mut healed).await
            {
                healed.troubles.push(self.inner.members[*at].cause(error));
            }
        }
        Ok(healed)
    }

    /// All destinations that can be opened now, each with the help of the others, and
    /// those that cannot. What a destination needs to be opened at all is put back
    /// first if that is said.
    pub async fn each_helped(&self, reopen: bool) -> Result<(Vec<Destination>, Healed), Error> {
        let mut healed = Healed::default();
        if reopen {
            self.heal_formats(&mut healed).await?;
        }
        let (opened, causes) = self.open_for_reading().await?;
        healed.troubles.extend(causes);
        let mut all = Vec::new();
        for (at, destination) in &opened {
            let others = opened.iter().filter(|(other, _)| other != at).map(|(_, one)| one.clone());
            let others: Vec<Destination> = others.collect();
            if reopen {
                for other in &others {
                    let report = destination.repository().heal_slots(other.repository()).await?;
                    healed.add(destination.shown(), report);
                }
            }
            all.push(destination.clone().with_others(others));
        }
        Ok((all, healed))
    }

    async fn heal_one(
        &self,
        name: &str,
        extent: &HealExtent,
        adopt: bool,
        at: usize,
        opened: &[(usize, Destination)],
        healed: &mut Healed,
    ) -> Result<(), Error> {
        let others: Vec<Destination> =
            opened.iter().filter(|(other, _)| *other != at).map(|(_, one)| one.clone()).collect();
        let Some((_, destination)) = opened.iter().find(|(one, _)| *one == at) else {
            return Ok(());
        };
        for other in &others {
            let report = destination.repository().heal_slots(other.repository()).await?;
            healed.add(destination.shown(), report);
        }
        let ownership = match adopt || destination.is_local() {
            true => Ownership::Adopt,
            false => Ownership::Refuse,
        };
        let helped = destination.clone().with_others(others);
        let report = helped.database(name)?.heal(extent, &ownership).await?;
        healed.add(destination.shown(), report);
        Ok(())
    }

    /// Puts back what a destination needs to be opened at all, where its databases
    /// are still there and another opens.
    async fn heal_formats(&self, healed: &mut Healed) -> Result<(), Error> {
        let (opened, _) = self.open_for_reading().await?;
        let Some((_, whole)) = opened.first() else { return Ok(()) };
        for (at, member) in self.inner.members.iter().enumerate() {
            if opened.iter().any(|(open, _)| *open == at) {
                continue;
            }
            let settings = &member.settings;
            let Ok(remote) = Remote::open_with(&settings.place, settings.impatient()) else {
                continue;
            };
            match remote.folders(lifeboat_format::key::DATABASES).await {
                Ok(folders) if !folders.is_empty() => {}
                _ => continue,
            }
            let secret = self.inner.secret.as_ref();
            match whole.repository().reopen(&remote, secret).await {
                Ok(report) => healed.add(member.shown(), report),
                Err(error) => healed.troubles.push(member.cause(error.into())),
            }
        }
        Ok(())
    }

    /// As [`heal`](Self::heal), for what shows, and only where something does.
    pub(super) async fn heal_what_shows(
        &self,
        name: &str,
        adopt: bool,
        opened: &[(usize, Destination)],
    ) -> Healed {
        let mut healed = Healed::default();
        for (at, destination) in opened {
            let shows = match destination.database(name) {
                Ok(database) => database.shows_damage().await.map_err(Error::from),
                Err(error) => Err(error),
            };
            let done = match shows {
                Ok(false) => continue,
                Ok(true) => {
                    let shown = HealExtent::Shown;
                    self.heal_one(name, &shown, adopt, *at, opened, &mut healed).await
                }
                Err(error) => Err(error),
            };
            if let Err(error) = done
                && error.kind() != ErrorKind::Storage
            {
                healed.troubles.push(self.inner.members[*at].cause(error));
            }
        }
        healed
    }
}
