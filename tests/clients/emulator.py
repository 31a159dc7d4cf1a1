"""An AWS account on this machine: MiniStack over TLS with IAM enforced, the stack of deploy/larder.yaml in it, and the task's role as ECS hands it out."""

import datetime
import ipaddress
import json
import os
import secrets
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import requests
from botocore.config import Config
from cfnlint.decode import cfn_yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from service import ROOT, clean_environment, free_port
from stores import ADDRESS, TOKEN, Elsewhere

REGION = "eu-central-1"
STACK = "larder"
PARAMETERS = {
    "Image": f"123456789012.dkr.ecr.{REGION}.amazonaws.com/larder:1",
    "DomainName": "data.example.org",
    "AlarmEmail": "operator@example.org",
    "TransferBucket": "larder-moving",
}
# What MiniStack 1.5.33 does not know; it refuses a template that has any of them.
UNKNOWN = {"AWS::ApplicationAutoScaling::ScalableTarget", "AWS::ApplicationAutoScaling::ScalingPolicy", "AWS::Logs::QueryDefinition"}
# RDS makes it, and MiniStack only for clusters.
MASTER_SECRET = f"arn:aws:secretsmanager:{REGION}:000000000000:secret:rds!db-master-AbCdEf"


class Deployed(Elsewhere):
    """The stack's own bucket and table under the stack's own task role; Debian's Postgres, for the emulator has none."""

    name = "deployed"

    def start_s3(self):
        self.account = Account(self)
        self.stack = self.account.create_stack(emulated(template()))
        self.credentials = Credentials(self.account, self.stack.role("TaskRole"))
        # For whatever follows a presigned URL.
        for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
            os.environ[name] = str(self.account.authority)
        return self.account.url

    def start_dynamodb(self):
        return self.account.url

    def settings(self, url):
        ours = {
            "LARDER_S3_BUCKET": self.stack.outputs["BucketName"],
            "LARDER_DYNAMODB_TABLE": self.stack.outputs["TableName"],
            "AWS_REGION": REGION,
            "SSL_CERT_FILE": str(self.account.authority),
            **self.credentials.environment(),
        }
        settings = super().settings(url) | ours
        return {name: value for name, value in settings.items() if name not in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}

    def stop(self):
        super().stop()
        if hasattr(self, "credentials"):
            self.credentials.stop()


def template():
    return json.loads(json.dumps(cfn_yaml.load(str(ROOT / "deploy/larder.yaml"))))


def emulated(whole):
    """The template less what the emulator does not know; deploy/README.md names the same things."""
    whole["Resources"] = {name: one for name, one in whole["Resources"].items() if one["Type"] not in UNKNOWN}

    def replaced(value):
        if value == {"Fn::GetAtt": ["Database", "MasterUserSecret.SecretArn"]}:
            return MASTER_SECRET
        if isinstance(value, dict):
            return {name: replaced(one) for name, one in value.items()}
        if isinstance(value, list):
            return [replaced(one) for one in value]
        return value.replace("${Database.MasterUserSecret.SecretArn}", MASTER_SECRET) if isinstance(value, str) else value

    return replaced(whole)


class Account:
    def __init__(self, stores):
        self.folder = stores.folder
        self.authority = self.folder / "authority.pem"
        certificate, key = self.make_certificates()
        port = free_port()
        self.url = f"https://{ADDRESS}:{port}"
        self.zone = None
        self.root = {"aws_access_key_id": "root" + secrets.token_hex(8), "aws_secret_access_key": secrets.token_hex(16)}
        (temporary := self.folder / "emulator").mkdir()
        environment = clean_environment() | {
            "AUTH": "true",
            "GATEWAY_PORT": str(port),
            # These would listen on every address.
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "MINISTACK_REGION": REGION,
            "TMPDIR": str(temporary),
            "AWS_ACCESS_KEY_ID": self.root["aws_access_key_id"],
            "AWS_SECRET_ACCESS_KEY": self.root["aws_secret_access_key"],
        }
        server = Path(__file__).with_name("emulator_server.py")
        stores.start("emulator", [sys.executable, str(server), str(port), str(certificate), str(key)], port, environment=environment)

    def environment(self):
        """What a script or the CLI needs to act in this account, as its root."""
        return clean_environment() | {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_CA_BUNDLE": str(self.authority),
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": self.root["aws_access_key_id"],
            "AWS_SECRET_ACCESS_KEY": self.root["aws_secret_access_key"],
            "AWS_PAGER": "",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }

    def make_certificates(self):
        """An authority for this run, and a certificate for the loopback address."""
        now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
        authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())

        def name(text):
            return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])

        def certificate(subject, public_key, extension):
            one = x509.CertificateBuilder(name("authority"), name(subject), public_key, x509.random_serial_number(), now - day, now + day)
            one = one.add_extension(x509.BasicConstraints(subject == "authority", None), critical=True)
            if extension:
                one = one.add_extension(extension, critical=False)
            return one.sign(authority_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

        self.authority.write_bytes(certificate("authority", authority_key.public_key(), None))
        (leaf := self.folder / "leaf.pem").write_bytes(
            certificate("emulator", key.public_key(), x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(ADDRESS))]))
        )
        (leaf_key := self.folder / "leaf.key").write_bytes(
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )
        return leaf, leaf_key

    def client(self, service, **credentials):
        """boto3 as root, or with `credentials`."""
        config = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})
        options = {"endpoint_url": self.url, "region_name": REGION, "verify": str(self.authority), "config": config}
        return boto3.client(service, **options, **(credentials or self.root))

    def calls(self):
        """What roles have called so far."""
        return requests.get(f"{self.url}/_test/calls", verify=str(self.authority), timeout=30).json()

    def create_stack(self, body, name=STACK, **parameters):
        self.zone = self.zone or self.client("route53").create_hosted_zone(Name="example.org", CallerReference="test")["HostedZone"]["Id"]
        parameters = PARAMETERS | {"HostedZoneId": self.zone.rpartition("/")[2]} | parameters
        cloudformation = self.client("cloudformation")
        cloudformation.create_stack(
            StackName=name,
            TemplateBody=json.dumps(body),
            Capabilities=["CAPABILITY_IAM"],
            Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
        )
        cloudformation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
        return Stack(cloudformation, name)


class Stack:
    def __init__(self, cloudformation, name):
        (described,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
        self.outputs = {one["OutputKey"]: one["OutputValue"] for one in described["Outputs"]}
        listed = cloudformation.get_paginator("list_stack_resources").paginate(StackName=name)
        self.resources = {one["LogicalResourceId"]: one for page in listed for one in page["StackResourceSummaries"]}

    def id(self, logical):
        return self.resources[logical]["PhysicalResourceId"]

    def role(self, logical):
        return f"arn:aws:iam::000000000000:role/{self.id(logical)}"


class Credentials:
    """Hands out the temporary credentials of a role as ECS does, at an address that only the holder of a token may ask."""

    def __init__(self, account, role):
        self.account, self.role, self.sts = account, role, account.client("sts")
        # Only ECS may be the role, and there is no ECS here. What the role may do stays as it is.
        trusted = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::000000000000:root"}, "Action": "sts:AssumeRole"}
        policy = {"Version": "2012-10-17", "Statement": [trusted]}
        account.client("iam").update_assume_role_policy(RoleName=role.rpartition("/")[2], PolicyDocument=json.dumps(policy))
        self.life_seconds = 3600
        self.handed_out = []
        self.token = secrets.token_hex(16)
        self.server = ThreadingHTTPServer((ADDRESS, 0), self.handler())
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def environment(self):
        url = f"http://{ADDRESS}:{self.server.server_port}/task"
        return {"AWS_CONTAINER_CREDENTIALS_FULL_URI": url, "AWS_CONTAINER_AUTHORIZATION_TOKEN": self.token}

    def assume(self):
        """Credentials that end in `life_seconds`, for the emulator too."""
        given = self.sts.assume_role(RoleArn=self.role, RoleSessionName="task")["Credentials"]
        ends = time.time() + self.life_seconds
        query = {"key": given["AccessKeyId"], "at": ends}
        requests.get(f"{self.account.url}/_test/expire", params=query, verify=str(self.account.authority), timeout=30).raise_for_status()
        self.handed_out.append(given)
        return given, datetime.datetime.fromtimestamp(ends, datetime.UTC)

    def client(self, service, given=None):
        """boto3 with credentials of the role: new ones, or those that were handed out before."""
        given = given or self.assume()[0]
        named = {"aws_access_key_id": "AccessKeyId", "aws_secret_access_key": "SecretAccessKey", "aws_session_token": "SessionToken"}
        return self.account.client(service, **{name: given[value] for name, value in named.items()})

    def handler(credentials):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                if self.headers["Authorization"] != credentials.token:
                    return self.send_error(403)
                given, ends = credentials.assume()
                body = {
                    "RoleArn": credentials.role,
                    "AccessKeyId": given["AccessKeyId"],
                    "SecretAccessKey": given["SecretAccessKey"],
                    "Token": given["SessionToken"],
                    "Expiration": ends.strftime("%Y-%m-%dT%H:%M:%SZ"),
                }
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            def log_message(self, *_):
                pass

        return Handler

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
