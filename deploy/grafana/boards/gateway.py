"""The gateway: what is asked for, what is refused, and how the services behind it answer."""

from panels import chart, dashboard, quantiles, query, row, sum_rate

JOB = 'job="gateway"'

requests = row(
    "Requests",
    chart(
        "By route",
        query(sum_rate("http_requests_total", by=("method", "route")), "{{method}} {{route}}"),
        unit="reqps",
        stacked=True,
        width=12,
    ),
    chart(
        "Server errors, by route",
        query(
            sum_rate("http_requests_total", 'status=~"5.."', ("method", "route", "status")),
            "{{method}} {{route}} {{status}}",
        ),
        unit="reqps",
        width=12,
    ),
    chart(
        "Latency, p99",
        *quantiles("http_request_duration_seconds", by=("method", "route"), of=(0.99,)),
        unit="s",
        width=12,
    ),
    chart(
        "By gateway",
        query(sum_rate("http_requests_total", by=("instance",)), "{{instance}}"),
        unit="reqps",
        width=12,
    ),
)

limits = row(
    "Limits",
    chart(
        "Requests in flight, and how many may be",
        query("sum by (instance, limit) (adaptive_limit_in_flight)", "{{instance}} {{limit}}: in flight"),
        query("sum by (instance, limit) (adaptive_limit_requests)", "{{instance}} {{limit}}: limit"),
    ),
    chart(
        "Refused for too much load",
        query(sum_rate("adaptive_limit_refusals_total", by=("limit", "priority")), "{{limit}}: {{priority}}"),
        unit="reqps",
        stacked=True,
        about="Browsing goes first; payments have places of their own.",
    ),
    chart(
        "Refused for too much from one client",
        query(sum_rate("rate_limit_refusals_total", by=("limit",)), "{{limit}}"),
        query(sum_rate("rate_limit_shared_total", by=("limit",)), "{{limit}}: counted together, the table is full"),
        unit="reqps",
        stacked=True,
    ),
    chart(
        "Reads of the catalogue",
        query(sum_rate("gateway_catalogue_reads_total", by=("by",)), "{{by}}"),
        unit="reqps",
        stacked=True,
        about="Except reads on the fast path, which are counted in the requests only.",
    ),
)

upstreams = row(
    "Services behind",
    chart(
        "Calls that did not get an answer",
        query(
            sum_rate("balance_calls_total", f'{JOB}, outcome!="answered"', ("upstream", "outcome")),
            "{{upstream}}: {{outcome}}",
        ),
        unit="ops",
        stacked=True,
    ),
    chart(
        "Replicas that can be called",
        query(f'sum by (upstream) (balance_endpoints{{{JOB}, state="available"}})', "{{upstream}}"),
        query(f'sum by (upstream) (balance_endpoints{{{JOB}, state="known"}})', "{{upstream}}: known"),
        step=True,
        about="Added up over all gateways.",
    ),
    chart(
        "Ejections, and too few to choose among",
        query(sum_rate("balance_ejections_total", JOB, ("upstream", "reason")), "{{upstream}}: {{reason}}"),
        query(f"max by (upstream) (balance_panic{{{JOB}}}) > 0", "{{upstream}}: too few"),
    ),
    chart(
        "Second tries",
        query(sum_rate("resilience_retries_total", JOB, ("peer",)), "{{peer}}: retries"),
        query(sum_rate("resilience_hedges_total", JOB, ("peer",)), "{{peer}}: hedges"),
        query(sum_rate("resilience_budget_exhausted_total", JOB, ("peer",)), "{{peer}}: held back by the budget"),
        unit="ops",
    ),
    chart(
        "Given up early",
        query(sum_rate("resilience_attempt_timeouts_total", JOB, ("peer",)), "{{peer}}: took too long"),
        query(sum_rate("resilience_breaker_refusals_total", JOB, ("peer",)), "{{peer}}: breaker"),
        query(sum_rate("resilience_bulkhead_refusals_total", JOB, ("peer",)), "{{peer}}: bulkhead"),
        unit="ops",
    ),
    chart(
        "Lookups that failed",
        query(sum_rate("balance_discovery_failures_total", JOB, ("upstream",)), "{{upstream}}"),
        unit="ops",
        about="The last addresses are kept.",
    ),
)

BOARD = dashboard(
    "gateway",
    "Fournines: gateway",
    "Requests over REST, limits, and the services behind the gateway.",
    [requests, limits, upstreams],
)
