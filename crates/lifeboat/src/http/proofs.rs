//! Rows, checks, drills and repairs that are asked for over the interface.

use std::collections::BTreeMap;
use std::sync::Arc;

use lifeboat_format::check::Finding;
use lifeboat_http::model::{
    AssertionInfo, CheckResult, DrillResult, FindingInfo, RepairResult, TableInfo, TablesResult,
};
use lifeboat_http::{Problem, Watch};
use lifeboat_repository::{Called, CheckOptions, Depth, Selector, Share};
use lifeboat_sqlite::PrivateDatabase;

use super::ServiceAdmin;
use super::events::progress;
use super::problem::explained;
use crate::destination::{Destination, Missing};
use crate::destinations::ReadAs;
use crate::drill::{DrillSettings, rehearse};
use crate::error::Error;
use crate::hint::About;
use crate::restore::off_thread;

/// How many counts are remembered.
const REMEMBERED: usize = 32;

/// The rows of each table; none where they cannot be counted.
pub(super) type Counted = BTreeMap<String, Option<u64>>;

fn finding(finding: &Finding, called: &Called) -> FindingInfo {
    let ids = finding.snapshots.iter().filter_map(|number| called.ids.get(&number));
    FindingInfo {
        object: finding.object.clone(),
        message: finding.what.clone(),
        snapshot_ids: ids.map(ToString::to_string).collect(),
    }
}

impl ServiceAdmin {
    pub(super) async fn count_tables(
        &self,
        database: &str,
        id: &str,
        watch: &Watch,
    ) -> Result<TablesResult, Problem> {
        let before = self.known(database).await?.detail(id)?.previous;
        let now = self.rows(database, id, watch, "reading this snapshot").await?;
        let then = match &before {
            Some(before) => {
                Some(self.rows(database, before, watch, "reading the one before").await?)
            }
            None => None,
        };
        let nothing = Counted::new();
        let earlier = then.as_deref().unwrap_or(&nothing);
        let mut names: Vec<&String> = now.keys().chain(earlier.keys()).collect();
        names.sort();
        names.dedup();
        let table = |name: &String| TableInfo {
            name: name.clone(),
            rows: now.get(name).copied().flatten(),
            rows_before: earlier.get(name).copied().flatten(),
        };
        Ok(TablesResult {
            snapshot_id: id.to_owned(),
            compared_with: before,
            tables: names.into_iter().map(table).collect(),
        })
    }

    /// A snapshot never changes: what was counted once stays true.
    async fn rows(
        &self,
        database: &str,
        id: &str,
        watch: &Watch,
        phase: &'static str,
    ) -> Result<Arc<Counted>, Problem> {
        let key = format!("{database}/{id}");
        if let Some((_, counted)) = self.counted().iter().find(|(known, _)| *known == key) {
            return Ok(Arc::clone(counted));
        }
        let job = |holder: Destination, exactly: Selector| {
            let listener = progress(watch, phase);
            async move {
                let database = holder.database(database)?;
                let snapshot = database.resolve(&exactly, None).await?;
                let rehearsed = rehearse(&database, &snapshot, Some(listener)).await?;
                off_thread(move || -> Result<Counted, Error> {
                    let tables = PrivateDatabase::open(rehearsed.file.path())?.tables()?;
                    Ok(tables.into_iter().map(|table| (table.name, table.rows)).collect())
                })
                .await
            }
        };
        let exactly = Selector::Prefix(id.to_owned());
        let places = self.service.destinations();
        let whole = places.first_whole(database, &exactly, ReadAs::Helped, job).await;
        let counted = Arc::new(whole.map_err(explained(About::Reading))?.report);
        let mut all = self.counted();
        if all.len() >= REMEMBERED {
            all.remove(0);
        }
        all.push((key, Arc::clone(&counted)));
        Ok(counted)
    }

    async fn first(&self, database: &str) -> Result<Destination, Error> {
        let watched = self.service.database(database)?.watched()?;
        let places = self.service.destinations();
        Ok(places.choose(&watched.destinations, Missing::Refuse).await?.destination)
    }

    pub(super) async fn check_one(
        &self,
        database: &str,
        read_data: bool,
        watch: &Watch,
    ) -> Result<CheckResult, Problem> {
        let check = async {
            let depth = if read_data { Depth::Data(Share::All) } else { Depth::Presence };
            let mut options = CheckOptions::of_depth(depth);
            options.progress = Some(progress(watch, "reading and proving"));
            let destination = self.first(database).await?;
            Ok(destination.database(database)?.check(&options).await?)
        };
        let report = check.await.map_err(explained(About::Reading))?;
        let findings = report.result.findings.iter();
        Ok(CheckResult {
            database: database.to_owned(),
            snapshots: report.alive.len(),
            verified: report.verified.len(),
            broken: report.broken.len(),
            objects: report.objects,
            bytes: report.bytes,
            bytes_read: report.result.bytes_read,
            findings: findings.map(|one| finding(one, &report.called)).collect(),
        })
    }

    pub(super) async fn drill_one(
        &self,
        database: &str,
        watch: &Watch,
    ) -> Result<DrillResult, Problem> {
        let watched = self.service.database(database).and_then(|one| one.watched());
        let watched = watched.map_err(explained(About::Reading))?;
        let drill = async {
            let mut settings = DrillSettings::default();
            settings.assertions.clone_from(&watched.drills.assertions);
            settings.progress = Some(progress(watch, "restoring to scratch"));
            let destination = self.first(database).await?;
            let latest = Selector::Latest(0);
            let report = destination.drill(database, &latest, &settings, |_| ()).await?;
            Ok((destination, report))
        };
        let (destination, report) = drill.await.map_err(explained(About::Reading))?;
        let drill = report.drill;
        let assertion = |one: &lifeboat_format::check::Assertion| AssertionInfo {
            sql: one.sql.clone(),
            holds: one.holds,
            returned: one.returned.clone(),
        };
        Ok(DrillResult {
            database: database.to_owned(),
            destination: self.name_of_shown(destination.shown()),
            snapshot_id: drill.snapshot_id.to_string(),
            size: drill.size,
            passed: drill.passed(),
            assertions: drill.assertions.iter().map(assertion).collect(),
            restore_seconds: drill.restore_ms as f64 / 1000.0,
            duration_seconds: drill.duration_ms as f64 / 1000.0,
            integrity: drill.integrity,
            foreign_keys: drill.foreign_keys,
        })
    }

    pub(super) async fn repair_one(
        &self,
        database: &str,
        apply: bool,
        watch: &Watch,
    ) -> Result<RepairResult, Problem> {
        watch.tell(lifeboat_http::Step::Phase("reading everything", None));
        let watched = self.service.database(database).and_then(|one| one.watched());
        let watched = watched.map_err(explained(About::Reading))?;
        let repair = async {
            let destination = self.first(database).await?;
            let live = watched.path.exists().then_some(watched.path.as_path());
            destination.repair(database, live, apply, watched.keeping.collect).await
        };
        let report = repair.await.map_err(explained(About::Reading))?;
        let findings = report.findings.iter();
        Ok(RepairResult {
            database: database.to_owned(),
            applied: report.applied,
            findings: findings.map(|one| finding(one, &report.called)).collect(),
            broken: report.broken.len(),
            mended: report.mended.len(),
            left: report.left.len() as u64,
            deleted: report.collected.deleted.len() as u64,
            bytes_freed: report.collected.bytes_freed,
        })
    }
}
