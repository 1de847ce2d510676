//! What is said of a backup, whoever asked for it.

use std::time::Duration;

use lifeboat::crypto::Secret;
use lifeboat::media::MediaReport;
use lifeboat::remote::Fencing;
use lifeboat::snapshot::Notice;
use lifeboat::{Destination, Placed, Thinned};

use crate::arguments::Arguments;
use crate::commands::sync;
use crate::exit::Exit;
use crate::report::{Backed, Reporter};
use crate::secrets;
use crate::text::{count, several, shown, size};

/// Says what backups did.
pub(crate) struct Teller {
    reporter: Reporter,
    secret: Option<Secret>,
    /// The new repositories that were told of.
    announced: Vec<String>,
    /// Nobody watches: what changed nothing is not worth a line.
    unattended: bool,
}

impl Teller {
    pub(crate) fn new(arguments: &Arguments, reporter: Reporter, unattended: bool) -> Self {
        Self { reporter, secret: arguments.secret.clone(), announced: Vec::new(), unattended }
    }

    /// Says what a backup did; returns how it ended, and what enters the summary.
    pub(crate) fn placed(
        &mut self,
        placed: &Placed,
        duration: Duration,
    ) -> (Exit, serde_json::Value) {
        let destination = &placed.destination;
        self.announce(destination);
        let backed = Backed {
            report: &placed.report,
            destination: destination.shown(),
            fallback_reason: placed.fallback_reason.as_deref(),
            requests: placed.requests,
            unfenced: destination.repository().fencing() == Fencing::Nothing,
            duration,
        };
        let exit = self.report(&backed);
        sync::tell(&placed.copied, &self.reporter);
        (exit, self.reporter.tally(&backed))
    }

    /// Says that a repository was made, once.
    fn announce(&mut self, destination: &Destination) {
        let reporter = &self.reporter;
        if destination.is_new() && !self.announced.iter().any(|one| one == destination.shown()) {
            self.announced.push(destination.shown().to_owned());
            let sealed = destination.repository().is_sealed();
            let how = if sealed { "encrypted" } else { "not encrypted" };
            reporter.say(&format!("{} is a new repository, {how}", destination.shown()));
            let secret = self.secret.as_ref().filter(|_| sealed);
            if let Some(why) = secret.and_then(secrets::weakness) {
                reporter.warn(&why);
            }
        }
    }

    fn report(&self, backed: &Backed<'_>) -> Exit {
        let (report, reporter) = (backed.report, &self.reporter);
        let name = &report.name;
        for notice in &report.notices {
            match notice {
                Notice::HotJournalRolledBack => reporter.say(&format!("{name}: {notice}")),
                notice => reporter.warn(&format!("{name}: {notice}")),
            }
        }
        if let Some(owner) = &report.adopted_from {
            reporter.warn(&format!("{name}: taken over from installation {owner}"));
        }
        if !(self.unattended && report.unchanged) {
            reporter.backed_up(backed);
        }
        if backed.unfenced {
            reporter.warn(&format!(
                "{name}: {} is unfenced: back it up from one machine only, because of two writers \
                 one would undo what the other did",
                backed.destination
            ));
        }
        for number in &report.damaged_records {
            reporter.warn(&format!(
                "{name}: record {number} is damaged; this snapshot was built on the last good one"
            ));
        }
        for object in &report.damaged_objects {
            reporter.warn(&format!(
                "{name}: {object} is damaged or missing; this snapshot does without it, and older \
                 ones may not: `lifeboat repair {name}` says what can be mended"
            ));
        }
        let mut behind = false;
        if let Some(media) = &report.media {
            behind = self.media(name, media);
        }
        let sound = report.damaged_records.is_empty() && report.damaged_objects.is_empty();
        match (sound, behind) {
            (false, _) => Exit::Damage,
            (true, true) => Exit::PartlyDone,
            (true, false) => Exit::Ok,
        }
    }

    /// Says what became of the files beside a database; whether some are yet to come.
    fn media(&self, name: &str, media: &MediaReport) -> bool {
        let reporter = &self.reporter;
        reporter.say(&format!(
            "  with {}, {}; {} copied now ({})",
            several(media.files, "file"),
            size(media.bytes),
            count(media.copied),
            size(media.bytes_copied)
        ));
        if media.missing.count > 0 {
            reporter.warn(&format!(
                "{name}: {} that rows mention are not there, such as {}: `lifeboat links check` names \
                 them",
                several(media.missing.count, "file"),
                shown(&media.missing.example)
            ));
        }
        if media.unusable.count > 0 {
            reporter.warn(&format!(
                "{name}: {} what is no key, such as {}",
                several(media.unusable.count, "row") + " that should mention a file hold",
                shown(&media.unusable.example)
            ));
        }
        if media.unread.count > 0 {
            reporter.warn(&format!(
                "{name}: the database is backed up, and {} beside it could not be read ({}); the \
                 next backup tries again",
                several(media.unread.count, "file"),
                shown(&media.unread.example)
            ));
        }
        media.unread.count > 0
    }
}

/// That snapshots went to the trash because a destination keeps only so many.
pub(crate) fn forgotten(forgotten: usize, count: u32) -> String {
    format!(
        "  {forgotten} older than the newest {count} forgotten; `lifeboat undelete` brings them \
         back from the trash"
    )
}

/// Says what went to the trash by the rules of a destination. The backup is made:
/// what failed is no failure of it.
pub(crate) fn thinned(reporter: &Reporter, name: &str, thinned: &Thinned) {
    match (&thinned.done, thinned.newest) {
        (Ok(0), _) => {}
        (Ok(gone), Some(count)) => reporter.say(&forgotten(*gone, count)),
        (Ok(gone), None) => reporter.say(&format!(
            "  {gone} that its retention does not keep forgotten at {}; `lifeboat undelete` brings \
             them back from the trash",
            thinned.place
        )),
        (Err(error), _) => reporter.warn(&format!(
            "{name}: the snapshot is stored, but older ones are still there: failed to {}",
            crate::report::causes(error)
        )),
    }
}
