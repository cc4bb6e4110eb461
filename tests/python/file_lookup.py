"""Resolves every query of DIRECTORY/queries.json with Runway's `file` lookup and prints the values as JSON.

Usage: file_lookup.py DIRECTORY. Objects of troposphere are printed as in a template.
"""

import json
import os
import sys

from runway.cfngin.lookups.handlers.file import FileLookup
from troposphere import encode_to_dict


def main():
    os.chdir(sys.argv[1])
    results = []
    with open("queries.json", encoding="utf-8") as file:
        queries = json.load(file)
    for query in queries:
        try:
            results.append({"query": query, "value": encode_to_dict(FileLookup.handle(query))})
        except Exception as error:  # noqa: BLE001
            results.append({"query": query, "error": f"{type(error).__name__}: {error}"})
    json.dump(results, sys.stdout)


main()
