"""The chart as Helm renders it, for the tests beside this file."""

import functools
import os
import re
import subprocess
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[3]
CHART = ROOT / "helm/fournines"
TOOLS = Path(os.environ["LINT_DEPLOY_TOOLS"])
# The oldest Kubernetes that Chart.yaml allows, and the newest that there are schemas of.
OLDEST, NEWEST = "1.30.0", "1.37.0"
RELEASE, NAMESPACE = "fournines", "shop"
# Values to render with: the defaults, each example for a reader, and cases that no reader would want.
CASES = {
    "defaults": None,
    **{path.stem: path for path in sorted((CHART / "examples").glob("*.yaml"))},
    **{path.stem: path for path in sorted((Path(__file__).parent / "cases").glob("*.yaml"))},
}
SERVICES = ["gateway", "user", "inventory", "order", "payment", "reconciliation", "risk"]


class Refused(Exception):
    """Helm did not render, and why."""


def helm(version, *arguments):
    program = TOOLS / "bin" / f"helm{version}"
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode != 0:
        raise Refused(done.stdout + done.stderr)
    return done.stdout


def render(version, values=None, kubernetes=NEWEST, release=RELEASE, chart=CHART):
    """Every object, hooks and tests too."""
    chosen = [] if values is None else ["--values", values]
    text = helm(version, "template", release, chart, "--namespace", NAMESPACE, "--kube-version", kubernetes, *chosen)
    return [item for item in yaml.load_all(text, Loader=yaml.CSafeLoader) if item]


@functools.cache
def rendered(case):
    return Rendered(render(4, CASES[case]))


class Rendered:
    """The objects of one case, and the questions that several tests ask."""

    def __init__(self, objects):
        self.objects = objects

    def of(self, *kinds):
        return [item for item in self.objects if item["kind"] in kinds]

    def named(self, kind, name):
        [found] = [item for item in self.of(kind) if item["metadata"]["name"] == name]
        return found

    def pods(self):
        """Each template of pods: its owner, and the pod's metadata and spec."""
        for item in self.objects:
            match item["kind"]:
                case "Pod":
                    yield item, item["metadata"], item["spec"]
                case "Deployment" | "StatefulSet" | "Job":
                    template = item["spec"]["template"]
                    yield item, template["metadata"], template["spec"]
                case "CronJob":
                    template = item["spec"]["jobTemplate"]["spec"]["template"]
                    yield item, template["metadata"], template["spec"]

    def components(self):
        """The labels of one pod of each component."""
        return {component(metadata): metadata["labels"] for _, metadata, _ in self.pods()}

    def deployments(self):
        """The services' own, by service."""
        return {name: self.named("Deployment", f"{RELEASE}-{name}") for name in SERVICES}

    def config(self, service):
        """The settings that a service reads."""
        return tomllib.loads(self.named("ConfigMap", f"{RELEASE}-{service}-config")["data"]["config.toml"])


def component(metadata):
    return metadata["labels"]["app.kubernetes.io/component"]


def containers(spec):
    return spec.get("initContainers", []) + spec["containers"]


def where(item):
    return f"{item['kind']} {item['metadata']['name']}"


def selects(selector, labels):
    """Whether a label selector selects these labels; all selectors of ours are matchLabels."""
    assert set(selector) <= {"matchLabels"}, selector
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())


def rust_upstreams(service):
    """The services that [upstreams] of a service asks for, from its source."""
    sources = [ROOT / f"services/{service}/src/config.rs", ROOT / f"services/{service}/src/config/upstreams.rs"]
    text = "".join(path.read_text() for path in sources if path.exists())
    found = re.search(r"pub struct UpstreamsConfig \{(.*?)\n\}", text, re.DOTALL)
    return set(re.findall(r"pub (\w+): UpstreamConfig", found[1])) if found else set()


def rust_group(service):
    """The consumer group of a service, from its source."""
    text = (ROOT / f"services/{service}/src/lib.rs").read_text()
    return re.search(r'const GROUP: &str = "(\w+)";', text)[1]


def rust_sections(service):
    """The sections of a service's settings, from its source."""
    sources = [ROOT / f"services/{service}/src/config.rs", ROOT / f"services/{service}/src/config/mod.rs"]
    text = "".join(path.read_text() for path in sources if path.exists())
    own = re.search(r"pub struct Config \{(.*?)\n    \}", text, re.DOTALL)[1]
    # What `service::process_config!` adds to each.
    shell = (ROOT / "crates/service/src/config.rs").read_text()
    common = re.search(r"pub struct \$name \{(.*?)\n        \}", shell, re.DOTALL)[1]
    return set(re.findall(r"pub (\w+):", own + common))
