//! The file of a service level objective, in the format of OpenSLO v1 (<https://openslo.com>).
//!
//! This reads the subset of the format that the objectives of this repository need, for Prometheus: an indicator that
//! is the ratio of good or bad events to all events, or a value with a bound; one rolling window; one objective.
//! Anything else is refused.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Document {
    pub(super) api_version: String,
    pub(super) kind: String,
    pub(super) metadata: Metadata,
    pub(super) spec: Spec,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Metadata {
    pub(super) name: String,
    pub(super) display_name: String,
    /// What OpenSLO has no field for: the names of the alert and its summary.
    pub(super) annotations: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Spec {
    /// What counts as good and as bad.
    #[serde(rename = "description")]
    pub(super) _description: String,
    /// The service that answers.
    #[serde(rename = "service")]
    pub(super) _service: String,
    pub(super) indicator: IndicatorDocument,
    pub(super) time_window: Vec<TimeWindow>,
    pub(super) budgeting_method: BudgetingMethod,
    pub(super) objectives: Vec<Objective>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct IndicatorDocument {
    #[serde(rename = "metadata")]
    pub(super) _metadata: IndicatorMetadata,
    pub(super) spec: IndicatorSpec,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct IndicatorMetadata {
    #[serde(rename = "name")]
    pub(super) _name: String,
}

/// One of the two.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct IndicatorSpec {
    pub(super) ratio_metric: Option<RatioMetric>,
    pub(super) threshold_metric: Option<Metric>,
}

/// `good` or `bad`, and `total`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RatioMetric {
    pub(super) counter: bool,
    pub(super) good: Option<Metric>,
    pub(super) bad: Option<Metric>,
    pub(super) total: Metric,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Metric {
    pub(super) metric_source: MetricSource,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MetricSource {
    #[serde(rename = "type")]
    pub(super) kind: SourceKind,
    pub(super) spec: QueryText,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum SourceKind {
    Prometheus,
}

/// PromQL that yields one value without labels.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct QueryText {
    pub(super) query: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct TimeWindow {
    pub(super) duration: String,
    pub(super) is_rolling: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum BudgetingMethod {
    /// The ratio of good events to all events.
    Occurrences,
    /// The ratio of good time slices to all slices.
    Timeslices,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Objective {
    #[serde(rename = "displayName")]
    pub(super) _display_name: String,
    /// The comparison that makes a value of a threshold metric good, and its bound.
    pub(super) op: Option<Op>,
    pub(super) value: Option<f64>,
    /// In percent; OpenSLO's `target` is the same as a ratio.
    pub(super) target_percent: f64,
    pub(super) time_slice_target: Option<f64>,
    pub(super) time_slice_window: Option<String>,
}

/// How a good value compares with the bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Op {
    Lte,
    Gte,
    Lt,
    Gt,
}
