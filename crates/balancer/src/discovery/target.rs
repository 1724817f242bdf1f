//! The configured targets of an upstream, and the addresses that they resolve to.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;

use hickory_resolver::proto::rr::Name;
use http::Uri;
use serde::{Deserialize, Deserializer};

/// The highest weight, so that a weight times that of an SRV record (at most 65,535) is a `u32`.
const MAX_WEIGHT: u32 = 65_535;

/// The most targets of one upstream. Each target that needs DNS has a task.
const MAX_TARGETS: usize = 1_024;

/// The replicas of another service, or the names to look them up by. At least one target, at most 1,024.
///
/// Each target is one of
/// - `http://host:port`: one replica. A host name is resolved whenever a connection is made.
/// - `dns://name:port`: every A and AAAA record of the name is a replica (a headless service of Kubernetes). A fully
///   qualified name should end with a dot; otherwise the search list of `resolv.conf` may be tried first.
/// - `srv://name`: every address of the hosts in the SRV records of the lowest priority (RFC 2782) is a replica, with
///   the port and weight of its record.
///
/// Deserialized from one string with commas between the targets (for the environment), or from a list of strings and
/// tables `{target, zone, weight}`. A weight is from 1 to 65,535, 1 by default, and multiplies the weights of SRV
/// records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Targets(Vec<Target>);

impl Targets {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Target> {
        self.0.iter()
    }
}

/// One replica, identified by its `uri`: no two in a set have the same. Weight and zone may change.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    /// `http://ip:port`, or `http://host:port` as configured.
    pub uri: Uri,
    /// Its zone, if configured.
    pub zone: Option<Arc<str>>,
    /// Its share of the calls relative to the others, for strategies that use weights.
    pub weight: NonZeroU32,
}

/// Why a target is not valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// There are none, or too many.
    #[error("an upstream must have from 1 to {MAX_TARGETS} targets, not {0}")]
    Count(usize),
    /// The target has none of the known forms.
    #[error("{0:?} is not of the form http://host:port, dns://name:port or srv://name")]
    Form(String),
    /// The weight is out of bounds.
    #[error("a weight must be from 1 to {MAX_WEIGHT}, not {0}")]
    Weight(u32),
    /// The zone is blank.
    #[error("the zone of {0:?} is blank")]
    Zone(String),
}

/// One configured target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) source: Source,
    pub(super) zone: Option<Arc<str>>,
    pub(super) weight: NonZeroU32,
}

/// The source of the addresses of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// The configuration itself.
    Fixed(Uri),
    /// The A and AAAA records of the name.
    Host { name: Name, port: u16 },
    /// The SRV records of the name.
    Service { name: Name },
}

impl Target {
    fn new(text: &str, zone: Option<String>, weight: u32) -> Result<Self, TargetError> {
        let source = Source::parse(text).ok_or_else(|| TargetError::Form(text.to_owned()))?;
        let weight =
            NonZeroU32::new(weight).filter(|weight| weight.get() <= MAX_WEIGHT).ok_or(TargetError::Weight(weight))?;
        if zone.as_ref().is_some_and(|zone| zone.trim().is_empty()) {
            return Err(TargetError::Zone(text.to_owned()));
        }
        Ok(Self { source, zone: zone.map(Arc::from), weight })
    }

    /// The address of a fixed target.
    pub(super) fn fixed(&self) -> Option<Address> {
        match &self.source {
            Source::Fixed(uri) => Some(Address { uri: uri.clone(), zone: self.zone.clone(), weight: self.weight }),
            Source::Host { .. } | Source::Service { .. } => None,
        }
    }

    /// A replica found for this target; `weight` is that of its SRV record.
    pub(super) fn found(&self, ip: IpAddr, port: u16, weight: u16) -> Option<Address> {
        // In RFC 2782 a weight of 0 is "a very small chance"; the lowest weight here is 1.
        let weight = NonZeroU32::new(weight.into()).unwrap_or(NonZeroU32::MIN);
        // The display form of an IPv6 socket address has the brackets that a URI needs.
        let uri = format!("http://{}", SocketAddr::new(ip, port)).parse().ok()?;
        Some(Address { uri, zone: self.zone.clone(), weight: self.weight.saturating_mul(weight) })
    }
}

impl Source {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        let (scheme, rest) = text.split_once("://")?;
        match scheme {
            "http" => fixed(&text),
            "dns" => {
                let (name, port) = rest.rsplit_once(':')?;
                Some(Self::Host { name: name_of(name)?, port: port_of(port)? })
            }
            "srv" => Some(Self::Service { name: name_of(rest)? }),
            _ => None,
        }
    }
}

fn fixed(text: &str) -> Option<Source> {
    let uri: Uri = text.parse().ok()?;
    let authority = uri.authority()?;
    let bare = uri.path() == "/" && uri.query().is_none() && !authority.as_str().contains('@');
    let named = !authority.host().is_empty() && uri.port_u16().is_some_and(|port| port > 0);
    (bare && named).then_some(Source::Fixed(uri))
}

fn port_of(text: &str) -> Option<u16> {
    text.parse().ok().filter(|port| *port > 0)
}

/// A DNS name; not an address.
fn name_of(text: &str) -> Option<Name> {
    let known = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
    if text.parse::<IpAddr>().is_ok() || !text.chars().all(known) {
        return None;
    }
    Name::from_ascii(text).ok().filter(|name| !name.is_root() && name.num_labels() > 0)
}

impl<'de> Deserialize<'de> for Targets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        RawTargets::deserialize(deserializer)?.check().map_err(serde::de::Error::custom)
    }
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "targets must be a string, or a list of strings and tables {target, zone, weight}")]
enum RawTargets {
    Text(String),
    List(Vec<RawTarget>),
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a target must be a string or a table {target, zone, weight}")]
enum RawTarget {
    Text(String),
    Table(TargetTable),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TargetTable {
    target: String,
    zone: Option<String>,
    #[serde(default = "one")]
    weight: u32,
}

fn one() -> u32 {
    1
}

impl RawTargets {
    fn check(self) -> Result<Targets, TargetError> {
        let targets = match self {
            Self::Text(text) => {
                text.split(',').map(|part| Target::new(part, None, 1)).collect::<Result<Vec<_>, _>>()?
            }
            Self::List(list) => list.into_iter().map(RawTarget::check).collect::<Result<Vec<_>, _>>()?,
        };
        if targets.is_empty() || targets.len() > MAX_TARGETS {
            return Err(TargetError::Count(targets.len()));
        }
        Ok(Targets(targets))
    }
}

impl RawTarget {
    fn check(self) -> Result<Target, TargetError> {
        match self {
            Self::Text(text) => Target::new(&text, None, 1),
            Self::Table(table) => Target::new(&table.target, table.zone, table.weight),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn load(value: Value) -> Result<Targets, serde_json::Error> {
        serde_json::from_value(value)
    }

    #[test]
    fn a_string_and_a_list_are_equivalent() {
        let list = load(json!(["http://a:1", "dns://b.svc:2", "srv://_grpc._tcp.c"])).unwrap();
        assert_eq!(load(json!("http://A:1/, dns://b.svc:2,srv://_grpc._tcp.c ")).unwrap(), list);
        assert_eq!(load(json!([{"target": "http://a:1"}, "dns://b.svc:2", "srv://_grpc._tcp.c"])).unwrap(), list);
        let ipv6 = load(json!("http://[::1]:7003")).unwrap();
        assert_eq!(ipv6.0[0].fixed().unwrap().uri, "http://[::1]:7003/");
    }

    #[test]
    fn a_table_adds_zone_and_weight() {
        let targets = load(json!([{"target": "http://a:1", "zone": "east", "weight": 3}])).unwrap();
        let address = targets.0[0].fixed().unwrap();
        assert_eq!((address.zone.as_deref(), address.weight.get()), (Some("east"), 3));
        let heavy = load(json!([{"target": "srv://a", "weight": 65_535}])).unwrap();
        let found = heavy.0[0].found(IpAddr::from([10, 0, 0, 1]), 1, u16::MAX).unwrap();
        assert_eq!(found.weight.get(), 65_535 * 65_535);
    }

    #[test]
    fn invalid_targets_do_not_load() {
        for bad in [
            json!([]),
            json!(""),
            json!("http://a:1,"),
            json!("a:1"),
            json!("ftp://a:1"),
            json!("http://a"),
            json!("http://a:0"),
            json!("http://:1"),
            json!("http://user@a:1"),
            json!("http://a:1/path"),
            json!("http://a:1/?query"),
            json!("dns://a"),
            json!("dns://:1"),
            json!("dns://.:1"),
            json!("dns://a:0"),
            json!("dns://a:65536"),
            json!("dns://a..b:1"),
            json!("dns://a/b:1"),
            json!("dns://10.0.0.1:1"),
            json!("dns://[::1]:1"),
            json!("srv://"),
            json!("srv://a:1"),
            json!([{"target": "http://a:1", "weight": 0}]),
            json!([{"target": "http://a:1", "weight": 65_536}]),
            json!([{"target": "http://a:1", "zone": " "}]),
            json!([{"target": "http://a:1", "region": "east"}]),
            json!(vec!["http://a:1"; MAX_TARGETS + 1]),
        ] {
            assert!(load(bad.clone()).is_err(), "{bad}");
        }
    }
}
