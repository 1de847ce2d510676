//! The crate alone: a text sealed for whoever knows a passphrase, opened again, and
//! refused when one bit of it is another.
//!
//!     PASSPHRASE='six random words' cargo run -p lifeboat-crypto --example sealed -- "a text"

use lifeboat_crypto::{DataKey, ObjectContext, Part, Passphrase, Secret, Slot};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let text = std::env::args().nth(1).ok_or("usage: sealed TEXT")?;
    let passphrase = Passphrase::new(std::env::var("PASSPHRASE")?)?;
    let repository = [7; 16];
    let data_key = DataKey::generate(repository);
    let slot = Slot::wrap(&data_key, &Secret::Passphrase(passphrase), "example")?;

    // What it is sealed for: the same bytes in another place are refused.
    let context = ObjectContext { repository, database: "app", role: b'R', object: b"" };
    let sealer = data_key.sealer(&context);
    let mut sealed = text.clone().into_bytes();
    sealer.seal(Part::body(b""), &mut sealed);
    println!("{} bytes became {}", text.len(), sealed.len());

    // Somewhere else, with the passphrase, the slot and the sealed bytes.
    let again = Secret::Passphrase(Passphrase::new(std::env::var("PASSPHRASE")?)?);
    let opened = slot.open(&again, repository, *data_key.id())?;
    let opener = opened.opener(&context, sealer.header())?;
    let mut damaged = sealed.clone();
    println!("opened: {}", std::str::from_utf8(opener.open(Part::body(b""), &mut sealed)?)?);
    damaged[0] ^= 1;
    let refused = opener.open(Part::body(b""), &mut damaged).expect_err("it is another");
    println!("one bit changed: failed to {refused}");
    Ok(())
}
