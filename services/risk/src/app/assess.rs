//! Assesses an order that is about to be placed.

use super::{App, observe};
use crate::domain::{Assessment, Candidate};
use crate::error::RiskError;

impl App {
    /// Judges an order from memory alone. A refusal is recorded in the background: a refused order is not stored, so
    /// nothing else is kept. An accepted order carries its verdict itself.
    ///
    /// Refused attempts are counted too, so a user who keeps trying stays refused.
    pub(crate) fn assess(&self, order: &Candidate) -> Result<Assessment, RiskError> {
        let rules = self.board.rules()?;
        if rules.rules.longest_window().is_some() {
            self.board.count(order);
        }
        let assessment = self.board.judge(|counts| rules.assess(order, counts, primitives::now()));
        observe(&assessment, "placing");
        if assessment.is_refusal() {
            self.refusals.record(assessment.clone());
        }
        Ok(assessment)
    }
}
