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
    let (mut asked, mut empty) = (0, Vec::new());
    for entry in fs::read_dir(FOLDER).unwrap() {
        let path = entry.unwrap().path();
        let dashboard: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let mut expressions = Vec::new();
        collect(&dashboard["panels"], &mut expressions);
        assert!(!expressions.is_empty(), "{} asks nothing", path.display());
        for expression in expressions {
            let expression =
                VARIABLES.iter().fold(expression, |text, (name, value)| text.replace(name, value));
            let result = observers.query(&expression).await;
            asked += 1;
            if result.as_array().is_some_and(Vec::is_empty) && is_measured(&expression, &metrics) {
                empty.push(expression);
            }
        }
    }
    assert!(asked > 50, "only {asked} queries");
    assert!(empty.is_empty(), "measured, and yet there is nothing to see: {empty:#?}");
}

fn collect(panels: &Value, into: &mut Vec<String>) {
    for panel in panels.as_array().into_iter().flatten() {
        let targets = panel["targets"].as_array().into_iter().flatten();
        into.extend(targets.filter_map(|target| Some(target["expr"].as_str()?.to_owned())));
        collect(&panel["panels"], into);
    }
}

/// Whether every metric that an expression names is there. One that is chosen by a label may yet have none of that.
fn is_measured(expression: &str, metrics: &[String]) -> bool {
    let words = expression.split(|letter: char| !(letter.is_ascii_alphanumeric() || "_:".contains(letter)));
    let named: Vec<_> = words.filter(|word| word.contains('_') && is_name(word)).collect();
    let chosen = expression.contains("=\"") || expression.contains("=~\"");
    !named.is_empty() && !chosen && named.iter().all(|name| metrics.iter().any(|metric| metric == name))
}

fn is_name(word: &str) -> bool {
    !["label_replace", "histogram_quantile", "group_left", "group_right", "sum_over_time", "max_over_time"]
        .contains(&word)
}
