//! The decision about a batch of work: which orders are placed, which are released, and what each caller is told.
//!
//! Orders that are released come first, so that their stock is there for the new ones; those are first come, first
//! served. A refusal is one order's own: the rest of the batch goes on without it.

use std::collections::{HashMap, HashSet};

use idempotency::{Answer, Conflict, ScopedKey};
use jiff::Timestamp;
use primitives::{MovementId, OrderId, Sku};
use stock::{Levels, Posting, Reason};

use super::{CancelledBy, KeyHolder, KeyedRequest, Order, PlacedBy, Refusal, ReviewRequest, Transition};

/// A change of the stock by an order.
#[derive(Debug)]
pub(crate) enum Work {
    Place(Placement),
    Release(Release),
}

/// A new order.
#[derive(Debug)]
pub(crate) struct Placement {
    pub(crate) order: Order,
    pub(crate) placed_by: PlacedBy,
    /// The facts for a later review, when the risk service has not judged the order.
    pub(crate) review: Option<ReviewRequest>,
    /// The trace that its event continues, since a batch runs in the trace of only one of its orders.
    pub(crate) traceparent: Option<String>,
}

/// An order that is to end and to return its stock.
#[derive(Debug)]
pub(crate) struct Release {
    /// The order as it was last seen; its state in the transaction decides.
    pub(crate) order: Order,
    pub(crate) cause: Cause,
}

/// Why an order ends.
#[derive(Debug)]
pub(crate) enum Cause {
    Expired,
    /// The risk service has rejected it after it was placed.
    RiskRejected,
    Cancelled(KeyedRequest),
}

/// What a transaction has read about a batch.
#[derive(Debug, Default)]
pub(crate) struct Observed {
    /// The orders that are to be released.
    pub(crate) released: HashMap<OrderId, ObservedOrder>,
    /// Read only by a transaction that reads before it writes. Without them counters are assumed to cover every order
    /// and keys to be new, and the conditions of the writes find out.
    pub(crate) obstacles: Option<Obstacles>,
}

/// An order as the transaction sees it.
#[derive(Debug)]
pub(crate) struct ObservedOrder {
    pub(crate) order: Order,
    /// An attempt to pay it has claimed it.
    pub(crate) is_claimed: bool,
}

/// What can stand in the way of some of the work.
#[derive(Debug, Default)]
pub(crate) struct Obstacles {
    /// What holds the keys of the batch's new orders.
    pub(crate) holders: Vec<KeyHolder>,
    /// Keys of cancellations that have an answer already, or a fence.
    pub(crate) answered: HashSet<ScopedKey>,
    /// The counters of the batch's SKUs.
    pub(crate) levels: Levels,
}

/// What a batch writes, all of it or nothing, and what its callers are told once it is committed.
///
/// Each order in `placed` and each transition in `released` is also an event.
#[derive(Debug)]
pub(crate) struct Decision<'a> {
    pub(crate) placed: Vec<Placed<'a>>,
    pub(crate) released: Vec<Released<'a>>,
    /// The stock movements of both.
    pub(crate) posting: Posting,
    outcomes: Vec<Outcome>,
    obstacles: Option<Obstacles>,
    now: Timestamp,
}

/// An order that is placed.
#[derive(Debug)]
pub(crate) struct Placed<'a> {
    pub(crate) order: Order,
    pub(crate) placement: &'a Placement,
    /// The movement that takes the stock of each line, in order of SKU.
    pub(crate) taken_by: Vec<MovementId>,
    /// Its key is held by a fence against other requests, which the order replaces.
    pub(crate) replaces_fence: bool,
}

/// An order that ends.
#[derive(Debug)]
pub(crate) struct Released<'a> {
    pub(crate) transition: Transition,
    /// The request whose key keeps the order as its answer.
    pub(crate) keyed: Option<&'a KeyedRequest>,
}

/// What one piece of work comes to; positions are those in the decision.
#[derive(Debug)]
enum Outcome {
    Undecided,
    Placed { position: usize },
    Released { position: usize },
    Replayed(Answer<Order>),
    Refused(Refusal),
}

/// Decides about a batch at a time.
pub(crate) fn decide<W: AsRef<Work>>(batch: &[W], observed: Observed, now: Timestamp) -> Decision<'_> {
    let Observed { mut released, obstacles } = observed;
    let mut decision = Decision {
        placed: Vec::new(),
        released: Vec::new(),
        posting: Posting::new(now),
        outcomes: batch.iter().map(|_| Outcome::Undecided).collect(),
        obstacles,
        now,
    };
    let works = || batch.iter().map(AsRef::as_ref).enumerate();
    for (position, work) in works() {
        if let Work::Release(release) = work {
            let observed = released.remove(&release.order.id);
            decision.outcomes[position] = decision.release(release, observed).unwrap_or_else(Outcome::Refused);
        }
    }
    for (position, work) in works() {
        if let Work::Place(placement) = work {
            decision.outcomes[position] = decision.place(placement).unwrap_or_else(Outcome::Refused);
        }
    }
    decision
}

impl<'a> Decision<'a> {
    /// What each piece of work comes to, in the order of the batch, and the counters after it, where they were read.
    /// True once the decision is committed.
    pub(crate) fn into_outcomes(self) -> (Vec<Result<Answer<Order>, Refusal>>, Levels) {
        let mut placed: Vec<_> = self.placed.into_iter().map(|placed| Some(placed.order)).collect();
        let mut released: Vec<_> = self.released.into_iter().map(|released| Some(released.transition.after)).collect();
        let first = |order: Option<Order>| order.map(Answer::first).ok_or(Refusal::NotFound);
        let outcomes = self.outcomes.into_iter().map(|outcome| match outcome {
            Outcome::Placed { position } => first(placed[position].take()),
            Outcome::Released { position } => first(released[position].take()),
            Outcome::Replayed(answer) => Ok(answer),
            Outcome::Refused(refusal) => Err(refusal),
            // Each piece of work is a placement or a release.
            Outcome::Undecided => first(None),
        });
        (outcomes.collect(), self.obstacles.map(|obstacles| obstacles.levels).unwrap_or_default())
    }

    fn place(&mut self, placement: &'a Placement) -> Result<Outcome, Refusal> {
        // All that is written together has one time.
        let order = placement.order.clone().placed_at(self.now);
        let lines = order.quantities();
        let mut replaces_fence = false;
        if let Some(obstacles) = &mut self.obstacles {
            let placed_by = &placement.placed_by;
            let holder = obstacles.holders.iter().position(|holder| placed_by.has_key_of(holder));
            match holder.map(|position| obstacles.holders.swap_remove(position)) {
                Some(KeyHolder::Order(earlier)) => return Ok(Outcome::Replayed(placed_by.replay(earlier)?)),
                Some(KeyHolder::Fence(fence)) if placed_by.is_fenced_by(&fence) => return Err(Refusal::Fenced),
                Some(KeyHolder::Fence(_)) => replaces_fence = true,
                None => {}
            }
            obstacles.levels.take(&lines)?;
        }
        let taken_by = self.posting.take(order.id, &lines);
        self.placed.push(Placed { order, placement, taken_by, replaces_fence });
        Ok(Outcome::Placed { position: self.placed.len() - 1 })
    }

    fn release(&mut self, release: &'a Release, observed: Option<ObservedOrder>) -> Result<Outcome, Refusal> {
        let ObservedOrder { order: before, is_claimed } = observed.ok_or(Refusal::NotFound)?;
        if is_claimed {
            return Err(Refusal::BeingPaid);
        }
        let mut transition = release.cause.transition(&before, self.now)?;
        let (lines, keyed) = (before.quantities(), release.cause.keyed());
        if let Some(obstacles) = &mut self.obstacles {
            if keyed.is_some_and(|keyed| obstacles.answered.contains(&keyed.key)) {
                return Err(Conflict::Finished.into());
            }
            obstacles.levels.give_back(&lines)?;
        }
        transition.returned_by = self.posting.give_back(before.id, &lines, &release.cause.reason());
        self.released.push(Released { transition, keyed });
        Ok(Outcome::Released { position: self.released.len() - 1 })
    }
}

impl Cause {
    /// The request that asks for it, if one does.
    pub(crate) fn keyed(&self) -> Option<&KeyedRequest> {
        match self {
            Self::Cancelled(keyed) => Some(keyed),
            Self::Expired | Self::RiskRejected => None,
        }
    }

    fn transition(&self, before: &Order, now: Timestamp) -> Result<Transition, Refusal> {
        Ok(match self {
            Self::Expired => Transition::expire(before, now)?,
            Self::RiskRejected => Transition::cancel(before, CancelledBy::Risk, now)?,
            Self::Cancelled(_) => Transition::cancel(before, CancelledBy::Request, now)?,
        })
    }

    fn reason(&self) -> Reason {
        match self {
            Self::Expired => Reason::OrderExpired,
            Self::RiskRejected | Self::Cancelled(_) => Reason::OrderCancelled,
        }
    }
}

impl Work {
    /// The order that it is about.
    pub(crate) fn order(&self) -> &Order {
        match self {
            Self::Place(placement) => &placement.order,
            Self::Release(release) => &release.order,
        }
    }

    /// The order, if it is a new one.
    pub(crate) fn placed(&self) -> Option<&Order> {
        match self {
            Self::Place(placement) => Some(&placement.order),
            Self::Release(_) => None,
        }
    }

    /// The SKUs whose counters it changes.
    pub(crate) fn skus(&self) -> impl Iterator<Item = &Sku> {
        self.order().lines.iter().map(|line| &line.sku)
    }
}

#[cfg(test)]
mod exploration;
#[cfg(test)]
mod tests;
