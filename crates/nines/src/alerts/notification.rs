//! What Alertmanager posts to a webhook (version 4 of that form), as far as it is told on.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Alerts of one group that came or went. Fields that are not known are left alone: the form may grow.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Notification {
    /// `firing` as long as one of them does.
    pub(super) status: Status,
    /// What all of the group have in common.
    #[serde(default)]
    pub(super) group_labels: BTreeMap<String, String>,
    pub(super) alerts: Vec<Alert>,
    /// How many more there are that Alertmanager has left out.
    #[serde(default)]
    pub(super) truncated_alerts: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    Firing,
    Resolved,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Alert {
    pub(super) status: Status,
    #[serde(default)]
    pub(super) labels: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) annotations: BTreeMap<String, String>,
    /// RFC 3339.
    #[serde(default)]
    pub(super) starts_at: String,
}

impl Alert {
    pub(super) fn label(&self, name: &str) -> Option<&str> {
        self.labels.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    pub(super) fn annotation(&self, name: &str) -> Option<&str> {
        self.annotations.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}
