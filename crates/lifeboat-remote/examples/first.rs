//! The crate alone: of all that try, one machine is the first, whatever the store. The
//! others are told who it was.
//!
//!     cargo run -p lifeboat-remote --example first -- ./somewhere leader "machine 1"

use lifeboat_remote::{Created, Remote};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [store, key, name] = &arguments[..] else {
        return Err("usage: first STORE KEY NAME".into());
    };
    let remote = Remote::open_or_create(store)?;
    // An answer that was lost is no riddle: the same bytes count as one's own.
    match remote.create(key, name.clone().into()).await? {
        Created::New => println!("{name} is the first"),
        Created::Exists => {
            let first = remote.get(key, 1 << 10).await?.ok_or("it is gone already")?;
            println!("{} was before {name}", String::from_utf8_lossy(&first));
        }
    }
    Ok(())
}
