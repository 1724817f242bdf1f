"""Traffic: sources, settings and policies have the same arrows, those of the architecture and no other."""

import itertools
import re
import unittest

from chart import CASES, NAMESPACE, RELEASE, SERVICES, component, containers, rendered, rust_upstreams, selects, where

# Which services keep data and which take part in events, after their sources.
STORED = {"user", "inventory", "order", "payment", "reconciliation", "risk"}
EVENTFUL = {"inventory", "order", "payment", "reconciliation", "risk"}
ON = [case for case in CASES if case != "no-policy"]


class Arrows(unittest.TestCase):
    def test_settings_name_the_upstreams_that_the_source_asks_for(self):
        for case in CASES:
            for service in SERVICES:
                with self.subTest(case=case, service=service):
                    upstreams = rendered(case).config(service).get("upstreams", {})
                    self.assertEqual(set(upstreams), rust_upstreams(service))

    def test_every_target_of_an_upstream_is_a_service_with_that_port(self):
        for case in CASES:
            for service in SERVICES:
                for upstream, table in rendered(case).config(service).get("upstreams", {}).items():
                    for target in table["endpoints"]:
                        with self.subTest(case=case, service=service, target=target):
                            self.found(case, upstream, target)

    def found(self, case, upstream, target):
        text = target if isinstance(target, str) else target["target"]
        pattern = rf"dns://(\S+)\.{NAMESPACE}\.svc\.cluster\.local\.:(\d+)"
        name, port = re.fullmatch(pattern, text).groups()
        spec = rendered(case).named("Service", name)["spec"]
        self.assertEqual(spec["clusterIP"], "None")
        self.assertIn(int(port), [port["port"] for port in spec["ports"]])
        self.assertEqual(spec["selector"]["app.kubernetes.io/component"], upstream)
        zone = None if isinstance(target, str) else target["zone"]
        self.assertEqual(spec["selector"].get("topology.kubernetes.io/zone"), zone)

    def test_policies_let_pass_what_is_called_and_nothing_else(self):
        for case in ON:
            wanted = {(service, upstream) for service in SERVICES for upstream in rust_upstreams(service)}
            pods = rendered(case).components()
            if "test" in pods:
                wanted.add(("test", "gateway"))
            if rendered(case).of("StatefulSet"):
                wanted |= {(service, "dev-mongodb") for service in STORED | {"backup"} & set(pods)}
                wanted |= {(service, "dev-kafka") for service in EVENTFUL}
                wanted.add(("payment", "dev-card-sandbox"))
            with self.subTest(case=case):
                self.assertEqual({pair for pair in itertools.permutations(pods, 2) if passes(case, *pair)}, wanted)

    def test_only_who_stores_or_publishes_gets_out_to_database_and_brokers(self):
        for case in ON:
            if rendered(case).of("StatefulSet"):
                continue
            for service in SERVICES:
                with self.subTest(case=case, service=service):
                    leads = set(outward(case, service))
                    self.assertEqual(27017 in leads, service in STORED)
                    self.assertEqual(9092 in leads, service in EVENTFUL)
                    self.assertEqual(443 in leads, service == "payment")
                    telemetry = "telemetry" in rendered(case).config(service)
                    self.assertEqual(4317 in leads, telemetry)
                    self.assertEqual(leads - {27017, 9092, 443, 8443, 4317}, {53})

    def test_everything_is_denied_first(self):
        for case in ON:
            denied = rendered(case).named("NetworkPolicy", f"{RELEASE}-deny")["spec"]
            self.assertEqual(set(denied), {"podSelector", "policyTypes"})
            self.assertEqual(sorted(denied["policyTypes"]), ["Egress", "Ingress"])
            for owner, metadata, _ in rendered(case).pods():
                with self.subTest(case=case, pod=where(owner)):
                    self.assertTrue(selects(denied["podSelector"], metadata["labels"]))

    def test_each_pod_has_one_policy_which_names_every_port_that_it_has(self):
        for case in ON:
            for owner, metadata, spec in rendered(case).pods():
                with self.subTest(case=case, pod=where(owner)):
                    named = ports(policy(case, component(metadata)).get("ingress", []))
                    has = {port["containerPort"] for item in containers(spec) for port in item.get("ports", [])}
                    if component(metadata) == "dev-card-sandbox":
                        has -= {9000}  # Nobody reads its metrics.
                    self.assertEqual(named, has)

    def test_admin_ports_are_for_monitoring_only(self):
        for case in ON:
            for service in SERVICES:
                with self.subTest(case=case, service=service):
                    [rule] = [r for r in policy(case, service)["ingress"] if r["ports"] == [{"port": 9000}]]
                    self.assertTrue(rule["from"])
                    for peer in rule["from"]:
                        self.assertIn("namespaceSelector", peer)

    def test_without_policies_there_are_none(self):
        self.assertEqual(rendered("no-policy").of("NetworkPolicy"), [])


class Services(unittest.TestCase):
    def test_each_selects_pods_that_have_its_ports(self):
        for case in CASES:
            for item in rendered(case).of("Service"):
                with self.subTest(case=case, service=where(item)):
                    wanted = {k: v for k, v in item["spec"]["selector"].items() if "topology" not in k}
                    pods = [s for _, m, s in rendered(case).pods() if wanted.items() <= m["labels"].items()]
                    [spec] = pods
                    has = {port["containerPort"] for port in spec["containers"][0]["ports"]}
                    self.assertLessEqual({port["port"] for port in item["spec"]["ports"]}, has)

    def test_no_admin_port_is_behind_a_load_balancer_or_an_ingress(self):
        for case in CASES:
            for item in rendered(case).of("Service"):
                if item["spec"].get("clusterIP") != "None":
                    with self.subTest(case=case, service=where(item)):
                        self.assertEqual([port["port"] for port in item["spec"]["ports"]], [8080])

    def test_calls_stay_in_their_zone_but_for_those_that_place_orders(self):
        for service in SERVICES:
            environment = rendered("three-zones").deployments()[service]["spec"]["template"]["spec"]["containers"][0]
            names = {item["name"] for item in environment.get("env", [])}
            for upstream, table in rendered("three-zones").config(service).get("upstreams", {}).items():
                with self.subTest(service=service, upstream=upstream):
                    zonal = (service, upstream) != ("gateway", "order")
                    self.assertEqual(len(table["endpoints"]), 3 if zonal else 1)
                    self.assertEqual(f"FOURNINES__UPSTREAMS__{upstream.upper()}__ZONE" in names, zonal)


def policy(case, name):
    """The one policy for the pods of a component, besides the one that denies."""
    labels = rendered(case).components()[name]
    found = [
        item["spec"]
        for item in rendered(case).of("NetworkPolicy")
        if item["metadata"]["name"] != f"{RELEASE}-deny" and selects(item["spec"]["podSelector"], labels)
    ]
    [only] = found
    assert set(only["policyTypes"]) == {"Ingress", "Egress"}
    return only


def ports(rules):
    """The ports of these rules, `any` for one that names none."""
    return {port["port"] for rule in rules for port in rule.get("ports", [{"port": "any"}])}


def meets(rule, direction, labels):
    """Whether a rule is about pods with these labels in this namespace. One that names no peer is about all."""
    here = [peer for peer in rule.get(direction, []) if "podSelector" in peer and "namespaceSelector" not in peer]
    return not rule.get(direction) or any(selects(peer["podSelector"], labels) for peer in here)


def passes(case, source, target):
    """Whether a pod of `source` gets through to a pod of `target`: both sides must say so, for one port."""
    labels = rendered(case).components()
    out = ports(r for r in policy(case, source).get("egress", []) if meets(r, "to", labels[target]))
    in_ = ports(r for r in policy(case, target).get("ingress", []) if meets(r, "from", labels[source]))
    return bool(out & in_)


def outward(case, name):
    """The ports of the rules that lead to something else than pods of this release."""
    for rule in policy(case, name)["egress"]:
        if "app.kubernetes.io/instance" not in str(rule.get("to")):
            yield from ports([rule])
