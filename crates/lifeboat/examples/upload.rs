//! An upload handler: stores a file on the primary or, when that fails, the
//! fallback, and writes down in SQLite where it is.
//!
//!     cargo run --example upload -- app.db photo.jpg s3://media /var/lib/media

use std::sync::Arc;

use lifeboat::objects::{Content, FallbackStore, Placement, RemoteProvider};
use lifeboat::remote::Remote;

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

/// Stores an upload and returns the row that says where it is.
async fn upload(app: &rusqlite::Connection, store: &FallbackStore, file: &str) -> Fallible<i64> {
    app.execute("INSERT INTO uploads(placement) VALUES ('{}')", [])?;
    let id = app.last_insert_rowid();
    let content = Content::file(file).await?.with_type("image/jpeg");
    let placement = store.put(&format!("uploads/{id}.jpg"), &content).await?;
    let text = serde_json::to_string(&placement)?;
    app.execute("UPDATE uploads SET placement = ?1 WHERE id = ?2", (text, id))?;
    Ok(id)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Fallible<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [database, file, primary, fallback] = &arguments[..] else {
        return Err("usage: upload DATABASE FILE PRIMARY FALLBACK".into());
    };
    let app = rusqlite::Connection::open(database)?;
    app.execute_batch("CREATE TABLE IF NOT EXISTS uploads(id INTEGER PRIMARY KEY, placement)")?;
    let side = |name: &str, url| Ok(Arc::new(RemoteProvider::new(name, Remote::open(url)?)));
    let sides: Fallible<Vec<_>> =
        [side("primary", primary), side("fallback", fallback)].into_iter().collect();
    let store = FallbackStore::new(sides?.into_iter().map(|one| one as _).collect())?;
    let id = upload(&app, &store, file).await?;
    let row = "SELECT placement FROM uploads WHERE id = ?1";
    let text: String = app.query_row(row, [id], |row| row.get(0))?;
    let placement: Placement = serde_json::from_str(&text)?;
    let size = store.get(&placement).await?.bytes(1 << 30).await?.len();
    println!("upload {id}: {size} bytes on the {}", placement.provider.unwrap_or_default());
    Ok(())
}
