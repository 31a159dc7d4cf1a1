"""What deploy/Dockerfile puts into the image, laid out without Docker; tests/clients/deployed/ starts it. Needs the binary."""

import json
import os
import re
import shutil
import stat
import subprocess

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from service import BINARY, ROOT


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    folder = tmp_path_factory.mktemp("image")
    subprocess.run([str(ROOT / "deploy/image-tree"), str(BINARY), str(folder)], check=True)
    return folder


def test_the_image_holds_the_binary_and_what_it_needs_and_nothing_to_start_beside_it(tree):
    programs = [path.relative_to(tree) for path in tree.rglob("*") if path.is_file() and path.stat().st_mode & 0o111]
    assert [str(path) for path in programs if not str(path).startswith("lib")] == ["usr/bin/larder"]
    folders = [path for path in tree.rglob("*") if path.is_dir() and stat.S_IMODE(path.stat().st_mode) == 0o700]
    assert {str(path.relative_to(tree)) for path in folders} == {"scratch", "var/lib/larder"}
    if os.geteuid() == 0:
        assert {path.stat().st_uid for path in folders} == {65532}
        assert {path.stat().st_uid for path in tree.rglob("*") if path not in folders} == {0}
    roots = (tree / "etc/ssl/rds-roots.pem").read_text()
    assert roots.count("BEGIN CERTIFICATE") == roots.count("Root CA RSA2048 G1, SHA-256") > 20


def test_the_context_of_the_build_is_all_that_it_reads(tmp_path):
    """What .dockerignore leaves is what cargo asks for, and every file that the source includes."""
    first, *kept = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert first == "*" and all(line.startswith("!") for line in kept)
    for name in (line.removeprefix("!") for line in kept):
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, tmp_path / name)
    asked = ["cargo", "metadata", "--locked", "--offline", "--format-version", "1", "--no-default-features"]
    subprocess.run(asked, cwd=tmp_path, capture_output=True, check=True)
    included = [
        (path.parent if kind.startswith("include") else tmp_path) / name
        for path in (tmp_path / "src").rglob("*.rs")
        for kind, name in re.findall(r'\b(include_str|include_bytes|migrate)!\(\s*"([^"]+)"', path.read_text())
    ]
    assert len(included) > 5 and [str(path) for path in included if not path.exists()] == []


def test_the_bill_of_materials_lists_what_the_production_form_is_made_of(tree):
    text = (tree / "usr/share/larder/sbom.cdx.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    parts = {part["name"]: part for part in json.loads(text)["components"]}
    assert {"axum", "aws-sdk-s3", "sqlx", "libc6", "libgcc-s1", "ca-certificates"} <= parts.keys()
    # Engines, and what only tests use.
    assert parts.keys() & {"dynoxide-rs", "rusqlite", "s3s", "insta", "proptest"} == set()
    crates = [part for part in parts.values() if part["purl"].startswith("pkg:cargo/")]
    assert [part["name"] for part in crates if not part.get("licenses") or not part.get("hashes")] == []
