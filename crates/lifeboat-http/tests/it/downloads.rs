//! Downloads: whole, in parts, and to clients that go away.

use crate::script::{IDS, OPERATE, RESTORE, Script, Tried, request, tokens};

async fn prepared(image: Vec<u8>) -> (Tried, String) {
    let tried = Tried::of(Script { image, ..Script::default() }, tokens());
    let path = format!("/api/v1/databases/app/snapshots/{}/download", IDS[0]);
    let job = tried.job(&path, "").await;
    let url = format!("/{}", job["download"]["url"].as_str().expect("a URL"));
    (tried, url)
}

#[tokio::test]
async fn a_snapshot_is_downloaded_whole_and_in_parts() {
    let image: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
    let (tried, url) = prepared(image.clone()).await;
    let whole = tried.get(RESTORE, &url).await;
    assert_eq!((whole.status.as_u16(), &whole.body), (200, &image));
    assert_eq!(whole.header("content-type"), "application/vnd.sqlite3");
    let name = format!("attachment; filename=\"app_{}.db\"", IDS[0]);
    assert_eq!(whole.header("content-disposition"), name);
    assert_eq!(whole.header("etag"), "\"digest\"");
    // It was cut, and goes on.
    let mut rest = request("GET", &url, Some(RESTORE), None);
    rest.headers_mut().insert("range", "bytes=65537-".parse().expect("a value"));
    rest.headers_mut().insert("if-range", "\"digest\"".parse().expect("a value"));
    let rest = tried.send(rest).await;
    assert_eq!((rest.status.as_u16(), rest.body.as_slice()), (206, &image[65537..]));
    assert_eq!(rest.header("content-range"), "bytes 65537-299999/300000");
    let head = tried.send(request("HEAD", &url, Some(RESTORE), None)).await;
    assert_eq!((head.header("content-length"), head.body.len()), ("300000", 0));
    let mut same = request("GET", &url, Some(RESTORE), None);
    same.headers_mut().insert("if-none-match", "\"digest\"".parse().expect("a value"));
    assert_eq!(tried.send(same).await.status, 304);
    let mut beyond = request("GET", &url, Some(RESTORE), None);
    beyond.headers_mut().insert("range", "bytes=300000-".parse().expect("a value"));
    let beyond = tried.send(beyond).await;
    assert_eq!((beyond.status.as_u16(), beyond.header("content-range")), (416, "bytes */300000"));
    assert_eq!(tried.get(OPERATE, &url).await.status, 403);
}

#[tokio::test]
async fn only_the_last_few_files_are_kept() {
    let (tried, first) = prepared(vec![1; 10]).await;
    let path = format!("/api/v1/databases/app/snapshots/{}/download", IDS[0]);
    for _ in 0..3 {
        assert_eq!(tried.get(RESTORE, &first).await.status, 200);
        tried.job(&path, "").await;
    }
    tried.job(&path, "").await;
    assert_eq!(tried.get(RESTORE, &first).await.status, 404);
}
