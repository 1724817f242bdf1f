//! The days for which statements are requested.

use jiff::ToSpan as _;
use jiff::civil::Date;

/// The most days of a range.
const LONGEST_DAYS: i32 = 366;
/// The days of a range that is requested without a first day.
const DEFAULT_DAYS: i32 = 31;

/// Days in UTC, both inclusive; 1 to 366 of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayRange {
    /// The first day.
    pub from: Date,
    /// The last day.
    pub to: Date,
}

/// Why two days are no range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DayRangeError {
    /// The last day is before the first.
    #[error("must not be after the last day")]
    Backwards,
    /// There are more than 366 days.
    #[error("must be at most 365 days before the last day")]
    TooLong,
    /// It is beyond the calendar.
    #[error("is too far away")]
    OutOfCalendar,
}

impl DayRange {
    /// Without a last day, `today`; without a first, 31 days in all.
    pub fn new(from: Option<Date>, to: Option<Date>, today: Date) -> Result<Self, DayRangeError> {
        let to = to.unwrap_or(today);
        let earliest = |days: i32| to.checked_sub((days - 1).days()).map_err(|_| DayRangeError::OutOfCalendar);
        let from = match from {
            Some(from) => from,
            None => earliest(DEFAULT_DAYS)?,
        };
        if from > to {
            return Err(DayRangeError::Backwards);
        }
        if from < earliest(LONGEST_DAYS)? {
            return Err(DayRangeError::TooLong);
        }
        Ok(Self { from, to })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(from: Option<&str>, to: Option<&str>) -> Result<DayRange, DayRangeError> {
        let day = |text: &str| text.parse::<Date>().unwrap();
        DayRange::new(from.map(day), to.map(day), day("2026-11-24"))
    }

    fn days(from: &str, to: &str) -> Result<DayRange, DayRangeError> {
        Ok(DayRange { from: from.parse().unwrap(), to: to.parse().unwrap() })
    }

    #[test]
    fn the_default_is_the_31_days_up_to_the_last() {
        assert_eq!(range(None, None), days("2026-10-25", "2026-11-24"));
        assert_eq!(range(None, Some("2026-01-31")), days("2026-01-01", "2026-01-31"));
        assert_eq!(range(Some("2026-11-24"), None), days("2026-11-24", "2026-11-24"));
    }

    #[test]
    fn a_range_has_1_to_366_days() {
        assert!(range(Some("2025-11-24"), None).is_ok());
        assert_eq!(range(Some("2025-11-23"), None), Err(DayRangeError::TooLong));
        assert_eq!(range(Some("2026-11-25"), None), Err(DayRangeError::Backwards));
    }
}
