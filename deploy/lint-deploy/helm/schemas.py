"""Strict schemas of what the chart renders: a field that is not known is an error, as it would be lost in silence."""

import functools
import json

import jsonschema
from kubernetes_validate import utils

from chart import TOOLS

# It reads the same files for every object, a megabyte of them.
utils.schema_contents = functools.cache(utils.schema_contents)
CUSTOM = {path.stem: path for path in sorted((TOOLS / "custom-resources").glob("*.json"))}


def check(item, kubernetes):
    """Raises what is wrong with an object."""
    text = json.dumps(item, sort_keys=True)
    if item["kind"] in CUSTOM:
        custom(item["kind"]).validate(item)
    else:
        builtin(text, kubernetes)


@functools.cache
def builtin(text, kubernetes):
    utils.validate(json.loads(text), kubernetes, strict=True)


@functools.cache
def custom(kind):
    return jsonschema.Draft202012Validator(json.loads(CUSTOM[kind].read_text()))
