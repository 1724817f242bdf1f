//! When a daily run is due.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;

use super::run::{Run, RunStatus};

/// The pause after a daily run that failed.
const RETRY_AFTER: Duration = Duration::from_secs(600);

/// Once a day in UTC, at or after a time of day.
#[derive(Debug, Clone, Copy)]
pub struct DailySchedule {
    at: Time,
}

impl DailySchedule {
    /// Daily at `at`, in UTC.
    pub fn new(at: Time) -> Self {
        Self { at }
    }

    /// Whether today's time of day has been reached. Before, no run is due, whatever the last one was.
    pub fn has_begun(self, now: Timestamp) -> bool {
        now.to_zoned(TimeZone::UTC).time() >= self.at
    }

    /// Whether a run is due: today's time has been reached, and the last daily run was requested before today or has
    /// failed at least 10 minutes ago.
    pub fn is_due(self, last: Option<&Run>, now: Timestamp) -> bool {
        if !self.has_begun(now) {
            return false;
        }
        match last {
            Some(last) if day(last.requested_at) == day(now) => {
                let ended = last.ended_at.unwrap_or(now);
                last.status == RunStatus::Failed && ended + RETRY_AFTER <= now
            }
            _ => true,
        }
    }
}

fn day(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::RunKind;

    fn time(text: &str) -> Timestamp {
        format!("2026-11-{text}Z").parse().unwrap()
    }

    fn run(status: RunStatus, requested: &str, ended: Option<&str>) -> Run {
        Run { status, ended_at: ended.map(time), ..Run::new(RunKind::Daily, time(requested)) }
    }

    fn is_due(last: Option<&Run>, now: &str) -> bool {
        DailySchedule::new(Time::constant(3, 0, 0, 0)).is_due(last, time(now))
    }

    #[test]
    fn a_run_is_due_once_a_day_from_the_configured_time_on() {
        assert!(!is_due(None, "24T02:59:59.999"));
        assert!(is_due(None, "24T03:00:00"));
        let yesterday = run(RunStatus::Completed, "23T03:00:00", Some("23T03:10:00"));
        assert!(!is_due(Some(&yesterday), "24T02:59:59"));
        assert!(is_due(Some(&yesterday), "24T03:00:00"));
        let today = run(RunStatus::Completed, "24T03:00:00", Some("24T03:10:00"));
        assert!(!is_due(Some(&today), "24T23:59:59"));
    }

    #[test]
    fn a_failed_run_is_retried_after_a_pause() {
        let failed = run(RunStatus::Failed, "24T03:00:00", Some("24T03:05:00"));
        assert!(!is_due(Some(&failed), "24T03:14:59"));
        assert!(is_due(Some(&failed), "24T03:15:00"));
    }

    #[test]
    fn an_unfinished_run_of_today_is_not_repeated() {
        assert!(!is_due(Some(&run(RunStatus::Running, "24T03:00:00", None)), "24T09:00:00"));
        assert!(!is_due(Some(&run(RunStatus::Failed, "24T03:00:00", None)), "24T09:00:00"));
    }
}
