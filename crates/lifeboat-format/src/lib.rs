//! What the bytes of a Lifeboat repository are.
//!
//! Ids, page geometry, packs, records and object keys, with an encoder and a
//! decoder for each. Pure: no clock, disk, network, randomness or runtime.
//!
//! ```
//! use lifeboat_format::digest::{BlockHash, HashKey};
//! use lifeboat_format::geometry::BlockNo;
//! use lifeboat_format::id::{PackId, RepositoryId, Suffix};
//! use lifeboat_format::pack::{PackIndex, PackOptions, PackWriter};
//! use lifeboat_format::seal::Home;
//!
//! let key = HashKey::from_bytes([7; 32]);
//! let block = vec![42; 4096];
//! let name = "app".to_owned().try_into()?;
//! let home = Home { repository: RepositoryId::from_bytes([3; 16]), database: &name, keys: None };
//! let id = PackId::from_bytes([1; 16]);
//! let mut writer = PackWriter::new(id, 4096, PackOptions::default(), &home)?;
//! writer.push(BlockNo(5), BlockHash::of(&key, &block), &block)?;
//! let pack = writer.finish()?;
//!
//! let entry = pack.entry(Suffix::from_bytes([2; 4]));
//! let index = PackIndex::decode(pack.tail(), &entry, &home)?;
//! assert_eq!(index.blocks().collect::<Vec<_>>(), [BlockNo(5)]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Limitations
//!
//! Keys and ciphers come from outside, through the traits of [`seal`]. What
//! version 1 wrote stays readable.
//!
//! # Code map
//!
//! - [`geometry`], [`digest`], [`id`], [`numbers`]: the types everything is
//!   made of.
//! - [`object`]: the preamble of every object, and small objects read whole.
//! - [`seal`]: what of an object is encrypted, and to what it is bound.
//! - [`info`], [`record`], [`list`]: what those small objects say.
//! - [`check`], [`repair`]: what was found and mended. [`heartbeat`]: watched,
//!   and unchanged; [`failure`]: a backup that failed.
//! - [`pack`]: the objects that hold pages. [`log`]: segments of the commit log.
//!   [`archive`]: snapshots of one file. [`attached`]: files beside the database.
//! - [`key`]: where each object lies.
//! - [`source`]: the traits between those who read databases and those who
//!   store them.

pub mod archive;
pub mod attached;
pub mod check;
pub mod digest;
pub mod failure;
pub mod geometry;
pub mod heartbeat;
pub mod hex;
pub mod id;
pub mod info;
pub mod key;
pub mod list;
pub mod log;
pub mod numbers;
pub mod object;
pub mod pack;
pub mod record;
pub mod repair;
pub mod seal;
mod second;
pub mod source;
pub mod version;
