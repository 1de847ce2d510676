//! Restores that are asked for over the interface.

use std::path::PathBuf;
use std::time::Instant;

use lifeboat_http::model::{Restore, RestorePlan, RestoreResult, RestoreTo};
use lifeboat_http::{Fetched, Problem, Step, Watch};
use lifeboat_repository::Selector;
use lifeboat_snapshot::{Replaced, Way};
use time::OffsetDateTime;

use super::ServiceAdmin;
use super::events::progress;
use super::problem::explained;
use crate::destination::Destination;
use crate::destinations::ReadAs;
use crate::drill::rehearse;
use crate::error::Error;
use crate::hint::{About, shell_word};
use crate::in_place::{InPlaceSettings, Safety};
use crate::restore::{RestoreReport, RestoreSettings};

/// Exactly this snapshot, by its whole id.
fn exactly(id: &str) -> Selector {
    Selector::Prefix(id.to_owned())
}

impl ServiceAdmin {
    /// Where a restore goes. A new file lies in the one directory that is for
    /// that; its name has no directory in it.
    fn target(&self, database: &str, id: &str, wanted: &Restore) -> Result<PathBuf, Problem> {
        if wanted.to == RestoreTo::InPlace {
            let watched = self.service.database(database).and_then(|one| one.watched());
            return Ok(watched.map_err(explained(About::InPlace))?.path.clone());
        }
        let made_up = format!("{}_{id}.db", database.replace('%', "_"));
        let name = wanted.file_name.clone().unwrap_or(made_up);
        let path = self.restore_dir.join(&name);
        if path.file_name() != Some(name.as_ref()) || path.parent() != Some(&self.restore_dir) {
            return Err(Problem::usage("this is not the name of a file"));
        }
        Ok(path)
    }

    pub(super) async fn plan(
        &self,
        database: &str,
        snapshot: &str,
        wanted: &Restore,
    ) -> Result<RestorePlan, Problem> {
        let detail = self.known(database).await?.detail(snapshot)?;
        let id = detail.snapshot.snapshot_id;
        let target = self.target(database, &id, wanted)?;
        let in_place = wanted.to == RestoreTo::InPlace;
        if !in_place && target.exists() {
            return Err(Problem::conflict(7, "there is a file of this name already")
                .with_hint("choose another name; nothing is overwritten"));
        }
        let expect = wanted.expect;
        let job = |holder: Destination, exactly: Selector| {
            let target = &target;
            async move { holder.plan_restore(database, &exactly, target, expect).await }
        };
        let places = self.service.destinations();
        let whole = places.first_whole(database, &exactly(&id), ReadAs::Helped, job).await;
        let whole = whole.map_err(explained(About::Reading))?;
        let (planned, plan) = (&whole.report, &whole.report.plan);
        let body = planned.snapshot.body();
        let now = std::fs::metadata(&target).map(|meta| meta.len()).ok();
        Ok(RestorePlan {
            database: database.to_owned(),
            snapshot_id: id,
            sequence: planned.snapshot.number().0,
            taken_at: body.taken_at.into(),
            age_seconds: (OffsetDateTime::now_utc() - body.taken_at).whole_seconds(),
            destination: self.name_of_shown(whole.destination.shown()),
            target: target.display().to_string(),
            in_place,
            size: u64::from(body.page_size) * u64::from(body.page_count),
            size_now: now.filter(|_| in_place),
            bytes_to_fetch: plan.bytes,
            bytes_kept: plan.blocks_kept * u64::from(plan.geometry.block_size()),
            requests: plan.requests,
            estimated_seconds: Some(plan.estimate.as_secs_f64()),
            resumes: planned.resumes,
        })
    }

    pub(super) async fn bring_back(
        &self,
        database: &str,
        id: &str,
        wanted: &Restore,
        watch: &Watch,
    ) -> Result<RestoreResult, Problem> {
        let started = Instant::now();
        let target = self.target(database, id, wanted)?;
        let listener = Some(progress(watch, "fetching and proving"));
        watch.tell(Step::Phase("looking for it", None));
        if wanted.to == RestoreTo::InPlace {
            let settings = InPlaceSettings {
                expect: wanted.expect,
                progress: listener,
                ..InPlaceSettings::default()
            };
            let done = self.service.restore_in_place(database, &exactly(id), &settings).await;
            let done = done.map_err(explained(About::InPlace))?;
            let mut result = self.result(database, &done.restored, &done.target);
            result.destination = self.name_of_shown(&done.destination);
            replaced(&mut result, &done.replaced);
            result.safety_snapshot_id = match &done.safety {
                Safety::Taken(report) => Some(report.snapshot_id.to_string()),
                _ => None,
            };
            result.duration_seconds = started.elapsed().as_secs_f64();
            return Ok(result);
        }
        private_directory(&self.restore_dir).map_err(|source| {
            explained(About::Restore)(Error::Path { path: self.restore_dir.clone(), source })
        })?;
        let settings = RestoreSettings {
            check: true,
            expect: wanted.expect,
            progress: listener,
            ..RestoreSettings::default()
        };
        let done = self.service.restore(database, &exactly(id), &target, &settings).await;
        let done = done.map_err(explained(About::Restore))?;
        let mut result = self.result(database, &done.report, &target);
        result.destination = self.name_of_shown(done.destination.shown());
        result.duration_seconds = started.elapsed().as_secs_f64();
        Ok(result)
    }

    fn result(
        &self,
        database: &str,
        report: &RestoreReport,
        target: &std::path::Path,
    ) -> RestoreResult {
        let body = &report.body;
        RestoreResult {
            database: database.to_owned(),
            snapshot_id: report.snapshot_id.to_string(),
            sequence: report.number.0,
            target: target.display().to_string(),
            size: u64::from(body.page_size) * u64::from(body.page_count),
            bytes_fetched: report.bytes_fetched,
            bytes_kept: report.bytes_kept,
            checked: report.checked,
            ..RestoreResult::default()
        }
    }

    /// Restores to the cache directory, proven, for a download.
    pub(super) async fn to_scratch(
        &self,
        database: &str,
        id: &str,
        watch: &Watch,
    ) -> Result<Fetched, Problem> {
        let job = |holder: Destination, exactly: Selector| {
            let listener = progress(watch, "fetching and proving");
            async move {
                let database = holder.database(database)?;
                let snapshot = database.resolve(&exactly, None).await?;
                let file = rehearse(&database, &snapshot, Some(listener)).await?;
                Ok((snapshot, file))
            }
        };
        let places = self.service.destinations();
        let whole = places.first_whole(database, &exactly(id), ReadAs::Helped, job).await;
        let (snapshot, rehearsed) = whole.map_err(explained(About::Reading))?.report;
        let path = rehearsed.file.path().to_owned();
        let opened = std::fs::File::open(&path).and_then(|file| {
            let size = file.metadata()?.len();
            Ok((file, size))
        });
        let (file, size) =
            opened.map_err(|source| explained(About::Reading)(Error::Path { path, source }))?;
        Ok(Fetched {
            file,
            snapshot_id: snapshot.id().to_string(),
            size,
            etag: snapshot.body().image_digest.to_string(),
            keep: Box::new(rehearsed),
        })
    }
}

fn replaced(result: &mut RestoreResult, replaced: &Replaced) {
    let way = match replaced.way {
        Way::Placed => "placed",
        Way::Swapped => "swapped",
        Way::Overwritten => "overwritten",
        Way::Removed => "removed",
        _ => "other",
    };
    result.way = Some(way.to_owned());
    result.set_aside = replaced.aside.as_ref().map(|path| path.display().to_string());
    let undo = replaced.aside.as_deref().filter(|_| replaced.way != Way::Removed);
    result.undo = undo.map(|aside| format!("lifeboat restore --undo {}", shell_word(aside)));
}

/// What lies in it are databases: it is for its owner alone.
fn private_directory(path: &std::path::Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}
