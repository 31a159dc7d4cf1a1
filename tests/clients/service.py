"""A running Larder, and the clients that speak to it."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

import requests
import secrets_used

ROOT = Path(__file__).parents[2]
# Seconds: far more than anything here takes, on a machine that does much else.
PATIENCE = 300
BINARY = ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "debug" / "larder"


def free_port(address="127.0.0.1"):
    with socket.socket() as listener:
        listener.bind((address, 0))
        return listener.getsockname()[1]


def wait_until(true, what, seconds=PATIENCE):
    """Waits for something that has no event to wait for; fails with `what`."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.02)


def clean_environment():
    """Ours without anything that would configure Larder or an AWS client."""
    mine = ("LARDER_", "AWS_", "DATABASE_URL", "PG")
    return {name: value for name, value in os.environ.items() if not name.startswith(mine)}


def short_folder(prefix):
    """Not pytest's own folders: those are closed to the user that Postgres runs as, and too long for the path of a socket."""
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir="/tmp"))
    folder.chmod(0o755)
    return folder


class Process:
    """A server of its own; what it prints is shown when it does not come up."""

    def __init__(self, command, log, *, environment=None, user=None, cwd=None):
        self.command, self.log = command, Path(log)
        group = {"user": user, "group": user, "extra_groups": []} if user else {}
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, cwd=cwd, **group
            )

    @property
    def pid(self):
        return self.process.pid

    def wait_until_up(self, answers, seconds=PATIENCE):
        def up():
            assert self.process.poll() is None, f"it ended with {self.process.returncode}"
            return answers()

        try:
            wait_until(up, "to answer", seconds)
        except AssertionError as error:
            self.kill()
            raise AssertionError(f"{self.command}: {error}\n{self.log.read_text()}") from None

    def stop(self, seconds=PATIENCE):
        """Ends it as an operator does; gives its exit code."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self):
        self.process.kill()
        self.process.wait()


class Service(Process):
    """Larder in a process of its own, on a port of its own."""

    def __init__(self, stores, data_dir, address="127.0.0.1", settings=None, port=None):
        port = port or free_port(address)
        self.url = f"http://{address}:{port}"
        self.data_dir = Path(data_dir)
        # As a user starts it: on loopback the public URL follows from the listener, unless the stores say that it must be told.
        settings = {
            "LARDER_LISTEN": f"{address}:{port}",
            "LARDER_DATA_DIR": str(data_dir),
            "LARDER_LOG_FORMAT": "json",
            **stores.settings(self.url),
            **(settings or {}),
        }
        super().__init__([str(BINARY)], f"{data_dir}.log", environment=clean_environment() | settings)
        self.wait_until_up(self.is_ready)
        self.token = settings.get("LARDER_ADMIN_TOKEN") or (self.data_dir / "admin-token").read_text().strip()

    def is_ready(self):
        with contextlib.suppress(requests.ConnectionError, requests.Timeout):
            return requests.get(f"{self.url}/health/ready", timeout=10).ok
        return False

    def client(self, token=None):
        return Client(self, self.token if token is None else token)

    def curl(self, *arguments, path="/", token=None):
        """curl as the README shows it, with the token; gives its standard output as bytes."""
        authorization = f"Authorization: Bearer {self.token if token is None else token}"
        return curl("-H", authorization, *arguments, self.url + path)

    def upload(self, file, path="/"):
        """`curl --fail-with-body -T file http://host/`, and the descriptor that it answers."""
        return json.loads(self.curl("-T", str(file), path=path))


def curl(*arguments):
    done = subprocess.run(["curl", "-sS", "--fail-with-body", *arguments], capture_output=True, check=False)
    assert done.returncode == 0, f"curl {arguments}: {done.stderr.decode()}\n{done.stdout[:2000].decode(errors='replace')}"
    return done.stdout


class Client(requests.Session):
    """requests, with paths instead of URLs. Holds every answer of ours to what holds for all: a request id, RFC 9457 problems, a documented status."""

    reference = None  # /openapi.json, read once for all clients

    def __init__(self, service, token):
        super().__init__()
        self.trust_env = False
        self.base, self.log = service.url, service.log
        if token:
            self.headers["Authorization"] = f"Bearer {token}"

    def request(self, method, url, **options):
        options.setdefault("timeout", PATIENCE)
        response = super().request(method, url if "://" in url else self.base + url, **options)
        for one in [*response.history, response]:
            if not options.get("stream"):
                secrets_used.note(one)
            if one.url.startswith(self.base) and not one.url.startswith(self.base + "/larder-objects/"):
                self.check(one)
        return response

    def check(self, response):
        assert response.headers.get("x-request-id"), f"{response.url}: no x-request-id"
        assert response.status_code < 500, f"{response.url}: {response.text}\n{self.errors()}"
        # A form's answer tells of each of its files.
        several = response.request.method == "POST" and response.text.startswith('{"files":')
        if response.status_code >= 400 and response.request.method != "HEAD" and not several:
            problem(response, response.status_code)
        self.check_documented(response)

    def errors(self):
        """What the service logged about its latest failures."""
        return "\n".join([line for line in self.log.read_text().splitlines() if '"level":"ERROR"' in line][-3:])

    def check_documented(self, response):
        if Client.reference is None:
            Client.reference = requests.get(f"{self.base}/openapi.json", timeout=PATIENCE).json()
        method, path = response.request.method.lower(), urlsplit(response.url).path
        template = documented_path(Client.reference, path)
        operation = Client.reference["paths"].get(template, {}).get(method)
        if operation is None and method == "head":
            operation = Client.reference["paths"].get(template, {}).get("get")
        status = response.status_code
        if operation is None:
            assert status in (401, 404, 405, 409), f"{method} {path} answers {status} and is not documented"
        else:
            documented = operation["responses"].keys()
            ours = {str(status), f"{status // 100}XX", "default"}
            assert documented & ours, f"{method} {template} answers {status}; documented: {sorted(documented)}"

    def whole(self, method, url, status=200, **options):
        """The response, once it is known to have this status."""
        response = self.request(method, url, **options)
        assert response.status_code == status, f"{method} {url}: {response.status_code} {response.text[:2000]}"
        return response

    def json_of(self, url, status=200, method="GET", **options):
        return self.whole(method, url, status, **options).json()


def documented_path(reference, path):
    """The template of the reference that this path falls under; the one with most of it written out."""

    def pattern(template):
        many = r"(.+)"
        parts = re.split(r"(\{[^}]*\})", template)
        return "".join(
            (many if part in ("{key}", "{path}") else r"([^/]+)") if part.startswith("{") else re.escape(part)
            for part in parts
        )

    def written_out(template):
        return len(re.sub(r"\{[^}]*\}", "", template))

    matching = [template for template in reference["paths"] if re.fullmatch(pattern(template), path)]
    return max(matching, key=written_out, default=None)


def problem(response, status, slug=None):
    """The RFC 9457 problem that the response must be."""
    assert response.status_code == status, f"{response.status_code} {response.text[:2000]}"
    assert response.headers["content-type"].startswith("application/problem+json"), response.headers
    body = response.json()
    assert body["status"] == status
    assert body["type"].startswith("/problems/")
    assert body["title"] and body["detail"]
    assert body["request_id"] == response.headers["x-request-id"]
    if slug is not None:
        assert body["type"] == f"/problems/{slug}", body
    return body
