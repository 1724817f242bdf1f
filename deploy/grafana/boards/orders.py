"""The way of an order: placed, judged, committed in the lanes, paid, or expired."""

from panels import chart, dashboard, quantiles, query, row, sum_rate

ORDERS = 'route=~"/api/v1/orders.*", method="POST"'
PLACING = 'route="/api/v1/orders", method="POST"'

flow = row(
    "Orders",
    chart(
        "Placing an order, by status",
        query(sum_rate("http_requests_total", PLACING, ("status",)), "{{status}}"),
        unit="reqps",
        stacked=True,
    ),
    chart(
        "How long placing takes",
        *quantiles("http_request_duration_seconds", PLACING, of=(0.5, 0.9, 0.99)),
        unit="s",
    ),
    chart(
        "How long each step takes, p99",
        *quantiles("http_request_duration_seconds", ORDERS, ("route",), of=(0.99,)),
        unit="s",
    ),
    chart(
        "Ended unpaid, or refused for stock",
        query(sum_rate("orders_expired_total"), "expired"),
        query(sum_rate("orders_refused_from_memory_total"), "sold out, known from memory"),
        unit="ops",
    ),
    chart(
        "Who judged the risk",
        query(sum_rate("order_risk_decisions_total", by=("source",)), "{{source}}"),
        unit="ops",
        stacked=True,
        about="local_rules is the order service without a verdict of the risk service in time.",
    ),
    chart(
        "Looked at again",
        query(sum_rate("order_risk_rejected_late_total"), "cancelled after all"),
        query(sum_rate("order_risk_reviews_given_up_total"), "given up"),
        unit="ops",
        about="Orders that the local rules accepted are judged again when the risk service is back.",
    ),
)

lanes = row(
    "Commit lanes",
    chart("Waiting for a batch", query("sum by (instance) (order_lanes_waiting)", "{{instance}}")),
    chart("How long they wait", *quantiles("order_lanes_wait_seconds"), unit="s"),
    chart("How long a batch takes", *quantiles("order_lanes_batch_seconds"), unit="s"),
    chart(
        "Orders in a batch",
        *quantiles("order_lanes_batch_orders"),
        query(f"{sum_rate('order_lanes_batched_total')} / {sum_rate('order_lanes_batches_total')}", "on average"),
        about="Batches grow with the load: what waits while one is committed makes up the next.",
    ),
    chart(
        "Batches and orders in them",
        query(sum_rate("order_lanes_batches_total"), "batches"),
        query(sum_rate("order_lanes_batched_total"), "orders"),
        unit="ops",
    ),
    chart(
        "Refused",
        query(sum_rate("order_lanes_refused_total", by=("reason",)), "{{reason}}"),
        unit="ops",
        stacked=True,
        about="full and too_late: more is offered than the lanes commit.",
    ),
    chart(
        "Transactions that were tried again",
        query(sum_rate("mongo_transaction_retries_total", 'job="order"', ("instance",)), "{{instance}}"),
        unit="ops",
        about="Many of them say that replicas fight over a counter: is placement by SKU on?",
    ),
)

payments = row(
    "Payments",
    chart(
        "Settled",
        query(sum_rate("payments_settled_total", by=("method", "status")), "{{method}} {{status}}"),
        unit="ops",
        stacked=True,
    ),
    chart(
        "Calls of the card provider",
        query(sum_rate("card_provider_requests_total", by=("call", "outcome")), "{{call}}: {{outcome}}"),
        unit="ops",
        stacked=True,
    ),
    chart("How long the card provider takes", *quantiles("card_provider_duration_seconds", by=("call",)), unit="s"),
    chart(
        "Payments whose outcome is looked up",
        query("sum by (instance) (payments_due)", "{{instance}}"),
        about="The provider was asked and did not answer. It grows while the provider is away.",
    ),
)

BOARD = dashboard(
    "orders",
    "Fournines: orders and lanes",
    "From placing an order to its payment, and the commit lanes in between.",
    [flow, lanes, payments],
)
