"""Memory does not grow with what streams through."""

import os
import tempfile
from pathlib import Path

import pytest
from service import curl

MIB = 1 << 20
# Buffers of the parts in flight, and what the allocator keeps of them; the same for a file three times as large.
GROWTH_MAX = 192 * MIB


def status(pid, field):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"no {field}")


class Growth:
    """How far the resident memory of a process rose above where it stood."""

    def __init__(self, pid):
        self.pid = pid
        # Sets the high-water mark back to what is resident now.
        Path(f"/proc/{pid}/clear_refs").write_text("5")
        self.before = status(pid, "VmRSS")

    def bytes(self):
        return status(self.pid, "VmHWM") - self.before


@pytest.fixture
def large_file():
    with tempfile.NamedTemporaryFile(prefix="larder-large-") as file:
        yield file


def test_a_large_blob_streams_in_and_out(service, client, name, large_file):
    size = 512 * MIB
    os.truncate(large_file.name, size)
    growth = Growth(service.pid)
    assert service.upload(large_file.name, f"/v1/blobs/{name}/large")["size_bytes"] == size
    assert growth.bytes() < GROWTH_MAX, f"up by {growth.bytes() // MIB} MiB while a blob of {size // MIB} MiB came in"
    target = f"{large_file.name}.back"
    service.curl("--output", target, path=f"/v1/blobs/{name}/large")
    returned = os.stat(target).st_size
    os.unlink(target)
    assert returned == size
    assert growth.bytes() < GROWTH_MAX, f"up by {growth.bytes() // MIB} MiB while it went out"
    client.whole("DELETE", f"/v1/blobs/{name}/large", 204)


def test_a_large_table_streams_in_and_out(service, client, name, large_file):
    rows, size = 0, 0
    large_file.write(b"id,day,amount,comment\n")
    while size < 200 * MIB:
        block = "".join(f"{rows + n},2026-01-{n % 28 + 1:02},{n}.25,{'some words that fill a row ' * 7}\n" for n in range(1000))
        size += large_file.write(block.encode())
        rows += 1000
    large_file.flush()
    growth = Growth(service.pid)
    header = ["-H", "Content-Type: text/csv"]
    service.curl(*header, "-T", large_file.name, path=f"/v1/tables/{name}")
    assert growth.bytes() < GROWTH_MAX, f"up by {growth.bytes() // MIB} MiB while a CSV of {size // MIB} MiB came in"
    assert client.json_of(f"/v1/tables/{name}")["rows"] == rows
    made = client.json_of("/v1/shares", 201, "POST", json={"target": f"/v1/tables/{name}"})["url"]
    out = large_file.name + ".csv"
    curl("--output", out, f"{made}/x.csv")
    same = Path(out).stat().st_size == os.stat(large_file.name).st_size
    os.unlink(out)
    assert same
    assert growth.bytes() < GROWTH_MAX, f"up by {growth.bytes() // MIB} MiB while it went out"
    client.whole("DELETE", f"/v1/tables/{name}", 204)
