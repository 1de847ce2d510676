//! Backs a database up again and again, and says what happens.
//!
//!     cargo run --example schedule -- app.db ./backups 900

use std::time::Duration;

use lifeboat::agent::What;
use lifeboat::service::Service;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [database, place, seconds] = &arguments[..] else {
        return Err("usage: schedule DATABASE DESTINATION SECONDS".into());
    };
    let every = Duration::from_secs(seconds.parse()?);
    let backups = Service::builder().database(database).destination(place).every(every).build()?;
    let mut events = backups.subscribe();
    backups.start();
    loop {
        let event = tokio::select! {
            event = events.recv() => event?,
            _ = tokio::signal::ctrl_c() => break,
        };
        let name = event.database.unwrap_or_default();
        match event.what {
            What::BackedUp(done) if done.unchanged => println!("{name}: nothing changed"),
            What::BackedUp(done) => println!("{name}: {} pages sent", done.pages_changed),
            What::Failed { error, .. } => println!("{name}: {error}"),
            // Upkeep, health, and whatever else may come.
            _ => {}
        }
    }
    backups.shutdown().await;
    Ok(())
}
