//! The windows of burn rates, and the rates at which alerts fire.
//!
//! The scheme is that of Google's SRE workbook, chapter 5, "Multiwindow, Multi-Burn-Rate Alerts": an alert fires when a
//! share of the budget was used within a long window, and is still being used within a short window of a twelfth of its
//! length.

use std::str::FromStr;

use anyhow::{Context as _, ensure};

use super::span::Span;

/// The windows that are recorded for every objective, for dashboards.
pub(super) const SHOWN: [Span; 7] =
    [Span::minutes(5), Span::minutes(30), Span::hours(1), Span::hours(2), Span::hours(6), Span::days(1), Span::days(3)];
/// The window of the recorded rates, from which longer windows are computed.
pub(super) const BASE: Span = Span::minutes(5);
/// Windows up to this length read the counters themselves; longer ones the recorded rates.
pub(super) const LONGEST_RAW: Span = Span::hours(6);
/// The least bad events in the long window for an alert. With a hundred orders per hour, a single failure is a burn
/// rate of 100, but no reason to wake anybody.
pub(super) const MIN_BAD_EVENTS: u32 = 5;
/// The shortest period for burn rates, and the period from which on the windows are those of the workbook.
const SHORTEST_PERIOD: Span = Span::days(7);
const FULL_PERIOD: Span = Span::days(28);
/// The divisor of the workbook's windows for shorter periods.
const DIVISOR: u64 = 4;

/// The urgency of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Severity {
    /// Somebody has to act now.
    Page,
    /// Somebody has to act on the next working day.
    Ticket,
}

impl Severity {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Ticket => "ticket",
        }
    }
}

/// A burn rate at which an alert fires.
#[derive(Debug, Clone, Copy)]
pub(super) struct Burn {
    pub(super) severity: Severity,
    /// The share of the whole budget that is used within the long window at this rate.
    pub(super) share: f64,
    pub(super) long: Span,
    pub(super) short: Span,
    /// The burn rate, as a multiple of the rate that the budget allows.
    pub(super) factor: f64,
}

/// The alerts of an objective over that period.
///
/// # Errors
/// When the period is shorter than 7 days, so that its windows would have too few events.
pub(super) fn burns(period: Span) -> anyhow::Result<[Burn; 3]> {
    ensure!(period >= SHORTEST_PERIOD, "a period of {period} is too short for burn rates, which need at least 7 days");
    // Shorter windows rather than lower rates: over 7 days, 10 % in 3 days would be a rate of 0.23, which meets the
    // objective. With a quarter of the windows, the same shares give the same rates.
    let divisor = if period >= FULL_PERIOD { 1 } else { DIVISOR };
    let burn = |severity, share: f64, window: Span| {
        let long = window.part(divisor);
        let factor = share * period.as_seconds() / long.as_seconds();
        Burn { severity, share, long, short: long.part(12).max(BASE), factor }
    };
    Ok([
        burn(Severity::Page, 0.02, Span::hours(1)),
        burn(Severity::Page, 0.05, Span::hours(6)),
        burn(Severity::Ticket, 0.10, Span::days(3)),
    ])
}

/// All windows for which the ratio of bad events is recorded, shortest first.
pub(super) fn recorded(burns: &[Burn], period: Span) -> Vec<Span> {
    let of_alerts = burns.iter().flat_map(|burn| [burn.long, burn.short]);
    let mut all: Vec<_> = SHOWN.into_iter().chain(of_alerts).chain([period]).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// The factor by which all windows are shortened for a drill, written `1/60`. Names keep the original windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scale {
    divisor: u64,
}

impl Scale {
    /// With this divisor the shortest window, 5 minutes, is 5 s, with one scrape per second.
    const MAX_DIVISOR: u64 = 60;
    /// The shortest useful evaluation interval.
    const SHORTEST_INTERVAL: Span = Span::seconds(1);

    pub(super) const fn is_whole(self) -> bool {
        self.divisor == 1
    }

    pub(super) const fn of(self, window: Span) -> Span {
        window.part(self.divisor)
    }

    pub(super) fn of_interval(self, interval: Span) -> Span {
        self.of(interval).max(Self::SHORTEST_INTERVAL)
    }
}

impl FromStr for Scale {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let divisor = text.strip_prefix("1/").context("must be of the form 1/N, such as 1/60")?;
        let divisor = divisor.parse().context("must be of the form 1/N, such as 1/60")?;
        let max = Self::MAX_DIVISOR;
        ensure!((1..=max).contains(&divisor), "from 1/{max}, where 5 minutes are 5 s, to 1/1");
        Ok(Self { divisor })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn over_28_days_the_rates_are_those_of_the_workbook() {
        let rates = burns(Span::days(28))
            .unwrap()
            .map(|burn| format!("{} {:.2} {}/{}", burn.severity.name(), burn.factor, burn.long, burn.short));
        assert_eq!(rates, ["page 13.44 1h/5m", "page 5.60 6h/30m", "ticket 0.93 3d/6h"]);
    }

    #[test]
    fn over_7_days_the_same_shares_are_the_same_rates() {
        let rates = burns(Span::days(7))
            .unwrap()
            .map(|burn| format!("{} {:.2} {}/{}", burn.severity.name(), burn.factor, burn.long, burn.short));
        assert_eq!(rates, ["page 13.44 15m/5m", "page 5.60 1h30m/7m30s", "ticket 0.93 18h/1h30m"]);
    }

    #[test]
    fn a_day_is_too_short_for_burn_rates() {
        assert!(burns(Span::days(1)).is_err());
    }

    #[test]
    fn each_window_is_recorded_once() {
        let names = |days| {
            let period = Span::days(days);
            let burns = burns(period).unwrap();
            recorded(&burns, period).into_iter().map(|window| window.to_string()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names(28), "5m 30m 1h 2h 6h 1d 3d 28d");
        assert_eq!(names(7), "5m 7m30s 15m 30m 1h 1h30m 2h 6h 18h 1d 3d 7d");
    }

    #[test]
    fn a_scale_shortens_windows_down_to_useful_lengths() {
        let scale: Scale = "1/60".parse().unwrap();
        assert_eq!(scale.of(Span::minutes(5)), Span::seconds(5));
        assert_eq!(scale.of_interval(Span::seconds(30)), Span::seconds(1));
        assert!("1/1".parse::<Scale>().unwrap().is_whole());
        for text in ["1/61", "1/0", "60", "0.5", "1/x", "2/3"] {
            assert!(text.parse::<Scale>().is_err(), "{text}");
        }
    }
}
