//! `lifeboat restore --in-place`, and `--undo`.

use std::path::Path;
use std::time::Instant;

use lifeboat::repository::Selector;
use lifeboat::{Destination, Error, InPlaceSettings, Whole};

use super::Command;
use crate::exit::Exit;
use crate::progress;
use crate::report::{BroughtInPlace, Reporter, Undone};
use lifeboat::hint::About;

impl Command<'_> {
    pub(super) async fn in_place(&self) -> Result<Exit, Error> {
        let started = Instant::now();
        let mut settings = InPlaceSettings::default();
        settings.skip_check = self.restore.no_check;
        settings.expect = self.restore.expect;
        settings.progress = progress::show(self.reporter.progress(), &self.name);
        let announce = |snapshot: &_, _: &Path| self.reporter.will_restore(&self.name, snapshot);
        let (name, place) = (&self.name, &self.place());
        let (with, announce) = (&settings, &announce);
        let job = |destination: Destination, selector: Selector| async move {
            destination.restore_in_place(name, &selector, place, with, announce).await
        };
        let Whole { report, destination, failed, .. } = self.at_first_whole(job).await?;
        // The bars are gone before anything is printed.
        drop(settings);
        let media = self.media(&destination, &report.restored.snapshot_id).await;
        let linked = Exit::of_all(&[media, self.linked(&report.target).await]);
        self.reporter.restored_in_place(&BroughtInPlace {
            report: &report,
            name,
            destination: destination.shown(),
            requests: destination.repository().remote().requests(),
            duration: started.elapsed(),
        });
        crate::commands::tell_detours(self.reporter, &failed, &report.restored.from_elsewhere);
        Ok(linked)
    }
}

/// Brings back what a restore set aside.
pub(super) async fn undo(aside: &Path, reporter: &Reporter) -> Exit {
    let started = Instant::now();
    match lifeboat::undo(aside).await {
        Ok((target, replaced)) => {
            let duration = started.elapsed();
            let done = Undone { aside, target: &target, replaced: &replaced, duration };
            reporter.undone(&done);
            Exit::Ok
        }
        Err(error) => reporter.error(&aside.display().to_string(), &error, About::InPlace),
    }
}
