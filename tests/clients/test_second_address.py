"""A service that is reached through another address of the machine, and one that is stopped and started again."""

import requests
from service import PATIENCE, curl

OTHER_ADDRESS = "127.0.0.2"


def test_presigned_and_share_links_open_through_a_second_address_of_the_machine(start, stores):
    other = start(address=OTHER_ADDRESS)
    descriptor = other.client().json_of("/v1/blobs/second/a.txt?share=7d", 201, "PUT", data=b"bytes")
    share, presigned = descriptor["links"]["share"], descriptor["presigned"]["url"]
    assert share.startswith(f"http://{OTHER_ADDRESS}:")
    # No answer names the port of an embedded engine; a bucket elsewhere is named as it is.
    assert presigned.startswith(stores.s3 if stores.shared else other.url)
    assert curl("--location", share) == curl(presigned) == b"bytes"
    assert other.stop() == 0


def test_what_was_acknowledged_and_every_link_outlive_a_restart(start):
    service = start()
    client = service.client()
    client.whole("PUT", "/v1/tables/restart", data=b"a\n1\n", headers={"Content-Type": "text/csv"}, status=201)
    client.whole("PUT", "/v1/documents/restart/one", 201, data=b'{"v": 1}')
    client.whole("PUT", "/v1/blobs/restart/a", 201, data=b"bytes")
    share = client.json_of("/v1/shares", 201, "POST", json={"target": "/v1/tables/restart"})["url"]
    assert service.stop() == 0
    again = start(data_dir=service.data_dir)
    assert again.token == service.token
    client = again.client()
    assert client.json_of("/v1/tables/restart/rows") == [{"a": 1}]
    assert client.json_of("/v1/documents/restart/one") == {"v": 1}
    assert client.whole("GET", "/v1/blobs/restart/a").content == b"bytes"
    assert requests.get(share.replace(service.url, again.url) + "/x.json", timeout=PATIENCE).json() == [{"a": 1}]
    assert again.stop() == 0
