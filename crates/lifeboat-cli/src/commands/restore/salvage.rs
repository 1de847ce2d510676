//! `lifeboat restore --salvage`: what can be proven of a damaged snapshot.

use std::time::Instant;

use lifeboat::repository::Selector;
use lifeboat::{Destination, Error, Whole};

use super::Command;
use crate::exit::Exit;
use crate::report::Saved;

impl Command<'_> {
    pub(super) async fn salvage(&self) -> Result<Exit, Error> {
        let started = Instant::now();
        let settings = self.settings();
        let announce = |snapshot: &_| self.reporter.will_restore(&self.name, snapshot);
        let (name, target) = (&self.name, self.target());
        let (with, announce) = (&settings, &announce);
        let job = |destination: Destination, selector: Selector| async move {
            destination.salvage(name, &selector, target, with, announce).await
        };
        let Whole { report, destination, failed, .. } = self.at_first_whole(job).await?;
        // The bars are gone before anything is printed.
        drop(settings);
        let exit = if report.damage.is_empty() && report.proven.is_some() {
            Exit::Ok
        } else {
            Exit::Damage
        };
        self.reporter.salvaged(&Saved {
            report: &report,
            name,
            destination: destination.shown(),
            target,
            requests: destination.repository().remote().requests(),
            duration: started.elapsed(),
            exit,
        });
        crate::commands::tell_detours(self.reporter, &failed, &report.from_elsewhere);
        Ok(exit)
    }
}
