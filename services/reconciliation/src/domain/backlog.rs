//! How far the consumer of this process is behind.

/// With at most this many events still to be applied, the consumer is at work rather than behind.
const MAX_BEHIND: u64 = 10_000;

/// What this process knows of the events that are still to be applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    /// Whether it has any partition.
    pub is_reading: bool,
    /// The events that wait in its partitions; `None` while it does not know.
    pub events: Option<u64>,
}

impl Backlog {
    /// Whether events that were not applied can be told from those that wait. An event that waits is not lost, and
    /// publishing it again would only add to the backlog, as it would while this process has no partition.
    pub fn allows_incremental_run(self) -> bool {
        self.events.is_some_and(|behind| behind <= MAX_BEHIND)
    }

    /// Whether an event that was not applied may still be delivered without being published again.
    pub fn may_deliver(self) -> bool {
        !self.is_reading || self.events.is_some_and(|behind| behind > MAX_BEHIND)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backlog(is_reading: bool, events: Option<u64>) -> Backlog {
        Backlog { is_reading, events }
    }

    #[test]
    fn an_incremental_run_needs_a_consumer_that_is_known_not_to_be_behind() {
        assert!(backlog(true, Some(MAX_BEHIND)).allows_incremental_run());
        assert!(!backlog(true, Some(MAX_BEHIND + 1)).allows_incremental_run());
        assert!(!backlog(true, None).allows_incremental_run());
        assert!(!backlog(false, None).allows_incremental_run());
    }

    #[test]
    fn an_event_may_still_come_while_the_consumer_is_behind_or_reads_nothing() {
        assert!(backlog(false, None).may_deliver());
        assert!(backlog(true, Some(MAX_BEHIND + 1)).may_deliver());
        assert!(!backlog(true, Some(MAX_BEHIND)).may_deliver());
        assert!(!backlog(true, None).may_deliver());
    }
}
