//! The sandbox's charges, in memory and bounded: the oldest are dropped first.

use std::collections::{HashMap, VecDeque};

use serde::{Deserialize, Serialize};

/// The most charges that are kept.
const MAX_CHARGES: usize = 100_000;

/// A charge as a shop requests it.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewCharge {
    /// Minor units.
    pub(super) amount: i64,
    pub(super) currency: String,
    pub(super) token: String,
    /// The shop's name for the charge.
    pub(super) reference: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    Captured,
    Declined,
    Voided,
    Refunded,
}

/// The answer to every call about a charge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Answer {
    pub(super) id: String,
    pub(super) status: Status,
    /// The idempotency key was seen before.
    pub(super) duplicate: bool,
}

/// The counts of one reference, for tests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Tally {
    reference: String,
    status: Status,
    /// How often money was taken. More than 1 is the fault that the sandbox exists to reveal.
    captures: u64,
    /// How often money was given back.
    refunds: u64,
    /// How many requests for the charge were recorded, repetitions included.
    requests: u64,
}

/// The key was used for another request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct KeyReused;

struct Charge {
    id: String,
    /// The idempotency key and the request; `None` for a reference that was voided before its charge arrived.
    request: Option<(String, NewCharge)>,
    status: Status,
    captures: u64,
    refunds: u64,
    requests: u64,
}

#[derive(Default)]
pub(super) struct Ledger {
    charges: HashMap<String, Charge>,
    oldest_first: VecDeque<String>,
    made: u64,
}

impl Ledger {
    /// Records a charge as captured or declined. The same key returns the first answer again; another key for the same
    /// reference is another charge, as with a real provider.
    pub(super) fn charge(&mut self, key: &str, new: &NewCharge, capture: bool) -> Result<Answer, KeyReused> {
        let status = if capture { Status::Captured } else { Status::Declined };
        let request = Some((key.to_owned(), new.clone()));
        let Some(known) = self.charges.get_mut(&new.reference) else {
            return Ok(self.add(&new.reference, request, status));
        };
        known.requests += 1;
        let repeated = known.request.as_ref().is_some_and(|(first, _)| first == key);
        if repeated && known.request != request {
            return Err(KeyReused);
        }
        if !repeated && known.status != Status::Voided {
            known.request = request;
            known.status = status;
            known.captures += u64::from(capture);
        }
        Ok(known.answer(repeated))
    }

    pub(super) fn find(&self, reference: &str) -> Option<Answer> {
        self.charges.get(reference).map(|charge| charge.answer(false))
    }

    /// Voids a reference whose charge has not arrived; any other charge stays as it is.
    pub(super) fn void(&mut self, reference: &str) -> Answer {
        match self.charges.get(reference) {
            Some(charge) => charge.answer(false),
            None => self.add(reference, None, Status::Voided),
        }
    }

    pub(super) fn refund(&mut self, reference: &str) -> Option<Answer> {
        let charge = self.charges.get_mut(reference)?;
        if charge.status == Status::Captured {
            charge.status = Status::Refunded;
            charge.refunds += 1;
        }
        Some(charge.answer(false))
    }

    pub(super) fn tally(&self, reference: &str) -> Option<Tally> {
        self.charges.get(reference).map(|charge| Tally {
            reference: reference.to_owned(),
            status: charge.status,
            captures: charge.captures,
            refunds: charge.refunds,
            requests: charge.requests,
        })
    }

    fn add(&mut self, reference: &str, request: Option<(String, NewCharge)>, status: Status) -> Answer {
        if self.charges.len() >= MAX_CHARGES
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.charges.remove(&oldest);
        }
        self.made += 1;
        let requests = u64::from(request.is_some());
        let captures = u64::from(status == Status::Captured);
        let charge = Charge { id: format!("ch_{}", self.made), request, status, captures, refunds: 0, requests };
        let answer = charge.answer(false);
        self.charges.insert(reference.to_owned(), charge);
        self.oldest_first.push_back(reference.to_owned());
        answer
    }
}

impl Charge {
    fn answer(&self, duplicate: bool) -> Answer {
        Answer { id: self.id.clone(), status: self.status, duplicate }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(reference: &str) -> NewCharge {
        NewCharge { amount: 5, currency: "USD".into(), token: "tok_ok".into(), reference: reference.into() }
    }

    #[test]
    fn a_key_charges_once_and_another_key_charges_again() {
        let mut ledger = Ledger::default();
        let first = ledger.charge("k1", &new("r"), true).unwrap();
        let again = ledger.charge("k1", &new("r"), true).unwrap();
        assert_eq!(again, Answer { duplicate: true, ..first });
        assert_eq!(ledger.tally("r").unwrap().captures, 1);
        ledger.charge("k2", &new("r"), true).unwrap();
        assert_eq!(ledger.tally("r").unwrap().captures, 2);
        let other = NewCharge { amount: 6, ..new("r") };
        assert_eq!(ledger.charge("k2", &other, true), Err(KeyReused));
    }

    #[test]
    fn a_voided_reference_can_not_be_captured_and_a_captured_one_not_voided() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.void("r").status, Status::Voided);
        assert_eq!(ledger.charge("k", &new("r"), true).unwrap().status, Status::Voided);
        assert_eq!(ledger.tally("r").unwrap().captures, 0);
        ledger.charge("k", &new("s"), true).unwrap();
        assert_eq!(ledger.void("s").status, Status::Captured);
        assert_eq!(ledger.refund("s").unwrap().status, Status::Refunded);
        assert_eq!(ledger.refund("s").unwrap().status, Status::Refunded);
        assert_eq!(ledger.tally("s").unwrap().refunds, 1);
    }

    #[test]
    fn the_oldest_charge_is_dropped_when_there_are_too_many() {
        let mut ledger = Ledger::default();
        for number in 0..=MAX_CHARGES {
            ledger.charge("k", &new(&number.to_string()), true).unwrap();
        }
        assert!(ledger.find("0").is_none() && ledger.find("1").is_some());
        assert_eq!(ledger.charges.len(), MAX_CHARGES);
    }
}
