//! A service level objective as it is written: one file each, in the form of OpenSLO v1 (<https://openslo.com>).
//!
//! Of that form this reads what the objectives of this repository need: an indicator of good or bad events over all, or
//! of a value that has to keep to a bound, for Prometheus; one rolling window; one objective. What it does not know it
//! refuses.

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
    /// What OpenSLO has no place for: see [`super::promised`].
    pub(super) annotations: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Spec {
    /// What is good and what is bad, in words.
    #[serde(rename = "description")]
    pub(super) _description: String,
    /// The service that answers.
    #[serde(rename = "service")]
    pub(super) _service: String,
    pub(super) indicator: Indicator,
    pub(super) time_window: Vec<TimeWindow>,
    pub(super) budgeting_method: BudgetingMethod,
    pub(super) objectives: Vec<Objective>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Indicator {
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

/// Either of the two.
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
    pub(super) spec: Query,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum SourceKind {
    Prometheus,
}

/// PromQL that yields one value without labels.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Query {
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
    /// Good events over all.
    Occurrences,
    /// Good slices of time over all.
    Timeslices,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Objective {
    #[serde(rename = "displayName")]
    pub(super) _display_name: String,
    /// How the value of a threshold metric is compared, and with what.
    pub(super) op: Option<Op>,
    pub(super) value: Option<f64>,
    /// In per cent; OpenSLO's `target` says the same as a ratio.
    pub(super) target_percent: f64,
    pub(super) time_slice_target: Option<f64>,
    pub(super) time_slice_window: Option<String>,
}

/// What a good value is, compared with the bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Op {
    Lte,
    Gte,
    Lt,
    Gt,
}
