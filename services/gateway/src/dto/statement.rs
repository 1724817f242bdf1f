//! Statements.

use proto::ConvertError;
use proto::reconciliation::v1 as wire;
use serde::Serialize;
use utoipa::ToSchema;

use crate::dto::money::Money;
use crate::schema;

/// The activity of a customer on one day.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Statement {
    /// The day, in UTC.
    #[schema(schema_with = schema::day)]
    day: String,
    /// The number of events: the sum of the tallies' counts.
    lines: u64,
    /// The amount captured minus the amount refunded.
    net: Money,
    /// One tally per kind of event.
    tallies: Vec<Tally>,
}

/// The number and total amount of events of one kind.
#[derive(Debug, Serialize, ToSchema)]
struct Tally {
    /// The kind of event, such as `order_placed`.
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
