//! A difference as it is kept, and how it was healed.

use jiff::Timestamp;

use super::finding::Finding;
use super::history::ExceptionHistory;
use super::remedy::Remedy;

/// A remedy that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Healing {
    /// The remedy's name.
    pub action: String,
    /// When it was tried.
    pub at: Timestamp,
    /// Whether it was accepted; otherwise the next run tries again.
    pub done: bool,
    /// Why it was not done, for people.
    pub failure: Option<String>,
}

impl Healing {
    /// A remedy that was accepted, or why it was not.
    pub fn new(remedy: Remedy, outcome: Result<(), String>, at: Timestamp) -> Self {
        let failure = outcome.err();
        Self { action: remedy.name().to_owned(), at, done: failure.is_none(), failure }
    }
}

/// A difference that a run found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// What was found.
    pub finding: Finding,
    /// When a run first found it, without a run since that did not.
    pub first_seen_at: Timestamp,
    /// The remedy that was tried, and its outcome.
    pub healing: Option<Healing>,
}

impl Exception {
    /// A finding of a run that ends `now`, with what earlier runs have found of the same difference.
    pub fn new(finding: Finding, history: Option<ExceptionHistory>, healing: Option<Healing>, now: Timestamp) -> Self {
        Self { finding, first_seen_at: history.map_or(now, |history| history.first_seen_at), healing }
    }
}

#[cfg(test)]
mod tests {
    use primitives::OrderId;

    use super::*;
    use crate::domain::Difference;

    #[test]
    fn an_exception_is_as_old_as_its_first_sighting() {
        let finding = || Finding::new(Difference::CounterDiffers, "COFFEE", 1, 2);
        let (before, now) = ("2026-11-23T12:00:00Z".parse().unwrap(), "2026-11-24T12:00:00Z".parse().unwrap());
        let history = ExceptionHistory { first_seen_at: before, healed: 0 };
        assert_eq!(Exception::new(finding(), Some(history), None, now).first_seen_at, before);
        assert_eq!(Exception::new(finding(), None, None, now).first_seen_at, now);
    }

    #[test]
    fn a_healing_is_done_when_its_remedy_was_accepted() {
        let (remedy, at) = (Remedy::Refund(OrderId::new()), "2026-11-24T12:00:00Z".parse().unwrap());
        let accepted = Healing::new(remedy, Ok(()), at);
        assert!(accepted.done && accepted.failure.is_none() && accepted.action == remedy.name());
        let refused = Healing::new(remedy, Err("no".into()), at);
        assert!(!refused.done && refused.failure.as_deref() == Some("no"));
    }
}
