//! What this service makes of events: lines of statements.

use futures::FutureExt as _;
use futures::future::BoxFuture;
use messaging::{Effect, Payload, Received, Refused};
use mongo::Abort;
use mongodb::ClientSession;

use crate::domain::Line;
use crate::events::Reader;
use crate::store::Statements;

/// Applies events to statements.
pub(crate) struct Apply {
    pub(crate) statements: Statements,
    pub(crate) reader: Reader,
}

impl Effect for Apply {
    type Item = Line;

    fn read(&self, event: &Received) -> Result<Line, String> {
        let line = match &event.payload {
            Payload::Order(order) => self.reader.order(event.id, order),
            Payload::Payment(payment) => self.reader.payment(event.id, payment),
            Payload::Account(account) => self.reader.account(event.id, account),
            Payload::Stock(stock) => self.reader.stock(event.id, stock),
        };
        line.map_err(|unusable| unusable.to_string())
    }

    fn apply<'a>(
        &'a self,
        session: &'a mut ClientSession,
        lines: &'a [Line],
    ) -> BoxFuture<'a, Result<(), Abort<Refused>>> {
        async move { Ok(self.statements.apply(session, lines).await?) }.boxed()
    }
}
