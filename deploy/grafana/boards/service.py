"""One service: its processes, what it is asked, and what it asks others. Some services have a row of their own."""

from panels import chart, dashboard, number, quantiles, query, row, sum_rate, table, variable

CHOSEN = 'job="$service", instance=~"$instance"'

processes = row(
    "Processes",
    number("Processes", query(f"sum(up{{{CHOSEN}}})")),
    number(
        "Youngest",
        query(f"time() - max(process_start_time_seconds{{{CHOSEN}}})"),
        unit="s",
        about="How long ago the last one started.",
    ),
    table("Versions", f"build_info{{{CHOSEN}}}", ("instance", "version"), width=8),
    chart(
        "CPU",
        query(sum_rate("process_cpu_seconds_total", CHOSEN, ("instance",)), "{{instance}}"),
        about="In cores.",
    ),
    chart(
        "Memory",
        query(f"sum by (instance) (process_resident_memory_bytes{{{CHOSEN}}})", "{{instance}}"),
        unit="bytes",
    ),
    chart(
        "Open files, of those allowed",
        query(f"process_open_fds{{{CHOSEN}}} / process_max_fds{{{CHOSEN}}}", "{{instance}}"),
        unit="percentunit",
    ),
    chart("Threads", query(f"sum by (instance) (process_threads{{{CHOSEN}}})", "{{instance}}")),
    chart(
        "Spans to the collector",
        query(sum_rate("telemetry_spans_total", CHOSEN, ("outcome",)), "{{outcome}}"),
        unit="ops",
        stacked=True,
        about="failed: the collector was away or slow, and they are lost. Requests don't wait for it.",
    ),
)

asked = row(
    "What it is asked",
    chart(
        "Calls, by method",
        query(sum_rate("rpc_server_requests_total", CHOSEN, ("method",)), "{{method}}"),
        unit="reqps",
        stacked=True,
        about="Of gRPC. The gateway, which has none, has a dashboard of its own.",
    ),
    chart(
        "Answers that are no success",
        query(
            sum_rate("rpc_server_requests_total", f'{CHOSEN}, code!="Ok"', ("method", "code")),
            "{{method}}: {{code}}",
        ),
        unit="reqps",
        stacked=True,
    ),
    chart("Latency, p99", *quantiles("rpc_server_duration_seconds", CHOSEN, ("method",), of=(0.99,)), unit="s"),
)

asks = row(
    "What it asks others",
    chart(
        "Calls",
        query(sum_rate("balance_calls_total", CHOSEN, ("upstream", "outcome")), "{{upstream}}: {{outcome}}"),
        unit="ops",
        stacked=True,
    ),
    chart(
        "Replicas",
        query(f'sum by (upstream) (balance_endpoints{{{CHOSEN}, state="available"}})', "{{upstream}}: can be called"),
        query(f"sum by (upstream) (balance_discovered_endpoints{{{CHOSEN}}})", "{{upstream}}: found"),
        step=True,
    ),
    chart(
        "Breakers that are not closed",
        query(
            f'sum by (peer, state) (resilience_breaker_state{{{CHOSEN}, state!="closed"}}) > 0',
            "{{peer}}: {{state}}",
        ),
        step=True,
    ),
    chart(
        "Second tries",
        query(sum_rate("resilience_retries_total", CHOSEN, ("peer",)), "{{peer}}: retries"),
        query(sum_rate("resilience_hedges_total", CHOSEN, ("peer",)), "{{peer}}: hedges"),
        query(sum_rate("resilience_hedges_won_total", CHOSEN, ("peer",)), "{{peer}}: hedges that were first"),
        query(sum_rate("resilience_fallbacks_total", CHOSEN, ("peer",)), "{{peer}}: done without it"),
        unit="ops",
    ),
    chart(
        "MongoDB's commands, p99",
        *quantiles("mongo_command_duration_seconds", f'{CHOSEN}, command!="getMore"', ("command",), of=(0.99,)),
        unit="s",
    ),
    chart(
        "Connections to MongoDB",
        query(f"sum by (state) (mongo_pool_connections{{{CHOSEN}}})", "{{state}}"),
    ),
)

users = row(
    "User service",
    chart("Logins", query(sum_rate("logins_total", by=("outcome",)), "{{outcome}}"), unit="ops", stacked=True),
    chart(
        "Refused",
        query(sum_rate("login_throttled_total"), "too many failures"),
        query(sum_rate("password_hashing_refused_total"), "too many passwords at once"),
        unit="ops",
    ),
    chart(
        "To be looked at",
        query(sum_rate("refresh_token_reuse_total"), "refresh tokens used twice"),
        query(sum_rate("login_audit_dropped_total"), "records of logins that were dropped"),
        unit="ops",
        about="A refresh token that is used twice may have been stolen; its session is ended.",
    ),
    collapsed=True,
)

risk = row(
    "Risk service",
    chart(
        "Verdicts",
        query(sum_rate("risk_assessments_total", by=("decision", "when")), "{{when}}: {{decision}}"),
        unit="ops",
        stacked=True,
    ),
    chart("Version of the rules", query("max by (instance) (risk_rules_version)", "{{instance}}"), step=True),
    chart("Counts in memory", query("sum by (instance) (risk_counts)", "{{instance}}")),
    chart(
        "What it could not keep",
        query(sum_rate("risk_exchange_failures_total"), "exchanges that failed"),
        query(sum_rate("risk_uncounted_total"), "orders that were not counted"),
        query(sum_rate("risk_refusals_dropped_total"), "records of refusals that were dropped"),
        unit="ops",
    ),
    collapsed=True,
)

BOARD = dashboard(
    "service",
    "Fournines: one service",
    "The processes of one service, what they are asked and what they ask.",
    [processes, asked, asks, users, risk],
    [
        variable("service", "Service", "label_values(build_info, job)"),
        variable("instance", "Process", 'label_values(build_info{job="$service"}, instance)', several=True),
    ],
)
