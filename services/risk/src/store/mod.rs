//! Rules, counts and assessments in MongoDB.

mod assessments;
mod counts;
mod documents;
mod reviews;
mod rules;
mod schema;

use mongo::{Db, Policy};
use mongodb::Collection;

use documents::{AssessmentDocument, CountDocument, RulesDocument};
pub(crate) use schema::migrations;

const RULES: &str = "risk_rules";
const COUNTS: &str = "risk_counts";
const ASSESSMENTS: &str = "risk_assessments";

/// The collections. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    db: Db,
    rules: Collection<RulesDocument>,
    counts: Collection<CountDocument>,
    assessments: Collection<AssessmentDocument>,
    /// The same collection, for writes that may be lost.
    refusals: Collection<AssessmentDocument>,
}

impl Store {
    pub(crate) fn new(db: &Db) -> Self {
        Self {
            db: db.clone(),
            rules: db.collection(Policy::Ledger, RULES),
            counts: db.collection(Policy::Log, COUNTS),
            assessments: db.collection(Policy::Ledger, ASSESSMENTS),
            refusals: db.collection(Policy::Log, ASSESSMENTS),
        }
    }
}
