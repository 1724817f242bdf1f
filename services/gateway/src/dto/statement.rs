//! Statements.

use proto::ConvertError;
use proto::reconciliation::v1 as wire;
use serde::Serialize;
use utoipa::ToSchema;

use crate::dto::money::Money;
use crate::openapi::schema;

/// What happened to a customer on a day.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Statement {
    /// In UTC.
    #[schema(schema_with = schema::day)]
    day: String,
    /// How many things happened; the sum of the tallies' counts.
    lines: u64,
    /// What was captured less what was given back.
    net: Money,
    /// One for each kind of thing that happened.
    tallies: Vec<Tally>,
}

/// How often something happened, and what it came to.
#[derive(Debug, Serialize, ToSchema)]
struct Tally {
    /// Such as `order_placed`.
    kind: String,
    count: u64,
    amount: Money,
}

impl TryFrom<wire::Statement> for Statement {
    type Error = ConvertError;

    fn try_from(statement: wire::Statement) -> Result<Self, ConvertError> {
        Ok(Self {
            day: statement.day,
            lines: statement.lines,
            net: Money::of("net", statement.net)?,
            tallies: statement.tallies.into_iter().map(Tally::try_from).collect::<Result<_, _>>()?,
        })
    }
}

impl TryFrom<wire::Tally> for Tally {
    type Error = ConvertError;

    fn try_from(tally: wire::Tally) -> Result<Self, ConvertError> {
        Ok(Self { kind: tally.kind, count: tally.count, amount: Money::of("amount", tally.amount)? })
    }
}
