//! Lingering close of connections, so that the last bytes arrive.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};
use tonic::transport::server::{Connected, TcpConnectInfo};

use crate::tls::Wire;

/// How long to wait for the peer to close.
const LINGER_TIMEOUT: Duration = Duration::from_secs(1);
/// Bytes that are read and discarded at once.
const DISCARD_BUFFER: usize = 4_096;

/// A connection that, after shutdown of its write side, waits for the peer to close.
///
/// Closing a socket with unread data resets the connection, and the reset overtakes the last bytes that were sent (RFC
/// 1122, section 4.2.2.13). Here that is the GOAWAY that tells a caller that its newest requests were not processed,
/// and can safely be sent elsewhere.
#[derive(Debug)]
pub struct Linger {
    stream: Wire,
    /// The end of the wait, once the shutdown has begun.
    until: Option<Pin<Box<Sleep>>>,
}

impl Linger {
    pub(super) fn new(stream: Wire) -> Self {
        Self { stream, until: None }
    }
}

impl Connected for Linger {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        match &self.stream {
            Wire::Left(stream) => stream.connect_info(),
            Wire::Right(stream) => stream.get_ref().0.connect_info(),
        }
    }
}

impl AsyncRead for Linger {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Linger {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, until } = &mut *self;
        if until.is_none() {
            ready!(Pin::new(&mut *stream).poll_shutdown(context))?;
        }
        let until = until.get_or_insert_with(|| Box::pin(sleep(LINGER_TIMEOUT)));
        loop {
            if until.as_mut().poll(context).is_ready() {
                return Poll::Ready(Ok(()));
            }
            let mut discarded = [0; DISCARD_BUFFER];
            let mut buffer = ReadBuf::new(&mut discarded);
            let read = ready!(Pin::new(&mut *stream).poll_read(context, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    /// The two ends of a connection.
    async fn ends() -> (Linger, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (theirs, accepted) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        (Linger::new(Wire::Left(accepted.unwrap().0)), theirs.unwrap())
    }

    #[tokio::test]
    async fn the_last_bytes_arrive_although_data_is_unread() {
        let (mut ours, mut theirs) = ends().await;
        theirs.write_all(b"unread").await.unwrap();
        ours.write_all(b"good bye").await.unwrap();
        let caller = async {
            let mut heard = vec![0; 8];
            theirs.read_exact(&mut heard).await.unwrap();
            // The peer still sends, which does not end the connection.
            theirs.write_all(&[0; 3 * DISCARD_BUFFER]).await.unwrap();
            assert_eq!(theirs.read(&mut [0; 1]).await.unwrap(), 0);
            drop(theirs);
            heard
        };
        let (ended, heard) = tokio::join!(ours.shutdown(), caller);
        ended.unwrap();
        assert_eq!(heard, b"good bye");
    }

    #[tokio::test]
    async fn the_wait_for_a_peer_that_never_closes_is_bounded() {
        let (mut ours, theirs) = ends().await;
        tokio::time::timeout(10 * LINGER_TIMEOUT, ours.shutdown()).await.unwrap().unwrap();
        drop(theirs);
    }
}
