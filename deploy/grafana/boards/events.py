"""Events on their way from the outbox to what they do, and whether the books agree."""

from panels import chart, dashboard, number, quantiles, query, row, sum_rate

EQUAL = [("red", None), ("green", 1)]

publishing = row(
    "Publishing",
    chart(
        "Age of the oldest that waits",
        query("max by (job) (outbox_lag_seconds)", "{{job}}"),
        unit="s",
        about="Grows while the broker is away. Orders go on.",
    ),
    chart("Entries that wait", query("sum by (job) (outbox_lag_entries)", "{{job}}")),
    chart(
        "Published",
        query(sum_rate("outbox_sent_entries_total", by=("job",)), "{{job}}"),
        query(sum_rate("outbox_publish_failures_total", by=("job",)), "{{job}}: failures"),
        unit="ops",
    ),
)

consuming = row(
    "Consuming",
    chart("Behind", query("sum by (group, topic) (consumer_lag_events)", "{{group}}: {{topic}}")),
    chart(
        "From when it happened to when it was dealt with",
        *quantiles("consumer_delay_seconds", by=("group",)),
        unit="s",
    ),
    chart(
        "What became of events",
        query(sum_rate("consumer_events_total", by=("group", "outcome")), "{{group}}: {{outcome}}"),
        unit="ops",
        stacked=True,
        about="dead: see to the dead letters. duplicate: it had been applied before, which costs nothing.",
    ),
    chart(
        "Keys that could not be applied",
        query(sum_rate("consumer_failures_total", by=("group",)), "{{group}}"),
        unit="ops",
    ),
    chart(
        "Parked",
        query("max by (group) (consumer_parked_events)", "{{group}}"),
        about="Cure the reason, which the log has, and they are applied by themselves.",
    ),
)

books = row(
    "Reconciliation",
    number(
        "Equal in the last run",
        query("min by (kind) (reconciliation_consistency_ratio)", "{{kind}}"),
        unit="percentunit",
        decimals=4,
        width=12,
        steps=EQUAL,
        about="The share of what was compared that agrees. 100 % is the only good value.",
    ),
    number(
        "Since the last whole run",
        query("time() - max by (kind) (reconciliation_last_completed_timestamp_seconds)", "{{kind}}"),
        unit="s",
        width=12,
        about="A daily one should never be more than a day old.",
    ),
    chart(
        "Differences that were found",
        query("sum by (kind) (increase(reconciliation_exceptions_total[$__rate_interval]))", "{{kind}}"),
        about="One that stays counts in each run that finds it.",
    ),
    chart(
        "Put right unasked",
        query(
            "sum by (action, done) (increase(reconciliation_healed_total[$__rate_interval]))",
            "{{action}}, done: {{done}}",
        ),
    ),
    chart(
        "Compared",
        query(sum_rate("reconciliation_compared_total", by=("check", "kind")), "{{kind}}: {{check}}"),
        unit="ops",
        stacked=True,
    ),
)

BOARD = dashboard(
    "events",
    "Fournines: events and reconciliation",
    "From outbox to inbox, and whether the books agree.",
    [publishing, consuming, books],
)
