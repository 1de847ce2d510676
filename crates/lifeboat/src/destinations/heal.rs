//! Healing: what is damaged or gone on one destination and whole on another is put
//! back.

use lifeboat_format::id::SnapshotId;
use lifeboat_remote::Remote;
use lifeboat_repository::{HealReport, ResolveError, Selector};

use super::Destinations;
use crate::error::{Cause, Error, causes_of};

impl Destinations {
    /// Reads all that a snapshot consists of, on every destination that has it,
    /// and puts back what is damaged or gone on one and whole on another. Returns
    /// what was done where, and what could not be looked at.
    ///
    /// Killed or cancelled, some objects are whole again and the others are as
    /// they were.
    pub async fn heal(
        &self,
        name: &str,
        id: &SnapshotId,
    ) -> Result<(Vec<(String, HealReport)>, Vec<Cause>), Error> {
        self.heal_formats().await;
        let (opened, mut causes) = self.open_for_reading().await?;
        let exactly = Selector::Prefix(id.as_str().to_owned());
        let mut reports = Vec::new();
        for (at, damaged) in &opened {
            let snapshot = match damaged.resolve(name, &exactly).await {
                Ok(snapshot) => snapshot,
                Err(Error::Resolve(
                    ResolveError::NotFound { .. } | ResolveError::NoSnapshots { .. },
                )) => continue,
                Err(error) => {
                    causes.push(self.inner.members[*at].cause(error));
                    continue;
                }
            };
            let mut sum = HealReport::default();
            for (other, whole) in opened.iter().filter(|(other, _)| other != at) {
                let from = whole.database(name)?;
                match damaged.database(name)?.heal_from(&from, &snapshot).await {
                    Ok(done) => {
                        sum.healed.extend(done.healed);
                        sum.left = done.left;
                        if sum.left.is_empty() {
                            break;
                        }
                    }
                    Err(error) => causes.push(self.inner.members[*other].cause(error.into())),
                }
            }
            reports.push((damaged.shown().to_owned(), sum));
        }
        causes.dedup_by(|a, b| a.to_string() == b.to_string());
        Ok((reports, causes))
    }

    /// Puts back format objects that are gone, where the rest is still there. What
    /// cannot be done is told by whoever then opens it.
    async fn heal_formats(&self) {
        let Ok((opened, _)) = self.open_for_reading().await else { return };
        let Some((_, whole)) = opened.first() else { return };
        for (at, member) in self.inner.members.iter().enumerate() {
            if opened.iter().any(|(open, _)| *open == at) {
                continue;
            }
            let settings = &member.settings;
            let Ok(remote) = Remote::open_with(&settings.place, settings.impatient()) else {
                continue;
            };
            if remote.folders(lifeboat_format::key::DATABASES).await.is_ok_and(|f| !f.is_empty()) {
                let secret = self.inner.secret.as_ref();
                if let Err(error) = whole.repository().replicate(remote, secret).await {
                    tracing::info!("{}: failed to {}", member.shown(), causes_of(&error));
                }
            }
        }
    }
}
