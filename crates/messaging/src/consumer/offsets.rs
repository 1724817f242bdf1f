//! Which offsets can be committed: those below which everything has been dealt with.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

/// A partition of a topic.
pub(super) type Partition = (String, i32);

/// Where a message was, and in which of the partition's stays with this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) partition: Partition,
    pub(super) offset: i64,
    stay: u64,
}

/// What was taken from each partition and what of it is done.
#[derive(Debug, Default)]
pub(super) struct Offsets(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    stays: u64,
    partitions: HashMap<Partition, Taken>,
}

#[derive(Debug)]
struct Taken {
    stay: u64,
    /// In the order of offsets, from the first that is not done.
    offsets: VecDeque<(i64, bool)>,
    last: i64,
}

impl Offsets {
    /// A message was taken. An offset that does not follow the last one begins a new stay: the broker has lost its
    /// data, or the partition has been elsewhere.
    pub(super) fn take(&self, topic: &str, partition: i32, offset: i64) -> Place {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let partition = (topic.to_owned(), partition);
        if state.partitions.get(&partition).is_none_or(|taken| offset <= taken.last) {
            state.stays += 1;
            let taken = Taken { stay: state.stays, offsets: VecDeque::new(), last: offset };
            state.partitions.insert(partition.clone(), taken);
        }
        let mut stay = 0;
        if let Some(taken) = state.partitions.get_mut(&partition) {
            taken.last = offset;
            taken.offsets.push_back((offset, false));
            stay = taken.stay;
        }
        Place { partition, offset, stay }
    }

    /// A message is done; gives the offset to go on from when that has moved. What is of an earlier stay moves nothing.
    pub(super) fn done(&self, place: &Place) -> Option<i64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = state.partitions.get_mut(&place.partition).filter(|taken| taken.stay == place.stay)?;
        let at = taken.offsets.binary_search_by_key(&place.offset, |(offset, _)| *offset).ok()?;
        taken.offsets.get_mut(at)?.1 = true;
        let mut next = None;
        while let Some((offset, true)) = taken.offsets.front() {
            next = Some(offset + 1);
            taken.offsets.pop_front();
        }
        next
    }

    /// Partitions went elsewhere.
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
    fn what_is_not_done_holds_back_what_came_after_it() {
        let offsets = Offsets::default();
        // Offsets have gaps where a broker keeps marks of its own.
        let places = [3, 4, 7].map(|offset| offsets.take("t", 0, offset));
        assert_eq!(offsets.done(&places[2]), None);
        assert_eq!(offsets.done(&places[0]), Some(4));
        assert_eq!(offsets.done(&places[0]), None);
        assert_eq!(offsets.done(&places[1]), Some(8));
    }

    #[test]
    fn what_is_of_an_earlier_stay_moves_nothing() {
        let offsets = Offsets::default();
        let before = offsets.take("t", 0, 5);
        offsets.forget([("t".to_owned(), 0)]);
        let again = offsets.take("t", 0, 5);
        assert_eq!(offsets.done(&before), None);
        assert_eq!(offsets.done(&again), Some(6));
        // A broker that has lost its data begins anew without telling.
        let ahead = offsets.take("t", 0, 6);
        let anew = offsets.take("t", 0, 0);
        assert_eq!(offsets.done(&ahead), None);
        assert_eq!(offsets.done(&anew), Some(1));
    }
}
