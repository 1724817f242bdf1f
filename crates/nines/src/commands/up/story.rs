//! What `nines up` prints when the stack is ready: the addresses and a story to paste.

use std::fmt::Write;

use devstack::stack::{DemoState, StackState};

/// The addresses of the stack, and three lines of `curl` that place and pay an order.
pub(crate) fn tell(state: &StackState) -> String {
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

/// One line a step. The token and the order stay in shell variables; `sed` takes them out, so that nothing has
/// to be installed.
fn curl(gateway: &str, demo: &DemoState) -> [String; 3] {
    let api = format!("{gateway}/api/v1");
    let json = "-H 'Content-Type: application/json'";
    let token = r#"-H "Authorization: Bearer $TOKEN""#;
    let (email, password, sku) = (&demo.customer_email, &demo.customer_password, &demo.sku);
    [
        format!(
            r#"TOKEN=$(curl -s {api}/sessions {json} -d '{{"email":"{email}","password":"{password}"}}' | sed -E 's/.*"accessToken": *"([^"]+)".*/\1/')"#
        ),
        format!(
            r#"ORDER=$(curl -s {api}/orders {token} -H "Idempotency-Key: order-$(date +%s%N)" {json} -d '{{"lines":[{{"sku":"{sku}","quantity":2}}]}}'); echo "$ORDER"; ORDER_ID=$(echo "$ORDER" | sed -E 's/.*"id": *"([^"]+)".*/\1/')"#
        ),
        format!(
            r#"curl -s {api}/orders/$ORDER_ID/payments {token} -H "Idempotency-Key: pay-$ORDER_ID" {json} -d '{{"method":"balance"}}'; echo"#
        ),
    ]
}
