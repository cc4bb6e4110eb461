"""Reads configs with the classes of the real CFNgin: cases as JSON on stdin, what they give as JSON on stdout."""

import json
import os
import sys
from pathlib import Path

import yaml
from runway.cfngin.environment import parse_environment
from runway.config import CfnginConfig

results = []
known = list(sys.path)
for case in json.load(sys.stdin):
    os.chdir(case["directory"])
    sys.path[:] = known
    try:
        parameters = dict(case["parameters"])
        if "environment_file" in case:
            parameters.update(parse_environment(case["environment_file"]))
        text = CfnginConfig.resolve_raw_data(Path(case["file"]).read_text(), parameters=parameters)
        text = CfnginConfig.process_package_sources(text, parameters=parameters)
        config = yaml.safe_load(text)
        CfnginConfig.parse_obj(config)
        results.append({"config": config, "paths": sys.path[len(known) :]})
    except Exception as error:  # every failure is a result
        results.append({"error": f"{type(error).__name__}: {error}"})
json.dump(results, sys.stdout, default=str)
