//! Jobs: they go on, tell how far they are, and can be cancelled.

use std::sync::Arc;

use serde_json::Value;
use tokio::sync::Notify;

use crate::script::{IDS, OPERATE, READ, RESTORE, Script, Tried, request, tokens};

fn gated() -> (Tried, Arc<Notify>) {
    let gate = Arc::new(Notify::new());
    let script = Script { gate: Some(Arc::clone(&gate)), ..Script::default() };
    (Tried::of(script, tokens()), gate)
}

async fn begin(tried: &Tried, path: &str, body: &str) -> Value {
    let answer = tried.post(RESTORE, path, body).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    let job = answer.json();
    assert_eq!(
        answer.header("location"),
        format!("/api/v1/jobs/{}", job["id"].as_str().expect("an id"))
    );
    job
}

/// Waits for what a job says next.
async fn until(tried: &Tried, id: &str, state: &str) -> Value {
    loop {
        let job = tried.get(READ, &format!("/api/v1/jobs/{id}")).await.json();
        if job["state"] == state {
            return job;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_job_goes_on_and_tells_how_far_it_is() {
    let (tried, gate) = gated();
    let job = begin(&tried, "/api/v1/databases/app/backups", r#"{"description":"before"}"#).await;
    let id = job["id"].as_str().expect("an id");
    assert_eq!(
        (&job["state"], &job["kind"], &job["by"]),
        (&"running".into(), &"backup".into(), &"token:restore".into())
    );
    // Nobody waits for it here; it is told, and never more than all.
    loop {
        let job = tried.get(READ, &format!("/api/v1/jobs/{id}")).await.json();
        if job["progress"]["done"] == 100 {
            assert_eq!(job["progress"]["total"], 100);
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(tried.get(READ, "/api/v1/databases/app").await.json()["running"], "backup");
    gate.notify_one();
    let job = until(&tried, id, "done").await;
    assert_eq!(job["backup"]["snapshot_id"], IDS[0]);
    assert_eq!(tried.script.done(), ["backup app before"]);
    assert_eq!(tried.get(READ, "/api/v1/databases/app").await.json()["running"], Value::Null);
}

#[tokio::test]
async fn a_job_is_cancelled_where_that_does_no_harm() {
    let (tried, gate) = gated();
    let job = begin(&tried, "/api/v1/databases/app/backups", "").await;
    let path = format!("/api/v1/jobs/{}", job["id"].as_str().expect("an id"));
    let cancel = |token| tried.send(request("DELETE", &path, Some(token), None));
    assert_eq!(cancel(READ).await.status, 403);
    assert_eq!(cancel(OPERATE).await.json()["state"], "cancelled");
    until(&tried, job["id"].as_str().expect("an id"), "cancelled").await;
    assert_eq!(cancel(OPERATE).await.status, 409, "it has ended");
    gate.notify_one();
    assert!(tried.script.done().is_empty(), "it was dropped");
    // In place, it goes to its end.
    let body = r#"{"to":"in_place","confirm":"app"}"#;
    let path = format!("/api/v1/databases/app/snapshots/{}/restore", IDS[0]);
    let job = begin(&tried, &path, body).await;
    assert_eq!(job["cancellable"], false);
    let one = format!("/api/v1/jobs/{}", job["id"].as_str().expect("an id"));
    assert_eq!(tried.send(request("DELETE", &one, Some(RESTORE), None)).await.status, 409);
}

#[tokio::test]
async fn only_so_many_run_at_once() {
    let (tried, _gate) = gated();
    for _ in 0..8 {
        begin(&tried, "/api/v1/databases/app/backups", "").await;
    }
    let answer = tried.post(OPERATE, "/api/v1/databases/app/backups", "").await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (429, "2"));
}

#[tokio::test]
async fn a_job_that_fails_says_why() {
    let tried = Tried::new();
    let job = tried.job("/api/v1/databases/app/drill", "{}").await;
    assert_eq!((&job["state"], &job["drill"]["passed"]), (&"done".into(), &true.into()));
    let problem =
        lifeboat_http::Problem::storage("reach the store at /mnt/x").with_hint("mount it");
    let script = Script::default();
    let tried = Tried::of(script, tokens());
    let begun = tried.post(RESTORE, "/api/v1/databases/app/drill", "{}").await.json();
    *tried.script.fails.lock().expect("nobody panics") = Some(problem);
    let job = until(&tried, begun["id"].as_str().expect("an id"), "failed").await;
    assert_eq!(job["error"]["code"], 13);
    assert_eq!(job["error"]["message"], "reach the store at …/x");
    assert_eq!(job["error"]["data_is_safe"], true);
}

#[tokio::test]
async fn where_files_lie_is_for_those_who_may_restore() {
    let tried = Tried::new();
    let path = format!("/api/v1/databases/app/snapshots/{}/restore", IDS[0]);
    let job = tried.job(&path, r#"{"to":"new_file","file_name":"x.db"}"#).await;
    assert_eq!(job["restore"]["target"], "/srv/restored/x.db");
    let one = format!("/api/v1/jobs/{}", job["id"].as_str().expect("an id"));
    for path in [one.as_str(), "/api/v1/jobs", &format!("{one}/events")] {
        assert!(!tried.get(READ, path).await.text().contains("/srv"), "{path}");
    }
}
