//! Applies events to statements.

use futures::FutureExt as _;
use futures::future::BoxFuture;
use messaging::{Effect, Payload, Received, Refused};
use mongo::Abort;
use mongodb::ClientSession;

use crate::domain::StatementLine;
use crate::events::LineReader;
use crate::store::Statements;

/// An event as a line. It is routed by customer, whose statement it changes; stock, which has none, by SKU.
#[derive(Debug, Clone)]
pub(crate) struct RoutedLine {
    line: StatementLine,
    routing_key: String,
}

/// The effect of events: lines of statements.
pub(crate) struct StatementEffect {
    pub(crate) statements: Statements,
    pub(crate) reader: LineReader,
}

impl Effect for StatementEffect {
    type Item = RoutedLine;

    fn read(&self, event: &Received) -> Result<RoutedLine, String> {
        let line = match &event.payload {
            Payload::Order(order) => self.reader.order(event.id, order),
            Payload::Payment(payment) => self.reader.payment(event.id, payment),
            Payload::Account(account) => self.reader.account(event.id, account),
            Payload::Stock(stock) => self.reader.stock(event.id, stock),
        };
        let line = line.map_err(|invalid| invalid.to_string())?;
        let routing_key = line.user.map_or_else(|| line.subject.clone(), |user| user.to_string());
        Ok(RoutedLine { line, routing_key })
    }

    fn routing_key<'a>(&self, routed: &'a RoutedLine) -> &'a str {
        &routed.routing_key
    }

    fn apply<'a>(
        &'a self,
        session: &'a mut ClientSession,
        routed: &'a [RoutedLine],
    ) -> BoxFuture<'a, Result<(), Abort<Refused>>> {
        async move {
            let lines: Vec<_> = routed.iter().map(|routed| routed.line.clone()).collect();
            Ok(self.statements.apply(session, &lines).await?)
        }
        .boxed()
    }
}
