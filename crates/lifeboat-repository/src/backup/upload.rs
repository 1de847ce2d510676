//! Runs the capture and the upload side by side, and decides what came of it.

use futures::{FutureExt, StreamExt};
use lifeboat_format::key;
use lifeboat_format::list::{PackEntry, PackListRef};
use lifeboat_format::object::{DecodeError, ObjectKind};
use lifeboat_format::record::RecordKind;
use lifeboat_format::source::{CaptureError, CapturedImage, Fingerprint, PageSource};
use lifeboat_remote::Created;

use super::base::Base;
use super::known::Known;
use super::queue::{IN_FLIGHT, QueueOut, Queued, Room, queue};
use super::sink::{Fault, Sink, Taken};
use super::{BackupOptions, BackupReport};
use crate::error::{BackupError, LocalError, ReadError, WriteError};
use crate::local::TableReader;
use crate::log::{Committed, Draft, Head};
use crate::progress::{Event, Listener};
use crate::repository::Database;

/// Asks a source for the state of its database, off the async threads.
pub(super) async fn fingerprint<S: PageSource + 'static>(
    mut source: S,
) -> Result<(S, Option<Fingerprint>), BackupError<S::Error>> {
    let work = tokio::task::spawn_blocking(move || {
        let found = source.fingerprint();
        (source, found)
    });
    let (source, found) = joined(work.await);
    Ok((source, found.map_err(BackupError::Source)?))
}

/// A panic of the thread is a panic here.
fn joined<T>(result: Result<T, tokio::task::JoinError>) -> T {
    result.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

type Captured<E> = Result<(CapturedImage, Taken), CaptureFault<E>>;

enum CaptureFault<E> {
    Source(E),
    Sink(Fault),
}

impl Database {
    /// Takes an image, sends what changed, and commits it. `None` means that
    /// others committed meanwhile in a way that makes it necessary to begin
    /// anew.
    pub(super) async fn send<S: PageSource + 'static>(
        &self,
        source: S,
        mut base: Base,
        head: &mut Head,
        options: &BackupOptions,
        listener: &Listener,
    ) -> (S, Result<Option<BackupReport>, BackupError<S::Error>>) {
        let (queue_in, queue_out) = queue(base.scratch.path(), options.spool_limit);
        let table = base.table.take();
        let again = || table.as_ref().and_then(|table| table.try_clone().ok());
        let known = Known::new(again());
        let sink = Sink::new(
            self.clone(),
            again(),
            base.packs(),
            queue_in,
            base.scratch.path().to_owned(),
            options,
            listener.clone(),
        );
        let hash_key = self.repository.hash_key().clone();
        let capture = tokio::task::spawn_blocking(move || {
            let mut source = source;
            let result = capture(&mut source, &hash_key, known, sink);
            (source, result)
        });
        let upload = self.upload(queue_out, &mut base, head, options, listener);
        let (captured, uploaded) = futures::join!(capture.map(joined), upload);
        let (source, captured) = captured;
        let (image, taken) = match (captured, uploaded) {
            (Err(CaptureFault::Source(error)), _) => {
                return (source, Err(BackupError::Source(error)));
            }
            (_, Err(error)) => return (source, Err(error.into())),
            (Err(CaptureFault::Sink(fault)), _) => return (source, Err(fault_error(fault))),
            (Ok(captured), Ok(())) => captured,
        };
        let result = self.conclude(image, taken, base, table, head, options).await;
        (source, result.map_err(BackupError::Write))
    }

    /// Stores packs as they come, two at a time.
    async fn upload(
        &self,
        queue: QueueOut,
        base: &mut Base,
        head: &mut Head,
        options: &BackupOptions,
        listener: &Listener,
    ) -> Result<(), WriteError> {
        let room = queue.room();
        let mut receiver = queue.receiver;
        let packs = futures::stream::poll_fn(move |context| receiver.poll_recv(context));
        let mut puts = std::pin::pin!(
            packs.map(|queued| self.put_pack(queued, room.clone())).buffer_unordered(IN_FLIGHT)
        );
        let mut stored = base.packs();
        let mut noted = self.local().now();
        while let Some(put) = puts.next().await {
            let entry = put?;
            base.journal.uploaded(&entry)?;
            stored.push(entry);
            listener.tell(Event::Sent { bytes: u64::from(entry.size) });
            if self.local().now() - noted >= options.grace / 4 {
                self.note_partial(&stored, base, head).await?;
                noted = self.local().now();
            }
        }
        Ok(())
    }

    async fn put_pack(&self, queued: Queued, room: Room) -> Result<PackEntry, WriteError> {
        let (entry, parts, _slot) = queued.load(room).await?;
        let key = self.keys.at(&key::pack(&entry));
        match self.remote().create_of_parts(&key, parts).await? {
            Created::New => Ok(entry),
            Created::Exists => {
                // Its name was drawn at random: only damage can have put it there.
                let error = DecodeError::Misplaced { kind: ObjectKind::Pack, place: "upload" };
                Err(ReadError::unusable(key)(error).into())
            }
        }
    }

    /// Keeps what was sent so far from being collected (rule R9).
    async fn note_partial(
        &self,
        stored: &[PackEntry],
        base: &mut Base,
        head: &mut Head,
    ) -> Result<(), WriteError> {
        for _ in 0..super::MAX_TRIES {
            let mut state = head.state();
            // What it would protect may already be condemned, or another may own
            // the database now: the commit will find out.
            let me = self.local().installation()?;
            if state.owner.as_ref().is_some_and(|owner| owner != me)
                || !base.may_be_referenced(stored, head)
            {
                return Ok(());
            }
            state.owner = Some(me.clone());
            state.partial = Some(head.next());
            let mut draft = Draft::new(RecordKind::Partial, state);
            let (reference, _) = self.write_list(&base.list, stored).await?;
            draft.packs = Some(reference);
            match self.commit(head, draft).await? {
                Committed::Done(_) => return Ok(()),
                Committed::Lost => base.condemn(&self.advance(head).await?),
            }
        }
        Ok(())
    }

    async fn conclude(
        &self,
        image: CapturedImage,
        taken: Taken,
        base: Base,
        table: Option<TableReader>,
        head: &mut Head,
        options: &BackupOptions,
    ) -> Result<Option<BackupReport>, WriteError> {
        drop(table);
        let parent = base.parent.as_ref().and_then(|parent| parent.body.as_ref());
        let same = parent.is_some_and(|parent| {
            parent.image_digest == taken.image_digest && parent.geometry() == Some(taken.geometry)
        });
        // The same image again, but what it was built of is not whole any more.
        let opens = options.follower().is_some_and(|follower| follower.opens_after(head));
        if !same || options.full || options.always || opens || !base.is_sound() {
            return self.commit_snapshot(image, taken, base, head, options).await;
        }
        let report = base.unchanged_report(image.bytes_read);
        if let Some(parent) = &base.parent {
            self.keep_table(taken, parent, &base, image.fingerprint.as_ref());
        }
        base.journal.end();
        Ok(report)
    }

    /// Names the table of an image after its record. That fails at no cost but
    /// the next scan's.
    pub(super) fn keep_table(
        &self,
        taken: Taken,
        record: &lifeboat_format::record::Record,
        base: &Base,
        fingerprint: Option<&Fingerprint>,
    ) {
        let path = base.table_path(record);
        let mut footer = taken.footer;
        footer.nonce = Some(record.envelope.nonce);
        footer.fingerprint = fingerprint.map(|f| lifeboat_format::hex::encode(&f.0));
        let kept = taken.table.publish(&footer, &path);
        if let Err(error) = kept {
            tracing::warn!(path = %path.display(), %error, "the page table could not be kept");
            return;
        }
        for entry in std::fs::read_dir(&base.cache).into_iter().flatten().flatten() {
            let other = entry.path();
            if other != path && other.extension().is_some_and(|e| e == "table") {
                let _ = std::fs::remove_file(other);
            }
        }
    }
}

fn capture<S: PageSource>(
    source: &mut S,
    key: &lifeboat_format::digest::HashKey,
    mut known: Known,
    mut sink: Sink,
) -> Captured<S::Error> {
    sink.before_the_read();
    match source.capture(key, &mut known, &mut sink) {
        Ok(image) => match sink.finish() {
            Ok(taken) => Ok((image, taken)),
            Err(fault) => Err(CaptureFault::Sink(fault)),
        },
        Err(CaptureError::Source(error)) => Err(CaptureFault::Source(error)),
        Err(CaptureError::Stopped) => {
            Err(CaptureFault::Sink(sink.fault().unwrap_or(Fault::Closed)))
        }
    }
}

fn fault_error<E: std::error::Error + 'static>(fault: Fault) -> BackupError<E> {
    match fault {
        Fault::Closed => BackupError::Cancelled,
        Fault::Local(error) => BackupError::Write(LocalError::into(error)),
        Fault::Pack(error) => BackupError::Pack(error),
    }
}

/// A list that no record refers to yet.
pub(crate) type NewList = Option<(String, u64)>;

/// What a pack list of a record looks like, given the list it grows from.
///
/// Where many rows would stand in the record itself it is time for a new list
/// object: at the root of the length of the list, records and lists cost the
/// same.
pub(super) fn delta(list: &crate::packs::PackList, packs: &[PackEntry]) -> Option<PackListRef> {
    let most = packs.len().isqrt().max(12);
    let wanted: std::collections::HashSet<_> = packs.iter().map(|entry| entry.pack).collect();
    let base: std::collections::HashSet<_> = list.base.iter().map(|entry| entry.pack).collect();
    let reference = PackListRef {
        list: list.reference.list,
        dropped: list.base.iter().map(|e| e.pack).filter(|id| !wanted.contains(id)).collect(),
        added: packs.iter().filter(|entry| !base.contains(&entry.pack)).copied().collect(),
    };
    let same = reference.resolve(list.base.clone()) == packs;
    (same && reference.delta_len() <= most).then_some(reference)
}
