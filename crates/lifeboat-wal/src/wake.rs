//! Waits until a WAL is written to, a time is over, or somebody says stop.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Tells a follower to stop, from any thread.
#[derive(Clone, Debug)]
pub struct StopHandle {
    bell: Arc<system::Bell>,
}

impl StopHandle {
    /// Asks the follower to hand over what was committed until now, and to
    /// stop. Never waits.
    pub fn stop(&self) {
        self.bell.ring();
    }

    /// Has the follower look now, if it rests. Never waits.
    pub fn look(&self) {
        self.bell.nudge();
    }
}

/// Whether a wait was ended by a write to the WAL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    ByWrite,
    ByTime,
}

/// What a follower waits with.
#[derive(Debug)]
pub(crate) struct Wake {
    bell: Arc<system::Bell>,
    watch: system::Watch,
}

impl Wake {
    /// Watches the file at `wal`, where the system can tell of writes to it.
    pub(crate) fn new(wal: &Path) -> std::io::Result<Self> {
        Ok(Self { bell: Arc::new(system::Bell::new()?), watch: system::Watch::new(wal) })
    }

    pub(crate) fn stop_handle(&self) -> StopHandle {
        StopHandle { bell: self.bell.clone() }
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.bell.has_rung()
    }

    /// Waits at most this long; less where nothing tells of writes.
    pub(crate) fn wait(&mut self, time: Duration, wakes: bool) -> Woken {
        self.watch.wait(&self.bell, time, wakes)
    }
}

// Without news of writes, looking often is the only way to see them soon: ten times as
// often as at rest, and not more often than this.
const UNWATCHED: Duration = Duration::from_millis(100);

fn unwatched(time: Duration) -> Duration {
    time.min(UNWATCHED.max(time / 10))
}

#[cfg(target_os = "linux")]
mod system {
    use std::os::fd::OwnedFd;
    use std::path::Path;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
    use rustix::fs::inotify;

    use super::{Woken, unwatched};

    #[derive(Debug)]
    pub(super) struct Bell {
        descriptor: OwnedFd,
        rung: AtomicBool,
    }

    impl Bell {
        pub(super) fn new() -> std::io::Result<Self> {
            let descriptor = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
            Ok(Self { descriptor, rung: AtomicBool::new(false) })
        }

        pub(super) fn ring(&self) {
            self.rung.store(true, Ordering::Release);
            self.nudge();
        }

        pub(super) fn nudge(&self) {
            let _ = rustix::io::write(&self.descriptor, &1_u64.to_ne_bytes());
        }

        /// What was heard once is over; after the end it is not waited any more.
        fn heard(&self) {
            let _ = rustix::io::read(&self.descriptor, &mut [0; 8]);
        }

        pub(super) fn has_rung(&self) -> bool {
            self.rung.load(Ordering::Acquire)
        }
    }

    /// inotify opens no descriptor of the file, so that no lock is lost.
    #[derive(Debug)]
    pub(super) struct Watch {
        notices: Option<OwnedFd>,
    }

    impl Watch {
        /// There may be none left: a limit for each user.
        pub(super) fn new(wal: &Path) -> Self {
            let watch = || {
                let flags = inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK;
                let notices = inotify::init(flags)?;
                inotify::add_watch(&notices, wal, inotify::WatchFlags::MODIFY)?;
                Ok::<_, rustix::io::Errno>(notices)
            };
            let notices = watch().inspect_err(|error| {
                tracing::debug!(%error, "no notices of writes to the WAL: looking often instead");
            });
            Self { notices: notices.ok() }
        }

        pub(super) fn wait(&mut self, bell: &Bell, time: Duration, wakes: bool) -> Woken {
            let notices = self.notices.as_ref().filter(|_| wakes);
            let time = if wakes && notices.is_none() { unwatched(time) } else { time };
            let timeout = Timespec {
                tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: time.subsec_nanos().into(),
            };
            // A poll that fails or is interrupted ends early, which costs one
            // look at the wal-index.
            let Some(notices) = notices else {
                let _ = poll(&mut [PollFd::new(&bell.descriptor, PollFlags::IN)], Some(&timeout));
                bell.heard();
                return Woken::ByTime;
            };
            let mut both =
                [PollFd::new(&bell.descriptor, PollFlags::IN), PollFd::new(notices, PollFlags::IN)];
            let _ = poll(&mut both, Some(&timeout));
            if both[0].revents().contains(PollFlags::IN) {
                bell.heard();
            }
            let written = both[1].revents().contains(PollFlags::IN);
            if written {
                let mut unread = [0; 4096];
                while rustix::io::read(notices, &mut unread).is_ok_and(|len| len == unread.len()) {}
            }
            if written { Woken::ByWrite } else { Woken::ByTime }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::path::Path;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Condvar, Mutex, PoisonError};
    use std::time::Duration;

    use super::{Woken, unwatched};

    #[derive(Debug, Default)]
    pub(super) struct Bell {
        rung: AtomicBool,
        heard: Mutex<bool>,
        changed: Condvar,
    }

    impl Bell {
        pub(super) fn new() -> std::io::Result<Self> {
            Ok(Self::default())
        }

        pub(super) fn ring(&self) {
            self.rung.store(true, Ordering::Release);
            self.nudge();
        }

        pub(super) fn nudge(&self) {
            *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = true;
            self.changed.notify_all();
        }

        pub(super) fn has_rung(&self) -> bool {
            self.rung.load(Ordering::Acquire)
        }
    }

    #[derive(Debug)]
    pub(super) struct Watch;

    impl Watch {
        pub(super) fn new(_wal: &Path) -> Self {
            Self
        }

        pub(super) fn wait(&mut self, bell: &Bell, time: Duration, wakes: bool) -> Woken {
            let time = if wakes { unwatched(time) } else { time };
            let heard = bell.heard.lock().unwrap_or_else(PoisonError::into_inner);
            let waited = bell.changed.wait_timeout_while(heard, time, |heard| !*heard);
            *waited.unwrap_or_else(PoisonError::into_inner).0 = false;
            Woken::ByTime
        }
    }
}
