//! An upload handler: a file goes to a primary or a fallback, and SQLite says to which.
//!
//!     cargo run --example upload -- app.db photo.jpg s3://media /var/lib/media

use std::{error::Error, sync::Arc};

use lifeboat::objects::{Content, FallbackStore, Placement, RemoteProvider};
use lifeboat::remote::Remote;
use rusqlite::Connection;

/// Stores an upload and returns the row that says where it is.
async fn upload(app: &Connection, to: &FallbackStore, file: &str) -> Result<i64, Box<dyn Error>> {
    app.execute("INSERT INTO uploads(placement) VALUES ('{}')", [])?;
    let id = app.last_insert_rowid();
    let content = Content::file(file).await?.with_type("image/jpeg");
    let placement = to.put(&format!("uploads/{id}.jpg"), &content).await?;
    let text = serde_json::to_string(&placement)?;
    app.execute("UPDATE uploads SET placement = ?1 WHERE id = ?2", (text, id))?;
    Ok(id)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [database, file, primary, fallback] = &arguments[..] else {
        return Err("usage: upload DATABASE FILE PRIMARY FALLBACK".into());
    };
    let app = Connection::open(database)?;
    app.execute_batch("CREATE TABLE IF NOT EXISTS uploads(id INTEGER PRIMARY KEY, placement)")?;
    let primary = RemoteProvider::new("primary", Remote::open(primary)?);
    let fallback = RemoteProvider::new("fallback", Remote::open(fallback)?);
    let store = FallbackStore::new(vec![Arc::new(primary), Arc::new(fallback)])?;
    let id = upload(&app, &store, file).await?;
    let row = "SELECT placement FROM uploads WHERE id = ?1";
    let text: String = app.query_row(row, [id], |row| row.get(0))?;
    let placement: Placement = serde_json::from_str(&text)?;
    let size = store.get(&placement).await?.bytes(1 << 30).await?.len();
    println!("upload {id}: {size} bytes on the {}", placement.provider.unwrap_or_default());
    Ok(())
}
