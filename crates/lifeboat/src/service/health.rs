//! How the databases of a service are.

use lifeboat_agent::{Facts, Health, judge};

use super::Service;
use super::plan::{ServicePlan, Watched};
use crate::error::Error;

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
    /// How a database is. Its destinations are asked; where they cannot be, what the
    /// service knows from its own work counts as well.
    pub async fn health(&self, database: &str) -> Result<Judged, Error> {
        let watched = self.inner.watched(database)?;
        let plan = self.inner.plan();
        let facts = match disabled(&plan, &watched) {
            Some(facts) => facts,
            None => plan.destinations.look(&watched.expected()).await.facts,
        };
        Ok(self.judged(&plan, &watched.name, facts))
    }

    /// How all databases are, the worst first.
    pub async fn health_all(&self) -> Vec<Judged> {
        let plan = self.inner.plan();
        let (mut all, mut names, mut expected) = (Vec::new(), Vec::new(), Vec::new());
        for watched in self.databases() {
            match disabled(&plan, &watched) {
                Some(facts) => all.push(self.judged(&plan, &watched.name, facts)),
                None => {
                    expected.push(watched.expected());
                    names.push(watched.name.clone());
                }
            }
        }
        let looks = plan.destinations.look_at_all(&expected).await;
        let judged = names.iter().zip(looks);
        all.extend(judged.map(|(name, look)| self.judged(&plan, name, look.facts)));
        all.sort_by(|a, b| {
            b.health.level.cmp(&a.health.level).then_with(|| a.database.cmp(&b.database))
        });
        all
    }

    /// Adds what the service knows from its own work, and judges.
    fn judged(&self, plan: &ServicePlan, name: &str, mut facts: Facts) -> Judged {
        if facts.disabled.is_none() {
            let status = self.status(name);
            facts.last_good = facts.last_good.max(status.last_good);
            facts.following = self.following(name);
            if let Some(following) = &facts.following {
                // What is in the log can be restored as a snapshot can.
                facts.last_good = facts.last_good.max(following.stored_until);
            }
            facts.fallback = facts.fallback.or(status.fallback().map(str::to_owned));
            if status.backup_failures() > facts.failures {
                facts.failures = status.backup_failures();
                facts.last_error = status.last_error;
            }
        }
        let health = judge(&facts, &plan.limits, self.inner.now());
        Judged { database: name.to_owned(), facts, health }
    }
}

/// What is known of a database that is not backed up here.
fn disabled(plan: &ServicePlan, watched: &Watched) -> Option<Facts> {
    let reason = match (&plan.disabled, watched.out_of_reach()) {
        (Some(disabled), _) => disabled.reason.clone(),
        (None, Some(Error::Disabled { reason, .. })) => reason,
        _ => return None,
    };
    Some(Facts { disabled: Some(reason), ..Facts::default() })
}
