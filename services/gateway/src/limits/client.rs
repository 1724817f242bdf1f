//! The client that a rate limit applies to.

use std::net::{IpAddr, Ipv6Addr};

use primitives::UserId;
use service::Caller;

/// A client, as distinguished by rate limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Client {
    /// A user, from any address.
    User(UserId),
    /// An address; for IPv6 its /64 network, since a client usually controls all of it.
    Address(IpAddr),
    /// All clients without a known address; none over a real socket.
    Unknown,
}

impl Client {
    /// The user, or else the address.
    pub(crate) fn of(caller: Option<Caller>, address: Option<IpAddr>) -> Self {
        caller.map_or_else(|| Self::at(address), |caller| Self::User(caller.user_id))
    }

    /// The client at this address.
    pub(crate) fn at(address: Option<IpAddr>) -> Self {
        let Some(address) = address else { return Self::Unknown };
        Self::Address(match address.to_canonical() {
            IpAddr::V4(address) => address.into(),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_address_counts_as_its_network() {
        let at = |text: &str| Client::at(Some(text.parse().unwrap()));
        assert_eq!(at("2001:db8:1:2::1"), at("2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert_ne!(at("2001:db8:1:2::1"), at("2001:db8:1:3::1"));
        assert_ne!(at("192.0.2.1"), at("192.0.2.2"));
        assert_eq!(at("::ffff:192.0.2.1"), at("192.0.2.1"));
    }
}
