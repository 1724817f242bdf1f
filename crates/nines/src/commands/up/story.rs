//! The output of `nines up` when the stack is ready: the addresses, and commands to paste.

use std::fmt::Write;

use cli::terminal;
use devstack::stack::{DemoState, StackState};

/// Prints the state of a stack, as text or as JSON.
///
/// # Errors
/// When stdout can't be written to.
pub(super) fn print(state: &StackState, json: bool) -> anyhow::Result<()> {
    let text = if json { serde_json::to_string_pretty(state)? } else { story(state) };
    Ok(terminal::line(text)?)
}

/// The addresses of the stack, and three lines of `curl` that log in, place an order and pay it.
fn story(state: &StackState) -> String {
    let mut text = String::new();
    let mut line = |label: &str, value: &str| {
        // Writing to a String can't fail.
        let _infallible = writeln!(text, "  {label:<10} {value}");
    };
    line("REST API", &state.gateway_urls.join(" and "));
    line("API docs", &format!("{}/docs", state.gateway_url));
    line("MongoDB", &state.mongo_uri);
    line("database", &state.database);
    line("broker", &state.broker);
    let Some(demo) = &state.demo else { return text };
    line("customer", &format!("{}, password {}", demo.customer_email, demo.customer_password));
    line("admin", &format!("{}, password in {}", demo.admin_email, demo.admin_password_file.display()));
    text.push_str("\nLog in, order, pay:\n\n");
    text.push_str(&curl(&state.gateway_url, demo).join("\n"));
    text
}

/// One line per step. The token and the order are kept in shell variables; `sed` extracts them, so that nothing has to
/// be installed.
fn curl(gateway: &str, demo: &DemoState) -> [String; 3] {
    let api = format!("{gateway}/api/v1");
    let json = "-H 'Content-Type: application/json'";
    let token = r#"-H "Authorization: Bearer $TOKEN""#;
    let (email, password, sku) = (&demo.customer_email, &demo.customer_password, &demo.sku);
    let extract = |field: &str| format!(r#"sed -E 's/.*"{field}": *"([^"]+)".*/\1/'"#);
    let (access_token, id) = (extract("accessToken"), extract("id"));
    let login = format!(r#"{{"email":"{email}","password":"{password}"}}"#);
    let lines = format!(r#"{{"lines":[{{"sku":"{sku}","quantity":2}}]}}"#);
    let order_key = r#"-H "Idempotency-Key: order-$(date +%s%N)""#;
    let payment_key = r#"-H "Idempotency-Key: pay-$ORDER_ID""#;
    let payment = r#"{"method":"balance"}"#;
    [
        format!("TOKEN=$(curl -s {api}/sessions {json} -d '{login}' | {access_token})"),
        format!(
            "ORDER=$(curl -s {api}/orders {token} {order_key} {json} -d '{lines}'); echo \"$ORDER\"; \
             ORDER_ID=$(echo \"$ORDER\" | {id})"
        ),
        format!("curl -s {api}/orders/$ORDER_ID/payments {token} {payment_key} {json} -d '{payment}'; echo"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_has_the_printed_commands() {
        let demo = DemoState {
            customer_email: "demo@example.com".to_owned(),
            customer_password: "demo-for-local-use".to_owned(),
            admin_email: String::new(),
            admin_password_file: "file".into(),
            sku: "COFFEE-ESPRESSO-1KG".to_owned(),
        };
        let readme = include_str!("../../../../../README.md");
        for line in curl("http://gateway", &demo) {
            let line = line.replace("http://gateway/api/v1", "$API");
            assert!(readme.contains(&line), "{line}");
        }
    }
}
