//! An admin of two databases that does what a test says, and requests to a router
//! over it.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use lifeboat_http::model::*;
use lifeboat_http::{
    Admin, Fetched, Interface, Objects, Peer, Problem, Role, Security, Step, Watch,
};
use serde_json::Value;
use tokio::sync::{Notify, broadcast};
use tower::ServiceExt as _;

pub(crate) const READ: &str = "read-token-read-token";
pub(crate) const OPERATE: &str = "operate-token-operate";
pub(crate) const RESTORE: &str = "restore-token-restore";

/// What the admin does, and what was done to it.
#[derive(Default)]
pub(crate) struct Script {
    pub(crate) disabled: Mutex<Option<Disabled>>,
    /// Everything that changes something, in words.
    pub(crate) done: Mutex<Vec<String>>,
    /// A backup waits for it, if that is wanted.
    pub(crate) gate: Option<Arc<Notify>>,
    /// What everything fails with.
    pub(crate) fails: Mutex<Option<Problem>>,
    pub(crate) objects: Option<Arc<dyn Objects>>,
    pub(crate) image: Vec<u8>,
}

impl Script {
    fn note(&self, what: String) {
        self.done.lock().expect("no test panics with it").push(what);
    }

    pub(crate) fn done(&self) -> Vec<String> {
        self.done.lock().expect("no test panics with it").clone()
    }

    fn answer<T>(&self, value: T) -> Result<T, Problem> {
        match self.fails.lock().expect("no test panics with it").clone() {
            Some(problem) => Err(problem),
            None => Ok(value),
        }
    }
}

fn at(text: &str) -> Moment {
    Moment::parse(text).expect("a time")
}

fn known(database: &str) -> Result<(), Problem> {
    if ["app", "logs"].contains(&database) {
        return Ok(());
    }
    Err(Problem::not_found("there is no database of this name"))
}

fn health(database: &str) -> HealthInfo {
    HealthInfo {
        database: database.into(),
        status: if database == "app" { Level::Healthy } else { Level::Warning },
        reasons: Vec::new(),
        last_backup: Some(at("2026-11-21T10:00:00Z")),
        next_scheduled: Some(at("2026-11-21T11:00:00Z")),
    }
}

/// Snapshot ids, the newest first.
pub(crate) const IDS: [&str; 3] =
    ["20261121T100000Z-00000003", "20261121T090000Z-00000002", "20261121T080000Z-00000001"];

fn snapshot(database: &str, n: usize) -> SnapshotInfo {
    let hour = 10 - n;
    SnapshotInfo {
        database: database.into(),
        snapshot_id: IDS[n].into(),
        sequence: 3 - n as u64,
        generation: 3 - n as u64,
        taken_at: at(&format!("2026-11-21T{hour:02}:00:00Z")),
        size: 4096 * 10,
        bytes_added: 1000,
        pages_changed: 3,
        trigger: if n == 0 { "manual" } else { "scheduled" }.into(),
        tags: BTreeMap::from([("release".to_owned(), format!("v{n}"))]),
        description: None,
        kept_because: vec!["last 3".into()],
        pinned: n == 2,
        verified_at: None,
        drilled_at: None,
        damage: None,
        destinations: vec!["disk".into()],
        fork: false,
    }
}

#[async_trait]
impl Admin for Script {
    fn disabled(&self) -> Option<Disabled> {
        self.disabled.lock().expect("no test panics with it").clone()
    }

    async fn databases(&self) -> Result<Vec<DatabaseInfo>, Problem> {
        Ok(vec![self.database("app").await?, self.database("logs").await?])
    }

    async fn database(&self, database: &str) -> Result<DatabaseInfo, Problem> {
        known(database)?;
        self.answer(DatabaseInfo {
            database: database.into(),
            health: health(database),
            running: None,
            snapshots: 3,
            size: Some(40960),
            stored_bytes: 3000,
            latest: Some(IDS[0].into()),
            verified_at: None,
            drilled_at: None,
            destinations: vec!["disk".into()],
            schedule: Some("every hour".into()),
            history: Vec::new(),
        })
    }

    async fn health(&self) -> Result<Vec<HealthInfo>, Problem> {
        self.answer(vec![health("logs"), health("app")])
    }

    async fn snapshots(&self, database: &str) -> Result<Vec<SnapshotInfo>, Problem> {
        known(database)?;
        self.answer((0..3).map(|n| snapshot(database, n)).collect())
    }

    async fn trash(&self, database: &str) -> Result<Vec<TrashInfo>, Problem> {
        known(database)?;
        self.answer(Vec::new())
    }

    async fn snapshot(&self, database: &str, id: &str) -> Result<SnapshotDetail, Problem> {
        known(database)?;
        let found = IDS.iter().position(|one| id == "latest" || one.starts_with(id));
        let n = found.ok_or_else(|| Problem::not_found("there is no such snapshot"))?;
        self.answer(SnapshotDetail {
            snapshot: snapshot(database, n),
            origin: Some("/srv/app/app.db".into()),
            page_size: 4096,
            page_count: 10,
            image_digest: "00".into(),
            bytes_read: 1,
            facts: BTreeMap::new(),
            previous: IDS.get(n + 1).map(|id| (*id).to_owned()),
            next: None,
        })
    }

    async fn tables(&self, _: &str, id: &str, _: &Watch) -> Result<TablesResult, Problem> {
        let tables = vec![TableInfo { name: "users".into(), rows: Some(3), rows_before: Some(2) }];
        self.answer(TablesResult { snapshot_id: id.into(), compared_with: None, tables })
    }

    async fn back_up(
        &self,
        database: &str,
        wanted: &BackUp,
        watch: &Watch,
    ) -> Result<BackupResult, Problem> {
        watch.tell(Step::Phase("reading", Some(100)));
        watch.tell(Step::Done(60));
        watch.tell(Step::Done(600));
        if let Some(gate) = &self.gate {
            gate.notified().await;
        }
        let what = wanted.description.clone().unwrap_or_default();
        self.note(format!("backup {database} {what}").trim().to_owned());
        let snapshot_id = IDS[0].to_owned();
        let sequence = 3;
        let database = database.to_owned();
        self.answer(BackupResult { database, snapshot_id, sequence, ..BackupResult::default() })
    }

    fn can_cancel_backups(&self) -> bool {
        true
    }

    async fn plan_restore(
        &self,
        database: &str,
        id: &str,
        wanted: &Restore,
    ) -> Result<RestorePlan, Problem> {
        let detail = self.snapshot(database, id).await?;
        Ok(RestorePlan {
            database: database.into(),
            snapshot_id: detail.snapshot.snapshot_id,
            sequence: detail.snapshot.sequence,
            taken_at: detail.snapshot.taken_at,
            age_seconds: 60,
            destination: "disk".into(),
            target: "restored.db".into(),
            in_place: wanted.to == RestoreTo::InPlace,
            size: 40960,
            size_now: None,
            bytes_to_fetch: 1000,
            bytes_kept: 0,
            requests: 2,
            estimated_seconds: None,
            resumes: false,
        })
    }

    async fn restore(
        &self,
        database: &str,
        id: &str,
        wanted: &Restore,
        _: &Watch,
    ) -> Result<RestoreResult, Problem> {
        self.note(format!("restore {database} {id} {:?} {:?}", wanted.to, wanted.file_name));
        if let Some(gate) = &self.gate {
            gate.notified().await;
        }
        let target = "/srv/restored/x.db".to_owned();
        self.answer(RestoreResult { target, ..RestoreResult::default() })
    }

    async fn fetch(&self, _: &str, id: &str, _: &Watch) -> Result<Fetched, Problem> {
        let mut file = tempfile::tempfile().expect("a temporary file");
        file.write_all(&self.image).expect("it is written");
        self.answer(Fetched {
            file,
            snapshot_id: id.into(),
            size: self.image.len() as u64,
            etag: "digest".into(),
            keep: Box::new(()),
        })
    }

    async fn change(&self, database: &str, id: &str, change: Change) -> Result<String, Problem> {
        let detail = self.snapshot(database, id).await?;
        self.note(format!("{} {database} {id}", change.name()));
        Ok(detail.snapshot.snapshot_id)
    }

    async fn check(&self, database: &str, all: bool, _: &Watch) -> Result<CheckResult, Problem> {
        self.note(format!("check {database} {all}"));
        self.answer(CheckResult::default())
    }

    async fn drill(&self, database: &str, _: &Watch) -> Result<DrillResult, Problem> {
        self.note(format!("drill {database}"));
        self.answer(DrillResult { passed: true, ..DrillResult::default() })
    }

    async fn repair(
        &self,
        database: &str,
        apply: bool,
        _: &Watch,
    ) -> Result<RepairResult, Problem> {
        self.note(format!("repair {database} {apply}"));
        self.answer(RepairResult { applied: apply, ..RepairResult::default() })
    }

    async fn destinations(&self) -> Result<Vec<DestinationInfo>, Problem> {
        self.answer(Vec::new())
    }

    async fn configuration(&self) -> Result<Vec<SettingInfo>, Problem> {
        self.answer(Vec::new())
    }

    fn happenings(&self) -> broadcast::Receiver<Happening> {
        broadcast::channel(1).1
    }

    async fn metrics(&self) -> Option<String> {
        Some("lifeboat_up 1\n".into())
    }

    fn objects(&self) -> Option<Arc<dyn Objects>> {
        self.objects.clone()
    }
}

pub(crate) fn tokens() -> Security {
    Security::by_application()
        .token(Role::Read, READ)
        .and_then(|one| one.token(Role::Operate, OPERATE))
        .and_then(|one| one.token(Role::Restore, RESTORE))
        .expect("they are long enough")
}

/// A router over a script.
pub(crate) struct Tried {
    pub(crate) script: Arc<Script>,
    pub(crate) router: Router,
}

impl Tried {
    pub(crate) fn new() -> Self {
        Self::of(Script::default(), tokens())
    }

    pub(crate) fn of(script: Script, security: Security) -> Self {
        let script = Arc::new(script);
        let router = Interface::new(script.clone(), security).router();
        Self { script, router }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.expect("a router answers");
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("the body is whole").to_bytes();
        Answer { status: parts.status, headers: parts.headers, body: body.to_vec() }
    }

    pub(crate) async fn get(&self, token: &str, path: &str) -> Answer {
        self.send(request("GET", path, Some(token), None)).await
    }

    pub(crate) async fn post(&self, token: &str, path: &str, body: &str) -> Answer {
        self.send(request("POST", path, Some(token), Some(body))).await
    }

    /// Begins a job and waits for its end.
    pub(crate) async fn job(&self, path: &str, body: &str) -> Value {
        let begun = self.post(RESTORE, path, body).await;
        assert_eq!(begun.status, 202, "{}", begun.text());
        let id = begun.json()["id"].as_str().expect("an id").to_owned();
        // The last event is of the end.
        let events = self.get(RESTORE, &format!("/api/v1/jobs/{id}/events")).await.text();
        let last = events.lines().filter_map(|line| line.strip_prefix("data: ")).next_back();
        serde_json::from_str(last.expect("an event")).expect("a job")
    }
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("a text"))
    }
}

/// A request from this machine, as a script would send it.
pub(crate) fn request(
    method: &str,
    path: &str,
    token: Option<&str>,
    body: Option<&str>,
) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path).header("host", "localhost");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    if body.is_some() {
        request = request.header("content-type", "application/json");
    }
    let body = body.map_or_else(Body::empty, |body| Body::from(body.to_owned()));
    from("127.0.0.1:5000", request.body(body).expect("a request"))
}

pub(crate) fn from(address: &str, mut request: Request<Body>) -> Request<Body> {
    let address: SocketAddr = address.parse().expect("an address");
    request.extensions_mut().insert(Peer(address));
    request
}
