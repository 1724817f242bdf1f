"""The relay to a DingTalk robot: only when it is asked for, reached by Alertmanager alone, and with its secrets as files."""

import os
import subprocess
import unittest
import urllib.parse
from pathlib import Path

import yaml

from chart import CASES, RELEASE, ROOT, rendered, selects
from test_network import outward, policy

NAME = f"{RELEASE}-alerts-relay"
ON = [case for case in CASES if "alerts-relay" in rendered(case).components()]
FILES = {"--to-file": "url", "--secret-file": "signing", "--token-file": "token"}


def relay(case):
    return rendered(case).named("Deployment", NAME)["spec"]


def container(case):
    [only] = relay(case)["template"]["spec"]["containers"]
    return only


def options(case):
    return dict(argument.split("=") for argument in container(case)["args"] if argument.startswith("--"))


class Relay(unittest.TestCase):
    def test_it_is_on_in_some_cases_and_off_by_default(self):
        self.assertEqual(set(ON), {"dingtalk", "everything"})

    def test_it_listens_where_alertmanager_would_look(self):
        text = (ROOT / "deploy/alertmanager/alertmanager.yml").read_text()
        [webhook] = [w for r in yaml.safe_load(text)["receivers"] for w in r.get("webhook_configs", [])]
        port = urllib.parse.urlsplit(webhook["url"]).port
        for case in ON:
            with self.subTest(case=case):
                self.assertEqual(options(case)["--listen"], f"0.0.0.0:{port}")
                self.assertEqual(container(case)["ports"], [{"name": "http", "containerPort": port}])
                [exposed] = rendered(case).named("Service", NAME)["spec"]["ports"]
                self.assertEqual(exposed["port"], port)
                self.assertRegex(container(case)["image"], r"(^|/)fournines/nines:")

    def test_it_is_asked_whether_it_is_well(self):
        for case in ON:
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                with self.subTest(case=case, probe=probe):
                    found = container(case).get(probe, {}).get("httpGet")
                    self.assertEqual(found, {"path": "/healthz", "port": "http"})

    def test_its_secrets_are_files_of_one_secret(self):
        keys = {
            "dingtalk": {"url": "url", "signing": "signing", "token": "token"},
            # This robot wants no signature.
            "everything": {"url": "address", "token": "shown"},
        }
        for case in ON:
            with self.subTest(case=case):
                self.assertNotIn("env", container(case))
                [volume] = relay(case)["template"]["spec"]["volumes"]
                [mount] = container(case)["volumeMounts"]
                self.assertEqual({item["path"]: item["key"] for item in volume["secret"]["items"]}, keys[case])
                self.assertEqual(volume["secret"]["defaultMode"], 0o440)
                self.assertIs(mount["readOnly"], True)
                told = {option: path for option, path in options(case).items() if option.endswith("-file")}
                wanted = {o: f"{mount['mountPath']}/{file}" for o, file in FILES.items() if file in keys[case]}
                self.assertEqual(told, wanted)

    def test_only_alertmanager_reaches_it_and_it_reaches_only_the_robot(self):
        for case in ON:
            with self.subTest(case=case):
                self.assertEqual(set(outward(case, "alerts-relay")), {53, 443})
                [rule] = policy(case, "alerts-relay")["ingress"]
                self.assertTrue(rule["from"])
                for peer in rule["from"]:
                    self.assertIn("namespaceSelector", peer)

    def test_with_two_replicas_it_has_a_disruption_budget(self):
        for case in ON:
            with self.subTest(case=case):
                labels = relay(case)["template"]["metadata"]["labels"]
                budgets = rendered(case).of("PodDisruptionBudget")
                found = [budget for budget in budgets if selects(budget["spec"]["selector"], labels)]
                self.assertEqual(len(found), 1 if relay(case)["replicas"] >= 2 else 0)
                self.assertEqual(relay(case)["strategy"]["rollingUpdate"]["maxUnavailable"], 0)

    @unittest.skipUnless("FOURNINES_BIN" in os.environ, "FOURNINES_BIN names no folder with the command line")
    def test_the_command_line_knows_its_options(self):
        for case in ON:
            with self.subTest(case=case):
                # It reads what is before --help, and then does nothing.
                program = Path(os.environ["FOURNINES_BIN"]).resolve() / "nines"
                done = subprocess.run([program, *container(case)["args"], "--help"], capture_output=True, text=True)
                self.assertEqual(done.returncode, 0, done.stderr)
