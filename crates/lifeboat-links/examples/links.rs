//! Which rows name objects that are gone, and which objects no row names. Nothing is
//! changed.
//!
//!     cargo run -p lifeboat-links --example links -- app.db photos.file_key ./media

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use lifeboat_links::{Column, DatabaseMentions, Group, LinksError, Options, Origin, Rule};
use lifeboat_remote::Remote;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [database, column, store] = &arguments[..] else {
        return Err("usage: links DATABASE TABLE.COLUMN STORE".into());
    };
    let mut rule = Rule::default();
    rule.origin = Origin::Columns(vec![Column::parse(column).ok_or("that is no TABLE.COLUMN")?]);
    let rows = DatabaseMentions::open(Path::new(database), rule, 0)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let options = Options::new(std::env::temp_dir(), i64::try_from(now)?);
    let group = Group::new(Remote::open(store)?, vec![Arc::new(rows)], options);
    let mut checked = group.check().await?;
    let all = checked.all();
    println!("{} rows, {} objects, {} broken", all.mentions, checked.objects, all.broken);
    checked.findings.read::<LinksError>(|finding| {
        println!("{} {}", finding.kind.name(), finding.key);
        Ok(())
    })?;
    Ok(())
}
