//! Ids that Fournines generates: UUIDv7, so that they sort by creation time.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::ParseError;

macro_rules! typed_ids {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Generates an id: UUIDv7 (RFC 9562).
            #[allow(clippy::new_without_default)] // each call returns another value
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }

            /// The id as a plain UUID.
            pub fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl FromStr for $name {
            type Err = ParseError;

            fn from_str(text: &str) -> Result<Self, ParseError> {
                parse(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    )+};
}

typed_ids! {
    /// A registered user.
    UserId;
    /// An order.
    OrderId;
    /// An entry of the stock ledger.
    MovementId;
    /// An attempt to pay an order.
    PaymentId;
    /// The claim of an attempt to pay an order.
    ClaimId;
    /// An entry of an account's ledger.
    EntryId;
    /// A login. All refresh tokens issued from it form its family.
    SessionId;
    /// An event that was recorded for publication.
    EventId;
    /// A run of the reconciliation.
    RunId;
}

/// The lowest id that can be generated in the millisecond of a time: all ids generated earlier are lower.
pub fn lowest_at(time: Timestamp) -> Uuid {
    let ms = u64::try_from(time.as_millisecond()).unwrap_or_default();
    let mut bytes = [0; 16];
    // RFC 9562: 48 bits of milliseconds, then version and variant.
    bytes[..6].copy_from_slice(&ms.to_be_bytes()[2..]);
    bytes[6] = 0x70;
    bytes[8] = 0x80;
    Uuid::from_bytes(bytes)
}

/// Accepts only the hyphenated form, so that an id has one spelling apart from letter case.
fn parse(text: &str) -> Result<Uuid, ParseError> {
    const HYPHENATED_LENGTH: usize = 36;
    let parsed = (text.len() == HYPHENATED_LENGTH).then(|| Uuid::try_parse(text).ok()).flatten();
    parsed.ok_or(ParseError("must be a UUID"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_its_text_form() {
        let id = OrderId::new();
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn other_spellings_are_refused() {
        for text in ["", "1", "urn:uuid:0190b5a0-0000-7000-8000-000000000000", "{0190b5a0-0000-7000-8000-00000000}"] {
            assert!(text.parse::<OrderId>().is_err(), "{text}");
        }
        assert!(OrderId::new().to_string().replace('-', "").parse::<OrderId>().is_err());
    }

    #[test]
    fn the_lowest_id_of_a_time_separates_earlier_ids_from_later_ones() {
        let before = OrderId::new();
        let later = crate::now() + std::time::Duration::from_millis(2);
        assert!(before.as_uuid() < lowest_at(later));
        assert!(lowest_at(crate::now()) < lowest_at(later));
        assert!(lowest_at(crate::now() - std::time::Duration::from_millis(1)) < OrderId::new().as_uuid());
    }

    #[test]
    fn ids_sort_by_creation_time() {
        let ids: Vec<_> = (0..100).map(|_| OrderId::new()).collect();
        assert!(ids.is_sorted());
    }
}
