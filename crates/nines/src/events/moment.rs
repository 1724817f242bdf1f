//! A time on the command line: absolute, or how long ago.

use jiff::{SpanRelativeTo, Timestamp};

/// Parses RFC 3339, or a duration before now with a leading minus: `-15m`, `-2h 30m`, `-3d`. A day has 24 hours.
pub(super) fn parse(text: &str) -> Result<Timestamp, String> {
    parse_at(text, primitives::now())
}

fn parse_at(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let Some(ago) = text.strip_prefix('-') else {
        return text.parse().map_err(|error: jiff::Error| error.to_string());
    };
    let ago: jiff::Span = ago.parse().map_err(|error: jiff::Error| error.to_string())?;
    let back = || now.checked_sub(ago.to_duration(SpanRelativeTo::days_are_24_hours())?);
    back().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Result<String, String> {
        let now = "2026-03-01T12:00:00Z".parse().unwrap();
        parse_at(text, now).map(|at| at.to_string())
    }

    #[test]
    fn times_and_durations_are_parsed() {
        for (given, meant) in [
            ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z"),
            ("2026-01-31T12:00:00.5+02:00", "2026-01-31T10:00:00.5Z"),
            ("-15m", "2026-03-01T11:45:00Z"),
            ("-2h 30m", "2026-03-01T09:30:00Z"),
            ("-3d", "2026-02-26T12:00:00Z"),
            ("-PT90S", "2026-03-01T11:58:30Z"),
            ("-0s", "2026-03-01T12:00:00Z"),
        ] {
            assert_eq!(at(given), Ok(meant.to_owned()), "{given}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for given in ["", "-", "15m", "yesterday", "2026-01-31", "2026-01-31T12:00:00", "-1mo", "-99999y"] {
            assert!(at(given).is_err(), "{given}: {:?}", at(given));
        }
    }
}
