//! DNS queries with a deadline. Nothing is cached here.

use std::net::{IpAddr, SocketAddr};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use tokio::time::{Instant, timeout_at};

use super::config::DnsConfig;

/// Why a lookup failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum LookupError {
    /// The servers did not answer in time.
    #[error("DNS did not answer in time")]
    Late,
    /// The servers can't be queried, or answered with an error.
    #[error("the DNS query failed")]
    Dns(#[from] NetError),
    /// There are no such records, or they have no address.
    #[error("DNS has no address")]
    Nothing,
}

/// Queries the name servers.
#[derive(Debug)]
pub(super) struct Client(TokioResolver);

/// An answer of the name servers: at least one record.
#[derive(Debug)]
pub(super) struct Answer(Lookup);

impl Client {
    /// Uses the configured server, or else `resolv.conf` and the hosts file.
    pub(super) fn new(config: &DnsConfig) -> Result<Self, LookupError> {
        let mut builder = match config.nameserver {
            Some(server) => {
                let servers = ResolverConfig::from_name_servers(vec![name_server(server)]);
                let mut builder = TokioResolver::builder_with_config(servers, TokioRuntimeProvider::default());
                builder.options_mut().use_hosts_file = ResolveHosts::Never;
                builder
            }
            None => TokioResolver::builder_tokio()?,
        };
        let options = builder.options_mut();
        // The caller schedules lookups by the time to live, and wants the current records.
        options.cache_size = 0;
        // Room for two attempts.
        options.timeout = config.timeout() / 2;
        options.attempts = 1;
        Ok(Self(builder.build()?))
    }

    /// The records of `name`; `None` if the servers say that there are none.
    pub(super) async fn query(
        &self,
        name: Name,
        kind: RecordType,
        deadline: Instant,
    ) -> Result<Option<Answer>, LookupError> {
        match timeout_at(deadline, self.0.lookup(name, kind)).await {
            Ok(Ok(lookup)) => Ok(Some(Answer(lookup))),
            Ok(Err(error)) if error.is_no_records_found() => Ok(None),
            Ok(Err(NetError::Timeout)) | Err(_) => Err(LookupError::Late),
            Ok(Err(error)) => Err(error.into()),
        }
    }
}

impl Answer {
    /// The lowest time to live of its records, in seconds.
    pub(super) fn ttl(&self) -> u32 {
        self.0.answers().iter().map(|record| record.ttl).min().unwrap_or(0)
    }

    /// The name that was resolved, after the search list.
    pub(super) fn name(&self) -> Name {
        self.0.query().name().clone()
    }

    pub(super) fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.data().filter_map(RData::ip_addr)
    }

    pub(super) fn data(&self) -> impl Iterator<Item = &RData> {
        self.0.answers().iter().map(|record| &record.data)
    }
}

fn name_server(server: SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = server.port();
        connection
    });
    NameServerConfig::new(server.ip(), true, connections.into())
}
