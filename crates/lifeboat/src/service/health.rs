//! How the databases of a service are.

use std::time::Duration;

use futures::stream::{self, StreamExt as _};
use lifeboat_agent::{Facts, Health, Schedule, judge};

use super::Service;
use super::plan::{ServicePlan, Watched};
use crate::destination::Missing;
use crate::error::{Error, causes_of};

/// So many databases are looked at together.
const TOGETHER: usize = 8;

/// A database, judged.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Judged {
    /// Its name.
    pub database: String,
    /// What is known of it.
    pub facts: Facts,
    /// How it is.
    pub health: Health,
}

impl Service {
    /// How a database is. The repository is asked; where it cannot be, what the
    /// service knows from its own work counts.
    pub async fn health(&self, database: &str) -> Result<Judged, Error> {
        let watched = self.inner.watched(database)?;
        let plan = self.inner.plan();
        let facts = self.facts(&plan, &watched).await;
        let health = judge(&facts, &plan.limits, self.inner.now());
        Ok(Judged { database: watched.name.clone(), facts, health })
    }

    /// How all databases are, the worst first.
    pub async fn health_all(&self) -> Vec<Judged> {
        let names = self.databases().into_iter().map(|one| one.name.clone());
        let looks = names.map(|name| async move { self.health(&name).await });
        let all = stream::iter(looks).buffer_unordered(TOGETHER);
        // One that is gone since has no health.
        let mut all: Vec<Judged> = all.filter_map(|one| async { one.ok() }).collect().await;
        all.sort_by(|a, b| {
            b.health.level.cmp(&a.health.level).then_with(|| a.database.cmp(&b.database))
        });
        all
    }

    async fn facts(&self, plan: &ServicePlan, watched: &Watched) -> Facts {
        let mut facts = Facts::default();
        if let Some(disabled) = &plan.disabled {
            facts.disabled = Some(disabled.reason.clone());
            return facts;
        }
        if let Some(Error::Disabled { reason, .. }) = watched.out_of_reach() {
            facts.disabled = Some(reason);
            return facts;
        }
        let names = &watched.destinations;
        let looked = async {
            let chosen = plan.destinations.choose(names, Missing::Refuse).await?;
            chosen.destination.facts(&watched.name).await
        };
        let status = self.status(&watched.name);
        match looked.await {
            Ok(found) => facts = found,
            Err(Error::NoRepository { .. }) => {}
            Err(error) => facts.last_error = Some(format!("failed to {}", causes_of(&error))),
        }
        facts.last_good = facts.last_good.max(status.last_good);
        facts.failures = status.backup_failures();
        facts.fallback = status.fallback().map(str::to_owned);
        facts.last_error = status.last_error.or(facts.last_error);
        facts.interval = seen_every(&watched.schedule).try_into().ok();
        facts
    }
}

/// How often something is heard of a database: an unchanged one says so at most
/// once an hour.
pub(crate) fn seen_every(schedule: &Schedule) -> Duration {
    let longest = schedule.longest_gap() + schedule.jitter();
    let hour = Duration::from_secs(3600);
    if longest < hour { hour + longest } else { longest }
}
