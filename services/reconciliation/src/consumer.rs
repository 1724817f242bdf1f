//! What this service makes of events: lines of statements.

use futures::FutureExt as _;
use futures::future::BoxFuture;
use messaging::{Effect, Payload, Received, Refused};
use mongo::Abort;
use mongodb::ClientSession;

use crate::domain::Line;
use crate::events::Reader;
use crate::store::Statements;

/// An event as a line, and whose statement it goes to; stock, which goes to nobody's, is by SKU.
#[derive(Debug, Clone)]
pub(crate) struct Applied {
    line: Line,
    place: String,
}

/// Applies events to statements.
pub(crate) struct Apply {
    pub(crate) statements: Statements,
    pub(crate) reader: Reader,
}

impl Effect for Apply {
    type Item = Applied;

    fn read(&self, event: &Received) -> Result<Applied, String> {
        let line = match &event.payload {
            Payload::Order(order) => self.reader.order(event.id, order),
            Payload::Payment(payment) => self.reader.payment(event.id, payment),
            Payload::Account(account) => self.reader.account(event.id, account),
            Payload::Stock(stock) => self.reader.stock(event.id, stock),
        };
        let line = line.map_err(|unusable| unusable.to_string())?;
        let place = line.user.map_or_else(|| line.subject.clone(), |user| user.to_string());
        Ok(Applied { line, place })
    }

    fn routing_key<'a>(&self, applied: &'a Applied) -> &'a str {
        &applied.place
    }

    fn apply<'a>(
        &'a self,
        session: &'a mut ClientSession,
        applied: &'a [Applied],
    ) -> BoxFuture<'a, Result<(), Abort<Refused>>> {
        async move {
            let lines: Vec<_> = applied.iter().map(|applied| applied.line.clone()).collect();
            Ok(self.statements.apply(session, &lines).await?)
        }
        .boxed()
    }
}
