"""Settings and secrets: what a process is told, and that no ConfigMap has what only Secrets may have."""

import hashlib
import json
import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

import yaml

from chart import CASES, CHART, RELEASE, ROOT, SERVICES, containers, rendered, rust_sections, where

# Sections that the chart writes as a whole: addresses, secrets, and what several services must agree in.
CHARTS_OWN = {"admin", "telemetry", "tls", "page_tokens", "bootstrap", "catalogue", "accounts", "statements"}
SECRET = re.compile(
    r"PRIVATE KEY|mongodb(\+srv)?://|://[^/\s]*:[^/\s]*@|^\s*(uri|brokers|password|token|api_key|secret)\s*=",
    re.MULTILINE,
)


class Secrets(unittest.TestCase):
    def test_no_config_map_has_a_secret(self):
        for case in CASES:
            for item in rendered(case).of("ConfigMap"):
                with self.subTest(case=case, object=where(item)):
                    for key, text in item["data"].items():
                        if key.endswith(".toml") or key.endswith(".properties"):
                            self.assertIsNone(SECRET.search(text), text)
                        self.assertNotIn("PRIVATE KEY", text)

    def test_no_pod_has_a_secret_as_a_plain_value(self):
        for case in CASES:
            for owner, _, spec in rendered(case).pods():
                for container in containers(spec):
                    for entry in container.get("env", []):
                        with self.subTest(case=case, pod=where(owner), entry=entry["name"]):
                            if re.search("URI|BROKERS|PASSWORD|TOKEN|KEY", entry["name"]):
                                self.assertIn("secretKeyRef", entry.get("valueFrom", {}))

    def test_only_development_makes_secrets(self):
        for case in CASES:
            made = rendered(case).of("Secret")
            with self.subTest(case=case):
                self.assertEqual(bool(made), bool(rendered(case).of("StatefulSet")))

    def test_development_makes_every_key_that_is_used(self):
        [secret] = rendered("dev").of("Secret")
        made = set(secret["data"]) | set(secret["stringData"])
        text = yaml.safe_dump([spec for _, _, spec in rendered("dev").pods()])
        used = set(re.findall(rf"key: (\S+)\n\s+name: {RELEASE}-dev\n", text))
        used |= {
            item["key"]
            for _, _, spec in rendered("dev").pods()
            for volume in spec.get("volumes", [])
            for source in volume.get("projected", {}).get("sources", [])
            for item in source["secret"]["items"]
        }
        self.assertLessEqual(used, made)
        self.assertGreaterEqual(used, {"uri", "brokers", "token-signing.pem"})

    def test_keys_of_development_stay_as_long_as_the_volumes(self):
        [secret] = rendered("dev").of("Secret")
        self.assertEqual(secret["metadata"]["annotations"], {"helm.sh/resource-policy": "keep"})
        for item in rendered("dev").of("StatefulSet"):
            self.assertNotIn("persistentVolumeClaimRetentionPolicy", item["spec"])


class Settings(unittest.TestCase):
    def test_the_schema_knows_the_sections_of_each_service(self):
        """A section that is added to a service is either the chart's or can be set."""
        schema = json.loads((CHART / "values.schema.json").read_text())
        services = schema["properties"]["services"]["properties"]
        for service in SERVICES:
            with self.subTest(service=service):
                settable = set(services[service]["properties"]["config"]["properties"])
                self.assertEqual(settable | CHARTS_OWN & rust_sections(service), rust_sections(service))

    def test_each_file_of_a_key_is_mounted(self):
        for case in CASES:
            for service, deployment in rendered(case).deployments().items():
                with self.subTest(case=case, service=service):
                    spec = deployment["spec"]["template"]["spec"]
                    named = set(re.findall(r'"/etc/fournines/keys/([^"]+)"', config_text(case, service)))
                    mounted = {
                        item["path"]
                        for volume in spec["volumes"]
                        for source in volume.get("projected", {}).get("sources", [])
                        for item in source["secret"]["items"]
                    }
                    self.assertEqual(named, mounted)

    def test_database_and_brokers_come_from_the_environment(self):
        for case in CASES:
            for service, deployment in rendered(case).deployments().items():
                with self.subTest(case=case, service=service):
                    for container in containers(deployment["spec"]["template"]["spec"]):
                        names = {entry["name"] for entry in container.get("env", [])}
                        config = rendered(case).config(service)
                        self.assertEqual("FOURNINES__MONGO__URI" in names, "mongo" in config)
                        self.assertEqual("FOURNINES__KAFKA__BROKERS" in names, "kafka" in config)

    def test_other_settings_make_other_pods(self):
        for case in CASES:
            for service, deployment in rendered(case).deployments().items():
                with self.subTest(case=case, service=service):
                    self.assertIn("checksum/config", deployment["spec"]["template"]["metadata"]["annotations"])
        sums = lambda case: rendered(case).deployments()["order"]["spec"]["template"]["metadata"]["annotations"]
        self.assertNotEqual(sums("defaults"), sums("region-home"))

    def test_numbers_stay_whole(self):
        text = config_text("everything", "order")
        self.assertIn("max_waiting_orders = 1000000\n", text)
        self.assertIn("drain_timeout_ms = 20000\n", text)

    def test_what_is_set_is_laid_over_what_the_chart_says(self):
        order = rendered("everything").config("gateway")["upstreams"]["order"]
        self.assertEqual((order["strategy"], order["retry"], len(order["endpoints"])), ("least_requests", {"max_attempts": 2}, 1))
        self.assertIs(rendered("everything").config("gateway")["placement"]["affinity"], False)

    def test_telemetry_is_said_only_when_it_is_on(self):
        for service in SERVICES:
            self.assertNotIn("telemetry", rendered("defaults").config(service))
            wanted = {"otlp_endpoint": "http://collector.monitoring:4317", "sample_ratio": 0.01}
            self.assertEqual(rendered("three-zones").config(service)["telemetry"], wanted)

    def test_gateways_count_each_other(self):
        for case in CASES:
            limits = rendered(case).config("gateway")["limits"]
            with self.subTest(case=case):
                self.assertEqual(limits["peers"], "dns://fournines-gateway-headless.shop.svc.cluster.local.:8080")
                self.assertGreaterEqual(limits["replicas"], 1)

    @unittest.skipUnless("FOURNINES_BIN" in os.environ, "FOURNINES_BIN names no folder with the services' programs")
    def test_the_services_take_their_settings(self):
        secrets = {"FOURNINES__MONGO__URI": "mongodb://db.example/", "FOURNINES__KAFKA__BROKERS": "kafka.example:9092"}
        for case in CASES:
            for service, deployment in rendered(case).deployments().items():
                [container] = deployment["spec"]["template"]["spec"]["containers"]
                names = {entry["name"] for entry in container.get("env", [])}
                environment = {name: secrets.get(name, "zone-a") for name in names}
                with self.subTest(case=case, service=service), tempfile.NamedTemporaryFile("w") as file:
                    file.write(config_text(case, service))
                    file.flush()
                    program = Path(os.environ["FOURNINES_BIN"]).resolve() / f"fournines-{service}"
                    command = [program, "--config", file.name, "check-config"]
                    done = subprocess.run(command, env=environment, capture_output=True, text=True)
                    self.assertEqual(done.returncode, 0, done.stderr)


class Hooks(unittest.TestCase):
    def test_every_service_is_migrated_or_checked_before_anything_is_replaced(self):
        job = rendered("defaults").named("Job", f"{RELEASE}-migrate")
        self.assertEqual(job["metadata"]["annotations"]["helm.sh/hook"], "pre-install,pre-upgrade")
        commands = {c["name"]: c["args"][-1] for c in job["spec"]["template"]["spec"]["containers"]}
        self.assertEqual(set(commands), set(SERVICES))
        for service, command in commands.items():
            with self.subTest(service=service):
                stored = "mongo" in rendered("defaults").config(service)
                self.assertEqual(command, "migrate" if stored else "check-config")

    def test_the_hook_reads_the_settings_that_the_services_are_about_to_get(self):
        for case in CASES:
            for hook in rendered(case).of("ConfigMap"):
                if hook["metadata"]["name"] == f"{RELEASE}-migrate":
                    for service in SERVICES:
                        with self.subTest(case=case, service=service):
                            self.assertEqual(hook["data"][f"{service}.toml"], config_text(case, service))

    def test_what_the_hook_needs_is_there_before_it(self):
        hooks = [i for i in rendered("defaults").objects if i["metadata"]["name"] == f"{RELEASE}-migrate"]
        weights = {i["kind"]: int(i["metadata"]["annotations"]["helm.sh/hook-weight"]) for i in hooks}
        self.assertEqual(set(weights), {"ConfigMap", "NetworkPolicy", "Job"})
        self.assertLess(max(weights["ConfigMap"], weights["NetworkPolicy"]), weights["Job"])

    def test_with_a_database_of_the_release_each_service_migrates_itself(self):
        self.assertEqual(rendered("dev").of("Job"), [])
        for service, deployment in rendered("dev").deployments().items():
            with self.subTest(service=service):
                spec = deployment["spec"]["template"]["spec"]
                commands = [container["args"][-1] for container in spec.get("initContainers", [])]
                self.assertEqual(commands, ["migrate"] if "mongo" in rendered("dev").config(service) else [])

    def test_a_standby_region_does_not_migrate(self):
        self.assertEqual(rendered("region-standby").of("Job"), [])


class Documented(unittest.TestCase):
    def test_every_value_has_its_line_in_the_docs(self):
        text = (ROOT / "docs/kubernetes.md").read_text()
        for name in yaml.safe_load((CHART / "values.yaml").read_text()):
            with self.subTest(value=name):
                self.assertRegex(text, rf"\| `{name}[.`]")


def config_text(case, service):
    return rendered(case).named("ConfigMap", f"{RELEASE}-{service}-config")["data"]["config.toml"]
