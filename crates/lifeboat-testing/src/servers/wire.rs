//! A connection that can be reset, and bodies that are slow or cut short.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Says of a connection that it ends with a reset instead of a good-bye.
#[derive(Clone, Debug, Default)]
pub(super) struct Reset(Arc<AtomicBool>);

impl Reset {
    pub(super) fn wanted(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A connection that obeys its [`Reset`].
#[derive(Debug)]
pub(super) struct Wire {
    stream: TcpStream,
    reset: Reset,
}

impl Wire {
    pub(super) fn new(stream: TcpStream, reset: Reset) -> Self {
        Self { stream, reset }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.reset.0.load(Ordering::SeqCst) {
            // What the system cannot do, the test that relies on it will notice.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.reset.0.load(Ordering::SeqCst) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Sends these bytes; after `cut` of them, if so many there are, the connection
/// fails. At most `rate` bytes a second, if there is one.
pub(super) fn body(
    bytes: Bytes,
    cut: Option<usize>,
    rate: Option<u32>,
) -> impl Stream<Item = io::Result<Bytes>> {
    let end = cut.map_or(bytes.len(), |cut| cut.min(bytes.len()));
    let step = rate.map_or(end.max(1), |rate| (rate as usize / STEPS_A_SECOND).max(1));
    futures::stream::unfold(0, move |at| {
        let (bytes, next) = (bytes.clone(), (at + step).min(end));
        async move {
            if at < end {
                pause(rate, next - at).await;
                return Some((Ok(bytes.slice(at..next)), next));
            }
            // One step more: the failure, where there is one.
            (at == end && cut.is_some())
                .then(|| (Err(io::Error::from(io::ErrorKind::ConnectionReset)), usize::MAX))
        }
    })
}

/// How finely a slow wire is sliced.
const STEPS_A_SECOND: usize = 50;

/// As long as so many bytes take at that rate.
pub(super) async fn pause(rate: Option<u32>, len: usize) {
    if let Some(rate) = rate {
        tokio::time::sleep(Duration::from_secs_f64(len as f64 / f64::from(rate))).await;
    }
}
