//! Backs a database up into `./backups`, and brings it back to a new file.
//!
//!     cargo run --example backup -- app.db restored.db

use lifeboat::repository::Selector;
use lifeboat::{Error, Lifeboat};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let (Some(database), Some(target)) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: backup DATABASE TARGET");
        return Ok(());
    };
    let lifeboat = Lifeboat::builder(database).destination("./backups").open().await?;
    let report = lifeboat.backup().await?;
    println!("{}: {} pages changed", report.snapshot_id, report.pages_changed);
    let restored = lifeboat.restore(&Selector::Latest(0), &target).await?;
    println!("{target}: {} pages, proven", restored.body.page_count);
    Ok(())
}
