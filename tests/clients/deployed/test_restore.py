"""What deploy/README.md tells of a restore, typed as it stands there: the steps that the emulator can take. Needs `--stores=deployed`."""

import datetime
import re
import subprocess
import textwrap

import pytest
from service import ROOT, wait_until


def block(words):
    """The one block of commands of the README that holds these words."""
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```", (ROOT / "deploy/README.md").read_text(), re.MULTILINE | re.DOTALL)
    (found,) = [textwrap.dedent(block) for block in blocks if words in block]
    return found


@pytest.fixture
def typed(stores):
    account = stores.account
    environment = account.environment()

    def typed(words, **variables):
        command = ["bash", "-euo", "pipefail", "-c", block(words)]
        done = subprocess.run(command, env=environment | variables, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return typed


def objects(stores):
    s3 = stores.account.client("s3")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=stores.stack.outputs["BucketName"], Prefix="objects/")
    return {one["Key"] for page in pages for one in page.get("Contents", [])}


def now():
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_objects_that_were_deleted_since_then_are_there_again(start, stores, typed):
    hasty = {"LARDER_SWEEP_SECONDS": "1", "LARDER_GARBAGE_SECONDS": "0", "LARDER_LEASE_SECONDS": "2", "LARDER_VERSIONS_KEPT": "1"}
    service = start(settings=hasty)
    client = service.client()

    def replaced(body):
        """The key of the object that a new version of the blob lets go."""
        before = objects(stores)
        client.whole("PUT", "/v1/blobs/restored/a", 200, data=body)
        wait_until(lambda: before - objects(stores), "the object of the version before to be swept")
        (gone,) = before - objects(stores)
        return gone

    client.whole("PUT", "/v1/blobs/restored/a", 201, data=b"first")
    long_gone = replaced(b"second")
    # The clock of the command has seconds.
    earlier = now()
    wait_until(lambda: now() > earlier, "another second")
    then = now()
    gone = replaced(b"third")
    assert service.stop() == 0

    known = objects(stores)
    typed("list-object-versions", bucket=stores.stack.outputs["BucketName"], T=then)
    assert objects(stores) - known == {gone}
    body = stores.account.client("s3").get_object(Bucket=stores.stack.outputs["BucketName"], Key=gone)["Body"].read()
    assert body == b"second"
    assert long_gone not in objects(stores), "what was deleted before then stays deleted"
    # Where nothing was deleted since, the same does nothing.
    later = (datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert typed("list-object-versions", bucket=stores.stack.outputs["BucketName"], T=later) == ""


def test_a_restored_table_is_one_that_the_service_takes(client, stores, typed, name):
    client.whole("PUT", f"/v1/documents/{name}/one", 201, data=b'{"v": 1}')
    table = stores.stack.outputs["TableName"]
    typed("restore-table-to-point-in-time", table=table, restored="restored-by-hand", T=now())
    dynamodb = stores.account.client("dynamodb")
    old, restored = (dynamodb.describe_table(TableName=one)["Table"] for one in (table, "restored-by-hand"))
    for what in ("KeySchema", "AttributeDefinitions", "DeletionProtectionEnabled"):
        assert restored[what] == old[what], what

    def indexes(table):
        return {index["IndexName"]: (index["KeySchema"], index["Projection"]) for index in table["GlobalSecondaryIndexes"]}

    assert indexes(restored) == indexes(old) and len(indexes(old)) == 8
    backups = dynamodb.describe_continuous_backups(TableName="restored-by-hand")["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
    items = dynamodb.scan(TableName="restored-by-hand")["Items"]
    assert any("_installation" in str(item["pk"]) for item in items) and any(item["sk"] == {"S": "one"} for item in items)
