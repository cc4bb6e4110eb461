"""Renders every template of a directory as CFNgin does and prints what came out, as JSON.

Usage: jinja.py DIRECTORY. The values are in its context.json.
"""

import json
import sys
from pathlib import Path

from runway.cfngin.blueprints.raw import RawTemplateBlueprint
from runway.config import CfnginConfig
from runway.context import CfnginContext
from runway.core.components import DeployEnvironment


def main():
    directory = Path(sys.argv[1])
    values = json.loads((directory / "context.json").read_text(encoding="utf-8"))
    config = CfnginConfig.parse_obj(
        {
            "namespace": values["namespace"],
            "namespace_delimiter": values["namespace_delimiter"],
            "mappings": values["mappings"],
            "tags": values["tags"],
        }
    )
    environ = {**values["environment_variables"], "AWS_REGION": values["region"]}
    context = CfnginContext(
        config=config,
        deploy_environment=DeployEnvironment(environ=environ, explicit_name=values["environment"]),
        parameters=values["parameters"],
    )
    context.hook_data = values["hook_data"]
    results = {}
    for path in sorted(directory.glob("*.j2")):
        blueprint = RawTemplateBlueprint(
            name=values["name"], context=context, mappings=context.mappings, raw_template_path=path
        )
        blueprint._resolved_variables = values["variables"]
        try:
            results[path.stem] = {"text": blueprint.rendered}
        except Exception as error:  # noqa: BLE001
            results[path.stem] = {"error": f"{type(error).__name__}: {error}"}
    json.dump(results, sys.stdout)


main()
