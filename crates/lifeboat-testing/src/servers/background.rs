//! A server on a thread of its own, which ends when it is dropped.

use std::net::{Ipv4Addr, SocketAddr};
use std::thread::JoinHandle;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;

/// How much the system keeps on the way to us. The usual size, several MiB on
/// this machine, would swallow a slow upload whole.
const RECEIVE_BUFFER: u32 = 16 * 1024;

/// Holds the thread; dropping it ends the server and waits for its end.
#[derive(Debug)]
pub(super) struct Background {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Background {
    /// Listens on a free port of this machine and hands every connection to
    /// `serve`, each in a task of its own.
    pub(super) fn start<F>(name: &str, serve: impl Fn(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + 'static,
    {
        Self::start_at(name, 0, serve)
    }

    /// As [`start`](Self::start), on this port, or on a free one if it is 0.
    pub(super) fn start_at<F>(
        name: &str,
        port: u16,
        serve: impl Fn(TcpStream) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + 'static,
    {
        let (stop, stopped) = oneshot::channel();
        let (tell, told) = std::sync::mpsc::channel();
        let run = move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a thread may have a runtime");
            let tasks = tokio::task::LocalSet::new();
            tasks.block_on(&runtime, async {
                let listener = listen(port);
                tell.send(listener.local_addr().expect("it is bound")).expect("is waited for");
                tokio::select! {
                    () = accept(listener, serve) => {}
                    _ = stopped => {}
                }
            });
            // Tasks that hang on purpose are dropped with `tasks`, and files that
            // are being written are not waited for.
            drop(tasks);
            runtime.shutdown_background();
        };
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(run);
        let thread = thread.expect("a thread can be made");
        let address = told.recv().expect("the server listens");
        Self { address, stop: Some(stop), thread: Some(thread) }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // The thread may have ended by itself, with a panic that was printed.
        let _ = self.stop.take().map(|stop| stop.send(()));
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn listen(port: u16) -> TcpListener {
    let socket = TcpSocket::new_v4().expect("a socket can be made");
    socket.set_recv_buffer_size(RECEIVE_BUFFER).expect("a small buffer is allowed");
    // Who takes the place of a server that was killed takes its port as well.
    socket.set_reuseaddr(true).expect("a socket has this option");
    socket.bind((Ipv4Addr::LOCALHOST, port).into()).expect("the port is free");
    socket.listen(1024).expect("it can listen")
}

async fn accept<F>(listener: TcpListener, serve: impl Fn(TcpStream) -> F)
where
    F: Future<Output = ()> + 'static,
{
    while let Ok((stream, _)) = listener.accept().await {
        // Small answers must not wait for more to send.
        stream.set_nodelay(true).expect("a connection has this option");
        tokio::task::spawn_local(serve(stream));
    }
}
