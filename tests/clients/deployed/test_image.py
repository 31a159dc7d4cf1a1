"""The file tree of the image, started where there is nothing else: no other library, no other certificate, no shell, another user. Needs `--stores=deployed`."""

import os
import shutil
import subprocess

import pytest
from service import BINARY, ROOT, Process, Service, clean_environment, free_port, short_folder

USER = 65532


class Contained(Service):
    """The service in a tree of its own, as the user of the image."""

    def __init__(self, stores, tree, settings=None):
        self.tree, self.url = tree, f"http://127.0.0.1:{free_port()}"
        # What the Dockerfile sets, and what the template's task does.
        self.settings = {
            "LARDER_LISTEN": self.url.removeprefix("http://"),
            "LARDER_SCRATCH_DIR": "/scratch",
            "LARDER_LOG_FORMAT": "json",
            **stores.settings(self.url),
            **(settings or {}),
        }
        # The authorities of the image, which stand where the SDK looks for them.
        del self.settings["SSL_CERT_FILE"]
        Process.__init__(self, self.command_of(), f"{tree}.log", environment=clean_environment() | self.settings)
        self.wait_until_up(self.is_ready)
        made = tree / "var/lib/larder/admin-token"
        self.token = self.settings.get("LARDER_ADMIN_TOKEN") or made.read_text().strip()

    def command_of(self, *arguments):
        chroot = ["chroot", f"--userspec={USER}:{USER}", str(self.tree), "/usr/bin/larder", *arguments]
        return chroot if os.geteuid() == 0 else ["sudo", "--preserve-env", *chroot]

    def health(self):
        return subprocess.run(self.command_of("health"), env=clean_environment() | self.settings, capture_output=True, text=True, check=False)


@pytest.fixture
def tree(stores):
    folder = short_folder("larder-image-")
    subprocess.run([str(ROOT / "deploy/image-tree"), str(BINARY), str(folder)], check=True)
    with (folder / "etc/ssl/certs/ca-certificates.crt").open("a") as authorities:
        authorities.write(stores.account.authority.read_text())
    yield folder
    shutil.rmtree(folder)


def files(tree):
    return {str(path.relative_to(tree)): path.lstat().st_mtime_ns for path in tree.rglob("*")}


def test_nothing_is_missing_in_the_image_and_nothing_is_written_there(stores, tree, client, name):
    before = files(tree)
    service = Contained(stores, tree)
    try:
        contained = service.client()
        table = contained.json_of(f"/v1/tables/{name}", 201, "PUT", data=b"a,b\n1,x\n2,y\n", headers={"Content-Type": "text/csv"})
        assert table["rows"] == 2
        # Workbooks and Parquet pass through temporary files.
        workbook = contained.whole("GET", f"/v1/tables/{name}/rows.xlsx").content
        again = contained.json_of(f"/v1/tables/{name}-again", 201, "PUT", data=workbook)
        assert again["rows"] == 2
        contained.whole("PUT", f"/v1/documents/{name}/one", 201, data=b'{"v": 1}')
        contained.whole("PUT", f"/v1/blobs/{name}/a", 201, data=bytes(9 << 20))
        # Another replica sees all of it.
        assert client.json_of(f"/v1/documents/{name}/one") == {"v": 1}
        assert len(client.whole("GET", f"/v1/blobs/{name}/a").content) == 9 << 20
        assert service.health().returncode == 0
    finally:
        assert service.stop() == 0
    assert service.health().returncode == 1
    assert files(tree) == before


def another_database(stores):
    stores.postgres.sql("create role another login password 'another'")
    stores.postgres.sql("create database another owner another")
    return stores.postgres.url("another", "another", "another")


def test_the_form_with_engines_keeps_its_data_in_the_volume(stores, tree, name):
    """As deploy/compose.yaml starts it: Postgres elsewhere, S3 and DynamoDB its own, and so are its first token and its keys."""
    own = {"LARDER_EMBEDDED": "auto", "LARDER_DATA_DIR": "/var/lib/larder", "DATABASE_URL": another_database(stores)}
    stores_own = {"LARDER_S3_BUCKET", "LARDER_DYNAMODB_TABLE", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_DYNAMODB", "LARDER_ADMIN_TOKEN", "LARDER_SECRET_KEYS"}
    before = files(tree)
    settings = {key: value for key, value in stores.settings("").items() if key not in stores_own} | own

    class Own:
        def settings(self, url):
            return settings | {"LARDER_PUBLIC_URL": url}

    service = Contained(Own(), tree)
    try:
        service.client().whole("PUT", f"/v1/blobs/{name}/a", 201, data=b"bytes")
        service.client().whole("PUT", f"/v1/documents/{name}/one", 201, data=b'{"v": 1}')
    finally:
        assert service.stop() == 0
    # What `docker compose logs larder` shows.
    assert service.token in service.log.read_text()
    written = {path for path, changed in files(tree).items() if before.get(path) != changed}
    assert written and all(path.startswith("var/lib/larder") for path in written), written
    assert all(path.lstat().st_uid == USER for path in (tree / "var/lib/larder").rglob("*"))
