"""MongoDB and Kafka as the services see them; what they say of themselves is their own exporters' part."""

from panels import chart, dashboard, quantiles, query, row, sum_rate

# getMore waits for changes, so how long it takes says nothing.
TIMED = 'command!="getMore"'

mongo = row(
    "MongoDB",
    chart(
        "Commands",
        query(sum_rate("mongo_command_duration_seconds_count", by=("command",)), "{{command}}"),
        unit="ops",
        stacked=True,
    ),
    chart(
        "How long commands take, p99, by command",
        *quantiles("mongo_command_duration_seconds", TIMED, ("command",), of=(0.99,)),
        unit="s",
    ),
    chart(
        "How long commands take, p99, by service",
        *quantiles("mongo_command_duration_seconds", TIMED, ("job",), of=(0.99,)),
        unit="s",
    ),
    chart(
        "Commands that failed",
        query(
            sum_rate("mongo_command_duration_seconds_count", 'outcome="failed"', ("job", "command")),
            "{{job}} {{command}}",
        ),
        unit="ops",
        about="For some seconds during an election, and a write conflict now and then: both are tried again.",
    ),
    chart(
        "Connections",
        query('sum by (job) (mongo_pool_connections{state="open"})', "{{job}}: open"),
        query('sum by (job) (mongo_pool_connections{state="in_use"})', "{{job}}: in use"),
    ),
    chart(
        "Waiting for a connection, p99",
        *quantiles("mongo_pool_wait_seconds", by=("job",), of=(0.99,)),
        unit="s",
        about="When it grows, more runs at once than [mongo] max_pool_size lets through.",
    ),
    chart(
        "Got no connection",
        query(sum_rate("mongo_pool_checkout_failures_total", by=("job",)), "{{job}}"),
        unit="ops",
    ),
    chart(
        "Tried again",
        query(sum_rate("mongo_transaction_retries_total", by=("job",)), "{{job}}: transactions"),
        query(sum_rate("mongo_commit_retries_total", by=("job",)), "{{job}}: commits"),
        unit="ops",
    ),
    chart(
        "Transactions of processes that are gone",
        query(sum_rate("mongo_transactions_abandoned_total", by=("job",)), "ended by {{job}}"),
        unit="ops",
    ),
)

kafka = row(
    "Kafka",
    chart(
        "Entries to the broker",
        query(sum_rate("outbox_sent_entries_total", by=("job",)), "{{job}}"),
        unit="ops",
        stacked=True,
    ),
    chart("Attempts that failed", query(sum_rate("outbox_publish_failures_total", by=("job",)), "{{job}}"), unit="ops"),
    chart(
        "Oldest entry that waits",
        query("max by (job, shard) (outbox_lag_seconds)", "{{job}}, shard {{shard}}"),
        unit="s",
    ),
    chart(
        "Events from the broker",
        query(sum_rate("consumer_events_total", by=("group",)), "{{group}}"),
        unit="ops",
        stacked=True,
    ),
    chart("Behind, by topic", query("sum by (topic) (consumer_lag_events)", "{{topic}}")),
    chart(
        "Behind, by process",
        query("sum by (job, instance) (consumer_lag_events)", "{{job}} {{instance}}"),
        about="A process tells of the partitions that it has.",
    ),
)

BOARD = dashboard(
    "stores",
    "Fournines: MongoDB and Kafka",
    "The database and the broker as the services see them.",
    [mongo, kafka],
)
