//! Seals, opens, wraps and derives the keys of Lifeboat repositories.
//!
//! A *data key* seals objects. It is stored wrapped, once for each *slot*: for
//! a raw key, for a passphrase, or for an older data key. Slots come and go
//! without any sealed object being touched.
//!
//! Pure but for the system's randomness, of which salts and new keys are drawn
//! here, so that no caller can use one twice.
//!
//! ```
//! use lifeboat_crypto::{DataKey, ObjectContext, Part, RawKey, Secret, Slot};
//!
//! let repository = [7; 16];
//! let data_key = DataKey::generate(repository);
//! let secret = Secret::Raw(RawKey::generate());
//! let slot = Slot::wrap(&data_key, &secret, "server")?;
//!
//! let context = ObjectContext { repository, database: "app", role: b'R', object: b"" };
//! let sealer = data_key.sealer(&context);
//! let mut text = b"a record".to_vec();
//! sealer.seal(Part::body(b""), &mut text);
//!
//! let opened = slot.open(&secret, repository, *data_key.id())?;
//! let opener = opened.opener(&context, sealer.header())?;
//! assert_eq!(opener.open(Part::body(b""), &mut text)?, b"a record");
//! # Ok::<(), lifeboat_crypto::CryptoError>(())
//! ```
//!
//! # Limitations
//!
//! Secrets are wiped from memory when they are dropped; pages that the system
//! swaps out or dumps are its own affair. Lengths are not hidden.
//!
//! # Code map
//!
//! - [`RawKey`], [`Passphrase`], [`Secret`]: what a person holds.
//! - [`Slot`]: a data key, wrapped. [`DataKey`]: what seals.
//! - [`ObjectKey`]: the key of one object, [`Part`] by part.
//! - [`single_file`]: whole files of nonce, ciphertext and tag.

mod data_key;
mod derive;
mod error;
mod object;
mod secret;
pub mod single_file;
mod slot;

pub use data_key::DataKey;
pub use error::CryptoError;
pub use object::{HEADER_LEN, ObjectContext, ObjectHeader, ObjectKey, Part, TAG_LEN};
pub use secret::{Passphrase, RawKey, Secret};
/// Wipes what it holds when it is dropped.
pub use zeroize::Zeroizing;

pub use slot::{Kdf, Slot, SlotKind, slot_id_of};
