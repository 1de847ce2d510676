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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Identity;

    fn touch() -> Touch {
        let identity = Identity { device: 1, number: 2 };
        Touch { identity, size: 4096, times: [3, 4, 5, 6] }
    }

    fn index(max_frame: u32, salt: u8) -> WalIndexHeader {
        WalIndexHeader {
            page_size: 4096,
            max_frame,
            page_count: 1,
            salts: [salt; 8],
            frame_checksum: (1, 2),
            big_endian_checksums: false,
            change: 1,
            bytes: [salt; WalIndexHeader::LEN],
        }
    }

    /// Hazard 5: the WAL began anew in place, and neither size nor time of any
    /// file shows it.
    #[test]
    fn salts_alone_tell_states_apart() {
        assert_eq!(of_wal(&touch(), &index(5, 1)), of_wal(&touch(), &index(5, 1)));
        assert_ne!(of_wal(&touch(), &index(5, 1)), of_wal(&touch(), &index(5, 2)));
        assert_eq!(of_wal(&touch(), &index(0, 1)), None);
    }

    #[test]
    fn the_header_alone_tells_states_apart() {
        let header = |counter: u8| {
            let mut bytes = [0; Header::LEN];
            bytes[27] = counter;
            Header::of(&bytes).expect("long enough")
        };
        assert_ne!(of_rollback(&touch(), &header(1)), of_rollback(&touch(), &header(2)));
    }
}
