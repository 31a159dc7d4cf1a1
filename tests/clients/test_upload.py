"""The smart upload: names, kinds, forms, and what never becomes visible."""

import socket

import pytest
import vega
from cells import assert_table_is, read_text
from service import PATIENCE, problem, wait_until


def put(client, path, data, status=201, **options):
    return client.json_of(path, status, "PUT", data=data, **options)


@pytest.mark.parametrize(
    ("file", "data", "kind", "named"),
    [
        ("{}-Sales 2026.csv", b"a\n1\n", "table", "{}-sales-2026"),
        ("{}.TSV", b"a\tb\n1\t2\n", "table", "{}"),
        ("{}.ndjson", b'{"a": 1}\n{"a": 2}\n', "table", "{}"),
        ("{}.json", b'[{"a": 1}]', "table", "{}"),
        ("{}.json", b'{"a": 1}', "document", "inbox/{}"),
        ("{}.json", b"[1, 2, 3]", "blob", "{}.json"),
        ("{}.json", b'"text"', "blob", "{}.json"),
        ("{}.bin", b"\x00\x01\xff", "blob", "{}.bin"),
        ("{}/deep/Photo 1.png", b"\x89PNG\r\n\x1a\n", "blob", "{}/deep/Photo 1.png"),
    ],
)
def test_a_file_goes_where_its_structure_belongs(client, name, file, data, kind, named):
    descriptor = put(client, "/" + file.format(name), data)
    assert (descriptor["kind"], descriptor["name"]) == (kind, named.format(name))
    assert descriptor["routed_because"]
    client.whole("GET", descriptor["links"]["self"])
    client.whole("GET", descriptor["links"]["download"])


def test_the_original_name_is_the_title(client, name):
    assert put(client, f"/{name}-My Sales.csv", b"a\n1\n")["title"] == f"{name}-My Sales.csv"


def test_what_it_is_and_what_it_is_called_can_be_told(client, name):
    kept = put(client, f"/{name}.csv?as=blob", b"a\n1\n")
    assert (kept["kind"], kept["name"]) == ("blob", f"{name}.csv")
    table = put(client, f"/{name}?as=table&name={name}-told", b"a\n1\n", headers={"Content-Type": "text/csv"})
    assert (table["kind"], table["name"]) == ("table", f"{name}-told")
    typed = put(client, f"/{name}-typed", b"a\n1\n", headers={"Content-Type": "text/csv"})
    assert (typed["kind"], typed["name"]) == ("table", f"{name}-typed")
    problem(client.put(f"/{name}.csv?as=poem", data=b"a\n1\n"), 400, "bad-request")


def test_a_name_is_replaced_by_the_same_file_alone_or_when_told(client, name):
    client.whole("PUT", f"/v1/tables/{name}", 201, data=b"a\n1\n", headers={"Content-Type": "text/csv"})
    taken = problem(client.put(f"/{name}.csv", data=b"a\n2\n"), 409, "name-taken")
    assert client.json_of(f"/v1/tables/{name}/rows") == [{"a": 1}]
    free = taken["free"]
    assert put(client, f"/{name}.csv?name={free}", b"a\n2\n")["name"] == free
    assert put(client, f"/{name}.csv?replace=true", b"a\n3\n", 200)["name"] == name
    assert put(client, f"/{name}.csv", b"a\n4\n", 200)["name"] == name
    problem(client.put(f"/{name}.tsv", data=b"a\tb\n1\t2\n"), 409, "name-taken")
    assert client.json_of(f"/v1/tables/{name}/rows") == [{"a": 4}]


@pytest.mark.parametrize("first", ["v1", "s", "health", "metrics", "problems", "login", "datasets", "assets"])
def test_the_first_segments_of_our_own_routes_are_reserved(client, first):
    answer = client.put(f"/{first}/a/cat.png", data=b"x")
    assert problem(answer, 409, "name-reserved")["name"] == first


def test_a_form_can_bring_several_files(service, client, name):
    picture, table = vega.path("gimp.png"), vega.path("global-temp.csv")
    fields = [
        ("file", (f"{name}.png", picture.read_bytes(), "image/png")),
        ("file", (f"{name}.csv", table.read_bytes(), "text/csv")),
        ("other", (f"{name}-one.json", b'{"a": 1}', "application/json")),
    ]
    answers = client.json_of("/", 201, "POST", files=fields)["files"]
    assert [(one["file"], one["status"]) for one in answers] == [(field[1][0], 201) for field in fields]
    blob, rows, document = (one["descriptor"] for one in answers)
    assert (blob["kind"], blob["name"]) == ("blob", f"{name}.png")
    assert client.whole("GET", blob["links"]["download"]).content == picture.read_bytes()
    assert (rows["kind"], rows["name"]) == ("table", name)
    assert_table_is(client, rows, read_text(table))
    assert (document["kind"], document["name"]) == ("document", f"inbox/{name}-one")
    assert client.json_of(document["links"]["self"]) == {"a": 1}


def test_one_bad_file_of_a_form_is_told_and_the_others_are_kept(client, name):
    fields = [("file", (f"{name}-bad.csv", b'a,b\n1,"2\n', "text/csv")), ("file", (f"{name}-good.csv", b"a\n1\n", "text/csv"))]
    bad, good = client.json_of("/", 422, "POST", files=fields)["files"]
    assert (bad["status"], bad["problem"]["type"], bad["problem"]["line"]) == (422, "/problems/malformed", 2)
    assert (good["status"], good["descriptor"]["rows"]) == (201, 1)
    problem(client.post("/", files={"field": (None, "no file")}), 400, "bad-request")
    problem(client.post("/", json={}), 415, "unsupported-media-type")


def test_curl_can_send_a_form_too(service, client, name, tmp_path):
    file = tmp_path / f"{name}.csv"
    file.write_text("a,b\n1,x\n")
    service.curl("-F", f"file=@{file}")
    assert client.json_of(f"/v1/tables/{name}/rows") == [{"a": 1, "b": "x"}]


def test_an_upload_that_breaks_off_leaves_nothing(service, client, name):
    for path in (f"/v1/blobs/{name}/a", f"/v1/tables/{name}", f"/v1/documents/{name}/one"):
        with socket.create_connection(service.url.removeprefix("http://").split(":"), timeout=PATIENCE) as connection:
            head = f"PUT {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {service.token}\r\nContent-Type: text/csv\r\n"
            connection.sendall(f"{head}Content-Length: 100000\r\n\r\na,b\n1,2\n".encode())
        problem(client.get(path), 404, "not-found")
    wait_until(lambda: client.get("/health/ready").ok, "the service to be well")


def test_no_length_is_needed(client, name):
    chunks = (b"x" * 100_000 for _ in range(20))
    assert put(client, f"/v1/blobs/{name}/chunked", chunks)["size_bytes"] == 2_000_000
