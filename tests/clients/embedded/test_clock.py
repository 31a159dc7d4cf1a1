"""Two replicas, in processes of their own, on the same stores under one clock, which moves forward: what is over is over everywhere. The clock is that of both replicas
and of their Postgres, moved by libfaketime; time that is only measured, as by the cache of tokens, goes on as it does."""

import glob

import pytest
import requests
from service import PATIENCE, free_port, short_folder, wait_until

FAKETIME = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
# LARDER_TOKEN_CACHE_SECONDS at its most, and time for the requests.
REVOKED_SECONDS = 5 + 10


class Clock:
    def __init__(self):
        self.folder = short_folder("larder-clock-")
        self.file = self.folder / "clock"
        self.forward(0)

    def forward(self, minutes):
        # Readers of the file must never find it empty.
        (new := self.folder / "new").write_text(f"+{minutes}m\n")
        new.chmod(0o644)
        new.rename(self.file)

    def settings(self):
        return {
            "LD_PRELOAD": FAKETIME[0],
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }


@pytest.fixture(scope="module")
def clock():
    return Clock()


@pytest.fixture(scope="module")
def replicas(clock, start):
    first = start(settings=clock.settings())
    data = first.data_dir
    keys = dict(line.split("=", 1) for line in (data / "aws.env").read_text().splitlines())
    port = free_port()
    stores = {
        "LARDER_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "LARDER_EMBEDDED": "never",
        "LARDER_ADMIN_TOKEN": first.token,
        "LARDER_SECRET_KEYS": (data / "secret-key").read_text().strip(),
        "LARDER_S3_BUCKET": "larder-objects",
        "LARDER_DYNAMODB_TABLE": "larder-documents",
        "DATABASE_URL": f"postgres://larder@localhost/larder?host={data / 'postgres' / 'run'}&sslmode=disable",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    return first, start(port=port, settings=clock.settings() | stores | keys)


def test_what_expires_is_revoked_or_rotated_is_so_on_both_replicas_when_the_clock_moves(clock, replicas):
    first, second = (replica.client() for replica in replicas)

    def status(client, path, **options):
        return requests.get(client.base + path, allow_redirects=False, timeout=PATIENCE, **options).status_code

    def everywhere(path, **options):
        return {status(client, path, **options) for client in (first, second)}

    def by(token):
        return everywhere("/v1/tables/shared", headers={"Authorization": f"Bearer {token}"})

    def token(client, **terms):
        return client.json_of("/v1/tokens", 201, "POST", json={"name": "clock", **terms})

    def signed_in(client, secret):
        answer = requests.post(f"{client.base}/login", json={"token": secret}, timeout=PATIENCE)
        return answer.headers["set-cookie"].split(";")[0]

    def link(client, **terms):
        url = client.json_of("/v1/shares", 201, "POST", json={"target": "/v1/tables/shared", **terms})["url"]
        return url[url.index("/s/"):]

    first.whole("PUT", "/v1/tables/shared", 201, data=b"n\n1\n", headers={"Content-Type": "text/csv"})
    hour, day = token(first, expires_in="1h"), token(second, expires_in="1d")
    cookie = signed_in(second, hour["token"])
    old = token(second)
    new = first.json_of(f"/v1/tokens/{old['id']}/rotate?overlap=1h", 201, "POST")
    short, long, protected = link(second, expires_in="1h"), link(first, expires_in="1d"), link(first, password="open sesame")
    admitted = requests.post(first.base + protected, data={"password": "open sesame"}, allow_redirects=False, timeout=PATIENCE)
    opened = {"Cookie": admitted.headers["set-cookie"].split(";")[0]}

    def all_of(secrets):
        return [by(made["token"]) for made in secrets]

    assert all_of([hour, day, old, new]) == [{200}] * 4
    assert everywhere("/v1/tables/shared", headers={"Cookie": cookie}) == {200}
    assert everywhere(short) == everywhere(long) == everywhere(protected, headers=opened) == {200}

    clock.forward(61)
    assert everywhere(short) == {410}, "a link is judged at each hit"
    wait_until(lambda: all_of([hour, old]) == [{401}] * 2, "what the caches know of tokens to be over", REVOKED_SECONDS)
    session = {"Cookie": cookie}
    wait_until(lambda: everywhere("/v1/tables/shared", headers=session) == {401}, "a session to end with its token", REVOKED_SECONDS)
    assert all_of([day, new]) == [{200}] * 2
    assert everywhere(long) == everywhere(protected, headers=opened) == {200}

    first.whole("DELETE", f"/v1/tokens/{day['id']}", 204)
    wait_until(lambda: by(day["token"]) == {401}, "the other replica to know of a revocation", REVOKED_SECONDS)

    clock.forward(4 * 60 + 1)
    assert everywhere(protected, headers=opened) == {401}, "the password is asked for again"
    assert everywhere(protected, auth=("", "open sesame")) == everywhere(long) == {200}
    # The sweep, too, goes by that clock, and serves on.
    clock.forward(25 * 60)
    assert everywhere(long) == {410}
    assert by(new["token"]) == {200}
    assert [replica.is_ready() for replica in replicas] == [True, True]
