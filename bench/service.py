"""The release binary on embedded engines in a temporary folder, and the plainest client of the same Postgres."""

import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


URL = f"http://127.0.0.1:{free_port()}"


class Larder:
    """The release binary on a data folder of its own; the time from its spawn until it is ready."""

    def __init__(self, folder: pathlib.Path):
        self.data = folder / "larder-data"
        environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "LARDER_LISTEN": URL.removeprefix("http://"), "LARDER_DATA_DIR": str(self.data),
                       # One client takes the place of thousands here.
                       "LARDER_REQUESTS_PER_SECOND_MAX": "0", "LARDER_ADDRESS_REQUESTS_PER_SECOND_MAX": "0"}
        self.out = open(folder / "larder.out", "ab")
        started = time.monotonic()
        self.process = subprocess.Popen([TARGET / "release" / "larder"], env=environment, stdout=self.out, stderr=self.out)
        while not ready():
            if self.process.poll() is not None:
                sys.exit((folder / "larder.out").read_text())
            time.sleep(0.005)
        self.start_seconds = time.monotonic() - started
        self.token = (self.data / "admin-token").read_text().strip()

    def curl(self, *arguments: str) -> str:
        return run("curl", "-sS", "--fail-with-body", "-H", f"Authorization: Bearer {self.token}", *arguments)

    def memory_mib(self, field: str) -> float:
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(field)) / 1024

    def reset_peak(self):
        pathlib.Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        self.out.close()


def ready() -> bool:
    try:
        return urllib.request.urlopen(f"{URL}/health/ready", timeout=1).status == 200
    except OSError:
        return False


def run(*command: str, **options) -> str:
    done = subprocess.run(command, text=True, capture_output=True, **options)
    if done.returncode != 0:
        sys.exit(f"{command[0]} failed: {done.stdout}{done.stderr}")
    return done.stdout


def timed(action) -> float:
    started = time.monotonic()
    action()
    return time.monotonic() - started


class Psql:
    """The plainest client of the same Postgres with the same settings."""

    def __init__(self, larder: Larder):
        self.command = ["psql", "-q", "-v", "ON_ERROR_STOP=1", "-h", str(larder.data / "postgres" / "run"), "-U", "larder", "larder"]

    def run(self, sql: str, *options: str) -> str:
        return run(*self.command, "-c", sql, *options).strip()

    def copy_seconds(self, csv: pathlib.Path, columns: str) -> float:
        """`\\copy` of the file into a ready typed table."""
        self.run(f"create table public.bench ({columns})")
        seconds = timed(lambda: self.run(f"\\copy public.bench from '{csv}' with (format csv, header)"))
        self.run("drop table public.bench")
        return seconds
