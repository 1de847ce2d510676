//! What was taken while writers waited, until they no longer do.

use lifeboat_format::geometry::PageNo;

use crate::commit::{Commit, CommitSink, SinkError};
use crate::error::FollowError;

/// Pages and commits in memory; the pins bound how many come together.
#[derive(Debug, Default)]
pub(super) struct Aside {
    pages: Vec<(PageNo, usize)>,
    data: Vec<u8>,
    /// Each with the number of pages before it.
    commits: Vec<(usize, Commit)>,
}

impl Aside {
    /// Hands everything over, in order.
    pub(super) fn hand_over(&mut self, sink: &mut dyn CommitSink) -> Result<(), FollowError> {
        if self.commits.is_empty() {
            return Ok(());
        }
        let mut pages = self.pages.drain(..);
        let (mut given, mut at) = (0, 0);
        for (before, commit) in self.commits.drain(..) {
            for (page, len) in pages.by_ref().take(before - given) {
                sink.page(page, &self.data[at..at + len]).map_err(FollowError::Sink)?;
                at += len;
            }
            given = before;
            sink.commit(&commit).map_err(FollowError::Sink)?;
        }
        drop(pages);
        self.data.clear();
        Ok(())
    }
}

impl CommitSink for Aside {
    fn page(&mut self, page: PageNo, data: &[u8]) -> Result<(), SinkError> {
        self.pages.push((page, data.len()));
        self.data.extend_from_slice(data);
        Ok(())
    }

    fn commit(&mut self, commit: &Commit) -> Result<(), SinkError> {
        self.commits.push((self.pages.len(), *commit));
        Ok(())
    }
}
