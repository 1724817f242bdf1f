//! The addresses of one host name, of both families.

use std::net::IpAddr;

use hickory_resolver::proto::rr::{Name, RecordType};
use tokio::time::Instant;

use super::dns::{Answer, Client, LookupError};

/// The addresses of a host by family, since an answer about one family says nothing about the other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Host {
    v4: Vec<IpAddr>,
    v6: Vec<IpAddr>,
}

/// The result of resolving a host.
#[derive(Debug)]
pub(super) struct Resolved {
    pub(super) host: Host,
    /// The time to live in seconds; `None` if neither family has an address.
    pub(super) ttl: Option<u32>,
    /// Why some of the addresses are the last known ones, or why there are none.
    pub(super) failure: Option<LookupError>,
}

impl Host {
    pub(super) fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.v4.iter().chain(&self.v6).copied()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }
}

/// Looks both families up. A family whose lookup fails keeps the addresses of `last`.
///
/// A failure is reported only if it affects the result: many name servers always fail on AAAA for names without any.
pub(super) async fn resolve(client: &Client, name: &Name, last: &Host, deadline: Instant) -> Resolved {
    let v4 = client.query(name.clone(), RecordType::A, deadline).await;
    let v6 = match &v4 {
        // The resolved name, without the search list, which could match another name that has AAAA records.
        Ok(Some(found)) => client.query(found.name(), RecordType::AAAA, deadline).await,
        Err(LookupError::Late) => Err(LookupError::Late),
        Ok(None) | Err(_) => client.query(name.clone(), RecordType::AAAA, deadline).await,
    };
    let ttl = [&v4, &v6].into_iter().filter_map(|answer| answer.as_ref().ok()?.as_ref());
    let ttl = ttl.map(Answer::ttl).min();
    let (v4, v4_failure) = family(v4, &last.v4);
    let (v6, v6_failure) = family(v6, &last.v6);
    let host = Host { v4, v6 };
    let nothing = host.is_empty();
    let matters = |failure: Option<LookupError>, kept: &[IpAddr]| failure.filter(|_| nothing || !kept.is_empty());
    let failure = matters(v4_failure, &last.v4).or(matters(v6_failure, &last.v6));
    Resolved { host, ttl, failure }
}

fn family(answer: Result<Option<Answer>, LookupError>, last: &[IpAddr]) -> (Vec<IpAddr>, Option<LookupError>) {
    match answer {
        Ok(Some(answer)) => (answer.addresses().collect(), None),
        Ok(None) => (Vec::new(), None),
        Err(error) => (last.to_vec(), Some(error)),
    }
}
