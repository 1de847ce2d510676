//! How many files may be open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The descriptors of one database that is followed: two connections with three files
/// each, the notices of its WAL, and the bell that ends a wait; and two to spare, for a
/// snapshot and a segment.
const EACH: u64 = 10;

/// The descriptors of everything else.
const REST: u64 = 128;

/// Fewer files may be open than following so many databases takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("follow {databases} databases: {needed} files have to be open at once, and {limit} may be")]
#[non_exhaustive]
pub struct TooFewFiles {
    /// How many databases.
    pub databases: usize,
    /// How many files that takes.
    pub needed: u64,
    /// How many may be open in this process.
    pub limit: u64,
}

/// Sees to it that so many databases can be followed: the limit of this process is
/// raised where the system lets it.
pub fn enough_files(databases: usize) -> Result<(), TooFewFiles> {
    let needed = REST + EACH * databases as u64;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let Some(limit) = current.filter(|limit| *limit < needed) else { return Ok(()) };
    let wanted = maximum.map_or(needed, |most| most.min(needed));
    if wanted == needed
        && setrlimit(Resource::Nofile, Rlimit { current: Some(needed), maximum }).is_ok()
    {
        return Ok(());
    }
    Err(TooFewFiles { databases, needed, limit })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_the_system_allows_is_told_and_not_tried() {
        enough_files(1).expect("every system allows that");
        let most = getrlimit(Resource::Nofile).maximum;
        let Some(most) = most else { return };
        let error = enough_files(most as usize).expect_err("ten times as many are needed");
        assert_eq!((error.databases as u64, error.needed), (most, REST + EACH * most));
    }
}
