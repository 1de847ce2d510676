//! A delete that takes much with it, with a snapshot before it.
//!
//!     cargo run --example guarded_delete -- app.db ./backups 42

use lifeboat::service::Service;
use rusqlite::Connection;

fn delete_artist(path: &str, artist: i64) -> Result<usize, rusqlite::Error> {
    let app = Connection::open(path)?;
    app.execute_batch("PRAGMA foreign_keys = ON")?;
    match app.execute("DELETE FROM artist WHERE id = ?1", [artist])? {
        0 => Err(rusqlite::Error::QueryReturnedNoRows),
        rows => Ok(rows),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, place, artist] = &arguments[..] else {
        return Err("usage: guarded_delete DATABASE DESTINATION ARTIST".into());
    };
    let artist: i64 = artist.parse()?;
    let backups = Service::builder().database(path).destination(place).build()?;
    let name = backups.databases()[0].name.clone();
    let app = backups.database(&name)?;
    let doing = format!("delete artist {artist}");
    match app.with_snapshot(doing, async { delete_artist(path, artist) }).await {
        Ok(rows) => println!("{rows} deleted; `lifeboat snapshots {name}` shows what was before"),
        // It names the snapshot, or says that nothing was run without one.
        Err(error) => println!("failed to {error}"),
    }
    Ok(())
}
