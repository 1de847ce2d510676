//! Plain archives and their names; sealed ones are tested with real ciphers,
//! where there are some.

use std::io::Write;

use time::macros::datetime;

use super::*;

fn name(encoding: ArchiveEncoding) -> ArchiveName {
    let database = DatabaseName::new("my app").expect("valid");
    ArchiveName::new(&database, datetime!(2026-11-20 11:15:30 +1), [0x3f, 0x9a, 0, 1], encoding)
}

#[test]
fn names() {
    for (encoding, text) in [
        (ArchiveEncoding::Plain, "my%20app_20261120_101530_3f9a0001.db"),
        (ArchiveEncoding::Zstd, "my%20app_20261120_101530_3f9a0001.db.zst"),
        (ArchiveEncoding::Sealed, "my%20app_20261120_101530_3f9a0001.db.sealed"),
        (ArchiveEncoding::ZstdSealed, "my%20app_20261120_101530_3f9a0001.db.zst.sealed"),
    ] {
        let name = name(encoding);
        assert_eq!(name.as_str(), text);
        assert_eq!(text.parse(), Ok(name.clone()));
        assert_eq!(name.encoding(), encoding);
    }
    for bad in [
        "",
        "app.db",
        "app_20261120_101530_3f9a0001",
        "app_20261320_101530_3f9a0001.db",
        "a/b_20261120_101530_3f9a0001.db",
        "_20261120_101530_3f9a0001.db",
    ] {
        assert!(bad.parse::<ArchiveName>().is_err(), "{bad}");
    }
}

#[test]
fn plain_archives_come_back() {
    let content: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    for encoding in [ArchiveEncoding::Plain, ArchiveEncoding::Zstd] {
        let mut encoder = ArchiveEncoder::new(Vec::new(), encoding, 3, None).expect("begins");
        encoder.write_all(&content).expect("writes");
        let (bytes, finished) = encoder.finish().expect("ends");
        assert_eq!(finished.size, bytes.len() as u64);
        assert_eq!(finished.digest, Digest::of(&bytes));
        assert_eq!(bytes == content, encoding == ArchiveEncoding::Plain);
        let mut decoder = ArchiveDecoder::new(Vec::new(), encoding, None).expect("begins");
        bytes.chunks(1000).for_each(|part| decoder.push(part).expect("whole"));
        assert!(decoder.finish().expect("ends") == content);
        if encoding == ArchiveEncoding::Zstd {
            let mut cut = ArchiveDecoder::new(Vec::new(), encoding, None).expect("begins");
            cut.push(&bytes[..bytes.len() - 9]).expect("nothing is wrong yet");
            assert!(cut.finish().is_err(), "a stream that was cut");
        }
    }
}
