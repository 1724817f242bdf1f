//! Limits the requests in flight on one connection.

use std::cell::Cell;
use std::rc::Rc;

use actix_web::dev::Extensions;

/// A connection, which is bound to one thread.
#[derive(Debug, Clone, Default)]
pub(crate) struct Connection(Rc<Cell<u32>>);

/// A request in flight; ends when dropped.
#[derive(Debug)]
#[must_use = "the request counts only while this is alive"]
pub(crate) struct InFlight(Connection);

impl Connection {
    /// Attaches the counter to a new connection.
    pub(crate) fn attach(extensions: &mut Extensions) {
        extensions.insert(Self::default());
    }

    /// Adds a request, unless `limit` requests are in flight.
    pub(crate) fn enter(&self, limit: u32) -> Option<InFlight> {
        let in_flight = self.0.get();
        (in_flight < limit).then(|| {
            self.0.set(in_flight + 1);
            InFlight(self.clone())
        })
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let Self(Connection(in_flight)) = self;
        in_flight.set(in_flight.get().saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_connection_has_its_own_limit() {
        let (one, other) = (Connection::default(), Connection::default());
        let first = one.enter(2).unwrap();
        let _second = one.enter(2).unwrap();
        assert!(one.enter(2).is_none());
        assert!(other.enter(2).is_some());
        drop(first);
        assert!(one.enter(2).is_some());
    }
}
