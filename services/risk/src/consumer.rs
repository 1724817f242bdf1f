//! What this service makes of events: another look at the orders that were accepted without it.

use std::collections::HashMap;
use std::net::IpAddr;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use messaging::{Effect, Payload, Received, Refused};
use mongo::Abort;
use mongodb::ClientSession;
use primitives::ParseError;
use proto::events::v1::order_event::Change;
use proto::events::v1::{OrderEvent, RiskReview};

use crate::app::{App, counted};
use crate::domain::{Assessment, Bucket, Candidate, Counter, Counts, Entry, Subject, bucket_at};
use crate::error::RiskError;
use crate::store::Store;

/// What is counted in reviews, by whichever process.
const REVIEWS: Counter = Counter(0);

/// An order to be looked at.
#[derive(Debug, Clone)]
pub(crate) struct Reviewed {
    order: Candidate,
    user: String,
}

/// Looks at orders again.
pub(crate) struct Review {
    pub(crate) app: App,
    pub(crate) store: Store,
}

impl Effect for Review {
    type Item = Reviewed;

    fn concerns(&self, event: &Received) -> bool {
        review_of(event).is_some()
    }

    fn read(&self, event: &Received) -> Result<Reviewed, String> {
        let (order, review) = review_of(event).ok_or("it asks for no review")?;
        let invalid = |field: &str, error: ParseError| format!("{field}: {error}");
        let total = proto::to_money("total", order.total.clone()).map_err(|error| error.to_string())?;
        Ok(Reviewed {
            order: Candidate {
                order_id: order.order_id.parse().map_err(|error| invalid("order_id", error))?,
                user_id: order.user_id.parse().map_err(|error| invalid("user_id", error))?,
                attempt: review.attempt.as_slice().try_into().map_err(|_| "an attempt has 16 bytes")?,
                total: total.amount(),
                // An address that is none does not keep the order from being looked at.
                from: review.client_address.parse::<IpAddr>().ok(),
                at: event.at,
            },
            user: order.user_id.clone(),
        })
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
        let orders = reviewed.iter().map(|reviewed| reviewed.order.clone()).collect();
        self.look(session, orders).boxed()
    }
}

impl Review {
    async fn look(&self, session: &mut ClientSession, mut orders: Vec<Candidate>) -> Result<(), Abort<Refused>> {
        // As they were placed.
        orders.sort_by_key(|order| order.at);
        let assessments = match self.app.window().map_err(refused)? {
            None => self.judge(&orders, &Counts::new(REVIEWS, 0))?,
            Some(window) => {
                let mut counts = self.counts(session, &orders, window).await?;
                self.count_and_judge(session, &orders, &mut counts).await?
            }
        };
        self.store.put_reviews(session, &assessments).await?;
        for assessment in &assessments {
            counted(assessment, "review");
        }
        Ok(())
    }

    /// What all processes have counted of those that placed the orders, when they did.
    async fn counts(
        &self,
        session: &mut ClientSession,
        orders: &[Candidate],
        window: std::time::Duration,
    ) -> Result<Counts, Abort<Refused>> {
        let steps = i64::try_from(window.as_secs()).unwrap_or(i64::MAX);
        let mut spans = HashMap::<Subject, (Bucket, Bucket)>::new();
        for order in orders {
            let now = bucket_at(order.at);
            for subject in order.subjects() {
                let (first, last) = spans.entry(subject).or_insert((now.saturating_sub(steps), now));
                *first = now.saturating_sub(steps).min(*first);
                *last = now.max(*last);
            }
        }
        // What is counted below is told apart from what is read by its counter.
        let mut counts = Counts::new(Counter(-1), usize::MAX);
        for entry in self.store.counts_of(session, &spans).await? {
            counts.learn(entry);
        }
        Ok(counts)
    }

    async fn count_and_judge(
        &self,
        session: &mut ClientSession,
        orders: &[Candidate],
        counts: &mut Counts,
    ) -> Result<Vec<Assessment>, Abort<Refused>> {
        let mut assessments = Vec::with_capacity(orders.len());
        for order in orders {
            if !self.app.has_counted(order) {
                for subject in order.subjects() {
                    counts.add(subject, bucket_at(order.at));
                }
            }
            assessments.extend(self.judge(std::slice::from_ref(order), counts)?);
        }
        let more: Vec<_> =
            counts.untold(usize::MAX).into_iter().map(|entry| Entry { counter: REVIEWS, ..entry }).collect();
        self.store.add_counts(session, &more).await?;
        Ok(assessments)
    }

    fn judge(&self, orders: &[Candidate], counts: &Counts) -> Result<Vec<Assessment>, Abort<Refused>> {
        let judged = orders.iter().map(|order| {
            let now = bucket_at(order.at);
            self.app.review(order, |subject, window| counts.count(subject, window, now))
        });
        judged.collect::<Result<_, _>>().map_err(refused)
    }
}

fn review_of(event: &Received) -> Option<(&OrderEvent, &RiskReview)> {
    let Payload::Order(order) = &event.payload else { return None };
    let Some(Change::Placed(placed)) = &order.change else { return None };
    placed.risk_review.as_ref().map(|review| (order, review))
}

/// No rules have been read yet: tried again.
fn refused(error: RiskError) -> Abort<Refused> {
    Abort::Refused(Refused(error.to_string()))
}
