"""Blueprints that read what blueprints read: modules, files, directories, environment variables, the context."""

import colorsys
import functools
import json
import os
from pathlib import Path

from blueprints import sizes
from runway.cfngin.blueprints.base import Blueprint
from troposphere import sqs

try:
    import overrides
except ImportError:
    overrides = None

HERE = Path(__file__).resolve().parent


@functools.lru_cache
def shared():
    """Read by whoever comes first."""
    return (HERE / "shared.txt").read_text()


class Reader(Blueprint):
    """Tells what it has read."""

    VARIABLES = {"Name": {"type": str, "default": "nobody"}}

    def create_template(self):
        self.template.add_resource(sqs.Queue("Queue", QueueName=self.context.get_fqn(self.name)))
        for name, value in self.read().items():
            self.add_output(name, value)

    def read(self):
        optional = HERE / "optional.txt"
        with open(os.path.join("blueprints", "data.json"), encoding="utf-8") as data:
            loaded = json.load(data)
        return {
            "Description": str(self.description),
            "Name": self.variables["Name"],
            "Module": sizes.LARGE,
            "Standard": str(colorsys.ONE_THIRD),
            "Override": overrides.VALUE if overrides else "none",
            "Data": loaded["value"],
            "Optional": optional.read_text() if optional.exists() else "none",
            "Listed": ",".join(sorted(path.name for path in HERE.glob("parts/*.txt"))),
            "Variable": os.environ.get("READ_HERE", "none"),
            "Context": self.context.env.vars.get("READ_FROM_CONTEXT", "none"),
            "Home": os.path.expanduser("~"),
            "Mapped": json.dumps(self.context.mappings, sort_keys=True),
            "Parameter": str(self.context.parameters.get("team")),
            "Region": self.context.env.aws_region,
            "Environment": self.context.env.name,
        }


class Sharing(Blueprint):
    """Reads a file only if nobody in the same process did."""

    VARIABLES = {}

    def create_template(self):
        self.template.add_resource(sqs.Queue("Queue"))
        self.add_output("Shared", shared())


class Quiet(Reader):
    """Reads everything and tells nothing."""

    def create_template(self):
        self.read()
        self.template.add_resource(sqs.Queue("Queue"))
