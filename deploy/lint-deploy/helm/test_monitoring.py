"""Metrics, rules, dashboards, and the backup."""

import json
import unittest

import yaml

from chart import CASES, CHART, RELEASE, ROOT, SERVICES, component, containers, rendered


class Metrics(unittest.TestCase):
    def test_every_service_is_scraped_at_its_admin_port_and_once(self):
        [monitor] = rendered("everything").of("ServiceMonitor")
        [endpoint] = monitor["spec"]["endpoints"]
        chosen = [
            component(item["metadata"])
            for item in rendered("everything").of("Service")
            if monitor["spec"]["selector"]["matchLabels"].items() <= item["metadata"]["labels"].items()
            and endpoint["port"] in [port["name"] for port in item["spec"]["ports"]]
        ]
        self.assertEqual(sorted(chosen), sorted(SERVICES))
        self.assertEqual(monitor["spec"]["jobLabel"], "app.kubernetes.io/component")

    def test_the_chart_has_the_rules_and_dashboards_that_there_are(self):
        for source, copy, form in (
            ("deploy/prometheus/rules", "files/rules", "*.yaml"),
            ("deploy/grafana/dashboards", "files/dashboards", "*.json"),
        ):
            with self.subTest(source):
                wanted, found = contents(ROOT / source, form), contents(CHART / copy, form)
                self.assertEqual(found, wanted, "helm/copy-files copies them")

    def test_each_file_of_rules_becomes_an_object(self):
        files = sorted((CHART / "files/rules").glob("*.yaml"))
        objects = rendered("three-zones").of("PrometheusRule")
        self.assertEqual(len(objects), len(files))
        wanted = [yaml.safe_load(path.read_text()) for path in files]
        self.assertCountEqual([item["spec"] for item in objects], wanted)

    def test_every_alert_leads_to_where_the_runbooks_are(self):
        base = "https://wiki.example:8443/runbooks"
        found = [url for item in rendered("everything").of("PrometheusRule") for url in runbooks(item["spec"])]
        kept = [url for item in rendered("three-zones").of("PrometheusRule") for url in runbooks(item["spec"])]
        self.assertTrue(kept)
        self.assertEqual(found, [url.replace("docs/runbooks", base) for url in kept])

    def test_each_dashboard_becomes_an_object(self):
        files = sorted((CHART / "files/dashboards").glob("*.json"))
        wanted = {path.name: json.loads(path.read_text()) for path in files}
        found = {
            name: json.loads(text)
            for item in rendered("everything").of("ConfigMap")
            if "grafana_dashboard" in item["metadata"]["labels"]
            for name, text in item["data"].items()
        }
        self.assertEqual(found, wanted)

    def test_nothing_of_it_is_there_by_default(self):
        self.assertEqual(rendered("defaults").of("ServiceMonitor", "PrometheusRule", "ScaledObject", "CronJob"), [])
        self.assertNotIn("grafana_dashboard", json.dumps(rendered("defaults").objects))


class Backup(unittest.TestCase):
    def test_a_dump_is_of_one_moment_and_gets_its_name_last(self):
        for case in CASES:
            for item in rendered(case).of("CronJob"):
                with self.subTest(case=case):
                    [container] = containers(item["spec"]["jobTemplate"]["spec"]["template"]["spec"])
                    [script] = container["args"]
                    self.assertIn("--oplog", script)
                    self.assertLess(script.index("mongodump"), script.index("mv "))
                    self.assertLess(script.index("mv "), script.index("-delete"))
                    self.assertEqual(item["spec"]["concurrencyPolicy"], "Forbid")

    def test_one_that_hangs_ends_before_the_next_is_due(self):
        for case in CASES:
            for item in rendered(case).of("CronJob"):
                with self.subTest(case=case):
                    self.assertEqual(item["spec"]["schedule"].split()[2:], ["*", "*", "*"])
                    self.assertLess(item["spec"]["jobTemplate"]["spec"]["activeDeadlineSeconds"], 24 * 3600)


class OrderTest(unittest.TestCase):
    def test_there_is_one_when_a_product_is_known(self):
        self.assertEqual(rendered("defaults").of("Pod"), [])
        for case in ("three-zones", "dev"):
            [pod] = rendered(case).of("Pod")
            self.assertEqual(pod["metadata"]["annotations"]["helm.sh/hook"], "test")
            self.assertEqual(pod["metadata"]["name"], f"{RELEASE}-test")


def runbooks(spec):
    rules = [rule for group in spec["groups"] for rule in group["rules"]]
    return [rule["annotations"]["runbook_url"] for rule in rules if "alert" in rule]


def contents(folder, form):
    return {path.name: path.read_text() for path in folder.glob(form)}
