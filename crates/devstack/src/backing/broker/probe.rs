//! The readiness probe of a broker: a metadata request.
//!
//! An open port only shows that the process has bound it. The answer to a metadata request lists the brokers that
//! clients may use, so a broker that lists itself was registered by its controller. The request is written by hand: it
//! has 22 bytes, and a Kafka client of librdkafka's size would have no other use here.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long one request may take.
const BOUND: Duration = Duration::from_secs(2);
/// The longest answer that is read, in bytes. It has a few brokers and no topic.
const ANSWER_LIMIT_BYTES: usize = 64 * 1024;
/// A metadata request for no topic. Version 1 is the lowest that supports that, and every broker knows it.
const REQUEST: [u8; 22] = *b"\0\0\0\x12\0\x03\0\x01\0\0\0\x07\0\x04nine\0\0\0\0";

/// Whether the broker on this port of 127.0.0.1 answers and lists itself.
pub(super) async fn lists_itself(port: u16) -> io::Result<bool> {
    let asking = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.write_all(&REQUEST).await?;
        let length = usize::try_from(stream.read_u32().await?).unwrap_or(usize::MAX);
        if length > ANSWER_LIMIT_BYTES {
            return Err(io::Error::other(format!("an answer of {length} bytes is none of Kafka's")));
        }
        let mut answer = vec![0; length];
        stream.read_exact(&mut answer).await?;
        listed_ports(&answer)
            .map(|ports| ports.contains(&i32::from(port)))
            .ok_or_else(|| io::Error::other("its answer is none of Kafka's"))
    };
    tokio::time::timeout(BOUND, asking).await?
}

/// The ports of the brokers in an answer; `None` if it is truncated or invalid.
fn listed_ports(answer: &[u8]) -> Option<Vec<i32>> {
    let mut rest = Rest(answer);
    let _correlation = rest.int()?;
    let count = rest.int()?;
    (0..count)
        .map(|_| {
            let _id = rest.int()?;
            rest.skip_text()?; // the host
            let port = rest.int()?;
            rest.skip_text()?; // the rack
            Some(port)
        })
        .collect()
}

/// The rest of an answer.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, tail) = self.0.split_first_chunk::<N>()?;
        self.0 = tail;
        Some(*head)
    }

    fn int(&mut self) -> Option<i32> {
        self.take().map(i32::from_be_bytes)
    }

    /// A string has its length before it; -1 is null.
    fn skip_text(&mut self) -> Option<()> {
        let length = i16::from_be_bytes(self.take()?);
        self.0 = self.0.get(usize::try_from(length).unwrap_or(0)..)?;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Apache Kafka 4.4 answered on port 29092.
    const ANSWER: &[u8] = b"\0\0\0\x07\0\0\0\x01\0\0\0\x01\0\x09127.0.0.1\0\0\x71\xa4\xff\xff\0\0\0\x01\0\0\0\0";

    #[test]
    fn the_brokers_of_an_answer_are_read() {
        assert_eq!(listed_ports(ANSWER), Some(vec![29_092]));
        let nobody = b"\0\0\0\x07\0\0\0\0\0\0\0\x01\0\0\0\0";
        assert_eq!(listed_ports(nobody), Some(vec![]));
    }

    #[test]
    fn a_cut_answer_or_another_protocol_is_none() {
        assert!((0..29).all(|length| listed_ports(&ANSWER[..length]).is_none()));
        assert_eq!(listed_ports(b"HTTP/1.1 400 Bad Request\r\n"), None);
    }
}
