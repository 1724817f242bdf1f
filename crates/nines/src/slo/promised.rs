//! A valid service level objective: parsed and checked once.

use anyhow::{Context as _, bail, ensure};

use super::span::Span;
use super::spec::{BudgetingMethod, Document, Metric, Objective, Op, SourceKind};

const ALERT: &str = "fournines/alert";
const SUMMARY: &str = "fournines/summary";
/// The placeholder for the window in a query, as in Sloth.
const WINDOW: &str = "{{.window}}";

/// An objective and how it is measured.
#[derive(Debug)]
pub(super) struct Promised {
    /// Such as `payment-success`: the label `slo` of all series.
    pub(super) name: String,
    pub(super) title: String,
    /// The name of its alerts, and of their runbook.
    pub(super) alert: String,
    /// The summary of its alerts.
    pub(super) summary: String,
    /// The share that has to be good, above 0 and at most 1.
    pub(super) target: f64,
    /// The period over which it has to be met.
    pub(super) period: Span,
    pub(super) indicator: Indicator,
}

/// How good and bad are distinguished.
#[derive(Debug)]
pub(super) enum Indicator {
    /// By counting events.
    Events { bad: Bad, total: Query },
    /// By evaluating a value at intervals: each time slice is good or bad as a whole.
    Slices { value: String, good_is: Op, bound: f64, slice: Span },
}

/// How bad events are counted.
#[derive(Debug)]
pub(super) enum Bad {
    /// By the query.
    Counted(Query),
    /// As all events except those of the query.
    AllBut(Query),
}

/// PromQL with a placeholder for the window.
#[derive(Debug)]
pub(super) struct Query(String);

impl Query {
    /// The query over a window.
    pub(super) fn over(&self, window: Span) -> String {
        self.0.replace(WINDOW, &window.to_string())
    }

    fn parse(metric: &Metric) -> anyhow::Result<Self> {
        let text = one_line(metric);
        ensure!(text.contains(WINDOW), "the query `{text}` must contain {WINDOW} in place of the window");
        Ok(Self(text))
    }
}

impl Promised {
    /// The share that may be bad; 0 when nothing may be.
    pub(super) fn budget(&self) -> f64 {
        1.0 - self.target
    }

    /// Whether nothing may be bad, so that there is no budget.
    pub(super) fn is_without_budget(&self) -> bool {
        self.target >= 1.0
    }

    /// Parses a file.
    ///
    /// # Errors
    /// When the file is not an objective, or one that can't be measured.
    pub(super) fn parse(text: &str) -> anyhow::Result<Self> {
        let document: Document = serde_saphyr::from_str(text).context("this is not an OpenSLO objective")?;
        let Document { api_version, kind, metadata, spec } = document;
        ensure!(api_version == "openslo/v1", "apiVersion must be openslo/v1, not {api_version}");
        ensure!(kind == "SLO", "kind must be SLO, not {kind}");
        ensure!(is_name(&metadata.name), "the name {} must consist of a-z, 0-9 and -", metadata.name);
        let annotation = |key: &str| {
            let value = metadata.annotations.get(key).cloned();
            value.with_context(|| format!("the annotation {key} is missing"))
        };
        let (alert, summary) = (annotation(ALERT)?, annotation(SUMMARY)?);
        ensure!(is_alert(&alert), "{ALERT} must be a name such as OrdersFail, not {alert}");
        ensure!(metadata.annotations.len() == 2, "only the annotations {ALERT} and {SUMMARY} are known");

        let [window] = spec.time_window.as_slice() else { bail!("there must be one time window") };
        ensure!(window.is_rolling, "the time window must be rolling");
        let [objective] = spec.objectives.as_slice() else { bail!("there must be one objective") };
        let target = objective.target_percent / 100.0;
        ensure!(target > 0.0 && target <= 1.0, "targetPercent must be above 0 and at most 100");

        let measured = &spec.indicator.spec;
        let indicator = match (&measured.ratio_metric, &measured.threshold_metric) {
            (Some(ratio), None) => {
                ensure!(
                    spec.budgeting_method == BudgetingMethod::Occurrences,
                    "a ratioMetric needs the method Occurrences"
                );
                ensure!(ratio.counter, "events are counted: counter must be true");
                ensure!(target < 1.0, "100 % of events can't be promised: one request may always fail");
                ensure!(objective.is_of_events(), "op, value and time slices are for a thresholdMetric only");
                let bad = match (&ratio.good, &ratio.bad) {
                    (Some(good), None) => Bad::AllBut(Query::parse(good)?),
                    (None, Some(bad)) => Bad::Counted(Query::parse(bad)?),
                    _ => bail!("there must be either good or bad"),
                };
                Indicator::Events { bad, total: Query::parse(&ratio.total)? }
            }
            (None, Some(threshold)) => {
                ensure!(
                    spec.budgeting_method == BudgetingMethod::Timeslices,
                    "a thresholdMetric needs the method Timeslices"
                );
                slices(threshold, objective)?
            }
            _ => bail!("the indicator must be either a ratioMetric or a thresholdMetric"),
        };
        Ok(Self {
            name: metadata.name,
            title: metadata.display_name,
            alert,
            summary,
            target,
            period: window.duration.parse()?,
            indicator,
        })
    }
}

impl Objective {
    fn is_of_events(&self) -> bool {
        self.op.is_none()
            && self.value.is_none()
            && self.time_slice_target.is_none()
            && self.time_slice_window.is_none()
    }
}

fn slices(threshold: &Metric, objective: &Objective) -> anyhow::Result<Indicator> {
    let whole = objective.time_slice_target.is_some_and(|target| target >= 1.0);
    ensure!(whole, "timeSliceTarget must be 1: a slice is good or bad as a whole");
    let slice = objective.time_slice_window.as_deref().context("timeSliceWindow is missing")?;
    Ok(Indicator::Slices {
        value: one_line(threshold),
        good_is: objective.op.context("op is missing")?,
        bound: objective.value.context("value is missing")?,
        slice: slice.parse()?,
    })
}

/// Removes the line breaks of a query, which are for readability.
fn one_line(metric: &Metric) -> String {
    let SourceKind::Prometheus = metric.metric_source.kind;
    metric.metric_source.spec.query.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn is_name(text: &str) -> bool {
    let known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=63).contains(&text.len()) && text.chars().all(known)
}

fn is_alert(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_uppercase()) && text.chars().all(|c| c.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENTS: &str = r#"
apiVersion: openslo/v1
kind: SLO
metadata:
  name: some-calls
  displayName: Calls
  annotations: {fournines/alert: CallsFail, fournines/summary: Calls fail}
spec:
  description: Some.
  service: some
  indicator:
    metadata: {name: x}
    spec:
      ratioMetric:
        counter: true
        bad: {metricSource: {type: Prometheus, spec: {query: "sum(rate(bad[{{.window}}]))"}}}
        total: {metricSource: {type: Prometheus, spec: {query: "sum(rate(all[{{.window}}]))"}}}
  timeWindow: [{duration: 28d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{displayName: x, targetPercent: 99.99}]
"#;

    #[test]
    fn an_objective_is_parsed() {
        let slo = Promised::parse(EVENTS).unwrap();
        assert_eq!((slo.name.as_str(), slo.alert.as_str()), ("some-calls", "CallsFail"));
        assert_eq!(slo.period, Span::days(28));
        assert!((slo.budget() - 0.0001).abs() < 1e-12);
        let Indicator::Events { total, .. } = slo.indicator else { panic!("no events") };
        assert_eq!(total.over(Span::minutes(5)), "sum(rate(all[5m]))");
    }

    #[test]
    fn invalid_objectives_are_refused_with_a_reason() {
        for (from, to, reason) in [
            ("openslo/v1", "openslo/v2", "apiVersion must be"),
            ("kind: SLO", "kind: SLI", "kind must be SLO"),
            ("some-calls", "Some Calls", "must consist of a-z"),
            ("CallsFail", "calls fail", "must be a name such as"),
            ("fournines/summary", "fournines/sumary", "fournines/summary is missing"),
            ("isRolling: true", "isRolling: false", "rolling"),
            ("28d", "28 days", "is not a duration"),
            ("99.99", "100", "can't be promised"),
            ("99.99", "0", "above 0"),
            ("Occurrences", "Timeslices", "Occurrences"),
            ("bad[{{.window}}]", "bad[5m]", "in place of the window"),
            ("counter: true", "counter: false", "counter must be true"),
            ("displayName: Calls", "displayname: Calls", "not an OpenSLO objective"),
            ("type: Prometheus", "type: Datadog", "not an OpenSLO objective"),
            ("displayName: x,", "displayName: x, op: gte,", "for a thresholdMetric only"),
        ] {
            let text = EVENTS.replacen(from, to, 1);
            assert_ne!(text, EVENTS, "{from}");
            let error = format!("{:#}", Promised::parse(&text).unwrap_err());
            assert!(error.contains(reason), "{to}: {error}");
        }
    }
}
