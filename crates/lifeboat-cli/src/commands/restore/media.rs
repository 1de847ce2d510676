//! After a restore: the files that the snapshot has beside the database.

use lifeboat::Destination;
use lifeboat::format::id::SnapshotId;
use lifeboat::media::put_back;
use serde_json::json;

use super::Command;
use crate::exit::Exit;
use crate::report::causes;
use crate::text::{count, several, shown, size};

impl Command<'_> {
    /// Puts files back where that was asked for. The restore itself is done: what fails
    /// here makes it a part.
    pub(super) async fn media(&self, destination: &Destination, id: &SnapshotId) -> Exit {
        let (restore, reporter) = (self.restore, self.reporter);
        if !restore.media && restore.media_to.is_none() {
            return Exit::Ok;
        }
        let links = &self.arguments.setup().configuration().settings().links;
        let elsewhere = restore.media_to.as_deref();
        let report = match put_back(links, destination, &self.name, id, elsewhere).await {
            Ok(Some(report)) => report,
            Ok(None) => {
                reporter.warn(&format!("snapshot {id} has no files beside the database"));
                return Exit::PartlyDone;
            }
            Err(error) => {
                reporter.warn(&format!(
                    "the database is restored, and the files beside it are not: failed to {}",
                    causes(&error)
                ));
                return Exit::PartlyDone;
            }
        };
        let object = json!({
            "database": self.name,
            "files": report.files,
            "put_back": report.put,
            "bytes": report.bytes,
            "there": report.there,
            "differs": report.differs.count,
            "failed": report.failed.count,
            "pending": report.pending,
        });
        let mut line = format!(
            "{}: {} put back ({}), {} there",
            several(report.files, "file"),
            count(report.put),
            size(report.bytes),
            count(report.there)
        );
        if report.differs.count > 0 {
            line.push_str(&format!(
                "; under the keys of {} lies something else, which was not touched: such as {}",
                count(report.differs.count),
                shown(&report.differs.example)
            ));
        }
        if report.failed.count > 0 {
            line.push_str(&format!(
                "; {} not put back: {}",
                count(report.failed.count),
                shown(&report.failed.example)
            ));
        }
        if report.pending > 0 {
            line.push_str(&format!(
                "; {} could not be read when the snapshot was taken",
                several(report.pending, "file")
            ));
        }
        reporter.found("media", object, &line);
        let whole = report.failed.count + report.differs.count + report.pending == 0;
        if whole { Exit::Ok } else { Exit::PartlyDone }
    }
}
