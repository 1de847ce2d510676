//! Restoring every database of a repository into one directory.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::StreamExt;
use lifeboat_format::id::DatabaseName;
use lifeboat_repository::{Progress, Resolved, Selector, Snapshot};
use lifeboat_snapshot::has_image;

use crate::destination::Destination;
use crate::error::{Cause, Error};
use crate::restore::{RestoreReport, RestoreSettings, off_thread};

/// How many databases are restored at once.
const AT_ONCE: usize = 3;

/// How all databases are restored.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct RestoreAllSettings {
    /// Have SQLite check each file before it is put in its place.
    pub check: bool,
    /// Replace files that hold something else. They are set aside.
    pub force: bool,
    /// Makes a listener for a database.
    pub progress: Option<ListenerOf>,
}

/// Makes a listener for a database of a name.
pub type ListenerOf = Arc<dyn Fn(&str) -> Option<Arc<dyn Progress>> + Send + Sync>;

impl std::fmt::Debug for RestoreAllSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RestoreAllSettings").field("check", &self.check).finish_non_exhaustive()
    }
}

/// What became of one database.
#[derive(Debug)]
#[non_exhaustive]
pub struct OneOfAll {
    /// Its name.
    pub name: DatabaseName,
    /// The file.
    pub target: PathBuf,
    /// What became of it.
    pub outcome: Result<Outcome, Error>,
    /// The destinations that were tried before and failed.
    pub failed: Vec<Cause>,
}

/// How a database got there.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// It was restored.
    Restored(Box<RestoreReport>),
    /// The file held exactly this snapshot, from an earlier run.
    AlreadyThere(Box<Snapshot>),
}

/// Restores databases to a folder, several at once.
pub(crate) async fn each_of<F: Future<Output = OneOfAll>>(
    names: Vec<DatabaseName>,
    folder: &Path,
    one: impl Fn(DatabaseName, PathBuf) -> F,
    done: &mut impl FnMut(&OneOfAll),
) -> Result<Vec<OneOfAll>, Error> {
    std::fs::create_dir_all(folder)
        .map_err(|source| Error::Path { path: folder.to_owned(), source })?;
    let mut all = Vec::with_capacity(names.len());
    let mut restores = std::pin::pin!(
        futures::stream::iter(names)
            .map(|name| {
                let target = folder.join(format!("{}.db", name.key()));
                one(name, target)
            })
            .buffer_unordered(AT_ONCE)
    );
    while let Some(one) = restores.next().await {
        done(&one);
        all.push(one);
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

impl Destination {
    /// Restores each database to `<folder>/<name>.db`, several at once. Files
    /// that an earlier run brought there are proven and left alone; one that
    /// holds anything else is refused, unless forced. An error of one stops no
    /// other; `done` is told of each as it ends.
    ///
    /// Cancelled or killed, every file that is there is whole; run again, it
    /// goes on with the rest.
    pub async fn restore_all(
        &self,
        folder: &Path,
        selector: &Selector,
        settings: &RestoreAllSettings,
        mut done: impl FnMut(&OneOfAll),
    ) -> Result<Vec<OneOfAll>, Error> {
        let names = self.databases().await?;
        let one = |name: DatabaseName, target: PathBuf| async move {
            let outcome = self.one_of_all(&name, &target, selector, settings).await;
            OneOfAll { name, target, outcome, failed: Vec::new() }
        };
        each_of(names, folder, one, &mut done).await
    }

    pub(crate) async fn one_of_all(
        &self,
        name: &DatabaseName,
        target: &Path,
        selector: &Selector,
        settings: &RestoreAllSettings,
    ) -> Result<Outcome, Error> {
        let database = self.of_name(name.clone());
        let snapshot = match database.resolve_moment(selector, None).await? {
            Resolved::Snapshot(snapshot) => snapshot,
            meant => return self.moment_of_all(name, target, selector, &meant, settings).await,
        };
        if std::fs::symlink_metadata(target).is_ok() {
            let (path, key) = (target.to_owned(), self.repository().hash_key().clone());
            let (geometry, digest) = (snapshot.body().geometry(), snapshot.body().image_digest);
            let same = move || geometry.is_some_and(|shape| has_image(&path, shape, &key, &digest));
            if off_thread(same).await {
                return Ok(Outcome::AlreadyThere(Box::new(snapshot)));
            }
        }
        let restoring = of_all(name, settings);
        // Exactly the one that was compared.
        let chosen = Selector::Prefix(snapshot.id().as_str().to_owned());
        let report = self.restore(name.as_str(), &chosen, target, &restoring, |_| ()).await?;
        Ok(Outcome::Restored(Box::new(report)))
    }

    /// A state between snapshots: whether a file that is there has it is not known
    /// before all of it was put together.
    async fn moment_of_all(
        &self,
        name: &DatabaseName,
        target: &Path,
        selector: &Selector,
        meant: &Resolved,
        settings: &RestoreAllSettings,
    ) -> Result<Outcome, Error> {
        // The same commit, should more come meanwhile.
        let commit = meant.moment().map(|moment| Selector::Commit(moment.commit));
        let selector = commit.as_ref().unwrap_or(selector);
        let restoring = of_all(name, settings);
        let report = self.restore(name.as_str(), selector, target, &restoring, |_| ()).await?;
        Ok(Outcome::Restored(Box::new(report)))
    }
}

fn of_all(name: &DatabaseName, settings: &RestoreAllSettings) -> RestoreSettings {
    RestoreSettings {
        check: settings.check,
        force: settings.force,
        progress: settings.progress.as_ref().and_then(|make| make(name.as_str())),
        ..RestoreSettings::default()
    }
}
