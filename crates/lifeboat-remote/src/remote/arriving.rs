//! Reading over a line that breaks: what arrived is kept, and the rest is asked
//! for in smaller pieces.

use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::StreamExt;
use object_store::{Error, GetOptions, GetRange, GetResult, GetResultPayload};

use super::attempt::Carried;
use super::read::absent;
use super::{Remote, path};
use crate::error::{Failure, RemoteError};

/// No piece is smaller; nor is an object of this size put together of several,
/// for those may be written over.
const SMALLEST: u64 = 64 * 1024;
/// An attempt that brought so much got on, and the pauses begin anew. Less would
/// let a store that breaks off at once be asked without end.
const WORTH: u64 = SMALLEST / 4;

/// The bytes of an object, or of a range of it, as they come.
#[derive(Debug)]
pub(super) struct Arriving {
    start: u64,
    /// Not a range.
    whole: bool,
    /// The most bytes that are taken.
    limit: u64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    bytes: Vec<u8>,
    /// Where the wanted bytes end in the object; not known of a whole object
    /// before the first answer.
    end: Option<u64>,
    /// How much is asked for at once.
    step: u64,
}

/// What an answer turned out to be.
enum Answer {
    /// The object is not there.
    Absent,
    /// All that was asked for, or all there is.
    Whole,
}

impl Arriving {
    /// A range; the object may end before.
    pub(super) fn range(range: &Range<u64>) -> Self {
        let limit = range.end.saturating_sub(range.start);
        Self::new(range.start, Some(range.end), limit)
    }

    /// A whole object of at most so many bytes.
    pub(super) fn whole(limit: u64) -> Self {
        Self::new(0, None, limit)
    }

    fn new(start: u64, end: Option<u64>, limit: u64) -> Self {
        let whole = end.is_none();
        let state = Mutex::new(State { bytes: Vec::new(), end, step: u64::MAX });
        Self { start, whole, limit, state }
    }

    pub(super) fn into_bytes(self) -> Bytes {
        self.state.into_inner().unwrap_or_else(PoisonError::into_inner).bytes.into()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How much is there.
    fn len(&self) -> u64 {
        self.lock().bytes.len() as u64
    }

    /// What to ask for next; nothing when all is there, and no range for a whole
    /// object.
    fn next(&self) -> Option<Option<Range<u64>>> {
        let state = self.lock();
        let at = self.start + state.bytes.len() as u64;
        match state.end {
            None => Some(None),
            Some(end) if at < end => Some(Some(at..end.min(at.saturating_add(state.step)))),
            Some(_) => None,
        }
    }

    /// An answer begins: it has the bytes from here to there of an object of this
    /// size. Room is made for no more than was wanted.
    fn begins(&self, size: u64) {
        let mut state = self.lock();
        let end = state.end.map_or(size, |end| end.min(size));
        state.end = Some(end.max(self.start));
        let left = end.saturating_sub(self.start + state.bytes.len() as u64);
        state.bytes.reserve_exact(usize::try_from(left).unwrap_or(0));
    }

    /// The first of it is taken as it is: a file comes in one piece, which is not held
    /// twice.
    fn push(&self, chunk: Bytes) {
        let mut state = self.lock();
        if state.bytes.is_empty() && chunk.len() >= state.bytes.capacity() {
            state.bytes = chunk.into();
        } else {
            state.bytes.extend_from_slice(&chunk);
        }
    }

    /// The line broke in the middle of an answer of so many bytes.
    fn broke(&self, asked: u64) {
        let mut state = self.lock();
        state.step = (asked.min(state.step) / 2).max(SMALLEST);
        if self.whole && state.end.is_some_and(|end| end <= SMALLEST) {
            state.bytes.clear();
            state.end = None;
        }
    }
}

impl Remote {
    /// Asks for what is still missing; false if the object is not there.
    pub(super) async fn go_on(
        &self,
        key: &str,
        arriving: &Arriving,
        carried: &Carried,
    ) -> Result<bool, RemoteError> {
        let before = arriving.len();
        while let Some(range) = arriving.next() {
            match self.ask(key, range, arriving, carried).await {
                Ok(Answer::Whole) => {}
                Ok(Answer::Absent) => return Ok(false),
                Err(error) => {
                    if arriving.len() >= before + WORTH {
                        carried.gained();
                    }
                    return Err(error);
                }
            }
        }
        Ok(true)
    }

    async fn ask(
        &self,
        key: &str,
        range: Option<Range<u64>>,
        arriving: &Arriving,
        carried: &Carried,
    ) -> Result<Answer, RemoteError> {
        let options =
            GetOptions { range: range.clone().map(GetRange::Bounded), ..GetOptions::default() };
        let got = match self.count().get_opts(&path(key), options).await {
            Ok(got) => got,
            Err(source) => return self.no_answer(key, range, arriving, source).await,
        };
        if range.is_none() && got.meta.size > arriving.limit {
            return Err(RemoteError::of("read", key, Failure::TooLarge));
        }
        let (from, len) = (arriving.len(), got.range.end.saturating_sub(got.range.start));
        arriving.begins(got.meta.size);
        if range.is_none() {
            carried.bytes(len);
        }
        let taken = take_in(key, got, arriving).await;
        let arrived = arriving.len() - from;
        let taken = match taken {
            // An answer that ends early without a word is a broken one, and so is one
            // that has nothing where there is something: nobody asks for ever.
            Ok(()) if arrived != len || (len == 0 && arriving.next().is_some()) => {
                Err(RemoteError::of("read", key, Failure::Unavailable))
            }
            taken => taken,
        };
        if let Err(error) = taken {
            tracing::debug!(key, asked = len, arrived, "an answer broke off");
            if arrived > len {
                arriving.lock().bytes.truncate(from as usize);
            }
            arriving.broke(len);
            return Err(error);
        }
        Ok(Answer::Whole)
    }

    /// A range beyond the end is an untyped error: an object that was cut short
    /// must not look like a store that does not answer.
    async fn no_answer(
        &self,
        key: &str,
        range: Option<Range<u64>>,
        arriving: &Arriving,
        source: Error,
    ) -> Result<Answer, RemoteError> {
        let fail = |source| RemoteError::new("read", key, source);
        let start = match (range, &source) {
            (None, _) | (_, Error::NotFound { .. }) => {
                return absent(source).map(|()| Answer::Absent).map_err(fail);
            }
            (Some(range), _) => range.start,
        };
        let failed = fail(source);
        // Over a wire it is a refusal; whoever is busy is not asked twice.
        if self.retry.is_some() && failed.is_transient() {
            return Err(failed);
        }
        match self.size_once(key).await? {
            None => Ok(Answer::Absent),
            Some(size) if size <= start => {
                arriving.begins(size);
                Ok(Answer::Whole)
            }
            Some(_) => Err(failed),
        }
    }
}

/// Takes in what an answer brings, as far as it comes.
async fn take_in(key: &str, got: GetResult, arriving: &Arriving) -> Result<(), RemoteError> {
    let fail = |source| RemoteError::new("read", key, source);
    // A file is read in one go: in a stream each few KiB would go to another thread.
    if let GetResultPayload::File(..) = got.payload {
        arriving.push(got.bytes().await.map_err(fail)?);
        return Ok(());
    }
    let mut chunks = got.into_stream();
    while let Some(chunk) = chunks.next().await {
        arriving.push(chunk.map_err(fail)?);
    }
    Ok(())
}
