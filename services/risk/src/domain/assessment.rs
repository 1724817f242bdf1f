//! An order that is judged, and what was found.

use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use primitives::{OrderId, UserId};

use super::{Attempt, Decision, Subject};

/// An order to be judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) order_id: OrderId,
    pub(crate) user_id: UserId,
    /// Counts once however often it comes.
    pub(crate) attempt: Attempt,
    /// Minor units.
    pub(crate) total: i64,
    /// Where it comes from, when that is known.
    pub(crate) from: Option<IpAddr>,
    /// When it is placed.
    pub(crate) at: Timestamp,
}

/// What was found.
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

    /// Whose counts it is part of.
    pub(crate) fn subjects(&self) -> impl Iterator<Item = Subject> {
        std::iter::once(self.user()).chain(self.address())
    }

    /// Whether the user registered less than `age` before. The id of a user is a UUIDv7, made by us at the registration
    /// and never changed: it carries the time, so nobody has to be asked and nobody can say otherwise.
    pub(crate) fn is_account_younger_than(&self, age: Duration) -> bool {
        self.user_id.as_uuid() >= primitives::lowest_at(self.at - age)
    }
}
