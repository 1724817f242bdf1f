"""Helm 3 and Helm 4 take the chart with every set of values, make the same of it, and all of it is valid."""

import json
import unittest

import yaml

import schemas
from chart import CASES, CHART, NEWEST, OLDEST, Refused, helm, render, rendered, where


class Renders(unittest.TestCase):
    def test_lint(self):
        for version in (3, 4):
            for case, values in CASES.items():
                with self.subTest(helm=version, case=case):
                    chosen = [] if values is None else ["--values", values]
                    helm(version, "lint", "--strict", "--quiet", "--kube-version", NEWEST, CHART, *chosen)

    def test_both_helms_make_the_same(self):
        for case, values in CASES.items():
            with self.subTest(case=case):
                self.assertEqual(comparable(rendered(case).objects), comparable(render(3, values)))

    def test_every_object_is_valid(self):
        for case in CASES:
            for item in rendered(case).objects:
                with self.subTest(case=case, object=where(item)):
                    schemas.check(item, NEWEST)

    def test_every_object_is_valid_on_the_oldest_kubernetes(self):
        for item in render(4, kubernetes=OLDEST):
            with self.subTest(object=where(item)):
                schemas.check(item, OLDEST)

    def test_no_two_objects_have_one_name(self):
        for case in CASES:
            seen = set()
            for item in rendered(case).objects:
                with self.subTest(case=case, object=where(item)):
                    self.assertNotIn(where(item), seen)
                    seen.add(where(item))

    def test_older_clusters_are_refused(self):
        with self.assertRaisesRegex(Refused, "1.29"):
            render(4, kubernetes="1.29.0")

    def test_a_release_whose_names_would_be_cut_is_refused(self):
        with self.assertRaisesRegex(Refused, "choose a shorter name for the release"):
            render(4, release="r" * 50)

    def test_zones_need_pods_that_know_theirs(self):
        with self.assertRaisesRegex(Refused, "zones need Kubernetes 1.35"):
            render(4, CASES["three-zones"], kubernetes="1.34.0")

    def test_examples_of_other_operators_are_yaml(self):
        manifests = sorted((CHART / "examples/manifests").glob("*.yaml"))
        self.assertTrue(manifests)
        for path in manifests:
            with self.subTest(path=path.name):
                for item in yaml.safe_load_all(path.read_text()):
                    self.assertLessEqual({"apiVersion", "kind", "metadata", "spec"}, set(item))


def comparable(objects):
    """In one order, and without the keys that dev.enabled makes anew each time."""
    without = [{**item, "data": sorted(item["data"])} if item["kind"] == "Secret" else item for item in objects]
    return sorted(json.dumps(item, sort_keys=True) for item in without)
