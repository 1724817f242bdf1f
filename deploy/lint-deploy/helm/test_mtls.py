"""Mutual TLS: each service has a certificate with its name, of an authority of the release, and knows who may call it."""

import unittest

from chart import CASES, RELEASE, SERVICES, containers, rendered, rust_upstreams, where

ON = [case for case in CASES if "tls" in rendered(case).config("order")]
FILES = {"ca": "ca.crt", "certificate": "tls.crt", "key": "tls.key"}


class MutualTls(unittest.TestCase):
    def test_it_is_on_in_some_cases_and_off_by_default(self):
        self.assertEqual(set(ON), {"mutual-tls", "dev-everything"})
        for case in set(CASES) - set(ON):
            with self.subTest(case=case):
                self.assertEqual(rendered(case).of("Certificate", "Issuer"), [])
                for service in SERVICES:
                    self.assertNotIn("tls", rendered(case).config(service))

    def test_each_service_has_a_certificate_with_the_name_that_it_is_called_by(self):
        called = set().union(*map(rust_upstreams, SERVICES))
        self.assertLess(called, set(SERVICES))
        for case in ON:
            for service in SERVICES:
                with self.subTest(case=case, service=service):
                    spec = rendered(case).named("Certificate", f"{RELEASE}-{service}")["spec"]
                    self.assertEqual(spec["dnsNames"], [service])
                    self.assertLessEqual({"server auth", "client auth"}, set(spec["usages"]))
                    self.assertEqual(spec["secretName"], f"{RELEASE}-{service}-tls")
                    self.assertEqual(spec["issuerRef"]["name"], f"{RELEASE}-authority")

    def test_the_authority_is_of_the_release_alone(self):
        for case in ON:
            with self.subTest(case=case):
                issuers = {item["metadata"]["name"]: item["spec"] for item in rendered(case).of("Issuer")}
                authority = rendered(case).named("Certificate", f"{RELEASE}-authority")["spec"]
                self.assertIs(authority["isCA"], True)
                self.assertEqual(issuers[authority["issuerRef"]["name"]], {"selfSigned": {}})
                self.assertEqual(issuers[f"{RELEASE}-authority"], {"ca": {"secretName": authority["secretName"]}})
                self.assertEqual(authority["privateKey"]["rotationPolicy"], "Never")
                others = [item for item in rendered(case).of("Certificate") if item["spec"].get("isCA")]
                self.assertEqual(len(others), 1)
                for owner, _, spec in rendered(case).pods():
                    self.assertNotIn(f"'{authority['secretName']}'", str(spec), where(owner))

    def test_its_files_are_mounted_whole_and_read_only(self):
        for case in ON:
            for service, deployment in rendered(case).deployments().items():
                with self.subTest(case=case, service=service):
                    spec = deployment["spec"]["template"]["spec"]
                    [volume] = [volume for volume in spec["volumes"] if volume["name"] == "tls"]
                    self.assertEqual(volume["secret"], {"secretName": f"{RELEASE}-{service}-tls", "defaultMode": 0o440})
                    for container in containers(spec):
                        [mount] = [mount for mount in container["volumeMounts"] if mount["name"] == "tls"]
                        self.assertEqual(mount, {"name": "tls", "mountPath": "/etc/fournines/tls", "readOnly": True})
                    section = rendered(case).config(service)["tls"]
                    wanted = {key: f"/etc/fournines/tls/{name}" for key, name in FILES.items()}
                    self.assertEqual({key: section.get(key) for key in FILES}, wanted)

    def test_a_service_takes_those_that_call_it_and_no_other(self):
        for case in ON:
            more = {"nines"} if case == "mutual-tls" else set()
            for service in SERVICES:
                with self.subTest(case=case, service=service):
                    callers = {caller for caller in SERVICES if service in rust_upstreams(caller)}
                    told = rendered(case).config(service)["tls"].get("callers", [])
                    self.assertEqual(set(told), callers | more if callers else set())

    def test_ports_do_not_say_that_they_are_plain(self):
        for case in CASES:
            wanted = "https" if case in ON else "kubernetes.io/h2c"
            for item in rendered(case).of("Service"):
                for port in item["spec"]["ports"]:
                    if port["name"] == "grpc":
                        with self.subTest(case=case, service=where(item)):
                            self.assertEqual(port["appProtocol"], wanted)
