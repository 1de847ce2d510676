//! What a running operation tells its caller.

use std::sync::Arc;

/// A step of a running operation.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The image of the database has this many bytes. Sent again when a backup
    /// has to begin anew.
    Reading {
        /// The size of the image in bytes.
        bytes: u64,
    },
    /// So many more bytes of the image were compared with what is known.
    Scanned {
        /// How many bytes.
        bytes: u64,
    },
    /// A pack is ready to go.
    Packed {
        /// Its size in bytes.
        bytes: u64,
    },
    /// A pack is stored.
    Sent {
        /// Its size in bytes.
        bytes: u64,
    },
    /// Packs that an interrupted run had stored are used again.
    Resumed {
        /// How many packs.
        packs: u64,
        /// Their size in bytes.
        bytes: u64,
    },
    /// The image that is being restored has this many bytes.
    Restoring {
        /// The size of the image in bytes.
        bytes: u64,
    },
    /// Objects of this many bytes are being read and proven.
    Checking {
        /// Their size in bytes.
        bytes: u64,
    },
    /// So many more bytes of them were read.
    Checked {
        /// How many bytes.
        bytes: u64,
    },
    /// So many more bytes of the image were restored.
    Restored {
        /// How many bytes.
        bytes: u64,
    },
}

/// Takes what a running operation tells. Called from several threads; must be
/// quick.
pub trait Progress: Send + Sync {
    /// Takes one event.
    fn event(&self, event: Event);
}

impl<F: Fn(Event) + Send + Sync> Progress for F {
    fn event(&self, event: Event) {
        self(event);
    }
}

/// A listener, or none.
#[derive(Clone, Default)]
pub(crate) struct Listener(pub(crate) Option<Arc<dyn Progress>>);

impl Listener {
    pub(crate) fn tell(&self, event: Event) {
        if let Some(progress) = &self.0 {
            progress.event(event);
        }
    }
}
