//! Recognising a state that was captured before, without reading a page.
//!
//! A fingerprint is made inside the read transaction whose state it names. Its
//! first byte says how it was made; nothing but equality is asked of the rest.

use lifeboat_format::source::Fingerprint;
use lifeboat_sqlite::WalIndexHeader;

use crate::header::Header;
use crate::identity::Touch;

const WAL: u8 = 1;
const ROLLBACK: u8 = 2;

/// In WAL mode the header of the wal-index names every commit: its salts are
/// drawn anew whenever the WAL restarts, its checksum covers all frames. Where
/// the WAL has no frame, nothing proves what the file holds.
pub(crate) fn of_wal(touch: &Touch, header: &WalIndexHeader) -> Option<Fingerprint> {
    if header.max_frame == 0 {
        return None;
    }
    let mut bytes = vec![WAL];
    touch.push_to(&mut bytes);
    bytes.extend_from_slice(&header.bytes);
    Some(Fingerprint(bytes))
}

/// In rollback modes every commit changes the header: its change counter, and
/// with it the number at offset 92.
pub(crate) fn of_rollback(touch: &Touch, header: &Header) -> Fingerprint {
    let mut bytes = vec![ROLLBACK];
    touch.push_to(&mut bytes);
    bytes.extend_from_slice(header.bytes());
    Fingerprint(bytes)
}
