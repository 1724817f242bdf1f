//! A gateway that does what a test wants, and remembers what it was asked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    /// By the name in lower case; what comes twice is joined by a comma.
    pub(crate) headers: BTreeMap<String, String>,
}

/// What is done with a request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Then {
    /// It is answered with this status.
    Answer(u16),
    /// The connection ends without an answer.
    BreakOff,
    /// It is under way for good.
    Hang,
}

/// The gateway; it ends with the test.
pub(crate) struct Fake {
    /// `127.0.0.1:PORT`
    pub(crate) address: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    _serving: JoinSet<()>,
}

impl Fake {
    pub(crate) async fn start(behave: fn(&Seen) -> Then) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let mut serving = JoinSet::new();
        serving.spawn(accept(listener, behave, Arc::clone(&seen)));
        Self { address, seen, _serving: serving }
    }

    /// What was asked since the last time.
    pub(crate) fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

async fn accept(listener: TcpListener, behave: fn(&Seen) -> Then, seen: Arc<Mutex<Vec<Seen>>>) {
    let mut connections = JoinSet::new();
    loop {
        let (connection, _) = listener.accept().await.unwrap();
        let seen = Arc::clone(&seen);
        connections.spawn(async move {
            let mut connection = BufReader::new(connection);
            while let Some(request) = read(&mut connection).await {
                let then = behave(&request);
                seen.lock().unwrap().push(request);
                let status = match then {
                    Then::Answer(status) => status,
                    Then::BreakOff => return,
                    Then::Hang => std::future::pending().await,
                };
                let answer = format!("HTTP/1.1 {status} -\r\nContent-Length: 2\r\n\r\n{{}}");
                if connection.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
            }
        });
    }
}

/// The next request with its body, or nothing when the connection has ended.
async fn read(connection: &mut BufReader<TcpStream>) -> Option<Seen> {
    let mut line = String::new();
    connection.read_line(&mut line).await.ok().filter(|length| *length > 0)?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let mut headers = BTreeMap::<String, String>::new();
    loop {
        let mut line = String::new();
        connection.read_line(&mut line).await.ok().filter(|length| *length > 0)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        let joined = headers.entry(name.to_lowercase()).or_default();
        *joined = if joined.is_empty() { value.to_owned() } else { format!("{joined}, {value}") };
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    connection.read_exact(&mut vec![0; length]).await.ok()?;
    Some(Seen { method, path, headers })
}
