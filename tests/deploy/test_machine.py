"""One machine without AWS: the backup that deploy/README.md tells of, and the files of compose."""

import shutil
import subprocess

import yaml
from service import ROOT, Service, short_folder
from stores import Embedded


def test_a_copy_of_the_stopped_folder_is_a_whole_installation_elsewhere():
    parent = short_folder("larder-machine-")
    try:
        service = Service(Embedded(), parent / "data")
        client = service.client()
        client.whole("PUT", "/v1/tables/kept", 201, data=b"a\n1\n", headers={"Content-Type": "text/csv"})
        client.whole("PUT", "/v1/blobs/kept/a", 201, data=b"bytes")
        client.whole("PUT", "/v1/documents/kept/one", 201, data=b'{"v": 1}')
        link = client.json_of("/v1/shares", 201, "POST", json={"target": "/v1/tables/kept"})["url"].removeprefix(service.url)
        assert service.stop() == 0
        archive = parent / "backup.tar"
        subprocess.run(["tar", "-C", str(parent), "-cf", str(archive), "data"], check=True)
        shutil.rmtree(parent / "data")
        (parent / "other").mkdir()
        subprocess.run(["tar", "-C", str(parent / "other"), "-xpf", str(archive)], check=True)

        again = Service(Embedded(), parent / "other" / "data")
        assert again.token == service.token
        client = again.client()
        assert client.json_of("/v1/tables/kept/rows") == [{"a": 1}]
        assert client.whole("GET", "/v1/blobs/kept/a").content == b"bytes"
        assert client.json_of("/v1/documents/kept/one") == {"v": 1}
        assert client.json_of(f"{link}/x.json") == [{"a": 1}]
        assert again.stop() == 0
    finally:
        shutil.rmtree(parent)


def test_the_compose_files_are_of_the_image():
    compose = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())
    larder = compose["services"]["larder"]
    assert (ROOT / "deploy" / larder["build"]["context"] / larder["build"]["dockerfile"]).is_file()
    mounted = {volume.split(":")[0] for service in compose["services"].values() for volume in service["volumes"] if not volume.startswith(".")}
    assert mounted == compose["volumes"].keys()
    bundle = yaml.safe_load((ROOT / "deploy/beanstalk/bundle/docker-compose.yml").read_text())["services"]["larder"]
    for one in (larder, bundle):
        assert one["read_only"] is True
        assert "scratch:/scratch" in one["volumes"]
