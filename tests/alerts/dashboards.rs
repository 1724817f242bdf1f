//! Every query of every dashboard is answered, and has data as soon as all that it is about has been measured.

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

pub(crate) async fn check(observers: &Observers) {
    let metrics = observers.metrics().await;
    let (mut answered, mut empty, mut unmeasured) = (0, Vec::new(), Vec::new());
    for entry in fs::read_dir(FOLDER).unwrap() {
        let path = entry.unwrap().path();
        let dashboard: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let mut expressions = Vec::new();
        collect(&dashboard["panels"], &mut expressions);
        assert!(!expressions.is_empty(), "{} asks nothing", path.display());
        for expression in expressions {
            let expression =
                VARIABLES.iter().fold(expression, |text, (name, value)| text.replace(name, value));
            if !is_empty(observers, &expression).await {
                answered += 1;
            } else if is_measured(observers, &expression, &metrics).await {
                empty.push(expression);
            } else {
                unmeasured.push(expression);
            }
        }
    }
    assert!(empty.is_empty(), "measured, and yet there is nothing to see: {empty:#?}");
    // What is left is about failures that did not happen.
    assert!(answered > unmeasured.len(), "{answered} have data, these have none: {unmeasured:#?}");
}

async fn is_empty(observers: &Observers, expression: &str) -> bool {
    observers.query(expression).await.as_array().is_some_and(Vec::is_empty)
}

fn collect(panels: &Value, into: &mut Vec<String>) {
    for panel in panels.as_array().into_iter().flatten() {
        let targets = panel["targets"].as_array().into_iter().flatten();
        into.extend(targets.filter_map(|target| Some(target["expr"].as_str()?.to_owned())));
        collect(&panel["panels"], into);
    }
}

/// Whether everything that an expression selects is there.
async fn is_measured(observers: &Observers, expression: &str, metrics: &[String]) -> bool {
    for selector in selectors(expression, metrics) {
        if is_empty(observers, &selector).await {
            return false;
        }
    }
    true
}

/// The metrics that an expression names, each with its matchers. One that is no metric yet selects nothing.
fn selectors(expression: &str, metrics: &[String]) -> Vec<String> {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || "_:".contains(letter);
    let mut found = Vec::new();
    let mut rest = expression;
    while let Some(start) = rest.find(is_letter) {
        let word = &rest[start..];
        let end = word.find(|letter| !is_letter(letter)).unwrap_or(word.len());
        let (name, after) = word.split_at(end);
        let matchers = after.strip_prefix('{').and_then(|inner| inner.split_once('}'));
        match matchers {
            Some((matchers, behind)) => {
                found.push(format!("{name}{{{matchers}}}"));
                rest = behind;
            }
            None => {
                found.extend(metrics.contains(&name.to_owned()).then(|| name.to_owned()));
                rest = after;
            }
        }
    }
    found
}
