"""Every pod is restricted, spread, asked whether it is well, and has the time that it needs to end."""

import math
import re
import unittest

from chart import CASES, RELEASE, SERVICES, component, containers, rendered, rust_group, selects, where


def each_pod():
    for case in CASES:
        for owner, metadata, spec in rendered(case).pods():
            yield f"{case}: {where(owner)}", metadata, spec


def each_service():
    for case in CASES:
        for service, deployment in rendered(case).deployments().items():
            yield case, service, deployment, deployment["spec"]["template"]["spec"]


class Restricted(unittest.TestCase):
    def test_pods_meet_the_restricted_standard(self):
        for place, _, spec in each_pod():
            with self.subTest(place):
                context = spec.get("securityContext", {})
                self.assertIs(context.get("runAsNonRoot"), True)
                self.assertEqual(context.get("seccompProfile"), {"type": "RuntimeDefault"})
                self.assertNotEqual(context.get("runAsUser"), 0)
                self.assertFalse({"hostNetwork", "hostPID", "hostIPC"} & set(spec))
                for volume in spec.get("volumes", []):
                    allowed = {"configMap", "projected", "secret", "emptyDir", "persistentVolumeClaim"}
                    self.assertLessEqual(set(volume) - {"name"}, allowed)

    def test_containers_meet_the_restricted_standard(self):
        for place, _, spec in each_pod():
            for container in containers(spec):
                with self.subTest(place, container=container["name"]):
                    wanted = {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    }
                    self.assertEqual(container.get("securityContext"), wanted)

    def test_pods_have_nothing_of_the_cluster_that_they_do_not_need(self):
        for place, _, spec in each_pod():
            with self.subTest(place):
                self.assertIs(spec.get("automountServiceAccountToken"), False)
                self.assertIs(spec.get("enableServiceLinks"), False)

    def test_memory_is_limited_and_cpu_is_asked_for(self):
        for place, _, spec in each_pod():
            for container in containers(spec):
                with self.subTest(place, container=container["name"]):
                    self.assertIn("memory", container["resources"]["limits"])
                    self.assertLessEqual({"cpu", "memory"}, set(container["resources"]["requests"]))

    def test_images_have_a_version_and_are_official_or_ours(self):
        for place, _, spec in each_pod():
            for container in containers(spec):
                with self.subTest(place, container=container["name"]):
                    self.assertRegex(container["image"], r":[0-9]+\.[0-9]+\.[0-9]+$")
                    self.assertRegex(container["image"], r"^(mongo|apache/kafka|curlimages/curl|(\S+/)?fournines/[a-z-]+):")


class Placed(unittest.TestCase):
    def test_every_service_is_spread_over_zones_and_hosts(self):
        for case, service, deployment, spec in each_service():
            with self.subTest(case=case, service=service):
                labels = deployment["spec"]["template"]["metadata"]["labels"]
                selector = deployment["spec"]["selector"]
                rules = spec.get("topologySpreadConstraints", [])
                keys = {rule["topologyKey"] for rule in rules}
                self.assertEqual(keys, {"topology.kubernetes.io/zone", "kubernetes.io/hostname"})
                for rule in rules:
                    self.assertEqual(rule["labelSelector"], selector)
                    self.assertTrue(selects(rule["labelSelector"], labels))
                    self.assertEqual(rule["maxSkew"], 1)

    def test_each_service_with_two_replicas_or_more_has_a_disruption_budget(self):
        for case, service, deployment, _ in each_service():
            with self.subTest(case=case, service=service):
                budgets = [
                    budget
                    for budget in rendered(case).of("PodDisruptionBudget")
                    if selects(budget["spec"]["selector"], deployment["spec"]["template"]["metadata"]["labels"])
                ]
                least = least_replicas(case, service)
                self.assertEqual(len(budgets), 1 if least >= 2 else 0)
                for budget in budgets:
                    self.assertEqual(budget["spec"]["maxUnavailable"], 1)

    def test_what_is_scaled_has_no_replicas_of_its_own(self):
        for case, service, deployment, _ in each_service():
            with self.subTest(case=case, service=service):
                self.assertNotEqual("replicas" in deployment["spec"], bool(scalers(case, service)))

    def test_the_gateway_and_order_are_scaled_by_default(self):
        self.assertEqual(scaled_by("defaults", "HorizontalPodAutoscaler"), {"gateway", "order"})
        self.assertEqual(scaled_by("defaults", "ScaledObject"), set())
        self.assertEqual(scaled_by("three-zones", "ScaledObject"), {"reconciliation"})
        self.assertEqual(scaled_by("everything", "ScaledObject"), {"reconciliation", "risk"})

    def test_no_more_consumers_than_partitions(self):
        for case in CASES:
            for scaler in rendered(case).of("ScaledObject"):
                service = component(scaler["metadata"])
                with self.subTest(case=case, service=service):
                    kafka = rendered(case).config(service)["kafka"]
                    self.assertLessEqual(scaler["spec"]["maxReplicaCount"], kafka.get("partitions", 6))
                    [trigger] = scaler["spec"]["triggers"]
                    self.assertEqual(trigger["metadata"]["consumerGroup"], f"{kafka['prefix']}.{rust_group(service)}")


class Probed(unittest.TestCase):
    def test_liveness_and_startup_depend_on_nobody_else(self):
        """In particular they are not the gRPC health check, which says no while the database is away."""
        for case, service, _, spec in each_service():
            with self.subTest(case=case, service=service):
                [container] = spec["containers"]
                for probe in ("startupProbe", "livenessProbe"):
                    self.assertEqual(container.get(probe, {}).get("httpGet"), {"path": "/healthz", "port": "admin"})
                self.assertGreaterEqual(patience(container["livenessProbe"]), 60)
                self.assertGreaterEqual(patience(container["startupProbe"]), 30)

    def test_readiness_is_what_callers_ask(self):
        for case, service, _, spec in each_service():
            with self.subTest(case=case, service=service):
                [container] = spec["containers"]
                probe = container.get("readinessProbe", {})
                # The kubelet has no certificate that a service with mutual TLS would take.
                if service == "gateway" or "tls" in rendered(case).config(service):
                    self.assertEqual(probe.get("httpGet"), {"path": "/readyz", "port": "admin"})
                else:
                    self.assertEqual(probe.get("grpc"), {"port": port(container, "grpc")})
                self.assertLessEqual(patience(probe), 15)

    def test_what_the_chart_brings_for_development_is_probed_too(self):
        for owner, _, spec in rendered("dev").pods():
            if owner["kind"] in {"StatefulSet", "Deployment"}:
                for container in spec["containers"]:
                    with self.subTest(where(owner)):
                        self.assertIn("readinessProbe", container)


class Ended(unittest.TestCase):
    def test_the_grace_period_is_longer_than_what_the_process_takes(self):
        for case, service, _, spec in each_service():
            with self.subTest(case=case, service=service):
                [container] = spec["containers"]
                waits = container["lifecycle"]["preStop"]["sleep"]["seconds"]
                settings = rendered(case).config(service)
                drain = settings["http" if service == "gateway" else "server"]["drain_timeout_ms"]
                # 10 s for background tasks: TASKS_END_WITHIN in crates/service/src/shell.rs.
                self.assertGreater(spec["terminationGracePeriodSeconds"], waits + math.ceil(drain / 1000) + 10)
                self.assertGreaterEqual(waits, 1)

    def test_nobody_is_taken_off_before_another_is_there(self):
        for case, service, deployment, _ in each_service():
            with self.subTest(case=case, service=service):
                self.assertEqual(deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"], 0)


def scalers(case, service):
    found = rendered(case).of("HorizontalPodAutoscaler", "ScaledObject")
    return [item for item in found if item["spec"]["scaleTargetRef"]["name"] == f"{RELEASE}-{service}"]


def scaled_by(case, kind):
    return {component(item["metadata"]) for item in rendered(case).of(kind)}


def least_replicas(case, service):
    for scaler in scalers(case, service):
        return scaler["spec"].get("minReplicas", scaler["spec"].get("minReplicaCount"))
    return rendered(case).deployments()[service]["spec"]["replicas"]


def patience(probe):
    """So many seconds of bad answers decide."""
    return probe.get("periodSeconds", 10) * probe.get("failureThreshold", 3)


def port(container, name):
    [found] = [port["containerPort"] for port in container["ports"] if port["name"] == name]
    return found
