//! Consumes order events: orders that were accepted without this service are reviewed.

use std::net::IpAddr;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use jiff::Timestamp;
use messaging::{Effect, Payload, Received, Refused};
use mongo::Abort;
use mongodb::ClientSession;
use primitives::ParseError;
use proto::events::v1::order_event::Change;
use proto::events::v1::{OrderEvent, RiskReview};

use crate::app::App;
use crate::domain::Candidate;
use crate::error::RiskError;
use crate::store::Store;

/// An order to be reviewed.
#[derive(Debug, Clone)]
pub(crate) struct Reviewed {
    order: Candidate,
    user: String,
}

/// Reviews orders.
pub(crate) struct Reviews {
    pub(crate) app: App,
    pub(crate) store: Store,
}

impl Effect for Reviews {
    type Item = Reviewed;

    fn concerns(&self, event: &Received) -> bool {
        review_of(&event.payload).is_some()
    }

    fn read(&self, event: &Received) -> Result<Reviewed, String> {
        let (order, review) = review_of(&event.payload).ok_or("the event does not ask for a review")?;
        Ok(Reviewed { order: to_candidate(order, review, event.at)?, user: order.user_id.clone() })
    }

    /// The orders of a user are counted one after the other.
    fn routing_key<'a>(&self, reviewed: &'a Reviewed) -> &'a str {
        &reviewed.user
    }

    fn apply<'a>(
        &'a self,
        session: &'a mut ClientSession,
        reviewed: &'a [Reviewed],
    ) -> BoxFuture<'a, Result<(), Abort<Refused>>> {
        async move {
            let orders = reviewed.iter().map(|reviewed| reviewed.order.clone()).collect();
            let review = self.app.review(orders).map_err(refused)?;
            let assessments = self.store.run_review(session, &review).await?;
            self.app.reviewed(&assessments);
            Ok(())
        }
        .boxed()
    }
}

/// The order and what a review needs beside it; `None` for an event that asks for no review.
fn review_of(payload: &Payload) -> Option<(&OrderEvent, &RiskReview)> {
    let Payload::Order(order) = payload else { return None };
    let Some(Change::Placed(placed)) = &order.change else { return None };
    placed.risk_review.as_ref().map(|review| (order, review))
}

fn to_candidate(order: &OrderEvent, review: &RiskReview, at: Timestamp) -> Result<Candidate, String> {
    let invalid = |field: &str, error: ParseError| format!("{field}: {error}");
    let total = proto::to_money("total", order.total.clone()).map_err(|error| error.to_string())?;
    Ok(Candidate {
        order_id: order.order_id.parse().map_err(|error| invalid("order_id", error))?,
        user_id: order.user_id.parse().map_err(|error| invalid("user_id", error))?,
        attempt: review.attempt.as_slice().try_into().map_err(|_| "attempt: must be 16 bytes")?,
        total: total.amount(),
        // An order is reviewed even if its address is invalid.
        from: review.client_address.parse::<IpAddr>().ok(),
        at,
    })
}

/// No rules have been read yet; the event is retried.
fn refused(error: RiskError) -> Abort<Refused> {
    Abort::Refused(Refused(error.to_string()))
}

#[cfg(test)]
mod tests {
    use primitives::{OrderId, UserId};
    use proto::common::v1::Money;
    use proto::events::v1::OrderPlaced;

    use super::*;

    fn order() -> OrderEvent {
        OrderEvent {
            order_id: OrderId::new().to_string(),
            user_id: UserId::new().to_string(),
            total: Some(Money { amount: 7, currency: "USD".to_owned() }),
            ..OrderEvent::default()
        }
    }

    fn review() -> RiskReview {
        RiskReview { attempt: vec![1; 16], client_address: "192.0.2.1".to_owned() }
    }

    #[test]
    fn only_placed_orders_that_ask_for_a_review_concern_the_service() {
        let placed = |risk_review| {
            let change = Change::Placed(OrderPlaced { risk_review, ..OrderPlaced::default() });
            Payload::Order(OrderEvent { change: Some(change), ..order() })
        };
        assert!(review_of(&placed(Some(review()))).is_some());
        assert!(review_of(&placed(None)).is_none());
        assert!(review_of(&Payload::Order(order())).is_none());
    }

    #[test]
    fn an_event_becomes_a_candidate() {
        let (order, at) = (order(), primitives::now());
        let candidate = to_candidate(&order, &review(), at).unwrap();
        assert_eq!((candidate.order_id.to_string(), candidate.user_id.to_string()), (order.order_id, order.user_id));
        assert_eq!((candidate.attempt, candidate.total, candidate.at), ([1; 16], 7, at));
        assert_eq!(candidate.from, Some(IpAddr::from([192, 0, 2, 1])));
    }

    #[test]
    fn invalid_events_are_rejected_and_unknown_addresses_are_not() {
        let at = primitives::now();
        let unknown = RiskReview { client_address: "localhost".to_owned(), ..review() };
        assert_eq!(to_candidate(&order(), &unknown, at).unwrap().from, None);
        assert!(to_candidate(&order(), &RiskReview { attempt: vec![1; 15], ..review() }, at).is_err());
        assert!(to_candidate(&OrderEvent { order_id: "x".to_owned(), ..order() }, &review(), at).is_err());
        assert!(to_candidate(&OrderEvent { user_id: String::new(), ..order() }, &review(), at).is_err());
        assert!(to_candidate(&OrderEvent { total: None, ..order() }, &review(), at).is_err());
    }
}
