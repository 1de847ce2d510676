//! What must be refused, is.

use axum::body::Body;
use axum::http::Request;
use lifeboat_http::model::Disabled;
use lifeboat_http::{Caller, Role, Security, TrustedProxy};

use crate::script::{IDS, OPERATE, READ, RESTORE, Script, Tried, from, request};

/// Every operation of the document: method, path with real names, and its role
/// (none: everybody).
fn operations() -> Vec<(String, String, Option<&'static str>)> {
    let document = serde_json::to_value(lifeboat_http::openapi()).expect("a document");
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for method in item.as_object().expect("methods").keys() {
            let real = path
                .replace("{database}", "app")
                .replace("{snapshot}", IDS[0])
                .replace("{job}", "0");
            all.push((method.to_uppercase(), real, role(method, path)));
        }
    }
    all
}

/// Written down a second time, on purpose.
fn role(method: &str, path: &str) -> Option<&'static str> {
    let ends = |all: &[&str]| all.iter().any(|end| path.ends_with(end));
    match (method, path) {
        (_, "/api/v1/session" | "/healthz" | "/readyz") => None,
        (_, "/api/v1/configuration" | "/api/v1/audit" | "/api/v1/jobs/{job}/file") => Some(RESTORE),
        ("get", _) => Some(READ),
        ("post", _) if ends(&["/tables"]) => Some(READ),
        ("post", _) if ends(&["/forget", "/restore", "/restore/plan", "/download", "/repair"]) => {
            Some(RESTORE)
        }
        ("post" | "delete", _) => Some(OPERATE),
        _ => panic!("an operation that nobody thought of: {method} {path}"),
    }
}

#[tokio::test]
async fn without_a_token_there_is_nothing() {
    let tried = Tried::new();
    let all = operations();
    assert!(all.len() > 30, "{}", all.len());
    for (method, path, role) in all.iter().filter(|(_, _, role)| role.is_some()) {
        let answer = tried.send(request(method, path, None, None)).await;
        assert_eq!(answer.status, 401, "{method} {path} for {role:?}");
        assert!(answer.header("www-authenticate").starts_with("Bearer"));
    }
    assert_eq!(tried.send(request("GET", "/api/v1/openapi.json", None, None)).await.status, 401);
    assert!(tried.script.done().is_empty());
}

#[tokio::test]
async fn a_role_is_what_it_may_and_nothing_more() {
    for (token, rank) in [(READ, 0), (OPERATE, 1), (RESTORE, 2)] {
        let tried = Tried::new();
        for (method, path, role) in operations() {
            if path.ends_with("/events") {
                continue;
            }
            let needs = [READ, OPERATE, RESTORE].iter().position(|one| Some(*one) == role);
            let answer = tried.send(request(&method, &path, Some(token), None)).await;
            let refused = answer.status == 403;
            assert_eq!(
                refused,
                needs.is_some_and(|needs| needs > rank),
                "{method} {path} with {token}"
            );
        }
    }
}

#[tokio::test]
async fn wrong_tokens_are_refused_and_lock_nobody_out() {
    let tried = Tried::new();
    for wrong in ["", "x", "read-token-read-toke", "READ-TOKEN-READ-TOKEN"] {
        let answer = tried.get(wrong, "/api/v1/databases").await;
        assert_eq!(answer.status, 401, "{wrong:?}");
        assert!(!answer.text().contains("read-token"), "it does not come back");
    }
    for _ in 0..10 {
        tried.get("guess", "/api/v1/databases").await;
    }
    let answer = tried.get("guess", "/api/v1/databases").await;
    assert_eq!(answer.status, 429);
    // The right one works from the same address, which may be that of a proxy.
    assert_eq!(tried.get(READ, "/api/v1/databases").await.status, 200);
    assert_eq!(tried.get("guess", "/api/v1/databases").await.status, 429);
    // And elsewhere.
    let other = from("10.0.0.9:1", request("GET", "/api/v1/databases", Some(READ), None));
    assert_eq!(tried.send(other).await.status, 200);
}

async fn page_sends(tried: &Tried, headers: &[(&str, &str)]) -> u16 {
    let mut builder = Request::builder().method("POST").uri("/api/v1/databases/app/drill");
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    let request = builder.body(Body::empty()).expect("a request");
    tried.send(from("127.0.0.1:5000", request)).await.status.as_u16()
}

#[tokio::test]
async fn other_sites_change_nothing() {
    let tried =
        Tried::of(Script::default(), Security::by_application().without_token(Role::Operate));
    let host = ("host", "localhost:8484");
    let page = ("x-lifeboat-page", "1");
    assert_eq!(page_sends(&tried, &[host, page, ("origin", "http://localhost:8484")]).await, 202);
    for foreign in [
        vec![host, page, ("origin", "https://evil.example")],
        vec![host, page, ("origin", "null")],
        vec![host, page, ("origin", "http://localhost:8485")],
        vec![host, page, ("origin", "http://localhost:8484.evil.example")],
        vec![host, page, ("sec-fetch-site", "cross-site")],
        vec![host, page, ("sec-fetch-site", "same-site"), ("origin", "http://localhost:8484")],
        // A form of another site, in a browser that says nothing of origins.
        vec![host, ("origin", "http://localhost:8484")],
        vec![host, ("cookie", "a=b")],
        // A name of the attacker's that leads here (DNS rebinding).
        vec![("host", "evil.example:8484"), page, ("origin", "http://evil.example:8484")],
    ] {
        assert_eq!(page_sends(&tried, &foreign).await, 403, "{foreign:?}");
    }
    // The one that was taken runs by itself.
    while tried.script.done().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(tried.script.done(), ["drill app"], "one, and no other");
}

#[tokio::test]
async fn names_that_lead_here_do_not_read_either() {
    let tried = Tried::of(Script::default(), Security::by_application().without_token(Role::Read));
    for (host, expected) in [("localhost", 200), ("127.0.0.1:8484", 200), ("evil.example", 403)] {
        let request = Request::get("/api/v1/databases").header("host", host);
        let request = from("127.0.0.1:5000", request.body(Body::empty()).expect("a request"));
        assert_eq!(tried.send(request).await.status, expected, "{host}");
    }
}

#[tokio::test]
async fn no_token_is_needed_here_and_only_here() {
    let tried =
        Tried::of(Script::default(), Security::by_application().without_token(Role::Operate));
    for (peer, expected) in [("127.0.0.1:1", 200), ("[::1]:1", 200), ("192.168.0.2:1", 401)] {
        let request = from(peer, request("GET", "/api/v1/databases", None, None));
        assert_eq!(tried.send(request).await.status, expected, "{peer}");
    }
    // What a proxy of this machine hands on comes from elsewhere.
    for name in ["x-forwarded-for", "forwarded", "via"] {
        let mut request = request("GET", "/api/v1/databases", None, None);
        request.headers_mut().insert(name, "10.0.0.1".parse().expect("a value"));
        assert_eq!(tried.send(request).await.status, 401, "{name}");
    }
}

#[tokio::test]
async fn a_proxy_is_believed_where_it_is() {
    let proxy = TrustedProxy {
        header: "x-user".parse().expect("a name"),
        addresses: vec!["10.0.0.1".parse().expect("an address")],
        role: Role::Operate,
    };
    let tried = Tried::of(Script::default(), Security::by_application().trusted_proxy(proxy));
    for (peer, user, expected) in [
        ("10.0.0.1:9", vec!["ann"], 202),
        ("10.0.0.2:9", vec!["ann"], 401),
        ("10.0.0.1:9", vec![], 401),
        ("10.0.0.1:9", vec![""], 401),
        ("10.0.0.1:9", vec!["ann", "root"], 401),
    ] {
        let mut one = request("POST", "/api/v1/databases/app/drill", None, None);
        for name in &user {
            one.headers_mut().append("x-user", name.parse().expect("a value"));
        }
        assert_eq!(tried.send(from(peer, one)).await.status, expected, "{peer} {user:?}");
    }
}

#[tokio::test]
async fn an_application_says_who_asks() {
    let tried = Tried::of(Script::default(), Security::by_application());
    let mut asked = request("GET", "/api/v1/session", None, None);
    assert_eq!(tried.send(asked).await.json()["role"], serde_json::Value::Null);
    asked = request("GET", "/api/v1/session", None, None);
    asked.extensions_mut().insert(Caller { name: "ann".into(), role: Role::Restore });
    let answer = tried.send(asked).await.json();
    assert_eq!((&answer["by"], &answer["role"]), (&"ann".into(), &"restore".into()));
}

#[tokio::test]
async fn what_leads_elsewhere_finds_nothing() {
    let tried = Tried::new();
    let odd = [
        "..",
        "%2e%2e",
        "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "..%5c..",
        "%00",
        "app%2f..",
        "a%0ab",
        "app%20",
        "%ff",
        "~root",
        "app;x",
    ];
    for odd in odd {
        for path in [
            format!("/api/v1/databases/{odd}"),
            format!("/api/v1/databases/{odd}/snapshots"),
            format!("/api/v1/databases/{odd}/snapshots/{}", IDS[0]),
            format!("/api/v1/databases/app/snapshots/{odd}"),
            format!("/api/v1/jobs/{odd}"),
            format!("/api/v1/jobs/{odd}/file"),
            format!("/objects/{odd}"),
            format!("/assets/{odd}"),
        ] {
            let answer = tried.get(RESTORE, &path).await;
            assert_eq!(answer.status, 404, "{path}: {}", answer.text());
        }
    }
    let bodies = [
        "../x.db",
        "/etc/passwd",
        "a/b.db",
        "..",
        ".hidden",
        "",
        "x.db-wal",
        "a\\u0000b",
        "x y",
        "é.db",
    ];
    for name in bodies {
        let body = format!("{{\"to\":\"new_file\",\"file_name\":\"{name}\"}}");
        for what in ["restore", "restore/plan"] {
            let path = format!("/api/v1/databases/app/snapshots/{}/{what}", IDS[0]);
            let answer = tried.post(RESTORE, &path, &body).await;
            assert_eq!(answer.status, 400, "{name:?}: {}", answer.text());
        }
    }
    assert!(tried.script.done().is_empty(), "{:?}", tried.script.done());
}

#[tokio::test]
async fn what_cannot_be_brought_back_is_typed() {
    let tried = Tried::new();
    let of = |what: &str| format!("/api/v1/databases/app/snapshots/{}/{what}", IDS[0]);
    for (path, body) in [
        (of("forget"), r#"{"confirm":"logs"}"#),
        (of("forget"), "{}"),
        (of("forget"), r#"{"confirm":"App"}"#),
        (of("restore"), r#"{"to":"in_place"}"#),
        (of("restore"), r#"{"to":"in_place","confirm":"yes"}"#),
        ("/api/v1/databases/app/repair".into(), r#"{"apply":true}"#),
        ("/api/v1/databases/app/repair".into(), r#"{"apply":true,"confirm":""}"#),
    ] {
        let answer = tried.post(RESTORE, &path, body).await;
        assert_eq!(answer.status, 400, "{path} {body}: {}", answer.text());
    }
    assert!(tried.script.done().is_empty(), "{:?}", tried.script.done());
    let answer = tried.post(RESTORE, &of("forget"), r#"{"confirm":"app"}"#).await;
    assert_eq!(answer.status, 200);
    assert_eq!(tried.script.done(), [format!("forget app {}", IDS[0])]);
}

#[tokio::test]
async fn bodies_are_small_and_json() {
    let tried = Tried::new();
    let path = "/api/v1/databases/app/backups";
    let large = format!(r#"{{"description":"{}"}}"#, "x".repeat(70_000));
    assert_eq!(tried.post(OPERATE, path, &large).await.status, 413);
    assert_eq!(tried.post(OPERATE, path, r#"{"description":"a\nb"}"#).await.status, 400);
    assert_eq!(tried.post(OPERATE, path, r#"{"unknown":1}"#).await.status, 400);
    assert_eq!(tried.post(OPERATE, path, "{").await.status, 400);
    let mut form = request("POST", path, Some(OPERATE), Some("description=x"));
    let kind = "application/x-www-form-urlencoded".parse().expect("a value");
    form.headers_mut().insert("content-type", kind);
    assert_eq!(tried.send(form).await.status, 415);
    assert!(tried.script.done().is_empty());
}

#[tokio::test]
async fn headers_that_two_would_read_in_two_ways_are_refused() {
    let tried = Tried::new();
    for (name, value) in
        [("host", "evil.example"), ("authorization", "Bearer x"), ("transfer-encoding", "chunked")]
    {
        let mut one = request("POST", "/api/v1/databases/app/drill", Some(OPERATE), None);
        one.headers_mut().insert("content-length", "0".parse().expect("a value"));
        one.headers_mut().append(name, value.parse().expect("a value"));
        assert_eq!(tried.send(one).await.status, 400, "{name}");
    }
    // What some servers take for the method or the address, nobody does here.
    let mut one = request("GET", "/api/v1/databases", None, None);
    for name in ["x-forwarded-for", "x-real-ip", "x-forwarded-user", "x-http-method-override"] {
        one.headers_mut().append(name, "127.0.0.1".parse().expect("a value"));
    }
    assert_eq!(tried.send(from("10.9.9.9:1", one)).await.status, 401);
    assert!(tried.script.done().is_empty());
}

#[tokio::test]
async fn answers_say_no_paths_and_no_tokens() {
    let tried = Tried::new();
    let failed = lifeboat_http::Problem::failed(1, "use /srv/secret/app.db: no space")
        .with_hint("look at \"/srv/secret dir/x\"");
    *tried.script.fails.lock().expect("nobody panics") = Some(failed);
    let answer = tried.get(READ, "/api/v1/databases").await;
    assert_eq!(answer.status, 500);
    assert_eq!(answer.json()["message"], "use …/app.db: no space");
    assert!(!answer.text().contains("secret"), "{}", answer.text());
    *tried.script.fails.lock().expect("nobody panics") = None;
    // Where the database lies is for those who may restore.
    let path = format!("/api/v1/databases/app/snapshots/{}", IDS[0]);
    assert!(!tried.get(OPERATE, &path).await.text().contains("/srv"));
    assert!(tried.get(RESTORE, &path).await.text().contains("/srv"));
}

#[tokio::test]
async fn every_answer_keeps_browsers_in() {
    let tried = Tried::new();
    for path in ["/", "/assets/app.js", "/api/v1/databases", "/healthz", "/nothing"] {
        let answer = tried.send(request("GET", path, None, None)).await;
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("x-frame-options"), "DENY", "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), "", "{path}");
    }
    let asked = tried.send(request("OPTIONS", "/api/v1/databases", None, None)).await;
    assert_eq!(asked.status, 405, "nobody is let in from elsewhere");
    let page = tried.send(request("GET", "/", None, None)).await.text();
    assert!(!page.contains("<script>") && !page.contains("style=") && !page.contains("onclick"));
}

#[tokio::test]
async fn disabled_backups_say_why_and_do_nothing() {
    let tried = Tried::new();
    let why = Disabled { reason: "the disk does not last".into(), hint: "use a bucket".into() };
    *tried.script.disabled.lock().expect("nobody panics") = Some(why);
    let list = tried.get(READ, "/api/v1/databases").await.json();
    assert_eq!(list["disabled"]["reason"], "the disk does not last");
    assert_eq!(list["databases"].as_array().map(Vec::len), Some(0));
    for path in ["/api/v1/databases/app/backups", "/api/admin/backup?database=app"] {
        let answer = tried.post(OPERATE, path, "{}").await;
        assert_eq!(answer.status, 409, "{path}");
        assert_eq!(answer.json()["hint"], "use a bucket");
    }
    assert_eq!(tried.get(READ, "/api/v1/health").await.json()["status"], "warning");
    assert!(tried.script.done().is_empty());
}
