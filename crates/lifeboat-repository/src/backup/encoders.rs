//! Threads that compress and seal frames, while another reads the database.

use std::collections::VecDeque;
use std::num::NonZero;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use lifeboat_format::pack::{EncodedFrame, FrameEncoder, FrameEncoders, PackError, RawFrame};

/// More threads than this wait for the one that reads and hashes.
const MOST_THREADS: usize = 4;
/// How many frames are out at most. The same on every machine, so that the same
/// database makes the same packs everywhere.
const WINDOW: usize = MOST_THREADS + 2;

/// Enough for others to go first; but on a busy machine a backup must get on as well,
/// because as long as it reads, the WAL grows.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 5;

type Encoded = Result<EncodedFrame, PackError>;
type Jobs = (RawFrame, SyncSender<Encoded>);

/// The threads of one backup, which end with it. They begin when the first
/// frame comes that is not alone.
#[derive(Default)]
pub(super) struct Encoders {
    shared: Arc<Mutex<Option<Threads>>>,
}

struct Threads {
    jobs: Option<SyncSender<Jobs>>,
    handles: Vec<JoinHandle<()>>,
}

impl Encoders {
    /// A way to the threads, for one pack.
    pub(super) fn lane(&self) -> Box<dyn FrameEncoders> {
        Box::new(Lane { jobs: None, out: VecDeque::new(), shared: Arc::clone(&self.shared) })
    }
}

impl Threads {
    fn begin() -> Self {
        let count = std::thread::available_parallelism().map_or(1, NonZero::get).min(MOST_THREADS);
        let (sender, receiver) = sync_channel::<Jobs>(WINDOW);
        let receiver = Arc::new(Mutex::new(receiver));
        let work = |receiver: Arc<Mutex<Receiver<Jobs>>>| {
            move || {
                give_way();
                let mut encoder = FrameEncoder::default();
                loop {
                    let next = receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok((frame, answer)) = next else { return };
                    // Whoever asked may have given up.
                    let _ = answer.send(encoder.encode(frame));
                }
            }
        };
        let handles = (0..count)
            .map_while(|_| {
                let named = std::thread::Builder::new().name("lifeboat-encode".into());
                named.spawn(work(Arc::clone(&receiver))).ok()
            })
            .collect();
        Self { jobs: Some(sender), handles }
    }
}

/// Lets everything else on the machine go first: the application whose database it
/// is waits for a processor otherwise. Whoever holds the database is not one of
/// these threads, so that nobody waits for them but the upload.
fn give_way() {
    // Linux counts niceness by thread; elsewhere this would be the whole program.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::debug!(%error, "the threads that compress run at the usual priority");
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.jobs = None;
        for handle in self.handles.drain(..) {
            // One that panicked was noticed by who waited for its frame.
            let _ = handle.join();
        }
    }
}

/// The frames of one pack. In this order: threads are waited for only once
/// nobody can hand them anything.
struct Lane {
    jobs: Option<SyncSender<Jobs>>,
    out: VecDeque<Receiver<Encoded>>,
    shared: Arc<Mutex<Option<Threads>>>,
}

impl Lane {
    /// Where frames are handed in; none where no thread could be started.
    fn jobs(&mut self) -> Option<&SyncSender<Jobs>> {
        if self.jobs.is_none() {
            let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
            let threads = shared.get_or_insert_with(Threads::begin);
            if threads.handles.is_empty() {
                return None;
            }
            self.jobs.clone_from(&threads.jobs);
        }
        self.jobs.as_ref()
    }
}

impl FrameEncoders for Lane {
    fn window(&self) -> usize {
        WINDOW
    }

    fn hand_in(&mut self, frame: RawFrame) {
        let (answer, encoded) = sync_channel(1);
        // A small change is one frame: no thread need begin for it.
        let alone = frame.is_last() && self.out.is_empty();
        let left = match if alone { None } else { self.jobs() } {
            Some(jobs) => jobs.send((frame, answer.clone())).err().map(|unsent| unsent.0.0),
            None => Some(frame),
        };
        if let Some(frame) = left {
            let _ = answer.send(FrameEncoder::default().encode(frame));
        }
        self.out.push_back(encoded);
    }

    fn take_back(&mut self) -> Result<EncodedFrame, PackError> {
        let oldest = self.out.pop_front().expect("a frame is out");
        oldest.recv().expect("a thread that encodes frames panicked")
    }
}

#[cfg(test)]
mod tests {
    use lifeboat_format::digest::{BlockHash, HashKey};
    use lifeboat_format::geometry::BlockNo;
    use lifeboat_format::id::{DatabaseName, PackId, RepositoryId};
    use lifeboat_format::pack::{PackOptions, PackWriter};
    use lifeboat_format::seal::Home;

    use super::*;

    /// A block that compresses more or less well, as its number says.
    fn block(number: u32) -> Vec<u8> {
        let mut state = u64::from(number) + 1;
        let letters = 2 + number % 200;
        (0..4096)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                ((state >> 33) % u64::from(letters)) as u8
            })
            .collect()
    }

    /// A pack of as many blocks as fit.
    fn filled(encoders: Option<Box<dyn FrameEncoders>>, blocks: u32) -> PackWriter {
        let name = DatabaseName::new("app").expect("valid");
        let repository = RepositoryId::from_bytes([9; 16]);
        let home = Home { repository, database: &name, keys: None };
        let key = HashKey::from_bytes([3; 32]);
        let id = PackId::from_bytes([1; 16]);
        let mut writer = PackWriter::new(id, 4096, PackOptions::default(), &home).expect("begins");
        if let Some(encoders) = encoders {
            writer = writer.with_encoders(encoders);
        }
        for number in 0..blocks {
            if writer.is_full() {
                break;
            }
            let data = block(number);
            writer.push(BlockNo(number), BlockHash::of(&key, &data), &data).expect("fits");
        }
        writer
    }

    /// Its bytes, and how many blocks fitted.
    fn pack(encoders: Option<Box<dyn FrameEncoders>>, blocks: u32) -> (Vec<u8>, u32) {
        let writer = filled(encoders, blocks);
        let blocks = writer.block_count();
        (writer.finish().expect("not empty").concat(), blocks)
    }

    #[test]
    fn threads_make_the_same_bytes() {
        let encoders = Encoders::default();
        for blocks in [1, 63, 64, 65, 640, 1500] {
            let here = pack(None, blocks);
            let beside = pack(Some(encoders.lane()), blocks);
            assert_eq!(here.1, blocks);
            assert!(here == beside, "{blocks} blocks");
        }
    }

    #[test]
    fn packs_end_where_they_do_on_any_machine_and_near_their_size() {
        let encoders = Encoders::default();
        let (bytes, blocks) = pack(Some(encoders.lane()), 60_000);
        let target = f64::from(PackOptions::default().target_len);
        let share = bytes.len() as f64 / target;
        assert!((0.9..1.1).contains(&share), "{share} of the size at which a pack is full");
        for _ in 0..3 {
            assert_eq!(pack(Some(encoders.lane()), 60_000).1, blocks);
        }
    }

    #[test]
    fn a_single_frame_starts_no_thread() {
        let encoders = Encoders::default();
        pack(Some(encoders.lane()), 64);
        assert!(encoders.shared.lock().expect("no panic").is_none());
        pack(Some(encoders.lane()), 65);
        let begun = encoders.shared.lock().expect("no panic").take();
        let begun = begun.expect("they began");
        assert!((1..=MOST_THREADS).contains(&begun.handles.len()));
    }

    /// A backup that stops midway drops the writer while frames are out, and
    /// the threads before it.
    #[test]
    fn what_is_given_up_ends_with_its_threads() {
        let encoders = Encoders::default();
        let writer = filled(Some(encoders.lane()), 640);
        let threads = Arc::downgrade(&encoders.shared);
        drop(encoders);
        assert!(threads.upgrade().is_some(), "the writer still needs them");
        drop(writer);
        assert!(threads.upgrade().is_none());
    }
}
