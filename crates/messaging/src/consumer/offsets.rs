//! Which offsets can be committed: those below which every message is done.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

/// A partition of a topic.
pub(super) type Partition = (String, i32);

/// The position of a message, and the assignment of its partition to this process in which it was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) partition: Partition,
    pub(super) offset: i64,
    assignment: u64,
}

/// The messages that were taken from each partition, and which of them are done.
#[derive(Debug, Default)]
pub(super) struct Offsets(Mutex<Assignments>);

#[derive(Debug, Default)]
struct Assignments {
    /// The number of the last one.
    last: u64,
    partitions: HashMap<Partition, Taken>,
}

#[derive(Debug)]
struct Taken {
    assignment: u64,
    /// In the order of offsets, from the first that is not done.
    offsets: VecDeque<(i64, bool)>,
    last: i64,
}

impl Offsets {
    /// Adds a message that was taken. An offset that is not above the last one begins a new assignment: the broker has
    /// lost its data, or the partition was assigned to another process meanwhile.
    pub(super) fn take(&self, topic: &str, partition: i32, offset: i64) -> Position {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let partition = (topic.to_owned(), partition);
        if state.partitions.get(&partition).is_none_or(|taken| offset <= taken.last) {
            state.last += 1;
            let taken = Taken { assignment: state.last, offsets: VecDeque::new(), last: offset };
            state.partitions.insert(partition.clone(), taken);
        }
        let mut assignment = 0;
        if let Some(taken) = state.partitions.get_mut(&partition) {
            taken.last = offset;
            taken.offsets.push_back((offset, false));
            assignment = taken.assignment;
        }
        Position { partition, offset, assignment }
    }

    /// Marks a message as done; returns the offset to commit if that has moved. A message of an earlier assignment
    /// moves nothing.
    pub(super) fn done(&self, position: &Position) -> Option<i64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let taken =
            state.partitions.get_mut(&position.partition).filter(|taken| taken.assignment == position.assignment)?;
        let index = taken.offsets.binary_search_by_key(&position.offset, |(offset, _)| *offset).ok()?;
        taken.offsets.get_mut(index)?.1 = true;
        let mut next = None;
        while let Some((offset, true)) = taken.offsets.front() {
            next = Some(offset + 1);
            taken.offsets.pop_front();
        }
        next
    }

    /// Forgets partitions that were revoked.
    pub(super) fn forget(&self, partitions: impl IntoIterator<Item = Partition>) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for partition in partitions {
            state.partitions.remove(&partition);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_is_not_done_holds_back_later_offsets() {
        let offsets = Offsets::default();
        // Offsets have gaps where a broker keeps control records.
        let positions = [3, 4, 7].map(|offset| offsets.take("t", 0, offset));
        assert_eq!(offsets.done(&positions[2]), None);
        assert_eq!(offsets.done(&positions[0]), Some(4));
        assert_eq!(offsets.done(&positions[0]), None);
        assert_eq!(offsets.done(&positions[1]), Some(8));
    }

    #[test]
    fn a_message_of_an_earlier_assignment_moves_nothing() {
        let offsets = Offsets::default();
        let before = offsets.take("t", 0, 5);
        offsets.forget([("t".to_owned(), 0)]);
        let again = offsets.take("t", 0, 5);
        assert_eq!(offsets.done(&before), None);
        assert_eq!(offsets.done(&again), Some(6));
        // A broker that has lost its data starts again at 0 without a rebalance.
        let ahead = offsets.take("t", 0, 6);
        let anew = offsets.take("t", 0, 0);
        assert_eq!(offsets.done(&ahead), None);
        assert_eq!(offsets.done(&anew), Some(1));
    }
}
