"""One machine without AWS: the backup that deploy/README.md tells of, and that every form names settings that there are."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml
from service import BINARY, ROOT, Service, clean_environment, short_folder
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


def test_every_variable_that_deployments_set_is_a_setting():
    known = subprocess.run([str(BINARY), "--help"], env=clean_environment(), capture_output=True, text=True, check=True).stdout
    known = set(re.findall(r"\[env: ([A-Z_0-9]+)", known))
    assert {"LARDER_LISTEN", "DATABASE_URL"} <= known
    named = {}
    for path in (ROOT / "deploy").rglob("*"):
        if path.is_file():
            named[path.name] = set(re.findall(r"\bLARDER_[A-Z_]+\b", path.read_text()))
    ours = {"LARDER_TEMPLATE", "LARDER_FEATURES"}
    assert {name: rest for name, words in named.items() if (rest := words - known - ours)} == {}
    assert named["larder.yaml"] and named["compose.yaml"] and named["larder.service"] and named["Dockerfile"]


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


def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path):
    installed = "/usr/local/bin/larder"
    text = (ROOT / "deploy/machine/larder.service").read_text()
    assert text.count(f"ExecStart={installed}\n") == 1
    (unit := tmp_path / "larder.service").write_text(text.replace(installed, str(BINARY)))
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    # It notices what is wrong.
    unit.write_text(unit.read_text().replace("KillMode=mixed", "KillMode=mxed"))
    assert "kill mode" in subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False).stderr


def test_caddy_reads_its_file_and_passes_on_to_the_service():
    caddy = Path(sys.executable).with_name("caddy")
    file = ROOT / "deploy/machine/Caddyfile"
    environment = clean_environment() | {"DOMAIN": "data.example.org", "UPSTREAM": "larder:8080"}
    adapted = subprocess.run([str(caddy), "adapt", "--config", str(file)], env=environment, capture_output=True, text=True, check=False)
    assert adapted.returncode == 0, adapted.stderr
    assert '"host":["data.example.org"]' in adapted.stdout
    assert '"upstreams":[{"dial":"larder:8080"}]' in adapted.stdout
