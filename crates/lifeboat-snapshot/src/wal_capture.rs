//! Capturing a database in WAL mode: one transaction, and writers never wait.

use lifeboat_format::digest::HashKey;
use lifeboat_format::geometry::{Geometry, GroupNo, PageSize};
use lifeboat_format::source::{CapturedImage, ChangeSink, KnownBlocks};
use lifeboat_sqlite::{JournalMode, ReadTransaction, WalPosition};
use time::OffsetDateTime;

use crate::diff::Differ;
use crate::error::Fault;
use crate::fingerprint;
use crate::header::Header;
use crate::identity::Touch;
use crate::image::Image;

/// Captures the state that the wal-index names now.
pub(crate) fn capture(
    read: &ReadTransaction<'_>,
    touch: Touch,
    key: &HashKey,
    known: &mut dyn KnownBlocks,
    sink: &mut dyn ChangeSink,
) -> Result<(CapturedImage, Header), Fault> {
    // Before the wal-index is read: what was committed by now is in the image.
    let taken_at = OffsetDateTime::now_utc();
    let position = read.wal_position().map_err(Fault::WalIndex)?;
    let fingerprint = fingerprint::of_wal(&touch, &position.header);
    let mut image = open(read, &position)?;
    let geometry = image.geometry();
    sink.begin(geometry)?;

    let mut differ = Differ::new(key);
    let mut data = Vec::new();
    let mut header = None;
    for group in (0..geometry.group_count()).map(GroupNo) {
        sink.keep_going()?;
        let (first, _) = image.group(group, &mut data)?;
        if header.is_none() {
            header = Header::of(&data);
        }
        differ.load(known, geometry, group)?;
        sink.group(&differ.compare(geometry, first, &data))?;
    }
    while let Some(group) = sink.wanted_again()? {
        sink.keep_going()?;
        image.group(group, &mut data)?;
        sink.group_again(&data)?;
    }
    let header = header.ok_or(Fault::Empty)?;
    let captured = CapturedImage {
        geometry,
        taken_at,
        sqlite: header.facts(JournalMode::Wal),
        bytes_read: image.bytes_read(),
        fingerprint,
    };
    Ok((captured, header))
}

/// The image at a position. The caller's transaction began before the position
/// was read, so that whatever read lock SQLite took, every frame up to the
/// position stays where it is and nothing beyond it reaches the file.
pub(crate) fn open<'t>(
    read: &'t ReadTransaction<'_>,
    position: &WalPosition,
) -> Result<Image<'t>, Fault> {
    let file = read.main_file()?;
    let index = &position.header;
    // A WAL that never had a frame says nothing of the size.
    let geometry = if index.page_count == 0 {
        Header::read(&file)?.geometry(file.size()?)?
    } else {
        let page_size = match index.page_size {
            0 => Header::read(&file)?.page_size()?,
            bytes => PageSize::new(bytes).ok_or(Fault::BadHeader)?,
        };
        Geometry::new(page_size, index.page_count).ok_or(Fault::BadHeader)?
    };
    let image = Image::of_file(file, geometry)?;
    if position.backfilled >= index.max_frame {
        Ok(image)
    } else {
        image.with_wal(read.wal_file()?, position)
    }
}
