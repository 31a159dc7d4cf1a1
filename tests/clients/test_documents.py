"""Documents: the JSON objects of the package, exact numbers, conditions, lists."""

import json
from decimal import Decimal

import pytest
import vega
from cells import read_json
from service import problem

OBJECTS = [name for name in vega.files(".json") if vega.path(name).read_bytes().lstrip()[:1] == b"{"]


@pytest.mark.parametrize("file", OBJECTS)
def test_every_json_object_becomes_a_document_of_the_same_values(service, client, file):
    path = vega.path(file)
    descriptor = service.upload(path)
    stem = file.removesuffix(".json")
    assert (descriptor["kind"], descriptor["name"]) == ("document", f"inbox/{stem}")
    assert descriptor["links"]["self"] == f"{service.url}/v1/documents/inbox/{stem}"
    found = read_json(client.whole("GET", descriptor["links"]["self"]).text)
    assert found == read_json(path.read_text("utf-8"))


def test_the_package_has_small_and_large_objects():
    sizes = [vega.path(name).stat().st_size for name in OBJECTS]
    assert len(OBJECTS) == 8 and min(sizes) < 100_000 and max(sizes) > 400_000


def test_numbers_are_exact_to_38_digits_and_longer_ones_refused(client, name):
    url = f"/v1/documents/{name}/numbers"
    numbers = ["12345678901234567890123456789012345678", "-0.00000000000000000000000000000000000001", "1e125", "0.1"]
    client.whole("PUT", url, 201, data=f'{{"n": [{", ".join(numbers)}]}}')
    assert read_json(client.whole("GET", url).text)["n"] == [Decimal(number) for number in numbers]
    body = problem(client.put(url, data='{"n": 1.00000000000000000000000000000000000001}'), 422, "malformed")
    assert "38" in body["detail"]


def test_a_document_is_put_read_replaced_deleted_and_restored(client, name):
    url = f"/v1/documents/{name}/a b"
    document = {"text": "Ünïcødé 🦀", "empty": "", "none": None, "list": [], "map": {"": {"x": [1, True]}}}
    created = client.whole("PUT", url, 201, data=json.dumps(document))
    answer = client.whole("GET", url)
    assert answer.json() == document
    assert answer.headers["etag"] == created.headers["etag"] == created.json()["etag"]
    assert answer.headers["content-type"].startswith("application/json")
    again = client.whole("PUT", url, 200, data=json.dumps(document))
    assert again.headers["etag"] == created.headers["etag"]
    other = client.whole("PUT", url, 200, data='{"v": 2}')
    assert other.headers["etag"] != created.headers["etag"]
    client.whole("GET", url, 304, headers={"If-None-Match": other.headers["etag"]})
    client.whole("DELETE", url, 204)
    problem(client.get(url), 404, "not-found")
    problem(client.delete(url), 404, "not-found")
    client.whole("POST", f"{url}/restore")
    assert client.json_of(url) == {"v": 2}


def test_a_condition_that_does_not_hold_changes_nothing(client, name):
    url = f"/v1/documents/{name}/one"
    problem(client.put(url, data="{}", headers={"If-Match": "*"}), 412, "precondition-failed")
    first = client.whole("PUT", url, 201, data='{"v": 1}', headers={"If-None-Match": "*"}).headers["etag"]
    problem(client.put(url, data='{"v": 9}', headers={"If-None-Match": "*"}), 412, "precondition-failed")
    second = client.whole("PUT", url, 200, data='{"v": 2}', headers={"If-Match": first}).headers["etag"]
    problem(client.put(url, data='{"v": 9}', headers={"If-Match": first}), 412, "precondition-failed")
    problem(client.delete(url, headers={"If-Match": first}), 412, "precondition-failed")
    assert client.json_of(url) == {"v": 2}
    # Made anew, it never answers to an ETag of its life before.
    client.whole("DELETE", url, 204, headers={"If-Match": second})
    third = client.whole("PUT", url, 201, data='{"v": 2}').headers["etag"]
    assert third not in (first, second)


@pytest.mark.parametrize("body", ["[1]", "1", '"x"', "", "{", '{"a": 1,}', '{"a": 1} {}', '{"a": 1, "a": 2}', '{"a": NaN}'])
def test_what_is_no_json_object_is_refused_with_its_place(client, name, body):
    url = f"/v1/documents/{name}/one"
    problem(client.put(url, data=body), 422, "malformed")
    problem(client.get(url), 404, "not-found")


def test_a_collection_is_listed_over_all_its_shards_page_by_page(client, name):
    wanted = {f"id-{number:03}": {"number": number} for number in range(57)}
    for one, document in wanted.items():
        client.whole("PUT", f"/v1/documents/{name}/{one}", 201, data=json.dumps(document))
    client.whole("DELETE", f"/v1/documents/{name}/id-013", 204)
    del wanted["id-013"]
    found, cursor = [], ""
    while cursor is not None:
        page = client.json_of(f"/v1/documents/{name}", params={"limit": 10, **({"cursor": cursor} if cursor else {})})
        assert len(page["documents"]) <= 10
        found += [(document["id"], document["body"]) for document in page["documents"]]
        cursor = page.get("next")
    assert found == list(wanted.items())
    foreign = client.json_of(f"/v1/documents/{name}", params={"limit": 1})["next"]
    problem(client.get("/v1/documents/inbox", params={"cursor": foreign}), 400, "bad-request")


def test_a_collection_is_described_deleted_and_restored(client, name):
    client.whole("PUT", f"/v1/documents/{name}/one", 201, data='{"v": 1}')
    descriptor = client.json_of(f"/v1/collections/{name}")
    assert (descriptor["kind"], descriptor["name"]) == ("collection", name)
    client.whole("DELETE", f"/v1/collections/{name}", 204)
    problem(client.get(f"/v1/documents/{name}/one"), 404, "not-found")
    problem(client.get(f"/v1/documents/{name}"), 404, "not-found")
    client.whole("POST", f"/v1/collections/{name}/restore")
    assert client.json_of(f"/v1/documents/{name}/one") == {"v": 1}
