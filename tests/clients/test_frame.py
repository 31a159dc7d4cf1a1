"""What holds for every request: who is let in, what a problem looks like, what a checksum is for."""

import base64
import hashlib
import zlib

import pytest
import requests
from service import PATIENCE, problem


def test_health_needs_no_token_and_names_the_stores(service):
    assert requests.get(f"{service.url}/health/live", timeout=PATIENCE).json() == {"status": "ok"}
    ready = requests.get(f"{service.url}/health/ready", timeout=PATIENCE).json()
    assert {ready[store] for store in ("database", "objects", "documents")} == {"ok"}


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/v1/blobs/{}/a", ["GET", "PUT", "DELETE"]),
        ("/v1/tables/{}", ["GET", "PUT", "DELETE"]),
        ("/v1/tables/{}/rows.csv", ["GET"]),
        ("/v1/tables/{}/restore", ["POST"]),
        ("/v1/documents/{}/a", ["GET", "PUT", "DELETE"]),
        ("/v1/documents/{}", ["GET"]),
        ("/{}", ["GET", "PUT"]),
    ],
)
def test_without_a_token_the_answer_is_the_same_whether_or_not_the_name_exists(service, client, name, path, methods):
    client.whole("PUT", f"/v1/blobs/{name}/a", 201, data=b"x")
    client.whole("PUT", f"/v1/tables/{name}", 201, data=b"a\n1\n", headers={"Content-Type": "text/csv"})
    client.whole("PUT", f"/v1/documents/{name}/a", 201, data=b"{}")

    def answers(token, found):
        for method in methods:
            # A GET with bytes that nobody reads may or may not end its connection, which is one more header.
            sent = None if method == "GET" else b"x"
            answer = service.client(token).request(method, path.format(found), data=sent)
            body = problem(answer, 401, "unauthenticated")
            challenge = answer.headers["www-authenticate"]
            assert "Bearer" in challenge and "Basic" in challenge
            headers = {key: value for key, value in answer.headers.items() if key.lower() not in ("date", "x-request-id")}
            yield {key: value for key, value in body.items() if key != "request_id"}, headers

    known = list(answers("", name))
    assert known == list(answers("", f"{name}-absent")) == list(answers("a-wrong-token-of-some-length", name))


def test_basic_takes_the_token_as_the_password(service):
    for user in ("", "anyone"):
        url = f"{service.url}/v1/shares"
        assert requests.get(url, auth=(user, service.token), timeout=PATIENCE).status_code == 200
        assert requests.get(url, auth=(service.token, user or "x"), timeout=PATIENCE).status_code == 401


def test_unknown_addresses_and_methods_are_problems_too(client, name):
    for path in (f"/v1/blobs/{name}/a", f"/v1/tables/{name}/rows", f"/v1/documents/{name}/a", "/v1/nothing", f"/{name}"):
        problem(client.get(path), 404, "not-found")
    for method, path in [("PATCH", "/v1/shares"), ("POST", "/health/live"), ("DELETE", "/v1/blobs")]:
        answer = client.request(method, path)
        problem(answer, 405, "method-not-allowed")
        assert answer.headers["allow"]


def test_every_kind_of_problem_is_explained(service):
    kinds = requests.get(f"{service.url}/problems", timeout=PATIENCE).json()
    assert len(kinds) > 20
    for kind in kinds:
        assert requests.get(service.url + kind["type"], timeout=PATIENCE).json() == kind
        assert kind["title"] and kind["explanation"] and 400 <= kind["status"] < 600


def test_a_cross_site_write_of_a_browser_needs_a_bearer_token(service, client, name):
    url = f"/v1/blobs/{name}/a"
    basic = service.client(token="")
    foreign = {"Sec-Fetch-Site": "cross-site"}
    problem(basic.put(url, data=b"x", headers=foreign, auth=("", service.token)), 403, "forbidden")
    client.whole("PUT", url, 201, data=b"x", headers=foreign)


@pytest.mark.parametrize("body", ["", "{", "[]", '{"target": 1}', '{"target": "/v1/tables/x", "more": 1}'])
def test_a_body_that_is_not_what_is_asked_for_is_a_problem(client, body):
    answer = client.post("/v1/shares", data=body, headers={"Content-Type": "application/json"})
    problem(answer, 400, "bad-request")


def test_a_parameter_that_nobody_knows_is_a_problem(client, name):
    client.whole("PUT", f"/v1/blobs/{name}/a", 201, data=b"x")
    for path in (f"/v1/blobs/{name}/a?nope=1", "/v1/blobs?nope=1", "/v1/shares?nope=1"):
        problem(client.get(path), 400, "bad-request")
    assert problem(client.get("/v1/blobs?limit=100000"), 400, "page-too-large")["setting"] == "LARDER_PAGE_ROWS_MAX"


@pytest.mark.parametrize("bad", ["a//b", "../b", "a/./b", "%00", "a%0Ab", "x" * 901])
def test_a_blob_key_that_breaks_the_rules_is_refused(service, client, bad):
    request = requests.Request("PUT", f"{service.url}/v1/blobs/x", data=b"x", headers=client.headers).prepare()
    # As written: requests would tidy it up.
    request.url = f"{service.url}/v1/blobs/{bad}"
    problem(client.send(request, timeout=PATIENCE), 400, "bad-name")


@pytest.mark.parametrize("bad", ["A", "-a", "a b", "x" * 64, "a.b", "ä"])
def test_a_table_or_collection_name_that_breaks_the_rules_is_refused(client, bad):
    problem(client.put(f"/v1/tables/{bad}", data=b"a\n1\n", headers={"Content-Type": "text/csv"}), 400, "bad-name")
    problem(client.put(f"/v1/documents/{bad}/one", data=b"{}"), 400, "bad-name")


def checksums(data):
    def b64(digest):
        return base64.b64encode(digest).decode()

    sha256 = b64(hashlib.sha256(data).digest())
    return {
        "Content-MD5": b64(hashlib.md5(data).digest()),
        "x-amz-checksum-sha256": sha256,
        "x-amz-checksum-sha1": b64(hashlib.sha1(data).digest()),
        "x-amz-checksum-crc32": b64(zlib.crc32(data).to_bytes(4)),
        "Repr-Digest": f"sha-256=:{sha256}:",
        "Content-Digest": f"sha-512=:{b64(hashlib.sha512(data).digest())}:",
    }


@pytest.mark.parametrize("header", checksums(b""))
def test_a_checksum_that_does_not_hold_leaves_nothing_visible(client, name, header):
    # As a document too, the three bodies are valid but for one character.
    for path, data, wrong in [
        (f"/v1/blobs/{name}/a", b"bytes", b"bytez"),
        (f"/v1/tables/{name}", b"a,b\n1,2\n", b"a,b\n1,3\n"),
        (f"/v1/documents/{name}/one", b'{"a": 1}', b'{"a": 2}'),
    ]:
        headers = {"Content-Type": "text/csv", header: checksums(data)[header]}
        problem(client.put(path, data=wrong, headers=headers), 422, "checksum-mismatch")
        problem(client.get(path), 404, "not-found")
        client.whole("PUT", path, 201, data=data, headers=headers)
        problem(client.put(path, data=wrong, headers=headers), 422, "checksum-mismatch")
    assert client.whole("GET", f"/v1/blobs/{name}/a").content == b"bytes"
    assert client.json_of(f"/v1/tables/{name}/rows") == [{"a": 1, "b": 2}]
    assert client.json_of(f"/v1/documents/{name}/one") == {"a": 1}


def test_a_checksum_that_is_none_is_refused(client, name):
    for value in ("abc", base64.b64encode(b"short").decode()):
        answer = client.put(f"/v1/blobs/{name}/a", data=b"x", headers={"Content-MD5": value})
        problem(answer, 400, "bad-request")


def test_blobs_and_tables_are_written_under_conditions(client, name):
    for url, one, two in [(f"/v1/blobs/{name}/a", b"1", b"2"), (f"/v1/tables/{name}", b"a\n1\n", b"a\n2\n")]:

        def put(data, status, **headers):
            kind = {"Content-Type": "text/csv"}
            headers = kind | {key.replace("_", "-"): value for key, value in headers.items()}
            return client.whole("PUT", url, status, data=data, headers=headers)

        put(one, 412, If_Match="*")
        etag = put(one, 201, If_None_Match="*").headers["etag"]
        put(two, 412, If_None_Match="*")
        put(two, 412, If_Match='"0.0"')
        newer = put(two, 200, If_Match=etag).headers["etag"]
        assert newer != etag
        problem(client.delete(url, headers={"If-Match": etag}), 412, "precondition-failed")
        client.whole("DELETE", url, 204, headers={"If-Match": newer})


def test_the_clients_request_id_is_kept_when_it_is_plain(client):
    assert client.whole("GET", "/health/live", headers={"x-request-id": "my-id_1.2"}).headers["x-request-id"] == "my-id_1.2"
    for bad in ("x" * 65, "a b", "a\tb"):
        assert client.whole("GET", "/health/live", headers={"x-request-id": bad}).headers["x-request-id"] != bad
