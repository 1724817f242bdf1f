//! Times in JSON: RFC 3339, UTC, always with milliseconds; and days.

use jiff::Timestamp;
use jiff::civil::Date;
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
    /// The time in a required field of a message.
    pub(super) fn of(field: &'static str, time: Option<prost_types::Timestamp>) -> Result<Self, ConvertError> {
        proto::to_timestamp(field, time).map(Self)
    }

    /// The time in an optional field of a message.
    pub(super) fn maybe(
        field: &'static str,
        time: Option<prost_types::Timestamp>,
    ) -> Result<Option<Self>, ConvertError> {
        time.map(|time| Self::of(field, Some(time))).transpose()
    }
}

/// The length of `2026-11-24`.
const DAY_LENGTH: usize = 10;

/// A calendar day in exactly the form `2026-11-24`; jiff's parser also accepts times, time zones and longer years.
pub(crate) fn day(text: &str) -> Result<Date, &'static str> {
    let parsed = text.parse::<Date>().ok();
    parsed.filter(|day| text.len() == DAY_LENGTH && day.to_string() == text).ok_or("must be a day such as 2026-11-24")
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

    #[test]
    fn a_day_has_exactly_one_form() {
        for good in ["2026-11-24", "2024-02-29", "0001-01-01", "9999-12-31"] {
            assert_eq!(day(good).unwrap().to_string(), good);
        }
        for bad in [
            "",
            "2026-11",
            "2026-11-4",
            "20261124",
            "2026-11-31",
            "2026-02-29",
            "2026-13-01",
            "24.11.2026",
            "2026-11-24T00:00:00Z",
            "2026-11-24[UTC]",
            "-002026-11-24",
            "+002026-11-24",
            "2026-11-24 ",
            "today",
            "\u{662}026-11-24",
        ] {
            assert!(day(bad).is_err(), "{bad}");
        }
    }
}
