"""Runway, kept warm: imported once, forked for every command.

Reads one JSON request a line on standard input and answers one a line on standard output.

  {"run": ["deploy"], "directory": "/project", "environment": {...}}  runs Runway's command line in a child that has
      exactly this environment; answers {"code": 0, "output": "..."}
  {"calls": [{"service": "ssm", "operation": "put_parameter", "arguments": {...}, "region": "us-east-1"}],
   "environment": {...}}  speaks to AWS as somebody else would; answers {"answers": [...]}

It ends when its standard input does.
"""

import base64
import datetime
import importlib
import json
import os
import pkgutil
import signal
import sys
import tempfile
import traceback

os.environ.setdefault("CFNGIN_STACK_POLL_TIME", "0")  # read at import

import boto3
import botocore.config
import botocore.exceptions
import botocore.loaders
import jmespath
import runway
import runway.cfngin.hooks
import troposphere
from runway._cli.main import cli

SECONDS = 60


def warm_up():
    """Imports what commands import, and keeps botocore's service descriptions parsed."""
    for package in (runway, troposphere):
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            if ".templates" in module.name or "aws_sso_botocore" in module.name:
                continue
            try:
                importlib.import_module(module.name)
            except Exception:  # a module for a tool that is not installed
                pass
    parsed = {}
    load = botocore.loaders.JSONFileLoader.load_file

    def load_once(self, path):
        if path not in parsed:
            parsed[path] = load(self, path)
        return parsed[path]

    botocore.loaders.JSONFileLoader.load_file = load_once
    session = boto3.Session(aws_access_key_id="a", aws_secret_access_key="a", region_name="us-east-1")
    for service in ("cloudformation", "s3", "sts", "ssm", "ec2", "dynamodb", "kms", "iam"):
        session.client(service)


def run(request):
    """One Runway command in a child of its own."""
    with tempfile.TemporaryFile() as output:
        child = os.fork()
        if child == 0:
            code = 70
            try:
                os.setpgid(0, 0)
                os.environ.clear()
                os.environ.update(request["environment"])
                os.chdir(request["directory"])
                os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
                os.dup2(output.fileno(), 1)
                os.dup2(output.fileno(), 2)
                sys.argv = ["runway", *request["run"]]
                signal.alarm(SECONDS)
                code = 0
                cli.main(request["run"], prog_name="runway")
            except SystemExit as ended:
                code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
                if isinstance(ended.code, str):
                    print(ended.code, file=sys.stderr)
            except BaseException:
                traceback.print_exc()
                code = 1
            finally:
                try:
                    sys.stdout.flush()
                    sys.stderr.flush()
                finally:
                    os._exit(code)
        _, status = os.waitpid(child, 0)
        output.seek(0)
        text = output.read().decode("utf-8", "replace")
    return {"code": os.waitstatus_to_exitcode(status), "output": text}


def plain(value):
    """What JSON has no room for, as text."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    if hasattr(value, "read"):
        return plain(value.read())
    return str(value)


def calls(request):
    """Calls of AWS operations, one after the other."""
    environment = request["environment"]
    answers = []
    for call in request["calls"]:
        session = boto3.Session(
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
            region_name=call.get("region") or environment["AWS_REGION"],
        )
        client = session.client(
            call["service"],
            endpoint_url=environment["AWS_ENDPOINT_URL"],
            config=botocore.config.Config(retries={"max_attempts": 0}),
        )
        try:
            answer = getattr(client, call["operation"])(**call.get("arguments", {}))
        except botocore.exceptions.ClientError as error:
            if not request.get("lenient"):
                raise
            answers.append({"error": error.response["Error"]["Code"]})
            continue
        answer.pop("ResponseMetadata", None)
        answer = json.loads(json.dumps(answer, default=plain))
        answers.append(jmespath.search(call["query"], answer) if "query" in call else answer)
    return {"answers": answers}


def serve():
    """Answers requests until there are no more."""
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = run(request) if "run" in request else calls(request)
        except Exception:
            answer = {"error": traceback.format_exc()}
        print(json.dumps(answer, default=plain), flush=True)


if __name__ == "__main__":
    warm_up()
    serve()
