//! A span of days that is asked for.

use jiff::ToSpan as _;
use jiff::civil::Date;

/// The most days of a span.
const LONGEST_DAYS: i32 = 366;
/// The days of a span that is not asked for more closely.
const DEFAULT_DAYS: i32 = 31;

/// Days in UTC, both inclusive; 1 to 366 of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first day.
    pub from: Date,
    /// The last day.
    pub to: Date,
}

/// Why two days are no span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SpanError {
    /// The last day is before the first.
    #[error("must not be after the last day")]
    Backwards,
    /// There are too many days.
    #[error("must be at most 365 days before the last day")]
    TooLong,
    /// The calendar ends there.
    #[error("is too far away")]
    OutOfCalendar,
}

impl Span {
    /// Without a last day, `today`; without a first, 31 days in all.
    pub fn new(from: Option<Date>, to: Option<Date>, today: Date) -> Result<Self, SpanError> {
        let to = to.unwrap_or(today);
        let earliest = |days: i32| to.checked_sub((days - 1).days()).map_err(|_| SpanError::OutOfCalendar);
        let from = match from {
            Some(from) => from,
            None => earliest(DEFAULT_DAYS)?,
        };
        if from > to {
            return Err(SpanError::Backwards);
        }
        if from < earliest(LONGEST_DAYS)? {
            return Err(SpanError::TooLong);
        }
        Ok(Self { from, to })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(from: Option<&str>, to: Option<&str>) -> Result<Span, SpanError> {
        let day = |text: &str| text.parse::<Date>().unwrap();
        Span::new(from.map(day), to.map(day), day("2026-11-24"))
    }

    fn days(from: &str, to: &str) -> Result<Span, SpanError> {
        Ok(Span { from: from.parse().unwrap(), to: to.parse().unwrap() })
    }

    #[test]
    fn what_is_not_said_is_the_last_31_days() {
        assert_eq!(span(None, None), days("2026-10-25", "2026-11-24"));
        assert_eq!(span(None, Some("2026-01-31")), days("2026-01-01", "2026-01-31"));
        assert_eq!(span(Some("2026-11-24"), None), days("2026-11-24", "2026-11-24"));
    }

    #[test]
    fn a_span_has_1_to_366_days() {
        assert!(span(Some("2025-11-24"), None).is_ok());
        assert_eq!(span(Some("2025-11-23"), None), Err(SpanError::TooLong));
        assert_eq!(span(Some("2026-11-25"), None), Err(SpanError::Backwards));
    }
}
