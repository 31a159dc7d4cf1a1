"""Links that people keep."""

import json
import subprocess

import pandas
import polars
import pytest
import requests
import vega
from service import PATIENCE, problem, wait_until


@pytest.fixture
def anyone(service):
    """Somebody who holds no token."""
    return service.client(token="")


def share(client, target, **fields):
    return client.json_of("/v1/shares", 201, "POST", json={"target": target, **fields})


def put_table(client, name):
    return client.json_of(f"/v1/tables/{name}", 201, "PUT", data=b"a,b\n1,x\n2,y\n", headers={"Content-Type": "text/csv"})


def test_a_tables_link_gives_csv_or_json_by_extension_or_accept(client, anyone, name):
    put_table(client, name)
    url = share(client, f"/v1/tables/{name}", expires_in="7d")["url"]
    rows, text = [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}], "a,b\n1,x\n2,y\n"
    assert anyone.whole("GET", f"{url}/{name}.csv").text == text
    assert anyone.json_of(f"{url}/{name}.json") == rows
    assert anyone.whole("GET", url, headers={"Accept": "text/csv"}).text == text
    assert anyone.json_of(url, headers={"Accept": "application/json"}) == rows
    assert pandas.read_csv(f"{url}/data.csv")["a"].tolist() == [1, 2]
    head = anyone.whole("HEAD", f"{url}/{name}.csv")
    assert head.content == b"" and head.headers["content-type"].startswith("text/csv")


def test_a_documents_link_gives_its_json(client, anyone, name):
    client.whole("PUT", f"/v1/documents/{name}/one", 201, data='{"v": 1}')
    url = share(client, f"/v1/documents/{name}/one")["url"]
    assert anyone.json_of(url) == {"v": 1}
    anyone.whole("HEAD", url)
    client.whole("PUT", f"/v1/documents/{name}/one", 200, data='{"v": 2}')
    assert anyone.json_of(url) == {"v": 2}


def test_a_blobs_link_redirects_to_a_url_minted_now_and_streams_to_who_sends_a_token(client, anyone, name):
    client.whole("PUT", f"/v1/blobs/{name}/a.txt", 201, data=b"bytes", headers={"Content-Type": "text/plain"})
    url = share(client, f"/v1/blobs/{name}/a.txt")["url"]
    answer = anyone.get(url, allow_redirects=False)
    assert (answer.status_code, answer.headers["cache-control"]) == (307, "no-store")
    assert requests.get(answer.headers["location"], timeout=PATIENCE).content == b"bytes"
    streamed = client.whole("GET", url, allow_redirects=False)
    assert streamed.content == b"bytes"
    assert anyone.whole("HEAD", url).headers["content-length"] == "5"


def test_a_revoked_link_is_gone_and_an_unknown_one_not_found(client, anyone, name):
    put_table(client, name)
    made = share(client, f"/v1/tables/{name}")
    assert client.json_of(f"/v1/shares/{made['id']}")["url"] == made["url"]
    client.whole("DELETE", f"/v1/shares/{made['id']}", 204)
    for url in (made["url"], f"{made['url']}/x.csv"):
        problem(anyone.get(url), 410, "gone")
    assert anyone.head(made["url"]).status_code == 410
    token = made["url"].rsplit("/", 1)[1]
    middle = len(token) // 2
    forged = token[:middle] + ("A" if token[middle] != "A" else "B") + token[middle + 1 :]
    for unknown in ("nothing", forged, token[:-1]):
        problem(anyone.get(f"/s/{unknown}"), 404, "not-found")
        assert anyone.head(f"/s/{unknown}").status_code == 404


def test_an_expired_link_is_gone(client, anyone, name):
    put_table(client, name)
    url = share(client, f"/v1/tables/{name}", expires_in="1s")["url"]
    wait_until(lambda: anyone.get(url).status_code == 410, "the link to expire")


def test_a_deleted_thing_ends_its_link_and_a_new_one_of_the_name_does_not_revive_it(client, anyone, name):
    put_table(client, name)
    url = share(client, f"/v1/tables/{name}")["url"]
    client.whole("DELETE", f"/v1/tables/{name}", 204)
    problem(anyone.get(url), 410, "gone")
    put_table(client, name)
    problem(anyone.get(url), 410, "gone")


def test_an_upload_can_ask_for_its_link_and_gets_the_same_one_again(service, client, anyone):
    file = vega.path("lookup_people.csv")
    first = service.upload(file, f"/{file.name}?share=1d")
    again = service.upload(file, f"/{file.name}?share=7d")
    assert first["links"]["share"] == again["links"]["share"]
    assert anyone.whole("GET", f"{first['links']['share']}/people.csv").text.startswith("name,age,height")


def test_links_are_listed_to_who_made_them(client, name):
    put_table(client, name)
    made = share(client, f"/v1/tables/{name}")
    assert made["id"] in [one["id"] for one in client.json_of("/v1/shares")["shares"]]


def test_a_link_may_be_read_from_any_page_without_credentials(client, name):
    put_table(client, name)
    url = share(client, f"/v1/tables/{name}")["url"]
    answer = requests.get(f"{url}/x.json", headers={"Origin": "http://a.example"}, timeout=PATIENCE)
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("life", ["0s", "-1d", "soon", "", "5y"])
def test_a_life_that_is_none_is_refused(client, name, life):
    put_table(client, name)
    answer = client.post("/v1/shares", json={"target": f"/v1/tables/{name}", "expires_in": life})
    problem(answer, 400, "bad-request")


def test_a_life_beyond_the_limit_is_a_problem_of_its_own(client, name):
    put_table(client, name)
    answer = client.post("/v1/shares", json={"target": f"/v1/tables/{name}", "expires_in": "4000d"})
    assert problem(answer, 400, "share-too-long")["setting"] == "LARDER_SHARE_SECONDS_MAX"


def test_only_what_exists_can_be_shared(client, name):
    for target in (f"/v1/tables/{name}", f"/v1/blobs/{name}", f"/v1/documents/{name}/x"):
        problem(client.post("/v1/shares", json={"target": target}), 404, "not-found")
    problem(client.post("/v1/shares", json={"target": "/health/live"}), 400, "bad-request")


def test_a_link_without_a_token_takes_its_password_by_basic(service, client, name):
    put_table(client, name)
    url = share(client, f"/v1/tables/{name}", password="open sesame")["url"]
    problem(requests.get(f"{url}/t.csv", timeout=30), 401, "password-needed")
    assert requests.get(f"{url}/t.csv", auth=("anyone", "open sesame"), timeout=30).text == "a,b\n1,x\n2,y\n"
    frame = pandas.read_csv(f"{url}/t.csv", storage_options={"Authorization": requests.auth._basic_auth_str("me", "open sesame")})
    assert frame["a"].tolist() == [1, 2]


def test_polars_reads_a_columns_bytes_of_a_shared_table_by_ranges(client, anyone, name):
    rows = "".join(f"{n},name {n}\n" for n in range(1000))
    client.json_of(f"/v1/tables/{name}", 201, "PUT", data=f"n,name\n{rows}".encode(), headers={"Content-Type": "text/csv"})
    made = share(client, f"/v1/tables/{name}/rows.parquet?n=gte.500")
    frame = polars.scan_parquet(f"{made['url']}/t.parquet").select(polars.col("n").sum(), polars.len()).collect()
    assert frame.row(0) == (sum(range(500, 1000)), 500)
    hits = client.json_of(f"/v1/shares/{made['id']}/log")["hits"]
    assert any(hit["outcome"] == "streamed" and hit["format"] == "parquet" for hit in hits)


def test_curl_puts_a_file_into_a_drop_box(client, name, tmp_path):
    made = share(client, f"/v1/blobs/{name}/", allow=["upload"])
    file = tmp_path / "report.txt"
    file.write_text("a report")
    for kept in ("report.txt", "report-2.txt"):
        answer = subprocess.run(["curl", "-sS", "--fail-with-body", "-T", file, f"{made['url']}/"], capture_output=True, check=True, timeout=60)
        assert json.loads(answer.stdout)["name"] == kept
        assert client.whole("GET", f"/v1/blobs/{name}/{kept}").text == "a report"
