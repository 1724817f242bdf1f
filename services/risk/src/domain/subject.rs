//! The subjects whose orders are counted together.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use primitives::{ParseError, UserId};

/// A user, or a client address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Subject {
    User(UserId),
    /// An IPv4 address, or the first 64 bits of an IPv6 address.
    Address(IpAddr),
}

impl Subject {
    /// The subject of an address. The last 64 bits of an IPv6 address are ignored, since the customer's network chooses
    /// them freely.
    pub(crate) fn address(address: IpAddr) -> Self {
        Self::Address(match address.to_canonical() {
            v4 @ IpAddr::V4(_) => v4,
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments();
                Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
            }
        })
    }
}

/// The stored form.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(user) => write!(f, "user {user}"),
            Self::Address(address) => write!(f, "address {address}"),
        }
    }
}

impl FromStr for Subject {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text.split_once(' ') {
            Some(("user", user)) => user.parse().map(Self::User),
            Some(("address", address)) => {
                address.parse().map(Self::Address).map_err(|_| ParseError("must be an IP address"))
            }
            _ => Err(ParseError("must be a user or an address")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Subject {
        Subject::address(text.parse().unwrap())
    }

    #[test]
    fn addresses_of_one_customer_are_one_subject() {
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:0:0:2"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.2"), of("192.0.2.1"));
    }

    #[test]
    fn a_subject_survives_its_stored_form() {
        for subject in [Subject::User(UserId::new()), of("192.0.2.1"), of("2001:db8::1")] {
            assert_eq!(subject.to_string().parse(), Ok(subject));
        }
        assert!("someone 1".parse::<Subject>().is_err());
    }
}
