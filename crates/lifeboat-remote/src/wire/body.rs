//! A body that goes no faster than permitted and does not stand still for ever.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use object_store::client::{HttpError, HttpErrorKind};
use tokio::time::{Instant, Sleep};

use super::Elapsed;
use crate::pace::Pacer;

/// How much goes at once where the speed is limited.
const PIECE: usize = 16 * 1024;

/// A body around another.
pub(super) struct Body<B> {
    inner: B,
    pacer: Option<Arc<Pacer>>,
    pending: Bytes,
    /// The next piece is paid for, and goes when this is over.
    wait: Option<Pin<Box<Sleep>>>,
    deadline: Option<(Pin<Box<Sleep>>, Duration)>,
}

impl<B> Body<B> {
    pub(super) fn new(
        inner: B,
        pacer: Option<Arc<Pacer>>,
        until: Option<(Instant, Duration)>,
    ) -> Self {
        let deadline = until.map(|(at, limit)| (Box::pin(tokio::time::sleep_until(at)), limit));
        Self { inner, pacer, pending: Bytes::new(), wait: None, deadline }
    }
}

impl<B: HttpBody<Data = Bytes, Error = HttpError> + Unpin> HttpBody for Body<B> {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let this = self.get_mut();
        if let Some((deadline, limit)) = &mut this.deadline
            && deadline.as_mut().poll(context).is_ready()
        {
            let error = HttpError::new(HttpErrorKind::Timeout, Elapsed(*limit));
            return Poll::Ready(Some(Err(error)));
        }
        let Some(pacer) = &this.pacer else { return Pin::new(&mut this.inner).poll_frame(context) };
        loop {
            if let Some(wait) = &mut this.wait {
                ready!(wait.as_mut().poll(context));
                this.wait = None;
                let piece = this.pending.split_to(this.pending.len().min(PIECE));
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            if !this.pending.is_empty() {
                let wait = pacer.take(this.pending.len().min(PIECE) as u64);
                this.wait = Some(Box::pin(tokio::time::sleep_until(wait)));
                continue;
            }
            match ready!(Pin::new(&mut this.inner).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => this.pending = data,
                    Err(other) => return Poll::Ready(Some(Ok(other))),
                },
                other => return Poll::Ready(other),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.pending.is_empty() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let pending = self.pending.len() as u64;
        let inner = self.inner.size_hint();
        match inner.exact() {
            Some(exact) => SizeHint::with_exact(exact + pending),
            None => SizeHint::new(),
        }
    }
}
