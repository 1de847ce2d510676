//! How deep a check goes, and how much of the data it reads.

/// How deep a check goes.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
#[non_exhaustive]
pub enum Depth {
    /// Records, pack lists, and that they fit together.
    References,
    /// And that every object is there, with its size.
    #[default]
    Presence,
    /// And that its bytes are what they were.
    Data(Share),
}

/// How much of the data is read.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Share {
    /// Everything.
    All,
    /// The `n`-th of so many parts, from 1.
    Part {
        /// Which one.
        n: u32,
        /// Of how many.
        of: u32,
    },
    /// So much of a hundred, going on where the last check stopped.
    Percent(f64),
    /// So many bytes, going on where the last check stopped.
    Bytes(u64),
}
