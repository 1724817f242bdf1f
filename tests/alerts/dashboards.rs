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

/// What the queries of all dashboards brought.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    pub(crate) with_data: usize,
    /// What they are about has been measured, and yet there is nothing to see.
    pub(crate) empty: Vec<String>,
    /// About what has not happened, such as failures.
    pub(crate) unmeasured: Vec<String>,
}

impl Answers {
    pub(crate) async fn of(observers: &Observers) -> Self {
        let metrics = observers.metrics().await;
        let mut answers = Self::default();
        for entry in fs::read_dir(FOLDER).unwrap() {
            let path = entry.unwrap().path();
            let dashboard: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
            let mut expressions = Vec::new();
            collect(&dashboard["panels"], &mut expressions);
            assert!(!expressions.is_empty(), "{} asks nothing", path.display());
            for expression in expressions {
                answers.add(observers, expression, &metrics).await;
            }
        }
        answers
    }

    async fn add(&mut self, observers: &Observers, expression: String, metrics: &[String]) {
        let expression = VARIABLES.iter().fold(expression, |text, (name, value)| text.replace(name, value));
        // Panels of what must not be show nothing when all is well.
        let expression = expression.trim_end_matches(" > 0").to_owned();
        if !is_empty(observers, &expression).await {
            self.with_data += 1;
        } else if is_measured(observers, &expression, metrics).await {
            self.empty.push(expression);
        } else {
            self.unmeasured.push(expression);
        }
    }

    pub(crate) fn are_well(&self) -> bool {
        self.empty.is_empty() && self.with_data > self.unmeasured.len()
    }
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

/// The metrics that an expression names, each with its matchers.
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
                // With an underscore, and called by nobody, it is a metric that has no series yet.
                let is_to_come = name.contains('_') && !after.trim_start().starts_with('(');
                let is_metric = is_to_come || metrics.iter().any(|metric| metric == name);
                found.extend(is_metric.then(|| name.to_owned()));
                rest = after;
            }
        }
    }
    found
}
