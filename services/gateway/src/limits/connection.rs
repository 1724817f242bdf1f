//! How many requests of one connection are under way.

use std::cell::Cell;
use std::rc::Rc;

use actix_web::dev::Extensions;

/// One connection, which lives on one thread.
#[derive(Debug, Clone, Default)]
pub(crate) struct Connection(Rc<Cell<u32>>);

/// A request under way; it is not any more when this is dropped.
#[derive(Debug)]
#[must_use = "the request is under way only while this lives"]
pub(crate) struct InFlight(Connection);

impl Connection {
    /// To be called for each new connection.
    pub(crate) fn attach(extensions: &mut Extensions) {
        extensions.insert(Self::default());
    }

    /// One more request, unless there are so many already.
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
    fn a_connection_has_so_many_requests_at_once_and_another_its_own() {
        let (one, other) = (Connection::default(), Connection::default());
        let first = one.enter(2).unwrap();
        let _second = one.enter(2).unwrap();
        assert!(one.enter(2).is_none());
        assert!(other.enter(2).is_some());
        drop(first);
        assert!(one.enter(2).is_some());
    }
}
