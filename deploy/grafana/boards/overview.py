"""The page to begin with: are the objectives kept, what is going on, and is anything wrong?"""

from panels import chart, dashboard, number, quantile, query, row, sum_rate, table

OURS = 'job=~"gateway|user|inventory|order|payment|risk|reconciliation"'
PLACED = 'method="POST", route="/api/v1/orders"'

BUDGET_LEFT = [("red", None), ("orange", 0), ("yellow", 0.25), ("green", 0.5)]
BURN = [("green", None), ("yellow", 1), ("orange", 6), ("red", 14.4)]

objectives = row(
    "Objectives",
    number(
        "Error budget left",
        query("slo:period_error_budget_remaining:ratio", "{{slo}}"),
        unit="percentunit",
        decimals=1,
        width=24,
        steps=BUDGET_LEFT,
        about="Of what may fail in the objective's period, the share that has not failed yet. Below zero it is broken.",
    ),
    number(
        "Burn rate",
        query("slo:current_burn_rate:ratio", "{{slo}}"),
        decimals=2,
        width=24,
        steps=BURN,
        about="1 uses the budget up exactly at the end of the period, 14.4 two per cent of a month's in an hour.",
    ),
    chart(
        "Errors, of 5 minutes",
        query("slo:sli_error:ratio_rate5m", "{{slo}}"),
        unit="percentunit",
        width=12,
        about="The share of what an objective counts that was bad.",
    ),
    chart(
        "Burn rate of an hour",
        query("slo:sli_error:ratio_rate1h / on (slo) group_left () slo:error_budget:ratio", "{{slo}}"),
        width=12,
        about="How many times as fast as allowed the budget is used. Together with 5 minutes, 14.4 wakes somebody up.",
    ),
)

traffic = row(
    "Traffic",
    chart(
        "Requests, by status",
        query(sum_rate("http_requests_total", by=("status",)), "{{status}}"),
        unit="reqps",
        stacked=True,
    ),
    chart(
        "Latency of all requests",
        query(quantile(0.5, "http_request_duration_seconds"), "p50"),
        query(quantile(0.99, "http_request_duration_seconds"), "p99"),
        query(quantile(0.999, "http_request_duration_seconds"), "p99.9"),
        unit="s",
    ),
    chart(
        "Orders and payments",
        query(sum_rate("http_requests_total", f'{PLACED}, status="201"'), "orders placed"),
        query(sum_rate("payments_settled_total", 'status="captured"'), "payments captured"),
        query(sum_rate("orders_expired_total"), "orders expired"),
        unit="ops",
    ),
)

health = row(
    "Is anything wrong?",
    table(
        "Alerts that fire",
        'ALERTS{alertstate="firing"}',
        ("alertname", "severity", "slo", "job", "instance"),
        width=12,
    ),
    chart(
        "Processes that answer",
        query(f"sum by (job) (up{{{OURS}}})", "{{job}}"),
        step=True,
        width=6,
    ),
    chart(
        "Restarts in 10 minutes",
        query(f"sum by (job) (changes(process_start_time_seconds{{{OURS}}}[10m]))", "{{job}}"),
        step=True,
        width=6,
        about="Of processes that come back under the same address.",
    ),
    chart(
        "Breakers that are open",
        query('sum by (job, peer) (resilience_breaker_state{state="open"}) > 0', "{{job}} to {{peer}}"),
        step=True,
    ),
    chart(
        "Refused for too much load",
        query(sum_rate("adaptive_limit_refusals_total", by=("priority",)), "gateway: {{priority}}"),
        query(sum_rate("order_lanes_refused_total", by=("reason",)), "lanes: {{reason}}"),
        unit="ops",
        stacked=True,
    ),
    chart(
        "What waits",
        query("sum(order_lanes_waiting)", "orders for a batch"),
        query("sum by (job) (outbox_lag_entries)", "{{job}}: entries to be published"),
        query("sum by (group) (consumer_lag_events)", "{{group}}: events to be consumed"),
        query("max by (group) (consumer_parked_events)", "{{group}}: parked events"),
    ),
)

BOARD = dashboard(
    "overview",
    "Fournines: overview",
    "Objectives and their error budgets, traffic, and what is wrong at the moment.",
    [objectives, traffic, health],
)
