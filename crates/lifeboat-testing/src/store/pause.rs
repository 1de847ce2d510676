//! A call that stands still until the test lets it go.

use std::sync::Arc;

use tokio::sync::Semaphore;

/// A call that waits until it is let go. Clones are the same pause.
#[derive(Clone, Debug)]
#[must_use = "a call that nobody lets go waits for ever"]
pub struct Pause {
    reached: Arc<Semaphore>,
    released: Arc<Semaphore>,
}

impl Pause {
    pub(super) fn new() -> Self {
        Self { reached: Arc::new(Semaphore::new(0)), released: Arc::new(Semaphore::new(0)) }
    }

    /// Waits until the call is there. Resolves once for one call.
    pub async fn reached(&self) {
        self.reached.acquire().await.expect("never closed").forget();
    }

    /// Whether the call is there and nobody has awaited it yet.
    pub fn is_reached(&self) -> bool {
        self.reached.available_permits() > 0
    }

    /// Lets the call go; also before it is there.
    pub fn release(&self) {
        self.released.add_permits(1);
    }

    pub(super) async fn wait(&self) {
        self.reached.add_permits(1);
        self.released.acquire().await.expect("never closed").forget();
    }
}
