//! Connections whose last words arrive.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};
use tonic::transport::server::{Connected, TcpConnectInfo};

use crate::tls::Wire;

/// How long the other end has for hanging up.
const LONGEST: Duration = Duration::from_secs(1);
const DISCARDED_AT_ONCE: usize = 4_096;

/// A connection that, once this end has said all, waits for the other end to hang up.
///
/// A socket that is closed while something unread lies in it resets the connection, and the reset overtakes what was
/// said last (RFC 1122, section 4.2.2.13). Here that is the GOAWAY which tells a caller that the requests it has just
/// sent were not looked at, and can safely be made elsewhere.
#[derive(Debug)]
pub struct Linger {
    stream: Wire,
    /// Until when is waited, once the end has begun.
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
        let until = until.get_or_insert_with(|| Box::pin(sleep(LONGEST)));
        loop {
            if until.as_mut().poll(context).is_ready() {
                return Poll::Ready(Ok(()));
            }
            let mut discarded = [0; DISCARDED_AT_ONCE];
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
    async fn what_is_said_last_arrives_though_something_is_unread() {
        let (mut ours, mut theirs) = ends().await;
        theirs.write_all(b"unread").await.unwrap();
        ours.write_all(b"good bye").await.unwrap();
        let caller = async {
            let mut heard = vec![0; 8];
            theirs.read_exact(&mut heard).await.unwrap();
            // It still talks, and is not cut off for that.
            theirs.write_all(&[0; 3 * DISCARDED_AT_ONCE]).await.unwrap();
            assert_eq!(theirs.read(&mut [0; 1]).await.unwrap(), 0);
            drop(theirs);
            heard
        };
        let (ended, heard) = tokio::join!(ours.shutdown(), caller);
        ended.unwrap();
        assert_eq!(heard, b"good bye");
    }

    #[tokio::test]
    async fn who_never_hangs_up_is_not_waited_for_for_ever() {
        let (mut ours, theirs) = ends().await;
        tokio::time::timeout(10 * LONGEST, ours.shutdown()).await.unwrap().unwrap();
        drop(theirs);
    }
}
