//! A small DNS server over real UDP and TCP sockets. Tests change its records and behaviour at run time.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use balancer::discovery::DnsConfig;
use hickory_resolver::proto::op::{Message, OpCode, ResponseCode};
use hickory_resolver::proto::rr::rdata::SRV;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;

/// How the server treats a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Answers from its records; NXDOMAIN for a name without any.
    Answers,
    /// Never answers.
    Silent,
    /// Answers SERVFAIL.
    Fails,
}

/// An SRV record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Service<'a> {
    pub(crate) priority: u16,
    pub(crate) weight: u16,
    pub(crate) port: u16,
    /// Its addresses are set with [`DnsServer::set_addresses`]; `.` means that the service is not available.
    pub(crate) host: &'a str,
}

/// A name server on 127.0.0.1. Names are fully qualified, with or without the last dot. It stops when dropped.
///
/// All replicas of `dns://name:port` have the same port: use addresses from 127.0.0.0/8, which are all local. For
/// replicas on different ports of 127.0.0.1 use `srv://` and [`DnsServer::set_services`].
pub(crate) struct DnsServer {
    address: SocketAddr,
    zone: Arc<Mutex<Zone>>,
    _work: JoinSet<()>,
}

#[derive(Default)]
struct Zone {
    records: HashMap<Name, Vec<Record>>,
    mood: Option<Mood>,
    mood_for: HashMap<RecordType, Mood>,
    /// Counted in every mood.
    questions: HashMap<(Name, RecordType), usize>,
}

impl DnsServer {
    /// Starts a server without records on a free port.
    pub(crate) async fn start() -> Self {
        let (udp, tcp) = sockets().await;
        let address = udp.local_addr().unwrap();
        let zone = Arc::new(Mutex::new(Zone::default()));
        let mut work = JoinSet::new();
        work.spawn(serve_udp(udp, Arc::clone(&zone)));
        work.spawn(serve_tcp(tcp, Arc::clone(&zone)));
        Self { address, zone, _work: work }
    }

    /// The address that it listens on.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// A configuration for this server with short times: 50 ms between lookups, time-outs of 300 ms, 50 ms after a
    /// failure.
    pub(crate) fn config(&self) -> DnsConfig {
        DnsConfig {
            min_refresh_ms: 50,
            timeout_ms: 300,
            failure_retry_ms: 50,
            nameserver: Some(self.address),
            ..DnsConfig::default()
        }
    }

    /// Replaces the records of the name by A and AAAA records. Without addresses the answer is empty, not NXDOMAIN.
    pub(crate) fn set_addresses(&self, name: &str, ttl_s: u32, addresses: &[&str]) {
        let data = addresses.iter().map(|address| RData::from(address.parse::<IpAddr>().unwrap()));
        self.set(name, ttl_s, data.collect());
    }

    /// Replaces the records of the name by SRV records.
    pub(crate) fn set_services(&self, name: &str, ttl_s: u32, services: &[Service<'_>]) {
        let record = |service: &Service<'_>| {
            RData::SRV(SRV::new(service.priority, service.weight, service.port, full(service.host)))
        };
        self.set(name, ttl_s, services.iter().map(record).collect());
    }

    /// Removes the name: NXDOMAIN from now on.
    pub(crate) fn remove(&self, name: &str) {
        self.with(|zone| zone.records.remove(&full(name)));
    }

    /// Sets the mood for all queries.
    pub(crate) fn behave(&self, mood: Mood) {
        self.with(|zone| {
            zone.mood = Some(mood);
            zone.mood_for.clear();
        });
    }

    /// Sets the mood for queries of this type.
    pub(crate) fn behave_for(&self, kind: RecordType, mood: Mood) {
        self.with(|zone| zone.mood_for.insert(kind, mood));
    }

    /// The number of queries of this type for the name, answered or not.
    pub(crate) fn questions_for(&self, name: &str, kind: RecordType) -> usize {
        self.with(|zone| zone.questions.get(&(full(name), kind)).copied().unwrap_or(0))
    }

    fn set(&self, name: &str, ttl_s: u32, data: Vec<RData>) {
        let name = full(name);
        let records = data.into_iter().map(|data| Record::from_rdata(name.clone(), ttl_s, data)).collect();
        self.with(|zone| zone.records.insert(name, records));
    }

    fn with<T>(&self, work: impl FnOnce(&mut Zone) -> T) -> T {
        work(&mut self.zone.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Zone {
    fn answer(&mut self, question: &[u8]) -> Option<Message> {
        let question = Message::from_vec(question).ok()?;
        let query = question.queries.first()?.clone();
        let (name, kind) = (query.name().to_lowercase(), query.query_type());
        *self.questions.entry((name.clone(), kind)).or_insert(0) += 1;
        let mut answer = Message::response(question.metadata.id, OpCode::Query);
        answer.add_query(query);
        answer.metadata.recursion_desired = question.metadata.recursion_desired;
        answer.metadata.recursion_available = true;
        match self.mood_for.get(&kind).copied().or(self.mood).unwrap_or(Mood::Answers) {
            Mood::Silent => return None,
            Mood::Fails => answer.metadata.response_code = ResponseCode::ServFail,
            Mood::Answers => match self.records.get(&name) {
                Some(records) => {
                    let fitting = records.iter().filter(|record| record.record_type() == kind);
                    answer.add_answers(fitting.cloned());
                }
                None => answer.metadata.response_code = ResponseCode::NXDomain,
            },
        }
        Some(answer)
    }
}

/// The most bytes of a UDP answer, after RFC 1035. A longer one is truncated, and the client repeats the query by TCP.
const UDP_SIZE: usize = 512;

async fn serve_udp(socket: UdpSocket, zone: Arc<Mutex<Zone>>) {
    let mut buffer = [0; 4_096];
    loop {
        // Linux reports here that an earlier answer had no receiver.
        let Ok((length, from)) = socket.recv_from(&mut buffer).await else { continue };
        let answer = zone.lock().unwrap_or_else(PoisonError::into_inner).answer(&buffer[..length]);
        let Some(answer) = answer else { continue };
        let mut bytes = answer.to_vec().unwrap();
        if bytes.len() > UDP_SIZE {
            bytes = answer.truncate().to_vec().unwrap();
        }
        let _gone = socket.send_to(&bytes, from).await;
    }
}

async fn serve_tcp(listener: TcpListener, zone: Arc<Mutex<Zone>>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(converse(stream, Arc::clone(&zone)));
    }
}

/// Answers until the peer closes the connection.
async fn converse(mut stream: TcpStream, zone: Arc<Mutex<Zone>>) {
    while let Ok(length) = stream.read_u16().await {
        let mut question = vec![0; length.into()];
        if stream.read_exact(&mut question).await.is_err() {
            return;
        }
        let answer = zone.lock().unwrap_or_else(PoisonError::into_inner).answer(&question);
        let Some(answer) = answer else { continue };
        let bytes = answer.to_vec().unwrap();
        let length = u16::try_from(bytes.len()).unwrap();
        if stream.write_all(&[&length.to_be_bytes()[..], &bytes].concat()).await.is_err() {
            return;
        }
    }
}

/// UDP and TCP sockets on the same port.
async fn sockets() -> (UdpSocket, TcpListener) {
    for _ in 0..100 {
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
            return (udp, tcp);
        }
    }
    panic!("no port is free for both UDP and TCP");
}

fn full(name: &str) -> Name {
    let mut name = Name::from_ascii(name).unwrap().to_lowercase();
    name.set_fqdn(true);
    name
}
