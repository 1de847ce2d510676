//! What keeps two writers apart on a store.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::remote::Remote;

/// What keeps two writers apart on a store, from the best to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fencing {
    /// The store creates an object once: "if there is none" is honoured.
    Create,
    /// It does not, but its listings can be relied on: writers agree in
    /// [rounds](crate::rounds).
    Rounds,
    /// Nothing does. One writer only; of two, one would undo the other.
    Nothing,
}

impl Fencing {
    const ALL: [Self; 3] = [Self::Create, Self::Rounds, Self::Nothing];
}

/// What is known of a store's fencing, shared by all clones of a remote. It only
/// ever gets worse: who was told that conditions hold may be wrong, who saw them
/// fail is not.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known(Arc<AtomicU8>);

impl Known {
    fn worst(&self) -> Fencing {
        Fencing::ALL[usize::from(self.0.load(Ordering::Relaxed)).min(2)]
    }

    fn learn(&self, fencing: Fencing) {
        self.0.fetch_max(fencing as u8, Ordering::Relaxed);
    }
}

impl Remote {
    /// What keeps two writers apart, as far as is known: conditional creates,
    /// unless [`learn`](Self::learn) was told otherwise.
    pub fn fencing(&self) -> Fencing {
        self.known_fencing().worst()
    }

    /// Takes note of what the store was found to do, for this remote and all its
    /// clones. What was known before is never improved.
    pub fn learn(&self, fencing: Fencing) {
        self.known_fencing().learn(fencing);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_improves() {
        let remote = Remote::memory();
        let clone = remote.clone();
        assert_eq!(remote.fencing(), Fencing::Create);
        for (told, known) in [
            (Fencing::Rounds, Fencing::Rounds),
            (Fencing::Create, Fencing::Rounds),
            (Fencing::Nothing, Fencing::Nothing),
            (Fencing::Rounds, Fencing::Nothing),
        ] {
            remote.learn(told);
            assert_eq!(clone.fencing(), known);
        }
    }
}
