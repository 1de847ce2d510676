//! What is asked is answered, under the names of the commands.

use axum::Router;
use serde_json::json;
use tower::ServiceExt as _;

use crate::script::{IDS, OPERATE, READ, RESTORE, Script, Tried, request, tokens};

#[tokio::test]
async fn snapshots_come_in_pages_and_are_filtered() {
    let tried = Tried::new();
    let ids = |query: &str| {
        let path = format!("/api/v1/databases/app/snapshots{query}");
        let tried = &tried;
        async move {
            let page = tried.get(READ, &path).await.json();
            let ids = page["snapshots"].as_array().expect("a list").iter();
            let ids: Vec<String> =
                ids.map(|one| one["snapshot_id"].as_str().expect("an id").to_owned()).collect();
            (ids, page["next"].clone(), page["total"].as_u64())
        }
    };
    let (all, next, total) = ids("").await;
    assert_eq!((all, next, total), (IDS.map(String::from).to_vec(), json!(null), Some(3)));
    let (first, next, _) = ids("?limit=2").await;
    assert_eq!((first.as_slice(), next), (&IDS.map(String::from)[..2], json!(IDS[1])));
    let (rest, next, _) = ids(&format!("?limit=2&before={}", IDS[1])).await;
    assert_eq!((rest, next), (vec![IDS[2].to_owned()], json!(null)));
    for (query, expected) in [
        ("?trigger=scheduled", vec![1, 2]),
        ("?tag=release=v1", vec![1]),
        ("?tag=release", vec![0, 1, 2]),
        ("?tag=other", vec![]),
        ("?pinned=true", vec![2]),
        ("?since=2026-11-21T09:00:00Z", vec![0, 1]),
        ("?until=2026-11-21T08:30:00Z", vec![2]),
        ("?since=2026-11-21T10:00:00%2B01:00&pinned=false", vec![0, 1]),
    ] {
        let expected: Vec<String> = expected.iter().map(|n: &usize| IDS[*n].to_owned()).collect();
        assert_eq!(ids(query).await.0, expected, "{query}");
    }
    for wrong in ["limit=0", "limit=501", "since=yesterday", "unknown=1", "pinned=perhaps"] {
        let path = format!("/api/v1/databases/app/snapshots?{wrong}");
        assert_eq!(tried.get(READ, &path).await.status, 400, "{wrong}");
    }
}

#[tokio::test]
async fn simple_forms_answer_as_they_did() {
    let tried = Tried::new();
    let several = tried.post(OPERATE, "/api/admin/backup", "").await;
    assert_eq!(several.status, 400, "there are two");
    let answer = tried.post(OPERATE, "/api/admin/backup?database=app", "").await.json();
    let key = "databases/app/records/00000000000000000003";
    assert_eq!(answer, json!({ "success": true, "key": key, "timestamp": "2026-11-21T10:00:00Z" }));
    let list = tried.get(READ, "/api/admin/backups?database=app").await.json();
    let first = json!({ "key": key, "size": 40960, "last_modified": "2026-11-21T10:00:00Z" });
    assert_eq!(list["backups"][0], first);
    let health = tried.get(READ, "/api/admin/backup/health").await.json();
    let expected = json!({
        "status": "warning",
        "last_backup": "2026-11-21T10:00:00Z",
        "next_scheduled": "2026-11-21T11:00:00Z",
    });
    assert_eq!(health, expected);
    assert_eq!(tried.get(READ, "/api/admin/backups?database=x").await.status, 404);
}

#[tokio::test]
async fn the_page_finds_its_files_wherever_it_is_mounted() {
    let tried = Tried::new();
    let nested = Router::new().nest("/our/backups", tried.router.clone());
    for (router, path, base) in [
        (tried.router.clone(), "/", "<base href=\"/\">"),
        (nested, "/our/backups", "<base href=\"/our/backups/\">"),
    ] {
        let asked = router.clone().oneshot(request("GET", path, None, None)).await;
        let response = asked.expect("a router answers");
        assert_eq!(response.status(), 200, "{path}");
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.expect("whole");
        let html = String::from_utf8_lossy(&body).into_owned();
        assert!(html.contains(base), "{html}");
        let prefix = path.trim_end_matches('/');
        for name in ["app.js", "page.css", "icon.svg"] {
            let asset = request("GET", &format!("{prefix}/assets/{name}"), None, None);
            let response = router.clone().oneshot(asset).await.expect("a router answers");
            assert_eq!(response.status(), 200, "{name}");
        }
    }
}

#[tokio::test]
async fn every_file_that_the_page_names_is_there() {
    let tried = Tried::new();
    let mut open = vec!["app.js".to_owned()];
    let mut seen = Vec::new();
    while let Some(name) = open.pop() {
        if seen.contains(&name) {
            continue;
        }
        let answer = tried.send(request("GET", &format!("/assets/{name}"), None, None)).await;
        assert_eq!(answer.status, 200, "{name}");
        for line in answer.text().lines().filter(|line| line.starts_with("import ")) {
            let from = line.rsplit("\"./").next().and_then(|rest| rest.split('"').next());
            open.push(from.expect("a module of the page").to_owned());
        }
        seen.push(name);
    }
    assert!(seen.len() > 6, "{seen:?}");
    let page = tried.send(request("GET", "/", None, None)).await.text();
    assert!(!page.contains("http"), "it works without internet");
}

#[tokio::test]
async fn sessions_begin_and_end() {
    let tried = Tried::new();
    let wrong =
        tried.send(request("POST", "/api/v1/session", None, Some(r#"{"token":"x"}"#))).await;
    assert_eq!(wrong.status, 401);
    let body = format!(r#"{{"token":"{OPERATE}"}}"#);
    let begun = tried.send(request("POST", "/api/v1/session", None, Some(&body))).await;
    let cookie = begun.header("set-cookie").to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    assert!(!cookie.contains(OPERATE) && !cookie.contains("Secure"), "{cookie}");
    let pair = cookie.split(';').next().expect("a pair").to_owned();
    let with = |method: &str, path: &str, page: bool| {
        let mut one = request(method, path, None, None);
        one.headers_mut().insert("cookie", pair.parse().expect("a value"));
        if page {
            one.headers_mut().insert("x-lifeboat-page", "1".parse().expect("a value"));
        }
        one
    };
    assert_eq!(tried.send(with("GET", "/api/v1/session", false)).await.json()["role"], "operate");
    let drill = "/api/v1/databases/app/drill";
    assert_eq!(tried.send(with("POST", drill, false)).await.status, 403, "a form of another site");
    assert_eq!(tried.send(with("POST", drill, true)).await.status, 202);
    assert_eq!(tried.send(with("DELETE", "/api/v1/session", true)).await.status, 204);
    assert_eq!(tried.send(with("GET", "/api/v1/databases", false)).await.status, 401);
}

#[tokio::test]
async fn who_did_what_is_remembered() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("audit.jsonl");
    let script = std::sync::Arc::new(Script::default());
    let router =
        |audit| lifeboat_http::Interface::new(script.clone(), tokens()).audit(audit).router();
    let audit = lifeboat_http::Audit::in_file(&path).expect("a file");
    let tried = Tried { script: script.clone(), router: router(audit) };
    let forget = format!("/api/v1/databases/app/snapshots/{}/forget", IDS[1]);
    assert_eq!(tried.post(RESTORE, &forget, r#"{"confirm":"app"}"#).await.status, 200);
    tried.job("/api/v1/databases/logs/drill", "{}").await;
    drop(tried);
    // After a restart it is still there.
    let audit = lifeboat_http::Audit::in_file(&path).expect("a file");
    let tried = Tried { script: script.clone(), router: router(audit) };
    let log = tried.get(RESTORE, "/api/v1/audit").await.json();
    // From where, too.
    for entry in log["entries"].as_array().expect("a list") {
        assert_eq!(entry["from"], "127.0.0.1", "{entry}");
    }
    let told: Vec<String> = log["entries"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| {
            ["by", "action", "database", "outcome"]
                .map(|n| one[n].as_str().unwrap_or("-").to_owned())
                .join(" ")
        })
        .collect();
    assert_eq!(
        told,
        [
            "token:restore drill logs done",
            "token:restore drill logs begun",
            "token:restore forget app done"
        ]
    );
}
