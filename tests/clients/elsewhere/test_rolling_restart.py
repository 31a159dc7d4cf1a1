"""Two replicas behind a balancer, each stopped and started again, and then their database: no request of those who use them fails. Needs `--stores=elsewhere`."""

import itertools
import sys
import threading
import time
from pathlib import Path

import pytest
import requests
from postgres import ADDRESS
from service import Process, Service, free_port, wait_until

# Many times what the balancer takes to notice that a replica goes.
DRAIN_SECONDS = "8"
CADDYFILE = """
{{
    admin off
    auto_https off
    persist_config off
}}
http://{address}:{port} {{
    bind {address}
    reverse_proxy {replicas} {{
        # `round_robin` looks at as many turns as there are replicas, and requests at once take one another's: it can find none where one is there.
        lb_policy least_conn
        health_uri /health/ready
        health_interval 100ms
        health_timeout 10s
    }}
}}
"""


class Replica:
    """A port, and the process that has it at the time."""

    def __init__(self, stores, folder, number, public_url):
        self.stores, self.folder, self.number, self.generation = stores, folder, number, 0
        self.port, self.public_url = free_port(), public_url
        self.start()

    def start(self):
        self.generation += 1
        name = f"replica-{self.number}-{self.generation}"
        settings = {
            "LARDER_LISTEN": f"{ADDRESS}:{self.port}",
            "LARDER_PUBLIC_URL": self.public_url,
            "LARDER_DRAIN_SECONDS": DRAIN_SECONDS,
        }
        self.service = Service(self.stores, self.folder / name, settings=settings, port=self.port)

    def serves(self):
        """Whether the balancer sends it what users ask for."""
        return '"path":"/v1/' in self.service.log.read_text()

    def restart(self):
        assert self.service.stop() == 0
        assert "cut off" not in self.service.log.read_text()
        self.start()
        wait_until(self.serves, "requests through the balancer")


class Load:
    """Users who read and write without a pause; `failures` are the answers that were not what they should be."""

    def __init__(self, url, token, wanted):
        self.failures, self.done, self.over = [], itertools.count(), threading.Event()
        self.answered = 0
        self.threads = [threading.Thread(target=self.use, args=(url, token, *one)) for one in wanted]
        for thread in self.threads:
            thread.start()

    def use(self, url, token, method, path, body, expected):
        session = requests.Session()
        session.trust_env = False
        session.headers["Authorization"] = f"Bearer {token}"
        while not self.over.is_set():
            # Each upload makes a thing of its own.
            target = path.replace("{n}", f"{next(self.done)}")
            try:
                response = session.request(method, url + target, data=body, timeout=60)
                good = expected(response)
                said = f"{response.status_code} {response.text[:300]}"
            except requests.RequestException as error:
                good, said = False, repr(error)
            self.answered += 1
            if not good:
                self.failures.append(f"{time.strftime('%H:%M:%S')} {method} {target}: {said}")

    def wait_for_more(self, answers):
        enough = self.answered + answers
        wait_until(lambda: self.answered >= enough or self.failures, "answers")

    def end(self):
        self.over.set()
        for thread in self.threads:
            thread.join()
        assert not self.failures, "\n".join(self.failures[:10])


@pytest.fixture(scope="module")
def replicas(stores, tmp_path_factory):
    folder, port = tmp_path_factory.mktemp("replicas"), free_port()
    url = f"http://{ADDRESS}:{port}"
    replicas = [Replica(stores, folder, number, url) for number in (1, 2)]
    upstreams = " ".join(f"{ADDRESS}:{replica.port}" for replica in replicas)
    (config := folder / "Caddyfile").write_text(CADDYFILE.format(address=ADDRESS, port=port, replicas=upstreams))
    command = [str(Path(sys.executable).with_name("caddy")), "run", "--config", str(config), "--adapter", "caddyfile"]
    balancer = Process(command, folder / "caddy.log", environment={"HOME": str(folder)})
    balancer.wait_until_up(lambda: answers(url))
    yield url, replicas
    assert [replica.service.stop() for replica in replicas] == [0, 0]
    balancer.kill()


def answers(url):
    try:
        return requests.get(f"{url}/health/ready", timeout=10).ok
    except requests.RequestException:
        return False


@pytest.fixture(scope="module")
def reads(replicas):
    """Of one of each structure, and of a link."""
    url, (first, _) = replicas
    client = first.service.client()
    client.whole("PUT", f"{url}/v1/blobs/rolling/a", 201, data=b"bytes")
    client.whole("PUT", f"{url}/v1/tables/rolling", 201, data=b"n\n1\n2\n", headers={"Content-Type": "text/csv"})
    client.whole("PUT", f"{url}/v1/documents/rolling/one", 201, data=b'{"v": 1}')
    share = client.json_of(f"{url}/v1/shares", 201, "POST", json={"target": "/v1/tables/rolling"})["url"]
    return [
        ("GET", "/v1/blobs/rolling/a", None, lambda response: response.content == b"bytes"),
        ("GET", "/v1/tables/rolling/rows", None, lambda response: response.json() == [{"n": 1}, {"n": 2}]),
        ("GET", "/v1/documents/rolling/one", None, lambda response: response.json() == {"v": 1}),
        ("GET", share.removeprefix(url) + "/x.csv", None, lambda response: response.content == b"n\n1\n2\n"),
    ]


def test_no_request_fails_while_each_replica_is_replaced(replicas, reads):
    url, (first, second) = replicas
    created = lambda response: response.status_code == 201
    writes = [
        ("PUT", "/v1/documents/rolling/made-{n}", b'{"v": 2}', created),
        ("PUT", "/v1/tables/rolling-{n}", b"a,b\n1,2\n", created),
        ("PUT", "/v1/blobs/rolling/{n}", b"x" * 100_000, created),
    ]
    load = Load(url, first.service.token, reads + writes)
    try:
        for replica in (first, second):
            load.wait_for_more(100)
            replica.restart()
        load.wait_for_more(100)
    finally:
        load.end()


def test_no_reading_fails_while_the_database_restarts(replicas, reads, stores):
    url, (first, _) = replicas
    load = Load(url, first.service.token, reads)
    try:
        for _ in range(3):
            load.wait_for_more(100)
            stores.postgres.stop()
            stores.postgres.start()
        load.wait_for_more(100)
    finally:
        load.end()
