"""Pushes a front-end one file after the other, as valpop does, for comparison.

Usage: serial_push.py BUCKET APP SOURCE IMAGE. Credentials and endpoint come from the environment. The steps are
valpop's: the newest manifest is read, and if it is of another image every file is read whole and sent, in the order of
the names; then the manifest; then old manifests are looked for.
"""

import json
import os
import pathlib
import sys
import time

import boto3
from botocore.config import Config

CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "application/javascript",
    ".json": "application/json",
}
FRESH = ("index.html", "fed-mods.json", "app-info.json", "app-info.deps.json")
THRESHOLD = 48 * 3600
MIN_RECORDS = 3


def manifests(s3, bucket, app):
    """The app's manifests by time, newest first."""
    prefix = f"manifests/{app}/"
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    times = [int(item["Key"].removeprefix(prefix)) for page in pages for item in page.get("Contents", [])]
    return sorted(times, reverse=True)


def read(s3, bucket, app, written):
    body = s3.get_object(Bucket=bucket, Key=f"manifests/{app}/{written}")["Body"].read()
    return json.loads(body)


def main():
    bucket, app, source, image = sys.argv[1:]
    s3 = boto3.client("s3", config=Config(s3={"addressing_style": "path"}))
    known = manifests(s3, bucket, app)
    if known and read(s3, bucket, app, known[0])["image"] == image:
        return
    source = pathlib.Path(source)
    files = sorted(str(path.relative_to(source)) for path in source.rglob("*") if path.is_file())
    for name in files:
        age = "max-age=60, stale-while-revalidate=300" if name.endswith(FRESH) else "max-age=86400"
        s3.put_object(
            Bucket=bucket,
            Key=f"data/{app}/{name}",
            Body=(source / name).read_bytes(),
            ContentType=CONTENT_TYPES.get(os.path.splitext(name)[1], "application/octet-stream"),
            CacheControl=f"public, {age}",
        )
    now = int(time.time())
    manifest = {"files": files, "image": image, "timestamp": now}
    s3.put_object(Bucket=bucket, Key=f"manifests/{app}/{now}", Body=json.dumps(manifest).encode())
    read_all = [(written, read(s3, bucket, app, written)) for written in manifests(s3, bucket, app)]
    old = [entry for entry in read_all[MIN_RECORDS:] if now - entry[0] > THRESHOLD]
    if old:
        sys.exit("a benchmark is never so old")


main()
