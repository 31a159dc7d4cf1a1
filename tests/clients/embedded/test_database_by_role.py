"""`LARDER_DATABASE_AUTH=iam` against a Postgres that takes tokens as RDS does: over TLS, as a password in clear text, looked at by somebody else.

Here Postgres asks over LDAP, and what answers is botocore's own signer: a token must be, byte for byte, what it makes of the same credentials and the same moment, and not
older than 15 minutes. The clock of the service is moved by libfaketime.
"""

import datetime
import glob
import http.server
import ipaddress
import json
import secrets
import socketserver
import subprocess
import threading
import time
from unittest import mock
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from botocore.auth import SIGV4_TIMESTAMP, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from postgres import ADDRESS, Postgres
from service import BINARY, clean_environment, short_folder, wait_until

REGION = "eu-central-1"
FAKETIME = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
LIFE = datetime.timedelta(minutes=15)


class Role:
    """What a container's role gives: credentials at an address, which rotate."""

    def __init__(self):
        self.rotate()
        role = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                expires = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=6)
                given = {"AccessKeyId": role.keys.access_key, "SecretAccessKey": role.keys.secret_key, "Token": role.keys.token}
                body = json.dumps(given | {"Expiration": expires.strftime("%Y-%m-%dT%H:%M:%SZ")}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = serve(http.server.ThreadingHTTPServer((ADDRESS, 0), Handler))
        self.url = f"http://{ADDRESS}:{self.server.server_address[1]}/credentials"

    def rotate(self):
        # A real session token is as long, and has the characters that a URL escapes.
        self.keys = Credentials("ASIA" + secrets.token_hex(8).upper(), secrets.token_hex(20), "+/=" + secrets.token_urlsafe(700))


class Rds:
    """The half of RDS that judges tokens: an LDAP server, of which Postgres wants one answer to one bind."""

    def __init__(self, role):
        self.role, self.allowed, self.shift = role, {"larder_owner", "larder_app"}, datetime.timedelta()
        self.port, self.one_at_a_time = None, threading.Lock()
        self.taken, self.refused = [], []
        rds = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                if message := rds.receive(self.request):
                    message_id, user, token = bind_request(message)
                    self.request.sendall(bind_answer(message_id, 0 if rds.accepts(user, token) else 49))

        self.server = serve(socketserver.ThreadingTCPServer((ADDRESS, 0), Handler))

    @staticmethod
    def receive(connection):
        """One BER element."""
        data = connection.recv(65536)
        while data and (len(data) < 6 or len(data) < sum(ber_length(data, 1))):
            if not (more := connection.recv(65536)):
                return b""
            data += more
        return data

    def accepts(self, user, token):
        query = parse_qs(urlsplit(f"https://{token}").query)
        signed_at = datetime.datetime.strptime(query["X-Amz-Date"][0], SIGV4_TIMESTAMP).replace(tzinfo=datetime.UTC)
        expected = self.sign(user, signed_at)
        now = datetime.datetime.now(datetime.UTC) + self.shift
        good = user in self.allowed and token == expected and now < signed_at + LIFE
        (self.taken if good else self.refused).append((user, token, signed_at, expected))
        return good

    def sign(self, user, moment):
        # Not by `generate_db_auth_token`, which signs by the Common Runtime where that is installed, with a clock of its own.
        request = AWSRequest("GET", f"https://{ADDRESS}:{self.port}/?Action=connect&DBUser={user}")
        with self.one_at_a_time, mock.patch("botocore.auth.get_current_datetime", lambda: moment):
            SigV4QueryAuth(self.role.keys, "rds-db", REGION, expires=int(LIFE.total_seconds())).add_auth(request)
        return request.url.removeprefix("https://")


def serve(server):
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def ber_length(data, at):
    """Where the content of an element begins, and how long it is; `at` is behind its tag."""
    first = data[at]
    if first < 0x80:
        return at + 1, first
    size = first & 0x7F
    return at + 1 + size, int.from_bytes(data[at + 1 : at + 1 + size], "big")


def ber_elements(data):
    at = 0
    while at < len(data):
        start, length = ber_length(data, at + 1)
        yield data[at], data[start : start + length]
        at = start + length


def bind_request(message):
    """RFC 4511: the id, and the name and password of a simple bind."""
    [(_, envelope)] = ber_elements(message)
    (_, message_id), (kind, request), *_ = ber_elements(envelope)
    assert kind == 0x60, kind
    _, (_, name), (method, password) = ber_elements(request)
    assert method == 0x80, method
    return message_id, name.decode().removeprefix("uid="), password.decode()


def bind_answer(message_id, code):
    answer = bytes([0x0A, 1, code, 0x04, 0, 0x04, 0])
    content = bytes([0x02, len(message_id)]) + message_id + bytes([0x61, len(answer)]) + answer
    return bytes([0x30, len(content)]) + content


def certificates(home):
    """An authority of our own, and the server's certificate for its address."""
    now = datetime.datetime.now(datetime.UTC)

    def certificate(name, key, issuer, signer, *extensions):
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(issuer).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=9))
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def named(name):
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])

    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(ADDRESS))])
    root = (x509.BasicConstraints(ca=True, path_length=None), True)
    (home / "authority.pem").write_bytes(certificate(named("Test CA"), authority, named("Test CA"), authority, root))
    (home / "server.pem").write_bytes(certificate(named("server"), key, named("Test CA"), authority, (address, False)))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (home / "server.key").write_bytes(private)
    (home / "server.key").chmod(0o600)


class Deployment:
    def __init__(self):
        self.role = Role()
        self.rds = Rds(self.role)
        self.folder = short_folder("larder-rds-")
        home = self.folder / "postgres"
        home.mkdir(mode=0o700)
        certificates(home)
        ldap = f'ldapserver={ADDRESS} ldapport={self.rds.server.server_address[1]} ldapprefix="uid="'
        self.postgres = Postgres(
            home,
            # As on RDS, where the method is `pam`.
            [f"hostssl all +rds_iam {ADDRESS}/32 ldap {ldap}", f"hostssl all all {ADDRESS}/32 scram-sha-256"],
            ssl="on",
            ssl_cert_file=str(home / "server.pem"),
            ssl_key_file=str(home / "server.key"),
        )
        self.rds.port = self.postgres.port
        self.postgres.sql("create role rds_iam")
        self.postgres.sql("create database larder")
        self.authority = self.folder / "authority.pem"
        self.authority.write_bytes((home / "authority.pem").read_bytes())
        self.clock = self.folder / "clock"
        self.clock.write_text("+0")

    def settings(self, user, password=None):
        tls = f"?sslmode=verify-full&sslrootcert={self.authority}"
        return {
            "DATABASE_URL": self.postgres.url(user, "larder", password, tls),
            "LARDER_DATABASE_AUTH": "iam" if password is None else "url",
            "AWS_REGION": REGION,
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": self.role.url,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def faked(self):
        return {"LD_PRELOAD": FAKETIME[0], "FAKETIME_TIMESTAMP_FILE": str(self.clock), "FAKETIME_NO_CACHE": "1"}

    def command(self, name, settings):
        environment = clean_environment() | settings
        return subprocess.run([str(BINARY), name], env=environment, capture_output=True, text=True, check=False)

    def stop(self):
        self.postgres.stop()
        self.role.server.shutdown()
        self.rds.server.shutdown()


@pytest.fixture(scope="module")
def deployment():
    deployment = Deployment()
    yield deployment
    deployment.stop()


def test_the_database_is_entered_by_tokens_of_the_role_whatever_becomes_of_them(deployment, start):
    rds, postgres = deployment.rds, deployment.postgres
    made = deployment.command("database-roles", deployment.settings("postgres", postgres.password))
    assert made.returncode == 0, made.stderr
    granted = "select count(*) from pg_auth_members where roleid = 'rds_iam'::regrole"
    assert postgres.sql(granted) == "2"
    migrated = deployment.command("migrate", deployment.settings("larder_owner"))
    assert migrated.returncode == 0, migrated.stderr
    assert {user for user, *_ in rds.taken} == {"larder_owner"}

    service = start(settings=deployment.settings("larder_app") | deployment.faked())
    client = service.client()
    client.whole("PUT", "/v1/tables/kept", 201, data=b"n\n1\n", headers={"Content-Type": "text/csv"})
    assert not rds.refused, rds.refused[0]
    before, known = rds.taken[-1], len(rds.taken)

    # The role's credentials rotate, a token's life passes, and every connection is lost.
    rds.role.rotate()
    rds.shift = datetime.timedelta(minutes=16)
    deployment.clock.write_text("+16m")
    new = f"X-Amz-Credential={rds.role.keys.access_key}"

    def entered_anew():
        postgres.sql("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'larder_app'")
        try:
            client.get("/health/ready")
        except requests.ConnectionError:
            # By the clock that went on, a connection of the client has been idle for too long.
            return False
        return any(new in token for _, token, *_ in rds.taken[known:])

    wait_until_served(client, entered_anew)
    assert client.json_of("/v1/tables/kept/rows") == [{"n": 1}]
    user, _, signed_at, _ = rds.taken[-1]
    assert user == "larder_app"
    assert signed_at - before[2] >= datetime.timedelta(minutes=16)
    # What the log says of it holds no token.
    assert "X-Amz-" not in service.log.read_text()
    assert service.stop() == 0


def wait_until_served(client, true):
    check, client.check = client.check, lambda response: None
    try:
        wait_until(true, "a connection by a new token", 120)
    finally:
        client.check = check


def test_a_role_that_may_not_enter_is_told_what_it_lacks(deployment):
    deployment.postgres.sql("create role stranger login")
    deployment.postgres.sql("create role barred login in role rds_iam")
    for user in ("stranger", "barred"):
        said = deployment.command("serve", deployment.settings(user) | data_dir(deployment))
        assert said.returncode != 0
        assert f"refuses the IAM token of the user `{user}`" in said.stderr
        assert "rds-db:connect" in said.stderr and "rds_iam" in said.stderr
        assert "X-Amz-" not in said.stderr


def test_a_token_is_sent_over_verified_tls_alone(deployment):
    for instead, said in [
        ("sslmode=require", "must say sslmode=verify-full"),
        ("sslmode=disable", "must say sslmode=verify-full"),
        ("sslmode=verify-full", "cannot be reached"),
    ]:
        settings = deployment.settings("larder_app") | data_dir(deployment)
        settings["DATABASE_URL"] = settings["DATABASE_URL"].split("?")[0] + "?" + instead
        known = len(deployment.rds.taken) + len(deployment.rds.refused)
        done = deployment.command("serve", settings)
        assert done.returncode != 0 and said in done.stderr, done.stderr
        assert known == len(deployment.rds.taken) + len(deployment.rds.refused), "a token was sent"


def data_dir(deployment):
    return {"LARDER_DATA_DIR": str(deployment.folder / f"data-{time.monotonic_ns()}"), "LARDER_LISTEN": f"{ADDRESS}:0"}
