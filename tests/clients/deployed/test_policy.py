"""The task role's policy, both ways: it permits all that Larder calls, and nothing else. Needs `--stores=deployed`.

It compares the policy with what the emulator recorded of all tests before.
"""

import fnmatch
import json
import socket
import subprocess
from contextlib import contextmanager

import pytest
import requests
from botocore.exceptions import ClientError
from emulator import template
from service import BINARY, clean_environment, free_port, wait_until

MIB = 1 << 20
# The permission that each operation needs, by the service authorization reference.
ACTIONS = {
    "HeadBucket": "s3:ListBucket",
    "ListObjectsV2": "s3:ListBucket",
    "GetObject": "s3:GetObject",
    "HeadObject": "s3:GetObject",
    "PutObject": "s3:PutObject",
    "CreateMultipartUpload": "s3:PutObject",
    "UploadPart": "s3:PutObject",
    "CompleteMultipartUpload": "s3:PutObject",
    "AbortMultipartUpload": "s3:AbortMultipartUpload",
    "DeleteObject": "s3:DeleteObject",
    "DescribeTable": "dynamodb:DescribeTable",
    "GetItem": "dynamodb:GetItem",
    "PutItem": "dynamodb:PutItem",
    "UpdateItem": "dynamodb:UpdateItem",
    "Query": "dynamodb:Query",
    "BatchWriteItem": "dynamodb:BatchWriteItem",
}
# By whom `rds-db:connect` is needed is compared by itself: the emulator has no database.
STATEMENTS = [one["Sid"] for one in template()["Resources"]["StorePolicy"]["Properties"]["PolicyDocument"]["Statement"] if one["Sid"] != "Database"]


class Policy:
    """The policy as it is in the account, with the names of the stack's own resources in it."""

    def __init__(self, stores):
        self.arn = stores.stack.outputs["StorePolicyArn"]
        self.iam = stores.account.client("iam")
        version = self.iam.get_policy(PolicyArn=self.arn)["Policy"]["DefaultVersionId"]
        self.document = self.iam.get_policy_version(PolicyArn=self.arn, VersionId=version)["PolicyVersion"]["Document"]

    def statements(self, without=None):
        return [one for one in self.document["Statement"] if one["Sid"] != without]

    @contextmanager
    def less(self, sid):
        """The account with a policy that lacks a statement."""
        self.replace(self.document | {"Statement": self.statements(without=sid)})
        try:
            yield
        finally:
            self.replace(self.document)

    def replace(self, document):
        self.iam.create_policy_version(PolicyArn=self.arn, PolicyDocument=json.dumps(document), SetAsDefault=True)
        for version in self.iam.list_policy_versions(PolicyArn=self.arn)["Versions"]:
            if not version["IsDefaultVersion"]:
                self.iam.delete_policy_version(PolicyArn=self.arn, VersionId=version["VersionId"])


def permits(statement, action, resource):
    return any(fnmatch.fnmatchcase(action, one) for one in many(statement["Action"])) and any(
        fnmatch.fnmatchcase(resource, one) for one in many(statement["Resource"])
    )


def many(value):
    return value if isinstance(value, list) else [value]


class Kind:
    """One kind of call: an operation on the resources that one statement names."""

    def __init__(self, call, resource):
        self.operation, self.service, self.action = call["operation"], call["service"], ACTIONS[call["operation"]]
        self.arn = f"arn:aws:s3:::{resource}" if self.service == "s3" else f"arn:aws:dynamodb:eu-central-1:000000000000:table/{resource}"
        self.resource = resource

    def __repr__(self):
        return f"{self.operation} {self.resource}"

    def try_it(self, clients):
        """The same call again, where it changes nothing; gives whether it was refused. Whatever else is answered, the call was permitted."""
        bucket, _, key = self.resource.partition("/")
        upload = {"UploadId": "none"}
        nothing = {"pk": {"S": "_test"}, "sk": {"S": "_test"}}
        options = {
            "PutObject": {"IfMatch": '"none"', "Body": b""},
            "UploadPart": upload | {"PartNumber": 1, "Body": b""},
            "CompleteMultipartUpload": upload | {"MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": "none"}]}},
            "AbortMultipartUpload": upload,
            "DescribeTable": {},
            "GetItem": {"Key": nothing},
            "PutItem": {"Item": nothing, "ConditionExpression": "attribute_exists(pk)"},
            "UpdateItem": {"Key": nothing, "UpdateExpression": "remove x", "ConditionExpression": "attribute_exists(pk)"},
            "Query": {"KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": {"S": "_test"}}},
            "BatchWriteItem": {"RequestItems": {self.resource: [{"DeleteRequest": {"Key": nothing}}]}},
        }.get(self.operation, {})
        if self.service == "s3":
            options = options | {"Bucket": bucket} | ({"Key": key} if key else {})
        elif self.operation != "BatchWriteItem":
            options = options | {"TableName": self.resource}
        return refused(clients[self.service], self.operation, **options)


def refused(client, operation, **options):
    try:
        client._make_api_call(operation, options)
    except ClientError as error:
        status, code = error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]
        assert status < 500, f"{operation}: {error}"
        # What HEAD is answered has no body.
        denied = code in ("AccessDenied", "AccessDeniedException") or (operation.startswith("Head") and status == 403)
        assert denied or status not in (401, 403), f"{operation}: {error}"
        return denied
    return False


@pytest.fixture(scope="module")
def policy(stores):
    return Policy(stores)


@pytest.fixture(scope="module")
def clients(stores):
    """The task's role, from boto3."""
    return {service: stores.credentials.client(service) for service in ("s3", "dynamodb")}


@pytest.fixture(scope="module")
def swept(start, stores):
    """What the other tests leave to time: garbage that is due at once, and an upload that breaks off after its first parts."""
    hasty = {"LARDER_SWEEP_SECONDS": "1", "LARDER_GARBAGE_SECONDS": "0", "LARDER_LEASE_SECONDS": "2", "LARDER_VERSIONS_KEPT": "1", "LARDER_DELETED_DAYS": "0"}
    service = start(settings=hasty)
    client = service.client()
    for body in (b"first", b"second", bytes(20 * MIB)):
        assert client.put("/v1/blobs/swept/a", data=body).ok
    assert client.put("/v1/documents/swept/one", data=b'{"v": 1}').ok
    assert client.delete("/v1/collections/swept").ok
    address = service.url.removeprefix("http://").split(":")
    with socket.create_connection(address, timeout=30) as connection:
        head = f"PUT /v1/blobs/swept/b HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {service.token}\r\nContent-Length: {40 * MIB}\r\n\r\n"
        connection.sendall(head.encode() + bytes(20 * MIB))

    def seen(operation):
        named = [call for call in stores.account.calls() if call["operation"] == operation and call["status"] < 400 and not call["probe"]]
        return any("/objects/" in resource for call in named for resource in call["resources"])

    wait_until(lambda: seen("DeleteObject") and seen("AbortMultipartUpload"), "garbage to be collected", seconds=120)
    assert service.stop() == 0


@pytest.fixture(scope="module")
def calls(swept, stores):
    """All that the role has called, before this module takes any permission away."""
    keys = {given["AccessKeyId"] for given in stores.credentials.handed_out}
    return [call for call in stores.account.calls() if call["key"] in keys]


@pytest.fixture(scope="module")
def kinds(calls, policy):
    """Of each operation, one call for each statement that permits it."""
    found = {}
    for call in calls:
        for kind in [Kind(call, resource) for resource in call["resources"]]:
            for statement in policy.statements():
                if permits(statement, kind.action, kind.arn):
                    found.setdefault((kind.operation, statement["Sid"]), kind)
    return list(found.values())


def test_every_call_is_known_and_was_permitted(calls, policy):
    assert {call["operation"] for call in calls} - ACTIONS.keys() == set(), "an operation that the table above does not have"
    made = [(kind, call) for call in calls for kind in [Kind(call, resource) for resource in call["resources"]]]
    outside = [kind for kind, _ in made if not any(permits(one, kind.action, kind.arn) for one in policy.statements())]
    assert outside == []
    assert [kind for kind, call in made if call["status"] == 403] == []
    assert any(call["presigned"] and call["status"] == 200 for call in calls), "no presigned URL was followed"


def test_every_action_and_resource_of_the_policy_was_used(calls, policy):
    """With success, and by more than what a start tries: an action that nothing but its own check calls would be needless."""
    served = [call for call in calls if call["status"] < 400 and not call["probe"]]
    used = {(kind.action, kind.arn) for call in served for kind in [Kind(call, resource) for resource in call["resources"]]}
    for statement in policy.statements(without="Database"):
        for action in many(statement["Action"]):
            for resource in many(statement["Resource"]):
                fits = [one for one in used if one[0] == action and fnmatch.fnmatchcase(one[1], resource)]
                assert fits, f"nothing calls {action} on {resource}"


def test_under_the_whole_policy_no_kind_of_call_is_refused(kinds, clients):
    assert len(kinds) >= len(ACTIONS) - 1
    assert [kind for kind in kinds if kind.try_it(clients)] == []


@pytest.mark.parametrize("sid", STATEMENTS)
def test_without_a_statement_just_its_calls_are_refused_and_a_start_names_what_is_lacking(sid, policy, kinds, clients, stores, tmp_path):
    rest = policy.statements(without=sid)
    lacking = [kind for kind in kinds if not any(permits(one, kind.action, kind.arn) for one in rest)]
    assert lacking, "the statement is needless"
    with policy.less(sid):
        assert [kind for kind in kinds if kind.try_it(clients)] == lacking
        message = refused_start(stores, tmp_path)
        assert any(f"it lacks {kind.action}" in message for kind in lacking), message
    assert [kind for kind in kinds if kind.try_it(clients)] == []


def refused_start(stores, folder):
    url = f"http://127.0.0.1:{free_port()}"
    settings = stores.settings(url) | {"LARDER_LISTEN": url.removeprefix("http://"), "LARDER_DATA_DIR": str(folder)}
    done = subprocess.run([str(BINARY)], env=clean_environment() | settings, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1, done.stderr
    return done.stderr


def test_another_bucket_prefix_or_table_is_refused(policy, kinds, clients, stores):
    root = {service: stores.account.client(service) for service in ("s3", "dynamodb")}
    root["s3"].create_bucket(Bucket="not-ours", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    root["dynamodb"].create_table(
        TableName="not-ours",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    )
    ours = stores.stack.outputs["BucketName"]
    for kind in kinds:
        bucket, _, key = kind.resource.partition("/")
        elsewhere = ["not-ours"] if not key else [f"not-ours/{key}", f"{ours}/elsewhere/a", f"{ours}/objects", f"{ours}/larder/other"]
        for resource in elsewhere:
            kind.resource = resource
            assert kind.try_it(clients), f"{kind} is permitted"
            assert not kind.try_it(root), "the same call, permitted to root"
        kind.resource = f"{bucket}/{key}" if key else bucket


@pytest.mark.parametrize(
    ("service", "operation", "options"),
    [
        ("s3", "ListBuckets", {}),
        ("s3", "GetBucketPolicy", {"Bucket": "{BucketName}"}),
        ("s3", "DeleteBucket", {"Bucket": "{BucketName}"}),
        ("s3", "PutBucketPolicy", {"Bucket": "{BucketName}", "Policy": "{}"}),
        ("s3", "GetObjectTagging", {"Bucket": "{BucketName}", "Key": "objects/a"}),
        ("s3", "ListObjectVersions", {"Bucket": "{BucketName}"}),
        ("dynamodb", "Scan", {"TableName": "{TableName}"}),
        ("dynamodb", "DeleteItem", {"TableName": "{TableName}", "Key": {"pk": {"S": "a"}, "sk": {"S": "a"}}}),
        ("dynamodb", "UpdateTable", {"TableName": "{TableName}", "DeletionProtectionEnabled": False}),
        ("dynamodb", "DeleteTable", {"TableName": "{TableName}"}),
        ("secretsmanager", "GetSecretValue", {"SecretId": "{SecretKeysSecret}"}),
        ("iam", "ListRoles", {}),
    ],
)
def test_what_larder_never_does_is_refused_to_its_role(service, operation, options, stores):
    filled = {name: value.format(**stores.stack.outputs) if value != "{}" and isinstance(value, str) else value for name, value in options.items()}
    assert refused(stores.credentials.client(service), operation, **filled)
    if operation.startswith(("Get", "List", "Scan")):
        assert not refused(stores.account.client(service), operation, **filled), "the same call, permitted to root"


def test_a_presigned_url_dies_with_the_permission_of_the_role(client, policy, name):
    url = client.json_of(f"/v1/blobs/{name}/a", 201, "PUT", data=b"bytes")["presigned"]["url"]
    assert requests.get(url, timeout=30).content == b"bytes"
    with policy.less("Objects"):
        assert requests.get(url, timeout=30).status_code == 403
    assert requests.get(url.replace("/objects/", "/larder/"), timeout=30).status_code == 403


def test_only_ecs_may_be_a_role_of_the_stack(stores):
    sts = stores.account.client("sts")
    for logical in ("MigrationRole", "TransferRole", "ExecutionRole", "RolesExecutionRole"):
        assert refused(sts, "AssumeRole", RoleArn=stores.stack.role(logical), RoleSessionName="person"), logical


def test_each_role_connects_to_the_database_as_its_own_user_alone(stores, policy):
    iam = stores.account.client("iam")
    (database,) = stores.account.client("rds").describe_db_instances(DBInstanceIdentifier=stores.stack.id("Database"))["DBInstances"]
    users = f"arn:aws:rds-db:eu-central-1:000000000000:dbuser:{database['DbiResourceId']}"

    def may_connect(logical, resource):
        answer = iam.simulate_principal_policy(PolicySourceArn=stores.stack.role(logical), ActionNames=["rds-db:connect"], ResourceArns=[resource])
        return answer["EvaluationResults"][0]["EvalDecision"] == "allowed"

    may = {"TaskRole": "larder_app", "TransferRole": "larder_app", "MigrationRole": "larder_owner", "ExecutionRole": None, "RolesExecutionRole": None}
    for logical, user in may.items():
        for other in ("larder_app", "larder_owner", "larder_master"):
            assert may_connect(logical, f"{users}/{other}") == (user == other), (logical, other)
        assert not may_connect(logical, f"{users[:-3]}AAA/{user}"), "another database"
    with policy.less("Database"):
        assert not may_connect("TaskRole", f"{users}/larder_app")
    assert may_connect("TaskRole", f"{users}/larder_app")
