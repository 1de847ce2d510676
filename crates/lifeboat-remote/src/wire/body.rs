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
use crate::remote::Course;

/// How much goes at once where the speed is limited.
const PIECE: usize = 16 * 1024;
/// And where only somebody wants to know how far it is.
const TOLD_PIECE: usize = 64 * 1024;

/// A body around another.
pub(super) struct Body<B> {
    inner: B,
    pacer: Option<Arc<Pacer>>,
    pending: Bytes,
    /// The next piece is paid for, and goes when this is over.
    wait: Option<Pin<Box<Sleep>>>,
    deadline: Option<(Pin<Box<Sleep>>, Duration)>,
    /// Who wants to know how far it is.
    course: Option<Arc<Course>>,
    /// How long nothing may come.
    quiet: Option<(Pin<Box<Sleep>>, Duration)>,
}

impl<B> Body<B> {
    pub(super) fn new(
        inner: B,
        pacer: Option<Arc<Pacer>>,
        until: Option<(Instant, Duration)>,
    ) -> Self {
        let deadline = until.map(|(at, limit)| (Box::pin(tokio::time::sleep_until(at)), limit));
        let (pending, course, quiet) = (Bytes::new(), None, None);
        Self { inner, pacer, pending, wait: None, deadline, course, quiet }
    }

    /// Tells an operation how far it is, and ends where nothing comes for so long.
    pub(super) fn telling(self, course: Option<Arc<Course>>, quiet: Option<Duration>) -> Self {
        let quiet = quiet.map(|quiet| (Box::pin(tokio::time::sleep(quiet)), quiet));
        Self { course, quiet, ..self }
    }

    /// These bytes go on.
    fn goes(&mut self, bytes: usize) {
        if let Some(course) = &self.course {
            course.moved(bytes as u64);
        }
        if let Some((sleep, quiet)) = &mut self.quiet {
            sleep.as_mut().reset(Instant::now() + *quiet);
        }
    }
}

impl<B> Body<B> {
    /// The next of what is pending.
    fn piece(&mut self, most: usize) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let piece = self.pending.split_to(self.pending.len().min(most));
        self.goes(piece.len());
        Poll::Ready(Some(Ok(Frame::data(piece))))
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
        let most = if this.pacer.is_some() { PIECE } else { TOLD_PIECE };
        loop {
            if let Some(wait) = &mut this.wait {
                ready!(wait.as_mut().poll(context));
                this.wait = None;
                return this.piece(most);
            }
            if !this.pending.is_empty() {
                let Some(pacer) = &this.pacer else { return this.piece(most) };
                let wait = pacer.take(this.pending.len().min(most) as u64);
                this.wait = Some(Box::pin(tokio::time::sleep_until(wait)));
                continue;
            }
            let polled = Pin::new(&mut this.inner).poll_frame(context);
            if polled.is_pending()
                && let Some((sleep, quiet)) = &mut this.quiet
                && sleep.as_mut().poll(context).is_ready()
            {
                let error = HttpError::new(HttpErrorKind::Timeout, Elapsed(*quiet));
                return Poll::Ready(Some(Err(error)));
            }
            match ready!(polled) {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A body of so many bytes, in frames as they come from a socket.
    struct Frames(usize);

    impl HttpBody for Frames {
        type Data = Bytes;
        type Error = HttpError;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
            let len = self.0.min(100_000);
            self.0 -= len;
            Poll::Ready((len > 0).then(|| Ok(Frame::data(vec![7; len].into()))))
        }
    }

    /// Takes a body in, and returns how many bytes came.
    async fn take<B>(mut body: Body<B>) -> Result<usize, HttpError>
    where
        B: HttpBody<Data = Bytes, Error = HttpError> + Unpin,
    {
        let mut taken = 0;
        while let Some(frame) =
            std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await
        {
            taken += frame?.into_data().map_or(0, |data| data.len());
        }
        Ok(taken)
    }

    #[tokio::test(start_paused = true)]
    async fn bodies_share_the_speed_that_is_permitted() {
        let pacer = Some(Arc::new(Pacer::new(100_000)));
        let start = Instant::now();
        let body = |len| take(Body::new(Frames(len), pacer.clone(), None));
        let (a, b) = tokio::join!(body(700_000), body(300_000));
        assert_eq!((a.expect("comes"), b.expect("comes")), (700_000, 300_000));
        let took = start.elapsed();
        // A quarter of a second may be saved up.
        let (least, most) = (Duration::from_millis(9_750), Duration::from_millis(10_050));
        assert!((least..=most).contains(&took), "{took:?}");
        // No frame is larger than a piece: nothing goes in bursts.
        let mut body = Body::new(Frames(1_000_000), pacer, None);
        let frame = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await;
        let frame = frame.expect("comes").expect("comes").into_data().expect("data");
        assert_eq!(frame.len(), PIECE);
    }

    /// Some bytes, and then nothing.
    struct Silent(usize);

    impl HttpBody for Silent {
        type Data = Bytes;
        type Error = HttpError;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
            match std::mem::take(&mut self.0) {
                0 => Poll::Pending,
                len => Poll::Ready(Some(Ok(Frame::data(vec![7; len].into())))),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_falls_silent_ends() {
        let quiet = Duration::from_secs(5);
        let start = Instant::now();
        let body = Body::new(Silent(100), None, Some((start + 9 * quiet, 9 * quiet)));
        let error = take(body.telling(None, Some(quiet))).await.expect_err("falls silent");
        assert_eq!(error.kind(), HttpErrorKind::Timeout);
        assert_eq!(start.elapsed().as_secs(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_limit_nothing_waits() {
        let start = Instant::now();
        assert_eq!(take(Body::new(Frames(1_000_000), None, None)).await.expect("comes"), 1_000_000);
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stands_still_ends() {
        let limit = Duration::from_secs(30);
        let start = Instant::now();
        let pacer = Some(Arc::new(Pacer::new(1)));
        let body = Body::new(Frames(1_000_000), pacer, Some((start + limit, limit)));
        let error = take(body).await.expect_err("takes too long");
        assert_eq!(error.kind(), HttpErrorKind::Timeout);
        assert!(start.elapsed() < limit + Duration::from_secs(1), "{:?}", start.elapsed());
    }
}
