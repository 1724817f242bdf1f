//! What one target comes to, by DNS: the addresses of a name, or of the hosts that SRV records name.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures::StreamExt as _;
use hickory_resolver::proto::rr::rdata::SRV;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use tokio::time::Instant;

use super::config::DnsConfig;
use super::dns::{Client, LookupError};
use super::host::{Host, Resolved, resolve};
use super::target::{Address, Place, Target};

/// The most hosts of SRV records that are asked for at once.
const AT_ONCE: usize = 16;

/// Looks up one target, again and again.
#[derive(Debug)]
pub(super) struct Finder {
    target: Target,
    config: DnsConfig,
    /// None before the first lookup and after one that failed: `resolv.conf` may have changed.
    client: Option<Client>,
    /// What was last known of each host; only of those that the last answer names.
    hosts: HashMap<Name, Host>,
}

/// What a lookup has found; at least one address.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) addresses: Vec<Address>,
    /// For how long it holds, in seconds.
    pub(super) ttl: u32,
    /// Why some of the addresses are the last known ones.
    pub(super) failure: Option<LookupError>,
}

/// Where a replica is within an answer: on a host, at a port, with a weight.
struct Seat {
    host: Name,
    port: u16,
    weight: u16,
}

impl Finder {
    pub(super) fn new(target: Target, config: DnsConfig) -> Self {
        Self { target, config, client: None, hosts: HashMap::new() }
    }

    /// Asks DNS. After an error, what was found before is still the best that is known.
    pub(super) async fn find(&mut self) -> Result<Found, LookupError> {
        let client = match self.client.take() {
            Some(client) => client,
            None => Client::new(&self.config)?,
        };
        let found = self.find_with(&client).await;
        let is_sound = match &found {
            Ok(found) => found.failure.is_none(),
            Err(error) => matches!(error, LookupError::Nothing),
        };
        self.client = is_sound.then_some(client);
        found
    }

    async fn find_with(&mut self, client: &Client) -> Result<Found, LookupError> {
        let (seats, ttl) = self.seats(client).await?;
        let resolved = self.resolve(client, &seats).await;
        let ttl = resolved.values().filter_map(|resolved| resolved.ttl).min().unwrap_or(ttl).min(ttl);
        let (mut hosts, mut failure) = (HashMap::new(), None);
        for (name, resolved) in resolved {
            hosts.insert(name, resolved.host);
            failure = failure.or(resolved.failure);
        }
        let addresses = self.addresses(&seats, &hosts);
        if addresses.is_empty() {
            return Err(failure.unwrap_or(LookupError::Nothing));
        }
        self.hosts = hosts;
        Ok(Found { addresses, ttl, failure })
    }

    /// Which hosts to resolve, and for how many seconds that holds.
    async fn seats(&self, client: &Client) -> Result<(Vec<Seat>, u32), LookupError> {
        match &self.target.place {
            // Has nothing to find.
            Place::Fixed(_) => Err(LookupError::Nothing),
            Place::Host { name, port } => Ok((vec![Seat { host: name.clone(), port: *port, weight: 1 }], u32::MAX)),
            Place::Service { name } => {
                let deadline = Instant::now() + self.config.timeout();
                let answer = client.ask(name.clone(), RecordType::SRV, deadline).await?;
                let answer = answer.ok_or(LookupError::Nothing)?;
                Ok((seats(answer.data(), self.config.max_endpoints), answer.ttl()))
            }
        }
    }

    async fn resolve(&self, client: &Client, seats: &[Seat]) -> BTreeMap<Name, Resolved> {
        let deadline = Instant::now() + self.config.timeout();
        let names: BTreeSet<&Name> = seats.iter().map(|seat| &seat.host).collect();
        let unknown = Host::default();
        let ask = |name: &Name| {
            let (name, last) = (name.clone(), self.hosts.get(name).unwrap_or(&unknown));
            async move {
                let resolved = resolve(client, &name, last, deadline).await;
                (name, resolved)
            }
        };
        let asked: Vec<_> = names.into_iter().map(ask).collect();
        futures::stream::iter(asked).buffer_unordered(AT_ONCE).collect().await
    }

    fn addresses(&self, seats: &[Seat], hosts: &HashMap<Name, Host>) -> Vec<Address> {
        let placed = seats.iter().filter_map(|seat| Some((seat, hosts.get(&seat.host)?)));
        placed
            .flat_map(|(seat, host)| host.addresses().map(move |ip| (seat, ip)))
            .filter_map(|(seat, ip)| self.target.found(ip, seat.port, seat.weight))
            .collect()
    }
}

/// The seats of the lowest priority, at most so many. RFC 2782: a target of `.` means that the service is not there.
fn seats<'a>(data: impl Iterator<Item = &'a RData>, most: usize) -> Vec<Seat> {
    let service = |data: &'a RData| match data {
        RData::SRV(service) if !service.target.is_root() && service.port > 0 => Some(service),
        _ => None,
    };
    let mut services: Vec<&SRV> = data.filter_map(service).collect();
    // Servers shuffle their answers. In order, the same ones stay within the bound.
    services.sort_by(|one, other| {
        let key = |service: &&'a SRV| (service.priority, service.port);
        key(one).cmp(&key(other)).then_with(|| one.target.cmp(&other.target))
    });
    let Some(lowest) = services.first().map(|service| service.priority) else { return Vec::new() };
    services
        .into_iter()
        .take_while(|service| service.priority == lowest)
        .take(most)
        .map(|service| Seat { host: service.target.clone(), port: service.port, weight: service.weight })
        .collect()
}
