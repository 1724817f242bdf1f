# What a person does with this repository. `make help` lists it.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
BIN := target/debug
# What `build` builds besides libraries. Tests turn on features of what all programs share: to build those without them
# afterwards compiles nearly everything once more. So what tests builds them too, and so does CI. For the same reason `bench` is
# built although `make run` does not need it: without it, cargo would enable fewer features of what all programs share.
TARGETS ?= --bins
# Where the broker's own ways show: what it delivers to whom, and what becomes of it when something dies. Not chosen with `-p`:
# for fewer packages cargo enables fewer features of what they share, and compiles that once more.
KAFKA_TESTS := --workspace --test stack --test it --test e2e
# `make test-kafka KAFKA_NAMES=` runs all that use the broker.
KAFKA_NAMES := broker:: broker_lost:: consumer:: outbox:: dead_letters:: dlt:: events:: reviews:: statements:: \
	a_lost_event a_poisoned_record

.PHONY: help build run down test measure test-kafka test-nginx test-alerts test-api lint lint-proto lint-deploy test-lint-deploy deploy-files \
	proto-baseline fmt bench bench-orders bench-gateway bench-telemetry bench-events deny

help: ## List what can be done
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | expand -t 16

build: ## Build every process and both tools, nines and bench
	cargo build --workspace $(TARGETS) --locked

test test-kafka test-nginx test-alerts: TARGETS = --bins --tests

run: build ## Bring up the whole platform on this machine; Ctrl-C stops it
	$(BIN)/nines up

down: build ## Stop what `nines up --detach` started
	$(BIN)/nines down

test: build ## Run all tests on a real replica set and a real broker
	$(BIN)/nines with-stack -- cargo test --workspace --locked

test-kafka: build ## Run the tests that depend on the broker on Apache Kafka (needs Java 17 and Maven)
	tests=$$(cargo test $(KAFKA_TESTS) --locked -- --list --format terse); \
	for name in $(KAFKA_NAMES); do grep --quiet "$$name.*: test$$" <<< "$$tests" || { echo "no test is called $$name"; exit 1; }; done
	$(BIN)/nines with-stack --broker kafka -- cargo test $(KAFKA_TESTS) --locked -- $(KAFKA_NAMES)

test-nginx: build ## Run the tests of nginx in front of real gateways (fetches Debian's nginx where there is none)
	deploy/nginx/fetch
	cargo test --workspace --test nginx --locked --no-run
	$(BIN)/nines with-stack -- cargo test --workspace --test nginx --locked -- --test-threads=1

test-alerts: build ## Run the tests with a real Prometheus and Alertmanager (fetches Debian's where there are none)
	deploy/prometheus/fetch
	cargo test --workspace --test alerts --locked --no-run
	$(BIN)/nines with-stack -- cargo test --workspace --test alerts --locked

test-api: build ## Generate requests from the OpenAPI document and check every answer (fetches schemathesis)
	deploy/test-api/run

lint: ## Formatting, clippy with warnings as errors, arrows between crates and between modules
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --test nginx --test alerts --locked -- --deny warnings
	cargo xtask tidy

measure: ## Print the size and the shape of the tree: lines, comments, tests, module arrows
	cargo xtask measure

lint-proto: ## Lint the contracts, and refuse what breaks them (fetches buf)
	deploy/lint-proto/run check

lint-deploy: build ## Check chart, compose file, images, rules, alerts, dashboards, OpenAPI document and contracts
	FOURNINES_BIN=$(BIN) deploy/lint-deploy/run

test-lint-deploy: ## Plant faults in them, one at a time, and see each found
	deploy/lint-deploy/self-test

deploy-files: build ## Write again what is generated: rules from SLOs, dashboards, and the chart's copies of both
	$(BIN)/nines slo generate
	deploy/grafana/generate
	helm/copy-files

proto-baseline: ## Accept the contracts as they are: later ones are compared with these
	deploy/lint-proto/run baseline

fmt: ## Format the code
	cargo fmt --all

bench: ## Real baskets as orders over REST, 16 and 64 clients side by side
	cargo build --release --workspace --bins --locked
	BIN=target/release deploy/bench/run

bench-orders: ## One transaction per order against the commit lanes; draws the README's chart
	cargo build --release --workspace --bins --locked
	target/release/bench orders --chart docs/charts/bench-orders.svg

bench-gateway: ## The latency and CPU that the gateway adds, and its cached reads
	cargo build --release --workspace --bins --locked
	target/release/bench gateway

bench-telemetry: ## What traces cost: orders with telemetry on and off
	cargo build --release --workspace --bins --locked
	target/release/bench telemetry

bench-events: ## How far statements are behind, what a backlog costs, and the reconciliation of 1,000,000 orders
	cargo build --release --workspace --bins --locked
	target/release/bench events

deny: ## Licences, advisories and bans (needs cargo-deny and its advisory database)
	cargo deny check
