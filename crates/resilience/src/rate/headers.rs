//! The values of the headers `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10).
//!
//! A policy's quota `q` and window `w` express both numbers of a bucket: the window is the time in which an empty
//! bucket fills, at least a second, and the quota is the number of requests that the rate admits in it. If the burst
//! equals the requests per period, which is the default, they are the configured numbers. They describe the whole
//! limit; `r` is what the answering replica would still admit, which is no promise.

use std::fmt::Write as _;
use std::time::Duration;

use super::{Decision, RateConfig};

/// The value of `RateLimit-Policy` for named limits, such as `"client";q=100;w=60`. Build it once: it is constant.
pub fn rate_limit_policy_header<'a>(limits: impl IntoIterator<Item = (&'a str, &'a RateConfig)>) -> String {
    let mut header = String::new();
    for (name, rate) in limits {
        push_name(&mut header, name);
        let window = seconds(rate.refill()).max(1);
        let quota = u128::from(rate.requests) * u128::from(window) * 1_000 / u128::from(rate.period_ms.max(1));
        push(&mut header, "q", quota);
        push(&mut header, "w", u128::from(window));
    }
    header
}

/// The value of `RateLimit` for the decisions of named limits, such as `"client";r=50;t=30`: the requests left, and the
/// seconds until there is one more, rounded up.
pub fn rate_limit_header<'a>(decisions: impl IntoIterator<Item = (&'a str, &'a Decision)>) -> String {
    let mut header = String::new();
    for (name, decision) in decisions {
        push_name(&mut header, name);
        push(&mut header, "r", u128::from(decision.remaining));
        push(&mut header, "t", u128::from(seconds(decision.reset_after)));
    }
    header
}

/// Opens a list member with the name as a string of RFC 9651: printable ASCII, the quote and the backslash escaped.
fn push_name(header: &mut String, name: &str) {
    header.push_str(if header.is_empty() { "\"" } else { ", \"" });
    for character in name.chars() {
        match character {
            '"' | '\\' => header.extend(['\\', character]),
            ' '..='~' => header.push(character),
            _ => header.push('_'),
        }
    }
    header.push('"');
}

fn push(header: &mut String, parameter: &str, value: u128) {
    // Writing to a string can't fail.
    let _ = write!(header, ";{parameter}={value}");
}

fn seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(requests: u32, period_ms: u64, burst: Option<u32>) -> String {
        rate_limit_policy_header([("client", &RateConfig { requests, period_ms, burst })])
    }

    fn decision(remaining: u32, reset_ms: u64) -> Decision {
        let reset_after = Duration::from_millis(reset_ms);
        Decision { allowed: true, limit: 100, remaining, reset_after, retry_after: None }
    }

    #[test]
    fn a_policy_states_quota_and_window() {
        assert_eq!(policy(100, 60_000, None), r#""client";q=100;w=60"#);
        assert_eq!(policy(100, 60_000, Some(20)), r#""client";q=20;w=12"#);
        assert_eq!(policy(100, 1_000, Some(5)), r#""client";q=100;w=1"#, "a window is at least a second");
        assert_eq!(policy(2, 1_000, Some(3)), r#""client";q=4;w=2"#, "a window is whole seconds");
    }

    #[test]
    fn a_limit_states_the_requests_left_and_the_time_to_the_next() {
        assert_eq!(rate_limit_header([("client", &decision(50, 30_000))]), r#""client";r=50;t=30"#);
        assert_eq!(rate_limit_header([("client", &decision(0, 1))]), r#""client";r=0;t=1"#);
        let both = [("client", &decision(1, 0)), ("route", &decision(2, 1_001))];
        assert_eq!(rate_limit_header(both), r#""client";r=1;t=0, "route";r=2;t=2"#);
        assert_eq!(rate_limit_header([]), "");
    }

    #[test]
    fn names_are_strings_of_structured_fields() {
        assert_eq!(rate_limit_header([("a\"b\\c\né", &decision(1, 0))]), r#""a\"b\\c__";r=1;t=0"#);
    }
}
