//! An order to be judged, and its assessment.

use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use primitives::{OrderId, UserId};

use super::{Attempt, Subject};

/// An order to be judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) order_id: OrderId,
    pub(crate) user_id: UserId,
    /// Identifies the attempt to place the order; repeated requests with the same attempt count once.
    pub(crate) attempt: Attempt,
    /// Minor units.
    pub(crate) total: i64,
    /// The client's address, if known.
    pub(crate) from: Option<IpAddr>,
    /// When it was placed.
    pub(crate) at: Timestamp,
}

/// The verdict on an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    Accept,
    Reject,
}

/// The verdict of the rules on an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Assessment {
    pub(crate) order_id: OrderId,
    pub(crate) user_id: UserId,
    pub(crate) decision: Decision,
    pub(crate) score: u32,
    pub(crate) rules_version: u64,
    /// The names of the rules that it meets.
    pub(crate) reasons: Vec<String>,
    pub(crate) at: Timestamp,
}

impl Candidate {
    pub(crate) fn user(&self) -> Subject {
        Subject::User(self.user_id)
    }

    pub(crate) fn address(&self) -> Option<Subject> {
        self.from.map(Subject::address)
    }

    /// The subjects whose counts include it.
    pub(crate) fn subjects(&self) -> impl Iterator<Item = Subject> {
        std::iter::once(self.user()).chain(self.address())
    }

    /// Whether the user registered less than `age` before placing the order. A user's id is a UUIDv7 that the user
    /// service generates at registration and never changes. It contains the time, so no call to that service is needed
    /// and no client can forge it.
    pub(crate) fn is_account_younger_than(&self, age: Duration) -> bool {
        self.user_id.as_uuid() >= primitives::lowest_at(self.at - age)
    }
}

impl Decision {
    /// The stored name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Reject => "reject",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::Accept, Self::Reject].into_iter().find(|decision| decision.name() == name)
    }
}

impl Assessment {
    /// Whether the order is refused.
    pub(crate) fn is_refusal(&self) -> bool {
        self.decision == Decision::Reject
    }
}
