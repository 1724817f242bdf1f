//! A duration in the notation of Prometheus: `5m`, `1h30m`, `28d`.

use std::fmt;
use std::str::FromStr;

/// Milliseconds of each unit, longest first.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// A duration in whole milliseconds, up to ten years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span {
    ms: u64,
}

/// A text that is not a duration.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a duration such as 5m, 1h30m or 28d")]
pub(super) struct InvalidSpan(String);

impl Span {
    pub(super) const fn seconds(seconds: u64) -> Self {
        Self { ms: seconds * 1_000 }
    }

    pub(super) const fn minutes(minutes: u64) -> Self {
        Self::seconds(minutes * 60)
    }

    pub(super) const fn hours(hours: u64) -> Self {
        Self::minutes(hours * 60)
    }

    pub(super) const fn days(days: u64) -> Self {
        Self::hours(days * 24)
    }

    /// Divides by `n`, rounding down to a millisecond; by 1 when `n` is 0.
    pub(super) const fn part(self, n: u64) -> Self {
        Self { ms: self.ms / if n == 0 { 1 } else { n } }
    }

    #[allow(clippy::cast_precision_loss)] // ten years in milliseconds are far below 2^53
    pub(super) const fn as_seconds(self) -> f64 {
        self.ms as f64 / 1_000.0
    }

    pub(super) const fn as_days(self) -> f64 {
        self.as_seconds() / 86_400.0
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.ms == 0 {
            return f.write_str("0s");
        }
        let mut left = self.ms;
        for (name, ms) in UNITS {
            if left >= ms {
                write!(f, "{}{name}", left / ms)?;
                left %= ms;
            }
        }
        Ok(())
    }
}

impl FromStr for Span {
    type Err = InvalidSpan;

    fn from_str(text: &str) -> Result<Self, InvalidSpan> {
        let invalid = || InvalidSpan(text.to_owned());
        let (mut left, mut sum, mut longest) = (text, 0_u64, u64::MAX);
        while !left.is_empty() {
            let digits = left.find(|c: char| !c.is_ascii_digit()).ok_or_else(invalid)?;
            let (number, rest) = left.split_at(digits);
            let letters = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
            let (unit, rest) = rest.split_at(letters);
            let ms = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, ms)| *ms);
            // Each unit once, the longest first, as Prometheus requires.
            let ms = ms.filter(|ms| *ms < longest).ok_or_else(invalid)?;
            let number: u64 = number.parse().map_err(|_| invalid())?;
            sum = number.checked_mul(ms).and_then(|more| more.checked_add(sum)).ok_or_else(invalid)?;
            (left, longest) = (rest, ms);
        }
        let span = Self { ms: sum };
        if sum == 0 || span > Self::days(3_660) { Err(invalid()) } else { Ok(span) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_printed_in_the_notation_of_prometheus() {
        for (span, text) in [
            (Span::minutes(5), "5m"),
            (Span::minutes(90), "1h30m"),
            (Span::days(28), "28d"),
            (Span::hours(6).part(12 * 60), "30s"),
            (Span::minutes(5).part(40), "7s500ms"),
            (Span::seconds(0), "0s"),
        ] {
            assert_eq!(span.to_string(), text);
        }
    }

    #[test]
    fn printed_spans_and_nothing_else_can_be_parsed() {
        for text in ["5m", "1h30m", "28d", "7m30s", "11h12m", "500ms"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
        for text in ["", "m", "5", "5x", "0s", "30m1h", "1h1h", "-5m", "5 m", "99999999999999999999d", "9999d"] {
            assert_eq!(text.parse::<Span>(), Err(InvalidSpan(text.to_owned())), "{text}");
        }
    }
}
