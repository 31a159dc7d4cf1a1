"""Where the three stores of a service under test are: embedded in it, or real servers elsewhere, which the service finds by environment alone."""

import json
import secrets
import sys
from pathlib import Path

import boto3
from botocore.config import Config
from postgres import ADDRESS, Postgres, listens
from service import Process, free_port, short_folder

TOKEN = "larder-test-admin-token"
BUCKET = TABLE = "larder-test"


class Embedded:
    """Nothing is configured: the service starts its own engines."""

    name = "embedded"
    shared = False

    def settings(self, _url):
        return {}

    def stop(self):
        pass


class Elsewhere:
    """SeaweedFS for S3, moto in a process of its own for DynamoDB, Debian's Postgres over TCP with a password."""

    name = "elsewhere"
    shared = True

    def __init__(self):
        self.folder = short_folder("larder-stores-")
        self.access_key, self.secret_key, self.signing_key = (secrets.token_hex(16) for _ in range(3))
        self.processes, self.postgres = [], None
        try:
            self.s3 = self.start_s3()
            self.dynamodb = self.start_dynamodb()
            self.database = self.start_postgres()
        except BaseException:
            self.stop()
            raise

    def settings(self, url):
        return {
            "LARDER_EMBEDDED": "never",
            "LARDER_PUBLIC_URL": url,
            "LARDER_ADMIN_TOKEN": TOKEN,
            "LARDER_SECRET_KEYS": self.signing_key,
            "LARDER_S3_BUCKET": BUCKET,
            "LARDER_DYNAMODB_TABLE": TABLE,
            "DATABASE_URL": self.database,
            "AWS_ENDPOINT_URL_S3": self.s3,
            "AWS_ENDPOINT_URL_DYNAMODB": self.dynamodb,
            "AWS_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def stop(self):
        # SeaweedFS would take 25 s over an orderly end, and its data is thrown away.
        for process in self.processes:
            process.kill()
        if self.postgres:
            self.postgres.stop()

    def start(self, name, command, port, **options):
        process = Process(command, self.folder / f"{name}.log", **options)
        process.wait_until_up(lambda: listens(port))
        self.processes.append(process)

    def client(self, service, url):
        credentials = {"aws_access_key_id": self.access_key, "aws_secret_access_key": self.secret_key}
        patient = Config(retries={"total_max_attempts": 20, "mode": "standard"}, s3={"addressing_style": "path"})
        return boto3.client(service, endpoint_url=url, region_name="eu-central-1", config=patient, **credentials)

    def start_s3(self):
        keys = {"accessKey": self.access_key, "secretKey": self.secret_key}
        identity = {"name": "larder", "credentials": [keys], "actions": ["Admin", "Read", "Write", "List", "Tagging"]}
        config = self.folder / "s3.json"
        config.write_text(json.dumps({"identities": [identity]}))
        ports = {
            f"-{flag}.port{grpc}": free_port()
            for flag in ("master", "volume", "filer", "s3")
            for grpc in ("", ".grpc")
        }
        (data := self.folder / "s3").mkdir()
        command = [
            str(Path(sys.executable).with_name("weed")),
            "-logtostderr=true",
            "server",
            f"-ip={ADDRESS}",
            f"-ip.bind={ADDRESS}",
            f"-dir={data}",
            "-filer",
            "-s3",
            f"-s3.config={config}",
            *(f"{flag}={port}" for flag, port in ports.items()),
            # Small volumes, and none of the servers and reports that are not wanted.
            "-volume.max=0",
            "-master.volumeSizeLimitMB=256",
            "-master.telemetry=false",
            "-s3.iam=false",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
        ]
        self.start("seaweedfs", command, ports["-s3.port"])
        url = f"http://{ADDRESS}:{ports['-s3.port']}"
        self.client("s3", url).create_bucket(Bucket=BUCKET)
        return url

    def start_dynamodb(self):
        port = free_port()
        server = Path(__file__).with_name("dynamodb_server.py")
        self.start("dynamodb", [sys.executable, str(server), ADDRESS, str(port)], port)
        url = f"http://{ADDRESS}:{port}"
        create_table(self.client("dynamodb", url), TABLE)
        return url

    def start_postgres(self):
        """A role that owns its database and is no superuser, as on RDS."""
        self.postgres = Postgres(self.folder / "postgres")
        password = secrets.token_hex(16)
        self.postgres.sql(f"create role larder login password '{password}'")
        self.postgres.sql("create database larder owner larder")
        return self.postgres.url("larder", "larder", password)


def create_table(client, name):
    """The table as DESIGN has it: partition and sort key, eight sparse indexes whose sort key is binary, and `ttl`."""
    indexes = range(1, 9)
    types = {"pk": "S", "sk": "S"}
    types |= {f"i{n}p": "S" for n in indexes} | {f"i{n}s": "B" for n in indexes}

    def keys(partition, sort):
        return [{"AttributeName": partition, "KeyType": "HASH"}, {"AttributeName": sort, "KeyType": "RANGE"}]

    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": at, "AttributeType": kind} for at, kind in types.items()],
        KeySchema=keys("pk", "sk"),
        GlobalSecondaryIndexes=[
            {"IndexName": index_name(n), "KeySchema": keys(f"i{n}p", f"i{n}s"), "Projection": {"ProjectionType": "ALL"}}
            for n in indexes
        ],
    )
    client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})
    ttl = {"Enabled": True, "AttributeName": "ttl"}
    client.update_time_to_live(TableName=name, TimeToLiveSpecification=ttl)


def index_name(n):
    """DynamoDB demands three characters at least."""
    return f"ix{n}"
