//! The custom robot of a DingTalk group: its message, signature and answer, as documented by DingTalk
//! (<https://open.dingtalk.com/document/robots/custom-robot-access>).

use std::fmt::Write as _;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::Uri;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::notification::{Alert, AlertStatus, Notification};

/// The longest text, in bytes; DingTalk accepts messages of 20,000 bytes.
const MAX_TEXT: usize = 18_000;
/// The most alerts in a message; the others are counted.
const MAX_ALERTS: usize = 20;
/// The longest value, in characters; longer ones are cut.
const MAX_VALUE: usize = 500;
/// Labels that are left out, since they are elsewhere in the message.
const OMITTED_LABELS: [&str; 2] = ["alertname", "severity"];

/// A message of the robot's API.
#[derive(Debug, Serialize)]
pub(super) struct Message {
    msgtype: &'static str,
    markdown: Markdown,
}

#[derive(Debug, Serialize)]
struct Markdown {
    /// The text in the list of chats.
    title: String,
    text: String,
}

/// The answer of the robot, always with status 200.
#[derive(Debug, Deserialize)]
pub(super) struct Verdict {
    /// 0 when the message was accepted.
    pub(super) errcode: i64,
    #[serde(default)]
    pub(super) errmsg: String,
}

impl Message {
    pub(super) fn of(notification: &Notification) -> Self {
        let title = title(notification);
        let mut text = format!("#### {title}\n");
        let mut listed = 0;
        for alert in notification.alerts.iter().take(MAX_ALERTS) {
            let paragraph = paragraph(alert);
            if text.len() + paragraph.len() > MAX_TEXT {
                break;
            }
            text.push_str(&paragraph);
            listed += 1;
        }
        let omitted = (notification.alerts.len() - listed).saturating_add(notification.truncated_alerts);
        if omitted > 0 {
            put(&mut text, format_args!("\nand {omitted} more\n"));
        }
        Self { msgtype: "markdown", markdown: Markdown { title, text } }
    }
}

fn title(notification: &Notification) -> String {
    let firing = notification.alerts.iter().filter(|alert| alert.status == AlertStatus::Firing).count();
    let state = match notification.status {
        AlertStatus::Firing => format!("FIRING {}", firing.saturating_add(notification.truncated_alerts)),
        AlertStatus::Resolved => "RESOLVED".to_owned(),
    };
    let of_group = notification.group_labels.values().map(String::as_str);
    let of_alert = || notification.alerts.first().and_then(|alert| alert.label("alertname"));
    let about: Vec<_> = of_group.filter(|value| !value.is_empty()).map(plain).collect();
    let about = if about.is_empty() { of_alert().map(plain).unwrap_or_default() } else { about.join(" ") };
    format!("[{state}] {about}")
}

fn paragraph(alert: &Alert) -> String {
    let state = match alert.status {
        AlertStatus::Firing => "firing",
        AlertStatus::Resolved => "resolved",
    };
    let severity = alert.label("severity").map(plain).unwrap_or_default();
    let summary = alert.annotation("summary").or(alert.label("alertname")).map(plain).unwrap_or_default();
    let mut text = format!("\n**{summary}** ({state}, {severity})\n");
    if let Some(description) = alert.annotation("description") {
        put(&mut text, format_args!("\n> {}\n", plain(description)));
    }
    text.push('\n');
    let labels = alert.labels.iter().filter(|(name, _)| !OMITTED_LABELS.contains(&name.as_str()));
    for (name, value) in labels {
        put(&mut text, format_args!("- {}: {}\n", plain(name), plain(value)));
    }
    put(&mut text, format_args!("- since: {}\n", plain(&alert.starts_at)));
    if let Some(runbook) = alert.annotation("runbook_url") {
        put(&mut text, format_args!("- runbook: {}\n", plain(runbook)));
    }
    text
}

/// On one line, without markup, and cut to [`MAX_VALUE`].
fn plain(text: &str) -> String {
    let shown = text.chars().take(MAX_VALUE).map(|c| match c {
        _ if c.is_control() => ' ',
        '`' | '*' | '#' | '<' | '>' | '|' => ' ',
        '[' => '(',
        ']' => ')',
        _ => c,
    });
    shown.collect()
}

fn put(text: &mut String, what: std::fmt::Arguments<'_>) {
    // Writing to a string can't fail.
    let _written = text.write_fmt(what);
}

/// The robot's address, with a signature if there is a secret: the HMAC of the time and the secret, keyed by the
/// secret.
///
/// # Errors
/// When the address is not a URL.
pub(super) fn signed(address: &SecretString, secret: Option<&SecretString>, now_ms: i64) -> anyhow::Result<Uri> {
    let address = address.expose_secret();
    let whole = match secret {
        None => address.to_owned(),
        Some(secret) => {
            let separator = if address.contains('?') { '&' } else { '?' };
            format!("{address}{separator}timestamp={now_ms}&sign={}", sign(secret, now_ms)?)
        }
    };
    // The error does not contain the address.
    whole.parse().context("the robot's address is not a URL")
}

fn sign(secret: &SecretString, now_ms: i64) -> anyhow::Result<String> {
    let secret = secret.expose_secret();
    let mut mac: Hmac<Sha256> = Hmac::new_from_slice(secret.as_bytes())?;
    mac.update(format!("{now_ms}\n{secret}").as_bytes());
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    Ok(signature.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notification(json: &serde_json::Value) -> Notification {
        serde_json::from_value(json.clone()).unwrap()
    }

    fn text(json: &serde_json::Value) -> String {
        Message::of(&notification(json)).markdown.text
    }

    #[test]
    fn the_signature_is_the_one_that_dingtalk_computes() {
        // Computed with the Python code in DingTalk's documentation.
        let secret = SecretString::from("SEC000");
        let expected = "ltBBey5eZrWKh1cPzFIdz3v3xpkc4Tjx4lLsPSHqdtA%3D";
        assert_eq!(sign(&secret, 1_700_000_000_000).unwrap(), expected);
        let address = SecretString::from("https://robot.example/send?access_token=x");
        let uri = signed(&address, Some(&secret), 1_700_000_000_000).unwrap();
        let query = format!("access_token=x&timestamp=1700000000000&sign={expected}");
        assert_eq!(uri.query(), Some(query.as_str()));
        assert_eq!(signed(&address, None, 0).unwrap().query(), Some("access_token=x"));
    }

    #[test]
    fn a_message_has_the_alert_its_start_and_its_runbook() {
        let json = serde_json::json!({
            "version": "4", "status": "firing", "receiver": "pages", "truncatedAlerts": 0,
            "groupLabels": {"alertname": "PaymentsFail", "slo": "payment-success"},
            "alerts": [{
                "status": "firing", "startsAt": "2026-11-25T08:00:00Z", "endsAt": "0001-01-01T00:00:00Z",
                "labels": {"alertname": "PaymentsFail", "severity": "page", "slo": "payment-success"},
                "annotations": {
                    "summary": "Payments fail", "description": "5 % were bad\nin the last hour.",
                    "runbook_url": "docs/runbooks/PaymentsFail.md"
                }
            }]
        });
        let message = serde_json::to_value(Message::of(&notification(&json))).unwrap();
        assert_eq!(message["msgtype"], "markdown");
        assert_eq!(message["markdown"]["title"], "[FIRING 1] PaymentsFail payment-success");
        assert_eq!(
            message["markdown"]["text"],
            "#### [FIRING 1] PaymentsFail payment-success\n\n\
             **Payments fail** (firing, page)\n\n> 5 % were bad in the last hour.\n\n\
             - slo: payment-success\n- since: 2026-11-25T08:00:00Z\n- runbook: docs/runbooks/PaymentsFail.md\n"
        );
    }

    #[test]
    fn surplus_alerts_are_counted_and_long_values_are_cut() {
        let alert = |summary: &str| {
            let annotations = serde_json::json!({ "summary": summary });
            serde_json::json!({"status": "firing", "labels": {"alertname": "X"}, "annotations": annotations})
        };
        let many: Vec<_> = (0..30).map(|_| alert("x")).collect();
        let sent = text(&serde_json::json!({"status": "firing", "truncatedAlerts": 3, "alerts": many}));
        assert!(sent.contains("[FIRING 33] X") && sent.ends_with("\nand 13 more\n"), "{sent}");

        let wide = "語".repeat(10_000);
        let long: Vec<_> = (0..30).map(|_| alert(&wide)).collect();
        let sent = text(&serde_json::json!({"status": "firing", "alerts": long}));
        assert!(sent.len() < 20_000 && sent.contains("and 1"), "{}", sent.len());
    }

    #[test]
    fn markup_in_a_label_is_removed() {
        let alerts = serde_json::json!([{"status": "resolved", "labels": {"job": "a\n# b [c](http://d) `e`"}}]);
        let sent = text(&serde_json::json!({"status": "resolved", "alerts": alerts}));
        assert!(sent.contains("- job: a   b (c)(http://d)  e \n"), "{sent}");
    }
}
