//! A program in a container without a disk: its database is restored before it is
//! opened, by the settings that `lifeboat` goes by here.
//!
//!     cargo run --example start_up

use lifeboat::service::{FirstStart, Service};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let backups = Service::from_settings()?;
    for database in backups.databases() {
        // An error ends the program: it would begin with an empty database.
        match backups.restore_if_missing(&database.name).await? {
            FirstStart::Restored(from) => {
                println!("{}: restored from {}", database.name, from.report.snapshot_id);
            }
            FirstStart::NoBackupYet => println!("{}: begins with nothing", database.name),
            _ => println!("{}: is there", database.name),
        }
    }
    backups.start();
    // … the application …
    backups.shutdown().await;
    println!("{} not backed up at the end", backups.trigger_all().await);
    Ok(())
}
