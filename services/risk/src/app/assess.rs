//! Judges orders.

use std::time::Duration;

use super::App;
use crate::domain::{Assessment, Candidate, Decision, Subject, VersionedRules, bucket_at};
use crate::error::RiskError;

impl App {
    /// Judges an order that is about to be placed, from memory alone. A refusal is written down in the background; an
    /// order that is accepted says so itself.
    ///
    /// Refused attempts are counted too: who goes on trying at once stays refused.
    pub(crate) fn assess(&self, order: &Candidate) -> Result<Assessment, RiskError> {
        let rules = self.board.rules()?;
        if rules.rules.longest_window().is_some() {
            self.board.count(order);
        }
        let now = bucket_at(order.at);
        let assessment = self.board.judge(|counts| judged(&rules, order, |of, window| counts.count(of, window, now)));
        counted(&assessment, "placing");
        if assessment.decision == Decision::Reject {
            self.refusals.write(assessment.clone());
        }
        Ok(assessment)
    }

    /// Judges an order that was placed without us, by counts that the caller has.
    pub(crate) fn review(
        &self,
        order: &Candidate,
        count: impl Fn(Subject, Duration) -> u64,
    ) -> Result<Assessment, RiskError> {
        Ok(judged(&*self.board.rules()?, order, count))
    }

    /// The longest time in which orders are counted; `None` when nothing is.
    pub(crate) fn window(&self) -> Result<Option<Duration>, RiskError> {
        Ok(self.board.rules()?.rules.longest_window())
    }

    /// Whether this process has counted the order when it was about to be placed, too late for whoever asked.
    pub(crate) fn has_counted(&self, order: &Candidate) -> bool {
        self.board.has_counted(&order.attempt)
    }
}

fn judged(rules: &VersionedRules, order: &Candidate, count: impl Fn(Subject, Duration) -> u64) -> Assessment {
    let (score, decision, reasons) = rules.rules.judge(order, count);
    Assessment {
        order_id: order.order_id,
        user_id: order.user_id,
        decision,
        score,
        rules_version: rules.version,
        reasons: reasons.into_iter().map(str::to_owned).collect(),
        at: primitives::now(),
    }
}

/// For whoever watches; `when` is `placing` or `review`.
pub(crate) fn counted(assessment: &Assessment, when: &'static str) {
    let decision = assessment.decision.name();
    metrics::counter!("risk_assessments_total", "decision" => decision, "when" => when).increment(1);
}
