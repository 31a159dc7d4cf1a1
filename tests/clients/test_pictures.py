"""Blobs: a picture put in with `curl -T`, and every way out again."""

import hashlib

import pytest
import requests
import vega
from service import PATIENCE, curl, problem

PICTURES = vega.files(".png")


@pytest.mark.parametrize("picture", PICTURES)
def test_a_picture_comes_back_byte_for_byte_on_every_link(service, client, picture):
    file = vega.path(picture)
    wanted = file.read_bytes()
    descriptor = service.upload(file)
    assert (descriptor["kind"], descriptor["name"]) == ("blob", picture)
    assert descriptor["content_type"] == "image/png"
    assert descriptor["size_bytes"] == len(wanted)
    assert descriptor["sha256"] == hashlib.sha256(wanted).hexdigest()
    assert descriptor["crc64nvme"] and descriptor["routed_because"]
    share = client.json_of("/v1/shares", 201, "POST", json={"target": f"/v1/blobs/{picture}", "expires_in": "7d"})

    assert service.curl(path=f"/v1/blobs/{picture}") == wanted
    assert client.whole("GET", descriptor["links"]["download"]).content == wanted
    assert curl(descriptor["presigned"]["url"]) == wanted
    assert curl("--location", share["url"]) == wanted
    assert curl("--location", f"{share['url']}/{picture}") == wanted


def test_the_package_has_pictures():
    assert PICTURES == ["7zip.png", "ffox.png", "gimp.png"]


def test_a_presigned_url_is_told_with_its_true_end_and_leads_to_the_bytes_alone(service, client, name):
    descriptor = client.json_of(f"/v1/blobs/{name}/a.bin", 201, "PUT", data=b"bytes")
    answer = requests.get(descriptor["presigned"]["url"], timeout=PATIENCE)
    assert answer.content == b"bytes"
    assert descriptor["presigned"]["expires_at"] > descriptor["created_at"]
    again = client.whole("GET", f"/v1/blobs/{name}/a.bin?presign=2m")
    assert again.headers["cache-control"] == "no-store"
    assert requests.get(again.json()["presigned"]["url"], timeout=PATIENCE).content == b"bytes"
    assert "presigned" not in client.json_of(f"/v1/blobs/{name}/a.bin?descriptor")


def test_ranges_conditions_and_head_are_answered_as_http_has_them(client, name):
    url = f"/v1/blobs/{name}/digits"
    client.whole("PUT", url, 201, data=b"0123456789", headers={"Content-Type": "text/plain"})
    whole = client.whole("GET", url)
    assert whole.headers["accept-ranges"] == "bytes"
    for asked, wanted, where in [("0-3", b"0123", "0-3"), ("7-", b"789", "7-9"), ("-2", b"89", "8-9")]:
        part = client.whole("GET", url, 206, headers={"Range": f"bytes={asked}"})
        assert (part.content, part.headers["content-range"]) == (wanted, f"bytes {where}/10")
    beyond = client.get(url, headers={"Range": "bytes=10-"})
    problem(beyond, 416, "range-not-satisfiable")
    assert beyond.headers["content-range"] == "bytes */10"
    etag = whole.headers["etag"]
    assert client.whole("GET", url, 304, headers={"If-None-Match": etag}).content == b""
    assert client.whole("GET", url, 304, headers={"If-Modified-Since": whole.headers["last-modified"]}).content == b""
    stale = client.whole("GET", url, 200, headers={"Range": "bytes=0-3", "If-Range": '"other"'})
    assert stale.content == b"0123456789"
    head = client.whole("HEAD", url)
    assert (head.headers["content-length"], head.headers["etag"], head.content) == ("10", etag, b"")


def test_an_empty_file_and_any_name_are_blobs_too(client, name):
    for key in ["empty", "数据 α?#%.bin", "a+b&c=d", "x" * 800]:
        url = f"/v1/blobs/{name}/{requests.utils.quote(key, safe='')}"
        client.whole("PUT", url, 201, data=b"")
        assert client.whole("GET", url).content == b""
    assert len(client.json_of(f"/v1/blobs?prefix={name}/")["blobs"]) == 4


def test_the_same_bytes_again_are_the_same_version(client, name):
    url = f"/v1/blobs/{name}/a"
    first = client.json_of(url, 201, "PUT", data=b"one")
    assert client.json_of(url, 200, "PUT", data=b"one")["etag"] == first["etag"]
    second = client.json_of(url, 200, "PUT", data=b"two")
    assert second["etag"] != first["etag"] and second["id"] == first["id"]
    assert client.whole("GET", f"{url}?version={first['version']}").content == b"one"
    assert client.whole("GET", url).content == b"two"


def test_folders_are_listed_page_by_page(client, name):
    keys = [f"{name}/{key}" for key in ("a/1", "a/2", "b", "c/1", "d", "e")]
    for key in keys:
        client.whole("PUT", f"/v1/blobs/{key}", 201, data=key.encode())

    def pages(query):
        folders, blobs, cursor = [], [], ""
        while cursor is not None:
            page = client.json_of("/v1/blobs", params={**query, **({"cursor": cursor} if cursor else {})})
            assert len(page["folders"]) + len(page["blobs"]) <= 2
            folders += page["folders"]
            blobs += [blob["name"] for blob in page["blobs"]]
            cursor = page.get("next")
        return folders, blobs

    assert pages({"prefix": f"{name}/", "limit": 2}) == ([], keys)
    folders = [f"{name}/a/", f"{name}/c/"]
    assert pages({"prefix": f"{name}/", "limit": 2, "delimiter": "/"}) == (folders, [keys[2], keys[4], keys[5]])


def test_a_deleted_blob_comes_back_with_restore(client, name):
    url = f"/v1/blobs/{name}/a.bin"
    etag = client.json_of(url, 201, "PUT", data=b"bytes")["etag"]
    client.whole("DELETE", url, 204)
    problem(client.get(url), 404, "not-found")
    assert client.json_of("/v1/blobs", params={"prefix": f"{name}/"})["blobs"] == []
    client.whole("POST", f"{url}/restore")
    answer = client.whole("GET", url)
    assert (answer.content, answer.headers["etag"]) == (b"bytes", etag)


def test_users_pages_leave_our_origin_boxed_in(client, name):
    for extension, kind in [("html", "text/html"), ("svg", "image/svg+xml"), ("xml", "text/xml")]:
        url = f"/v1/blobs/{name}/page.{extension}"
        client.whole("PUT", url, 201, data=b"<script>alert(1)</script>", headers={"Content-Type": kind})
        headers = client.whole("GET", url).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in headers["content-security-policy"]
        assert headers["content-disposition"].startswith("attachment")


def test_a_request_with_a_token_is_streamed_unless_it_prefers_a_redirect(client, name):
    url = f"/v1/blobs/{name}/a"
    client.whole("PUT", url, 201, data=b"bytes")
    client.whole("GET", url, 200, allow_redirects=False)
    answer = client.whole("GET", url, 307, allow_redirects=False, headers={"Prefer": "redirect"})
    assert answer.headers["cache-control"] == "no-store"
    assert requests.get(answer.headers["location"], timeout=PATIENCE).content == b"bytes"
