"""MiniStack over TLS, with IAM enforced, and a record of the calls that roles make: `emulator_server.py PORT CERTIFICATE KEY`.

The record is what the SDK sent and what was answered. It stands in the process of the emulator because the signature of a request covers its `Host`: no proxy
could stand between.
"""

import asyncio
import base64
import json
import re
import sys
from urllib.parse import parse_qsl, unquote

from awscrt.checksums import crc64nvme
from hypercorn.asyncio import serve
from hypercorn.config import Config
from ministack.app import app as ministack
from ministack.services import ecs, s3
from ministack.services.cloudformation.provisioners import _RESOURCE_HANDLERS as handlers
from ministack.services.sts import _sessions as sessions

# The object that there never is.
NOBODY = "/objects/00000000-0000-0000-0000-000000000000"

calls = {}
of_the_parts = s3._composite_checksum


def of_the_whole(algorithm, checksums):
    """S3 keeps the CRC-64/NVME of a whole object, whatever its parts; MiniStack one of the parts' checksums, as is right for the other algorithms."""
    if algorithm != "CRC64NVME":
        return of_the_parts(algorithm, checksums)
    for upload in s3._multipart_uploads.values():
        parts = [part for _, part in sorted(upload["parts"].items())]
        if [part["checksums"].get(algorithm) for part in parts] == checksums:
            return base64.b64encode(crc64nvme(b"".join(part["body"] for part in parts)).to_bytes(8)).decode()
    return None


def counted(handler):
    """CloudFormation makes a number of the parameter that says how many tasks there are."""

    def made(*arguments):
        *others, properties, stack = arguments
        return handler(*others, properties | {"DesiredCount": int(properties["DesiredCount"])}, stack)

    return made


def ended(change):
    """What the agent of ECS says of a task; MiniStack takes it and does nothing."""
    task = ecs._tasks.get(change["task"])
    task |= {"lastStatus": change["status"], "desiredStatus": "STOPPED"}
    for container, told in zip(task["containers"], change["containers"], strict=True):
        container |= {"lastStatus": told["status"], "exitCode": told["exitCode"]}
    return ecs.json_response({"acknowledgment": "ACCEPT"})


service = handlers["AWS::ECS::Service"]
service |= {name: counted(service[name]) for name in ("create", "update")}
ecs._ACTION_MAP["SubmitTaskStateChange"] = ended
s3._composite_checksum = of_the_whole
# Its own, in Python, takes half a second a MiB.
s3._crc64nvme = crc64nvme


async def recorder(scope, receive, send):
    if scope["type"] != "http":
        return await ministack(scope, receive, send)
    if scope["path"].startswith("/_test/"):
        return await control(scope, receive, send)
    call = Call(scope)
    if not call.key.startswith("ASIA"):
        return await ministack(scope, receive, send)

    async def reading():
        message = await receive()
        if call.target:
            call.body += message.get("body", b"")
        return message

    async def answering(message):
        if message["type"] == "http.response.start":
            one = json.dumps(call.described(message["status"]))
            calls[one] = calls.get(one, 0) + 1
        await send(message)

    await ministack(scope, reading, answering)


class Call:
    """One request as it is on the wire."""

    def __init__(self, scope):
        self.headers = {name.decode().lower(): value.decode("latin-1") for name, value in scope["headers"]}
        self.method, self.path = scope["method"], scope["path"]
        self.query = dict(parse_qsl(scope["query_string"].decode(), keep_blank_values=True))
        self.target = self.headers.get("x-amz-target")
        self.body = b""
        signed = re.search(r"Credential=([^/]+)/", self.headers.get("authorization", ""))
        self.key = signed[1] if signed else self.query.get("X-Amz-Credential", "").split("/")[0]

    def described(self, status):
        service, operation, resources = self.json() if self.target else self.s3()
        presigned = "X-Amz-Credential" in self.query
        # What a start asks of the mark, and of what is never there.
        probe = self.path.endswith(NOBODY) or b'"_installation"' in self.body
        told = {"key": self.key, "service": service, "operation": operation, "resources": resources}
        return told | {"presigned": presigned, "probe": probe, "status": status}

    def json(self):
        service, _, operation = self.target.rpartition(".")
        if not service.startswith("DynamoDB"):
            return service, operation, ["*"]
        body = json.loads(self.body)
        tables = list(body["RequestItems"]) if "RequestItems" in body else [body["TableName"]]
        index = f"/index/{body['IndexName']}" if "IndexName" in body else ""
        return "dynamodb", operation, [table + index for table in tables]

    def s3(self):
        bucket, _, key = unquote(self.path).lstrip("/").partition("/")
        operations = {
            ("HEAD", False): "HeadBucket",
            ("GET", False): "ListObjectsV2" if self.query.get("list-type") == "2" else None,
            ("HEAD", True): "HeadObject",
            ("GET", True): "GetObject" if not self.query.keys() & {"uploadId", "acl", "tagging", "attributes"} else None,
            ("PUT", True): "UploadPart" if "uploadId" in self.query else "PutObject",
            ("POST", True): "CreateMultipartUpload" if "uploads" in self.query else "CompleteMultipartUpload" if "uploadId" in self.query else None,
            ("DELETE", True): "AbortMultipartUpload" if "uploadId" in self.query else "DeleteObject",
        }
        copied = self.headers.get("x-amz-copy-source")
        operation = operations.get((self.method, bool(key))) or f"{self.method} {sorted(self.query)}"
        if copied:
            return "s3", f"{operation} copied", [f"{bucket}/{key}", unquote(copied).lstrip("/")]
        return "s3", operation, [f"{bucket}/{key}" if key else bucket]


async def control(scope, receive, send):
    """`/_test/calls`: the record. `/_test/expire?key=…&at=…`: when temporary credentials end, for STS makes none of under 15 minutes."""
    query = dict(parse_qsl(scope["query_string"].decode()))
    if scope["path"] == "/_test/expire":
        sessions[query["key"]]["Expiration"] = float(query["at"])
    answer = json.dumps([json.loads(call) | {"times": times} for call, times in calls.items()]).encode()
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": answer})


if __name__ == "__main__":
    port, certificate, key = sys.argv[1:]
    config = Config()
    config.bind, config.certfile, config.keyfile = [f"127.0.0.1:{port}"], certificate, key
    config.loglevel, config.keep_alive_timeout = "WARNING", 75
    asyncio.run(serve(recorder, config))
