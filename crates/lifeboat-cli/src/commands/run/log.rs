//! What is said of the work that a service does by itself.

use std::sync::{Mutex, PoisonError};

use lifeboat::agent::Job;
use lifeboat::hint::About;
use lifeboat::service::{Happening, Progress, Watched, Witness};

use crate::arguments::Arguments;
use crate::commands::backup::{Teller, forgotten};
use crate::commands::{drill, sync};
use crate::report::Reporter;
use crate::text::several;

/// Prints what happens.
pub(super) struct Log {
    reporter: Reporter,
    teller: Mutex<Teller>,
}

impl Log {
    pub(super) fn new(arguments: &Arguments, reporter: Reporter) -> Self {
        let teller = Mutex::new(Teller::new(arguments, reporter, true));
        Self { reporter, teller }
    }
}

impl Witness for Log {
    fn saw(&self, database: &Watched, happening: &Happening<'_>) {
        let (reporter, name) = (&self.reporter, &database.name);
        let say = |count: usize, what: &str, done: &str| {
            reporter.say(&format!("{name}: {} {done}", several(count as u64, what)));
        };
        match happening {
            Happening::BackedUp { placed, took } => {
                let mut teller = self.teller.lock().unwrap_or_else(PoisonError::into_inner);
                teller.placed(placed, *took);
            }
            Happening::Limited { count, forgotten: gone } => {
                reporter.say(&forgotten(*gone, *count));
            }
            Happening::Forgotten(count) => say(*count, "snapshot", "forgotten by the policy"),
            Happening::Collected(count) => say(*count, "object", "that nothing needs deleted"),
            Happening::Checked(report) => {
                for finding in &report.result.findings {
                    let (object, what) = (&finding.object, &finding.what);
                    reporter.warn(&format!(
                        "{name}: {object}: {what}; `lifeboat repair` says what can be done"
                    ));
                }
            }
            Happening::Drilled { place, report } => {
                drill::unattended(reporter, name, place, report)
            }
            Happening::Synced(report) => sync::tell(report, reporter),
            Happening::Healed { place, report } => {
                if !report.healed.is_empty() {
                    say(report.healed.len(), "object", &format!("put back at {place}"));
                }
                for (object, why) in &report.left {
                    reporter.warn(&format!("{name}: {object} at {place} stays damaged: {why}"));
                }
            }
            Happening::Following(progress) => following(reporter, name, *progress),
            // Upkeep that fails is a warning: the backups count.
            Happening::Failed { job: Job::Backup | Job::Follow, error } => {
                reporter.error(&database.path.display().to_string(), error, About::Backup);
            }
            Happening::Failed { job, error } => {
                let why = crate::report::causes(error);
                reporter.warn(&format!("{name}: {job}: failed to {why}; it is tried again"));
            }
            Happening::Warning(text) => reporter.warn(&format!("{name}: {text}")),
            // There may be more.
            _ => {}
        }
    }
}

/// Says what becomes of following a database.
fn following(reporter: &Reporter, name: &str, progress: Progress<'_>) {
    match progress {
        Progress::Began { resumed: true, next } => {
            reporter.say(&format!("{name}: followed again from commit {next} on, without a gap"));
        }
        Progress::Began { next, .. } => {
            reporter.say(&format!("{name}: every commit is backed up, from number {next} on"));
        }
        Progress::Gap { why } => reporter.warn(&format!(
            "{name}: a gap: {why}; states before and after it can be restored, those in it cannot"
        )),
        Progress::Scanning { why } => {
            reporter.warn(&format!("{name}: not followed, but backed up at the interval: {why}"));
        }
        // There may be more.
        _ => {}
    }
}
