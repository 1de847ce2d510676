//! Which file a path means, and when it was last touched, without opening it.

use std::fs::Metadata;
use std::io;
use std::path::Path;

/// Device and number of a file; on systems without them nothing is told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) device: u64,
    pub(crate) number: u64,
}

/// Size and times of a file. They only ever add distrust: a file whose touch
/// differs may have changed, one whose touch is equal may have changed too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Touch {
    pub(crate) identity: Identity,
    pub(crate) size: u64,
    /// Modification and status change: seconds and nanoseconds.
    pub(crate) times: [i64; 4],
}

impl Touch {
    /// Asks the system about `path`; links are followed.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        std::fs::metadata(path).map(|metadata| Self::from_metadata(&metadata))
    }

    #[cfg(unix)]
    pub(crate) fn from_metadata(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self {
            identity: Identity { device: metadata.dev(), number: metadata.ino() },
            size: metadata.len(),
            times: [
                metadata.mtime(),
                metadata.mtime_nsec(),
                metadata.ctime(),
                metadata.ctime_nsec(),
            ],
        }
    }

    #[cfg(not(unix))]
    pub(crate) fn from_metadata(metadata: &Metadata) -> Self {
        let modified = metadata
            .modified()
            .ok()
            .and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok())
            .unwrap_or_default();
        Self {
            identity: Identity { device: 0, number: 0 },
            size: metadata.len(),
            times: [
                i64::try_from(modified.as_secs()).unwrap_or(i64::MAX),
                i64::from(modified.subsec_nanos()),
                0,
                0,
            ],
        }
    }

    /// The bytes that go into a fingerprint.
    pub(crate) fn push_to(&self, bytes: &mut Vec<u8>) {
        for word in [self.identity.device, self.identity.number, self.size] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        for time in self.times {
            bytes.extend_from_slice(&time.to_le_bytes());
        }
    }
}
