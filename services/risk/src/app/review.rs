//! Reviews orders that were accepted without this service.

use super::{App, observe};
use crate::domain::{Assessment, Candidate, Review};
use crate::error::RiskError;

impl App {
    /// Prepares the review of orders by the current rules. The store runs it in the transaction of their events.
    pub(crate) fn review(&self, orders: Vec<Candidate>) -> Result<Review, RiskError> {
        Ok(Review::new(self.board.rules()?, orders, |attempt| self.board.has_counted(attempt)))
    }

    /// Records the assessments of a review in the metrics.
    pub(crate) fn reviewed(&self, assessments: &[Assessment]) {
        for assessment in assessments {
            observe(assessment, "review");
        }
    }
}
