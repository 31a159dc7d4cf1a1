"""Moving house into a stack and out of it again, through a bucket, by the role that the stack has for that. Needs `--stores=deployed`."""

import json
import subprocess

import pytest
from emulator import PARAMETERS, REGION, Credentials, emulated, template
from service import BINARY, Service, clean_environment, short_folder
from stores import Embedded

BUCKET = PARAMETERS["TransferBucket"]
KEY = "a-key-that-moves-house-0123456789"
LARGE = bytes(range(256)) * (9 << 12)


def run(command, settings):
    return subprocess.run([str(BINARY), *command], env=clean_environment() | settings, capture_output=True, text=True, timeout=300, check=False)


def succeeds(command, settings):
    done = run(command, settings)
    assert done.returncode == 0, done.stderr
    return done.stdout


class New:
    """The stores of another stack, which nobody has served from: its database has its two users, as `deploy/release` leaves it without tasks."""

    def __init__(self, stores):
        self.stores = stores
        self.stack = stores.account.create_stack(emulated(template()), name="moved", DomainName="moved.example.org")
        self.roles = {name: Credentials(stores.account, self.stack.role(name)) for name in ("TaskRole", "TransferRole")}
        stores.postgres.sql("create database moved")
        superuser = stores.postgres.url("postgres", "moved", stores.postgres.password)
        succeeds(["database-roles"], {"DATABASE_URL": superuser})
        stores.postgres.sql("alter role larder_owner password 'owner'; alter role larder_app password 'app'")
        succeeds(["migrate"], {"DATABASE_URL": stores.postgres.url("larder_owner", "moved", "owner")})

    def settings(self, url, role="TaskRole"):
        ours = {
            "LARDER_S3_BUCKET": self.stack.outputs["BucketName"],
            "LARDER_DYNAMODB_TABLE": self.stack.outputs["TableName"],
            "DATABASE_URL": self.stores.postgres.url("larder_app", "moved", "app"),
            "LARDER_SECRET_KEYS": KEY,
        }
        return self.stores.settings(url) | self.roles[role].environment() | ours

    def command(self, role):
        return self.settings("https://moved.example.org", role)

    def stop(self):
        for role in self.roles.values():
            role.stop()


class House(Embedded):
    """Engines of their own with keys of the operator's, and what an operator's own rights on the bucket are."""

    def __init__(self, stores):
        root = stores.account.root
        self.operator = {
            "AWS_ENDPOINT_URL_S3": stores.account.url,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": root["aws_access_key_id"],
            "AWS_SECRET_ACCESS_KEY": root["aws_secret_access_key"],
            "SSL_CERT_FILE": str(stores.account.authority),
        }

    def settings(self, _url):
        return {"LARDER_SECRET_KEYS": KEY}

    def command(self, data):
        return self.operator | self.settings("") | {"LARDER_DATA_DIR": str(data)}


@pytest.fixture
def folder():
    folder = short_folder("larder-moving-")
    yield folder
    subprocess.run(["rm", "-r", str(folder)], check=True)


@pytest.fixture
def new(stores):
    stores.account.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    new = New(stores)
    yield new
    new.stop()


def fill(client):
    csv = {"Content-Type": "text/csv"}
    client.whole("PUT", "/v1/tables/people", 201, data=b"name,age\nada,36\n", headers=csv)
    client.whole("PUT", "/v1/tables/people", 200, data=b"name,age\nada,37\nbob,41\n", headers=csv)
    client.whole("PUT", "/v1/blobs/photos/large.bin", 201, data=LARGE)
    client.whole("PUT", "/v1/documents/notes/small", 201, data=b'{"n": 1.5}')
    client.whole("PUT", "/v1/documents/notes/large", 201, data=json.dumps({"text": "x" * 600_000}).encode())
    links = []
    for target, read in (("/v1/tables/people", "/people.csv"), ("/v1/blobs/photos/large.bin", ""), ("/v1/documents/notes/large", "")):
        link = client.json_of("/v1/shares", 201, "POST", json={"target": target})["url"]
        links.append(link[link.index("/s/") :] + read)
    named = ["/v1/tables/people/rows.csv", "/v1/tables/people/rows.csv?version=1", "/v1/tables/people/raw", "/v1/blobs/photos/large.bin"]
    return [*named, "/v1/documents/notes/small", "/v1/documents/notes/large", *links]


def answers(client, paths):
    found = {path: client.whole("GET", path) for path in paths}
    return {path: (answer.content, answer.headers["etag"]) for path, answer in found.items()}


def test_a_machine_moves_into_a_stack_and_back_with_every_name_and_link(stores, new, folder):
    house, data = House(stores), folder / "data"
    service = Service(house, data)
    paths = fill(service.client())
    known = answers(service.client(), paths)
    # Its engines are the running service's own: the command says so, and leaves nothing in the bucket.
    refused = run(["export", f"s3://{BUCKET}/early"], house.command(data))
    assert refused.returncode == 1
    assert "is in use by another larder" in refused.stderr and "Stop that one" in refused.stderr
    assert service.stop() == 0
    assert "2 tables of rows, 4 objects, 2 documents" in succeeds(["export", f"s3://{BUCKET}/in"], house.command(data))
    assert "There is an export already" in run(["export", f"s3://{BUCKET}/in"], house.command(data)).stderr

    # Only the role for that may read the bucket between.
    denied = run(["import", f"s3://{BUCKET}/in"], new.command("TaskRole"))
    assert denied.returncode == 1 and f"The role may not use the bucket `{BUCKET}`" in denied.stderr, denied.stderr
    assert "There is no export" in run(["import", f"s3://{BUCKET}/other"], new.command("TransferRole")).stderr
    succeeds(["import", f"s3://{BUCKET}/in"], new.command("TransferRole"))
    moved = Service(new, folder / "moved")
    assert answers(moved.client(), paths) == known
    moved.client().whole("PUT", "/v1/blobs/later", 201, data=b"after the move")

    # Back, while it serves.
    denied = run(["export", f"s3://{BUCKET}/back"], new.command("TaskRole"))
    assert denied.returncode == 1 and f"The role may not use the bucket `{BUCKET}`" in denied.stderr, denied.stderr
    succeeds(["export", f"s3://{BUCKET}/back"], new.command("TransferRole"))
    assert answers(moved.client(), paths) == known
    assert moved.stop() == 0
    succeeds(["import", f"s3://{BUCKET}/back"], house.command(folder / "back"))
    back = Service(house, folder / "back")
    assert answers(back.client(), paths) == known
    assert back.client().whole("GET", "/v1/blobs/later").content == b"after the move"
    assert back.stop() == 0
    what_the_transfer_role_did(stores, new)


def what_the_transfer_role_did(stores, new):
    """All that its policy permits beside the stores, and nothing that it does not."""
    keys = {given["AccessKeyId"] for given in new.roles["TransferRole"].handed_out}
    calls = [call for call in stores.account.calls() if call["key"] in keys]
    assert [call for call in calls if call["status"] in (401, 403) or call["status"] >= 500] == []
    between = {call["operation"] for call in calls for resource in call["resources"] if resource.startswith(f"{BUCKET}/")}
    assert between == {"GetObject", "PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"}
