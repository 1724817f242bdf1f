"""Bad values are refused, each file in refused/ with the words that it gives in its first line, by Helm 3 and 4."""

import json
import unittest
from pathlib import Path

from chart import CHART, Refused, render

FILES = sorted((Path(__file__).parent / "refused").glob("*.yaml"))


class BadValues(unittest.TestCase):
    def test_each_is_refused_with_a_message(self):
        self.assertTrue(FILES)
        for path in FILES:
            first = path.read_text().splitlines()[0]
            self.assertTrue(first.startswith("# refused: "), path.name)
            for version in (3, 4):
                with self.subTest(values=path.name, helm=version):
                    with self.assertRaises(Refused) as refused:
                        render(version, path)
                    self.assertIn(first.removeprefix("# refused: "), str(refused.exception))

    def test_every_object_of_the_schema_is_closed(self):
        """But for labels, annotations, and settings that a service refuses itself."""
        free = {"strings", "settings"}
        schema = json.loads((CHART / "values.schema.json").read_text())
        self.assertLessEqual(free, set(schema["definitions"]))
        for place, part in objects(schema):
            if part.get("type") == "object" and place not in {f"/definitions/{name}" for name in free}:
                with self.subTest(place=place):
                    self.assertIs(part.get("additionalProperties"), False)


def objects(part, place=""):
    if isinstance(part, dict):
        yield place, part
        for key, value in part.items():
            yield from objects(value, f"{place}/{key}")
    elif isinstance(part, list):
        for number, value in enumerate(part):
            yield from objects(value, f"{place}/{number}")
