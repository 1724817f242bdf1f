//! Every query of every dashboard is answered, and has data unless it is about what does not happen while all is well.

use std::fs;

use serde_json::Value;

use crate::prometheus::Observers;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/grafana/dashboards");
/// What Grafana puts in.
const VARIABLES: [(&str, &str); 6] = [
    ("$__rate_interval", "1m"),
    ("$__interval", "15s"),
    ("$__range", "5m"),
    ("${service}", "order"),
    ("$service", "order"),
    ("$instance", ".*"),
];

/// What may have no series: a metric, and the matcher of that part of it, if only a part has none.
const QUIET: &[(&str, &str)] = &[
    // No alert fires.
    ("ALERTS", r#"alertstate="firing""#),
    // Every call is answered, by replicas that are well, and at the first attempt; most often, that is.
    ("balance_calls_total", r#"outcome!="answered""#),
    ("balance_ejections_total", ""),
    ("resilience_attempt_timeouts_total", ""),
    ("resilience_breaker_refusals_total", ""),
    ("resilience_budget_exhausted_total", ""),
    ("resilience_bulkhead_refusals_total", ""),
    ("resilience_fallbacks_total", ""),
    ("resilience_hedges_total", ""),
    ("resilience_hedges_won_total", ""),
    ("resilience_retries_total", ""),
    ("rpc_server_requests_total", r#"code!="Ok""#),
    // Addresses of this machine are not looked up.
    ("balance_discovery_failures_total", ""),
    // Nobody pays by card.
    ("card_provider_duration_seconds_bucket", ""),
    ("card_provider_requests_total", ""),
    // Every order has its turn, finds its stock, is paid in time, and is judged at once.
    ("order_lanes_refused_total", ""),
    ("order_risk_rejected_late_total", ""),
    ("order_risk_reviews_given_up_total", ""),
    ("orders_expired_total", ""),
    ("orders_refused_from_memory_total", ""),
    // Risk is alone, has few to count, and refuses nobody.
    ("risk_exchange_failures_total", ""),
    ("risk_refusals_dropped_total", ""),
    ("risk_uncounted_total", ""),
    // Nobody guesses passwords, or brings a token twice.
    ("login_audit_dropped_total", ""),
    ("login_throttled_total", ""),
    ("password_hashing_refused_total", ""),
    ("refresh_token_reuse_total", ""),
    // One customer at a time: commands do not fail, and transactions do not meet.
    ("mongo_command_duration_seconds_count", r#"outcome="failed""#),
    ("mongo_commit_retries_total", ""),
    ("mongo_pool_checkout_failures_total", ""),
    ("mongo_transaction_retries_total", ""),
    ("mongo_transactions_abandoned_total", ""),
    // The broker is there, and every event can be applied.
    ("consumer_failures_total", ""),
    ("outbox_publish_failures_total", ""),
    // The books agree.
    ("reconciliation_exceptions_total", ""),
    ("reconciliation_healed_total", ""),
    // There is no collector.
    ("telemetry_spans_total", ""),
];

/// The queries that should have data and have none.
pub(crate) async fn without_data(observers: &Observers) -> Vec<String> {
    let mut without = Vec::new();
    for expression in expressions() {
        let answer = observers.query(&expression).await;
        let may_be_empty = selectors(&expression).into_iter().any(is_quiet);
        if answer.as_array().is_some_and(Vec::is_empty) && !may_be_empty {
            without.push(expression);
        }
    }
    without
}

#[test]
fn what_may_be_quiet_is_asked_for() {
    let expressions = expressions();
    let asked: Vec<_> = expressions.iter().flat_map(|expression| selectors(expression)).collect();
    for (metric, matcher) in QUIET {
        let is_asked = asked.iter().any(|(name, matchers)| name == metric && matchers.contains(matcher));
        assert!(is_asked, "no dashboard asks for {metric} {matcher}");
    }
}

fn expressions() -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(FOLDER).unwrap() {
        let path = entry.unwrap().path();
        let dashboard: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let before = found.len();
        collect(&dashboard["panels"], &mut found);
        assert!(found.len() > before, "{} asks nothing", path.display());
    }
    found
}

fn collect(panels: &Value, into: &mut Vec<String>) {
    for panel in panels.as_array().into_iter().flatten() {
        let targets = panel["targets"].as_array().into_iter().flatten();
        into.extend(targets.filter_map(|target| Some(filled_in(target["expr"].as_str()?))));
        collect(&panel["panels"], into);
    }
}

fn filled_in(expression: &str) -> String {
    let expression = VARIABLES.iter().fold(expression.to_owned(), |text, (name, value)| text.replace(name, value));
    // Panels of what must not be show nothing when all is well.
    expression.trim_end_matches(" > 0").to_owned()
}

fn is_quiet((name, matchers): (&str, &str)) -> bool {
    QUIET.iter().any(|(metric, matcher)| *metric == name && matchers.contains(matcher))
}

/// The metrics that an expression names, each with its matchers.
fn selectors(expression: &str) -> Vec<(&str, &str)> {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || "_:".contains(letter);
    let mut found = Vec::new();
    let mut rest = expression;
    while let Some(start) = rest.find(is_letter) {
        let word = &rest[start..];
        let end = word.find(|letter| !is_letter(letter)).unwrap_or(word.len());
        let (name, after) = word.split_at(end);
        match after.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
            Some((matchers, behind)) => {
                found.push((name, matchers));
                rest = behind;
            }
            None => {
                // Labels have no underscore, and functions are called.
                if name.contains('_') && !after.trim_start().starts_with('(') {
                    found.push((name, ""));
                }
                rest = after;
            }
        }
    }
    found
}
