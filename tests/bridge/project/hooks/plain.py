"""Hooks of every kind, good and bad."""

import os
import signal
import subprocess
import sys
import time

from runway.cfngin.hooks.base import Hook
from troposphere import Ref
from troposphere.awslambda import Code

RUNS = []


def data(context, provider, **kwargs):
    RUNS.append(1)  # the module is reloaded, so that there is never more than one
    return {
        "kwargs": kwargs,
        "runs": len(RUNS),
        "namespace": context.namespace,
        "fqn": context.get_fqn("vpc"),
        "environment": context.env.name,
        "region": provider.region,
        "context": type(context).__module__,
        "parameters": sorted(context.parameters),
        "directory": os.getcwd(),
        "variables": {name: os.environ.get(name) for name in ("ONLY_HERE", "AWS_REGION", "DEPLOY_ENVIRONMENT", "HOME")},
    }


def objects(context, provider, **kwargs):
    return {"code": Code(S3Bucket="b", S3Key="k"), "ref": Ref("Thing"), "text": "plain", "when": {1, 2}}


def look(context, provider, **kwargs):
    """Shows what it is given and what earlier hooks have left."""
    print({key: type(value).__name__ for key, value in kwargs.items()})
    return {
        "given": {key: type(value).__name__ for key, value in kwargs.items()},
        "left": {key: {name: type(item).__name__ for name, item in value.items()} for key, value in context.hook_data.items()},
    }


def keeps(context, provider, **kwargs):
    context.set_hook_data("by_hand", {"a": 1})
    return True


def returns(context, provider, what, **kwargs):
    return {
        "nothing": None,
        "false": False,
        "true": True,
        "zero": 0,
        "empty": {},
        "text": "done",
        "object": sys,
        "list": [1],
    }[what]


def raises(context, provider, password="", **kwargs):
    print(f"about to fail with {password}")
    raise RuntimeError(f"it went wrong with {password}")


def interprets(context, provider, **kwargs):
    import there_is_no_such_module  # noqa: F401


def shouts(context, provider, megabytes=10, **kwargs):
    line = "x" * 99 + "\n"
    for _ in range(megabytes * 10_000):
        sys.stdout.write(line)
    subprocess.run([sys.executable, "-c", "print('from a subprocess')"], check=True)
    os.write(1, b"without an end")
    return True


def leaves(context, provider, code=3, **kwargs):
    sys.exit(code)


def vanishes(context, provider, **kwargs):
    print("last words", flush=True)
    os._exit(7)


def leaves_a_child(context, provider, marker=None, **kwargs):
    child = subprocess.Popen(["sleep", "60"])
    with open(marker, "w", encoding="utf-8") as file:
        file.write(str(child.pid))
    os._exit(7)


def crashes(context, provider, **kwargs):
    os.kill(os.getpid(), signal.SIGSEGV)
    time.sleep(60)


def sleeps(context, provider, seconds=60, marker=None, **kwargs):
    child = subprocess.Popen(["sleep", str(seconds)])
    if marker:
        with open(marker, "w", encoding="utf-8") as file:
            file.write(f"{os.getpid()} {child.pid}")
    print("going to sleep", flush=True)
    time.sleep(seconds)
    return True


def forks(context, provider, **kwargs):
    if os.fork() == 0:
        return {"from": "the copy"}
    os.wait()
    return {"from": "the original"}


def asks(context, provider, **kwargs):
    return {"answer": input("really? ")}


def nosy(context, provider, **kwargs):
    """Writes to every file it finds open, as a mistaken program may."""
    sys.stdout.close()
    return True


def odd(context, provider, **kwargs):
    return {"big": 2**80, "nan": float("nan"), "surrogate": "\ud800", "float": 1.0, "nested": {"t": (1, 2)}, 5: "number"}


def uses_aws(context, provider, **kwargs):
    client = context.get_session(region=context.env.aws_region).client("sts")
    return {"endpoint": client.meta.endpoint_url, "account": client.get_caller_identity()["Account"]}


class Stages(Hook):
    """One method a stage."""

    def pre_deploy(self):
        return {"stage": "pre_deploy", "tags": self.tags.to_json() if hasattr(self.tags, "to_json") else None}

    def post_deploy(self):
        return {"stage": "post_deploy", "name": self.args.name}

    def post_destroy(self):
        return None


class Half:
    def __init__(self, context, provider, **kwargs):
        self.kwargs = kwargs

    def pre_deploy(self):
        return self.kwargs


def asks_for_a_stack(context, provider, **kwargs):
    return provider.get_stack("nothing-of-this-name")


def packages(context, provider, **kwargs):
    from runway.cfngin.hooks.awslambda.models.responses import AwsLambdaHookDeployResponse

    return AwsLambdaHookDeployResponse(
        bucket_name="packages", code_sha256="abc=", object_key="functions/f.zip", runtime="python3.12"
    )
