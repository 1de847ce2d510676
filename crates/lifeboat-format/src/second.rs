//! A second in UTC as names have it: `20261120T101530Z`.

use time::format_description::FormatItem;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime, UtcOffset};

const SECOND: &[FormatItem<'static>] =
    format_description!("[year][month][day]T[hour][minute][second]Z");

/// The text of the second that a time lies in.
pub(crate) fn text(at: OffsetDateTime) -> String {
    at.to_offset(UtcOffset::UTC)
        .format(&SECOND)
        .expect("a date and a time have all the parts that the format names")
}

/// The second of a text; nothing for any other spelling of one.
pub(crate) fn parse(text: &str) -> Option<OffsetDateTime> {
    // Else a sign before the year would be a second spelling.
    let has_its_length = text.len() == "20261120T101530Z".len();
    let parsed = has_its_length.then(|| PrimitiveDateTime::parse(text, &SECOND).ok());
    parsed.flatten().map(PrimitiveDateTime::assume_utc)
}
