//! Times in JSON: RFC 3339, UTC, always with milliseconds.

use jiff::Timestamp;
use proto::ConvertError;
use serde::{Serialize, Serializer};

/// A time, such as `2026-01-02T03:04:05.678Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Time(pub(crate) Timestamp);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:.3}", self.0))
    }
}

impl Time {
    /// The time in a message's field.
    pub(super) fn of(
        field: &'static str,
        time: Option<prost_types::Timestamp>,
    ) -> Result<Self, ConvertError> {
        proto::to_timestamp(field, time).map(Self)
    }

    /// The same where there may be none.
    pub(super) fn maybe(
        field: &'static str,
        time: Option<prost_types::Timestamp>,
    ) -> Result<Option<Self>, ConvertError> {
        time.map(|time| Self::of(field, Some(time))).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_always_have_milliseconds() {
        for (millisecond, text) in
            [(1_767_323_045_678, "\"2026-01-02T03:04:05.678Z\""), (0, "\"1970-01-01T00:00:00.000Z\"")]
        {
            let time = Time(Timestamp::from_millisecond(millisecond).unwrap());
            assert_eq!(serde_json::to_string(&time).unwrap(), text);
        }
    }
}
