//! Resolves one target by DNS: to the addresses of a name, or of the hosts in SRV records.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures::StreamExt as _;
use hickory_resolver::proto::rr::rdata::SRV;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use tokio::time::Instant;

use super::config::DnsConfig;
use super::dns::{Client, LookupError};
use super::host::{Host, Resolved, resolve};
use super::target::{Address, Source, Target};

/// The most hosts of SRV records that are resolved at once.
const CONCURRENCY: usize = 16;

/// Resolves one target repeatedly.
#[derive(Debug)]
pub(super) struct Resolver {
    target: Target,
    config: DnsConfig,
    /// `None` before the first lookup and after a failed one, since `resolv.conf` may have changed.
    client: Option<Client>,
    /// The last known addresses of each host in the last answer.
    hosts: HashMap<Name, Host>,
}

/// The result of a lookup.
#[derive(Debug)]
pub(super) struct Resolution {
    /// At least one.
    pub(super) addresses: Vec<Address>,
    /// The time to live, in seconds.
    pub(super) ttl: u32,
    /// Why some of the addresses are the last known ones, if they are.
    pub(super) failure: Option<LookupError>,
}

/// A host of the target, with the port and weight of its replicas.
struct HostPort {
    host: Name,
    port: u16,
    weight: u16,
}

impl Resolver {
    pub(super) fn new(target: Target, config: DnsConfig) -> Self {
        Self { target, config, client: None, hosts: HashMap::new() }
    }

    /// Looks the target up. After an error, the previous result is still the best one known.
    pub(super) async fn resolve(&mut self) -> Result<Resolution, LookupError> {
        let client = match self.client.take() {
            Some(client) => client,
            None => Client::new(&self.config)?,
        };
        let result = self.resolve_with(&client).await;
        let is_sound = match &result {
            Ok(resolution) => resolution.failure.is_none(),
            Err(error) => matches!(error, LookupError::Nothing),
        };
        self.client = is_sound.then_some(client);
        result
    }

    async fn resolve_with(&mut self, client: &Client) -> Result<Resolution, LookupError> {
        let (host_ports, ttl) = self.host_ports(client).await?;
        let resolved = self.resolve_hosts(client, &host_ports).await;
        let ttl = resolved.values().filter_map(|resolved| resolved.ttl).min().unwrap_or(ttl).min(ttl);
        let (mut hosts, mut failure) = (HashMap::new(), None);
        for (name, resolved) in resolved {
            hosts.insert(name, resolved.host);
            failure = failure.or(resolved.failure);
        }
        let addresses = self.addresses(&host_ports, &hosts);
        if addresses.is_empty() {
            return Err(failure.unwrap_or(LookupError::Nothing));
        }
        self.hosts = hosts;
        Ok(Resolution { addresses, ttl, failure })
    }

    /// The hosts to resolve, and the time to live in seconds.
    async fn host_ports(&self, client: &Client) -> Result<(Vec<HostPort>, u32), LookupError> {
        match &self.target.source {
            // Needs no lookup.
            Source::Fixed(_) => Err(LookupError::Nothing),
            Source::Host { name, port } => {
                Ok((vec![HostPort { host: name.clone(), port: *port, weight: 1 }], u32::MAX))
            }
            Source::Service { name } => {
                let deadline = Instant::now() + self.config.timeout();
                let answer = client.query(name.clone(), RecordType::SRV, deadline).await?;
                let answer = answer.ok_or(LookupError::Nothing)?;
                Ok((host_ports(answer.data(), self.config.max_endpoints), answer.ttl()))
            }
        }
    }

    async fn resolve_hosts(&self, client: &Client, host_ports: &[HostPort]) -> BTreeMap<Name, Resolved> {
        let deadline = Instant::now() + self.config.timeout();
        let names: BTreeSet<&Name> = host_ports.iter().map(|host_port| &host_port.host).collect();
        let unknown = Host::default();
        let lookup = |name: &Name| {
            let (name, last) = (name.clone(), self.hosts.get(name).unwrap_or(&unknown));
            async move {
                let resolved = resolve(client, &name, last, deadline).await;
                (name, resolved)
            }
        };
        let lookups: Vec<_> = names.into_iter().map(lookup).collect();
        futures::stream::iter(lookups).buffer_unordered(CONCURRENCY).collect().await
    }

    fn addresses(&self, host_ports: &[HostPort], hosts: &HashMap<Name, Host>) -> Vec<Address> {
        let known = host_ports.iter().filter_map(|host_port| Some((host_port, hosts.get(&host_port.host)?)));
        known
            .flat_map(|(host_port, host)| host.addresses().map(move |ip| (host_port, ip)))
            .filter_map(|(host_port, ip)| self.target.found(ip, host_port.port, host_port.weight))
            .collect()
    }
}

/// The first `max` SRV records of the lowest priority. RFC 2782: a target of `.` means that the service is not
/// available.
fn host_ports<'a>(data: impl Iterator<Item = &'a RData>, max: usize) -> Vec<HostPort> {
    let service = |data: &'a RData| match data {
        RData::SRV(service) if !service.target.is_root() && service.port > 0 => Some(service),
        _ => None,
    };
    let mut services: Vec<&SRV> = data.filter_map(service).collect();
    // Servers shuffle their answers. Sorted, the same records stay within the bound.
    services.sort_by(|one, other| {
        let key = |service: &&'a SRV| (service.priority, service.port);
        key(one).cmp(&key(other)).then_with(|| one.target.cmp(&other.target))
    });
    let Some(lowest) = services.first().map(|service| service.priority) else { return Vec::new() };
    services
        .into_iter()
        .take_while(|service| service.priority == lowest)
        .take(max)
        .map(|service| HostPort { host: service.target.clone(), port: service.port, weight: service.weight })
        .collect()
}
