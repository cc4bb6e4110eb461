"""moto over HTTP for tests and benchmarks.

Beside AWS's protocols it answers below /__emulator__/: which operations were asked for, what is stored. It can delay
operations. Usage: emulator.py PORT. It ends when its standard input does, so it never outlives its parent.
"""

import base64
import collections
import io
import json
import os
import re
import sys
import threading
import time
import traceback
import urllib.parse

import boto3
from botocore.exceptions import ClientError
from moto.backends import get_backend
from moto.core import DEFAULT_ACCOUNT_ID
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.route53.models import Route53Backend
from moto.s3.responses import S3Response
from werkzeug.serving import WSGIRequestHandler, run_simple

S3_SUBRESOURCES = {
    "tagging": "ObjectTagging",
    "versions": "ObjectVersions",
    "versioning": "BucketVersioning",
    "encryption": "BucketEncryption",
    "publicAccessBlock": "PublicAccessBlock",
    "location": "BucketLocation",
    "policy": "BucketPolicy",
    "lifecycle": "BucketLifecycle",
}


def operation_of(environ, body):
    """The name of the operation that a request asks for."""
    target = environ.get("HTTP_X_AMZ_TARGET")
    if target:
        return target.rsplit(".", 1)[-1]
    if environ["REQUEST_METHOD"] == "POST":
        action = re.search(rb"(?:^|&)Action=([A-Za-z]+)", body)
        if action:
            return action.group(1).decode()
    query = urllib.parse.parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    verb = {"GET": "Get", "PUT": "Put", "DELETE": "Delete", "HEAD": "Head", "POST": "Post"}.get(
        environ["REQUEST_METHOD"], environ["REQUEST_METHOD"]
    )
    for subresource, name in S3_SUBRESOURCES.items():
        if subresource in query:
            return verb + name
    path = environ["PATH_INFO"].strip("/")
    if "/" not in path:
        if verb == "Get":
            return "ListObjects" if query or path else "ListBuckets"
        return {"Put": "CreateBucket", "Head": "HeadBucket", "Delete": "DeleteBucket"}.get(verb, verb + "Bucket")
    return verb + "Object"


def outputs_of(stack):
    """Outputs of a stack; what moto says if it cannot make them."""
    try:
        return {item["OutputKey"]: str(item["OutputValue"]) for item in stack.outputs or []}
    except Exception as error:
        return {"error": str(error)}


class Emulator:
    """WSGI application: moto with a look inside."""

    def __init__(self):
        self.moto = DomainDispatcherApplication(create_backend_app)
        self.lock = threading.Lock()
        self.one_writer = threading.Lock()
        self.counts = collections.defaultdict(collections.Counter)
        self.delays = {}
        self.graph_writes = collections.defaultdict(list)
        self.lesser = set()
        self.careless = set()

    def __call__(self, environ, start_response):
        path = environ["PATH_INFO"]
        if path.startswith("/__emulator__/"):
            return self.control(path.removeprefix("/__emulator__/"), environ, start_response)
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = b""
        if environ["REQUEST_METHOD"] == "POST" and length:
            body = environ["wsgi.input"].read(length)
            environ["wsgi.input"] = io.BytesIO(body)
        operation = operation_of(environ, body)
        application = re.search(r"\bapp/([^ ]+)", environ.get("HTTP_USER_AGENT", ""))
        application = application.group(1) if application else "-"
        with self.lock:
            self.counts[application][operation] += 1
            delays = self.delays.get(application, {})
        time.sleep(delays.get(operation, delays.get("*", 0)))
        bucket = path.strip("/").split("/")[0]
        if bucket in self.careless:
            environ.pop("HTTP_IF_MATCH", None)
            environ.pop("HTTP_IF_NONE_MATCH", None)
        if bucket in self.lesser:
            return self.lesser_answer(operation, environ, start_response)
        if operation in ("PutObject", "DeleteObject") and path.endswith(".json") and "/persistent_graphs/" in path:
            return self.write_graph(environ, start_response, application)
        if operation in ("GetObject", "PutObject", "DeleteObject") and "/cache/" in path:
            # moto checks a condition and then writes, and another request may come between the two; two readers of one
            # object read from one file at the same time. In S3 every request is one.
            with self.one_writer:
                return self.moto(environ, start_response)
        return self.moto(environ, start_response)

    def lesser_answer(self, operation, environ, start_response):
        """What servers answer that do not list entity tags, and know neither lists of uploads nor many deletions at once."""
        query = urllib.parse.parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
        if "delete" in query or ("uploads" in query and environ["REQUEST_METHOD"] == "GET"):
            text = b"<Error><Code>NotImplemented</Code><Message>it is not implemented yet</Message></Error>"
            start_response("501 Not Implemented", [("Content-Length", str(len(text)))])
            return [text]
        if operation != "ListObjects":
            return self.moto(environ, start_response)
        given = []

        def answer(*arguments):
            given.append(arguments)
            return lambda _: None

        text = re.sub(rb"<ETag>.*?</ETag>", b"", b"".join(self.moto(environ, answer)))
        status, headers, *_ = given[0]
        headers = [header for header in headers if header[0].lower() != "content-length"]
        start_response(status, [*headers, ("Content-Length", str(len(text)))])
        return [text]

    def write_graph(self, environ, start_response, application):
        """A write of a graph object; the accepted ones are remembered with the lock code they carry."""

        def answer(status, headers, *rest):
            if status.startswith("2"):
                tags = dict(urllib.parse.parse_qsl(environ.get("HTTP_X_AMZ_TAGGING", "")))
                with self.lock:
                    self.graph_writes[environ["PATH_INFO"]].append(tags.get("cfngin_lock_code"))
            return start_response(status, headers, *rest)

        with self.one_writer:
            return self.moto(environ, answer)

    def control(self, command, environ, start_response):
        query = dict(urllib.parse.parse_qsl(environ.get("QUERY_STRING", "")))
        length = int(environ.get("CONTENT_LENGTH") or 0)
        given = json.loads(environ["wsgi.input"].read(length) or b"null") if length else None
        try:
            answer = getattr(self, f"{environ['REQUEST_METHOD'].lower()}_{command}")(query, given)
        except Exception:
            answer = {"emulator_error": traceback.format_exc()}
        text = json.dumps(answer).encode()
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(text)))])
        return [text]

    def get_requests(self, query, _given):
        """Requests so far by operation; those of one `application` if one is named."""
        with self.lock:
            if "application" in query:
                return dict(self.counts[query["application"]])
            return dict(sum(self.counts.values(), collections.Counter()))

    def delete_requests(self, _query, _given):
        """Forgets all counts."""
        with self.lock:
            self.counts.clear()

    def put_delays(self, query, given):
        """Seconds by operation, `*` for all others, for the requests of one `application`."""
        with self.lock:
            self.delays[query["application"]] = given

    def get_graph_writes(self, query, _given):
        """The lock code of every accepted write of a graph object, in order; null for writes without one."""
        with self.lock:
            return list(self.graph_writes[f"/{query['bucket']}/{query['key']}"])

    def put_bucket(self, query, _given):
        """A bucket that keeps versions."""
        backend = get_backend("s3")[DEFAULT_ACCOUNT_ID]["global"]
        backend.create_bucket(query["bucket"], query["region"])
        backend.put_bucket_versioning(query["bucket"], "Enabled")

    def put_lesser(self, query, _given):
        """From now on a bucket is on a server that knows less than S3."""
        self.lesser.add(query["bucket"])

    def put_careless(self, query, _given):
        """From now on a bucket is on a server that takes conditions, and does not look at them."""
        self.careless.add(query["bucket"])

    def put_object(self, query, given):
        """An object with `body` and `tags`, written as if by somebody else."""
        backend = get_backend("s3")[DEFAULT_ACCOUNT_ID]["global"]
        if given.get("body") is not None:
            backend.put_object(query["bucket"], query["key"], given["body"].encode())
        key = self.bucket(query["bucket"]).keys[query["key"]]
        backend.put_object_tagging(key, given.get("tags", {}))

    def put_call(self, query, given):
        """What a boto3 client answers to an `operation` of a `service` in a `region`, called as any user would."""
        client = boto3.client(
            query["service"],
            region_name=query["region"],
            endpoint_url=f"http://127.0.0.1:{sys.argv[1]}",
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )
        try:
            answer = getattr(client, query["operation"])(**(given or {}))
        except ClientError as error:
            return {"refused": error.response["Error"]["Code"]}
        answer.pop("ResponseMetadata", None)

        def plain(value):
            return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)

        return json.loads(json.dumps(answer, default=plain))

    def get_stacks(self, query, _given):
        """Live stacks of a region by name."""
        backend = get_backend("cloudformation")[DEFAULT_ACCOUNT_ID][query["region"]]
        return {
            stack.name: {
                "status": stack.status,
                "parameters": {name: str(value) for name, value in (stack.parameters or {}).items()},
                "outputs": {output["OutputKey"]: str(output["OutputValue"]) for output in stack.outputs or []},
                "tags": dict(stack.tags or {}),
                "template": stack.template,
                "role": stack.role_arn,
            }
            for stack in list(backend.stacks.values())
            if stack.status != "DELETE_COMPLETE"
        }

    def get_world(self, _query, _given):
        """All live stacks by account, region and name, and all objects by bucket and key."""
        stacks = {}
        for account, regions in list(get_backend("cloudformation").items()):
            for region, backend in list(regions.items()):
                for stack in list(backend.stacks.values()):
                    if stack.status == "DELETE_COMPLETE":
                        continue
                    stacks[f"{account}/{region}/{stack.name}"] = {
                        "status": stack.status,
                        "description": stack.description,
                        "parameters": {name: str(value) for name, value in (stack.parameters or {}).items()},
                        "outputs": outputs_of(stack),
                        "tags": dict(stack.tags or {}),
                        "template": stack.template,
                        "role": stack.role_arn,
                        "policy": stack.policy,
                        "timeout": stack.timeout_in_minutes,
                        "notifications": stack.notification_arns,
                        "protected": stack.enable_termination_protection,
                    }
        buckets = {}
        for account, regions in list(get_backend("s3").items()):
            backend = regions["aws"]
            for name, bucket in list(backend.buckets.items()):
                buckets[name] = {"account": account, "region": bucket.region_name, "objects": {}}
                for key in sorted(bucket.keys):
                    found = bucket.keys[key]
                    if hasattr(found, "value"):
                        body = found.value.decode("utf-8", "replace")
                        tags = backend.tagger.get_tag_dict_for_resource(found.arn)
                        buckets[name]["objects"][key] = {"body": body, "tags": tags}
        return {"stacks": stacks, "buckets": buckets}

    def put_status(self, query, given):
        """The status of a stack, as a rollback that moto does not do would have left it."""
        for regions in list(get_backend("cloudformation").values()):
            for stack in list(regions[query["region"]].stacks.values()):
                if stack.name == query["stack"]:
                    stack.status = given

    def bucket(self, name):
        return get_backend("s3")[DEFAULT_ACCOUNT_ID]["global"].buckets.get(name)

    def get_objects(self, query, _given):
        """Keys of a bucket."""
        bucket = self.bucket(query["bucket"])
        return sorted(bucket.keys) if bucket else None

    def get_object(self, query, _given):
        """Body and tags of an object; null if there is none."""
        bucket = self.bucket(query["bucket"])
        found = bucket.keys.get(query["key"]) if bucket else None
        if found is None or not hasattr(found, "value"):
            return None
        backend = get_backend("s3")[DEFAULT_ACCOUNT_ID]["global"]
        tags = backend.tagger.get_tag_dict_for_resource(found.arn)
        return {
            "body": found.value.decode("utf-8", "replace"),
            "tags": tags,
            "encryption": found.encryption,
            "content_type": found.metadata.get("content-type") or found.content_type
            if hasattr(found, "content_type")
            else None,
        }

    def get_versions(self, query, _given):
        """Version ids of an object, newest first, and whether each is a delete marker."""
        backend = get_backend("s3")[DEFAULT_ACCOUNT_ID]["global"]
        versions, _, markers, *_ = backend.list_object_versions(query["bucket"], prefix=query["key"])
        return [version.version_id for version in versions] + [marker.version_id for marker in markers]


def proper_zones():
    """A new zone's start of authority as Route 53 gives it; moto puts Python's text of it there."""
    create = Route53Backend.create_hosted_zone

    def create_hosted_zone(self, *arguments, **named):
        zone = create(self, *arguments, **named)
        for record_set in zone.rrsets:
            record_set.records = [item["Value"] if isinstance(item, dict) else item for item in record_set.records]
        return zone

    Route53Backend.create_hosted_zone = create_hosted_zone


def proper_rules():
    """The elements that S3 answers with; moto gives them the names of the operations."""

    def named(name, moto_name, element):
        read = getattr(S3Response, name)

        def answer(self):
            status, headers, text = read(self)
            return status, headers, text.replace(moto_name, element)

        setattr(S3Response, name, answer)

    named("get_bucket_versioning", "GetBucketVersioningResponse", "VersioningConfiguration")
    named("get_bucket_lifecycle", "GetBucketLifecycleConfigurationResponse", "LifecycleConfiguration")


def end_with_parent():
    sys.stdin.buffer.read()
    os._exit(0)


class Quiet(WSGIRequestHandler):
    def log(self, *_arguments):
        """Says nothing."""


if __name__ == "__main__":
    proper_zones()
    proper_rules()
    threading.Thread(target=end_with_parent, daemon=True).start()
    run_simple("127.0.0.1", int(sys.argv[1]), Emulator(), threaded=True, request_handler=Quiet)
