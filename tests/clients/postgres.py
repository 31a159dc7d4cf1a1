"""A Postgres of Debian's in a process of its own, which can be stopped and started again."""

import contextlib
import glob
import os
import pwd
import secrets
import socket
import subprocess
from pathlib import Path

from service import Process, clean_environment, free_port

ADDRESS = "127.0.0.1"


class Postgres:
    """Over TCP, with passwords. `host_rules` are lines of pg_hba.conf before the others, `settings` go to the server."""

    def __init__(self, home, host_rules=(), **settings):
        self.home, self.data = Path(home), Path(home) / "data"
        self.bin = Path(max(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda path: int(Path(path).parent.name)))
        # Postgres refuses to run as root.
        self.user = "postgres" if os.geteuid() == 0 else None
        self.port, self.password = free_port(), secrets.token_hex(16)
        self.environment = clean_environment() | {"PGPASSWORD": self.password, "LC_ALL": "C.UTF-8"}
        self.home.mkdir(mode=0o700, exist_ok=True)
        (password_file := self.home / "password").write_text(self.password)
        for path in (self.home, *self.home.iterdir()):
            self.give(path)
        options = ["--auth=scram-sha-256", "--username=postgres", "--encoding=UTF8", "--no-sync"]
        self.run("initdb", *options, f"--pwfile={password_file}", f"--pgdata={self.data}")
        rules = self.data / "pg_hba.conf"
        rules.write_text("".join(f"{line}\n" for line in host_rules) + rules.read_text())
        known = {"listen_addresses": ADDRESS, "port": self.port, "unix_socket_directories": str(self.home), "fsync": "off"}
        flags = [part for name, value in (known | settings).items() for part in ("-c", f"{name}={value}")]
        self.command = [str(self.bin / "postgres"), "-D", str(self.data), *flags]
        self.start()

    def give(self, path):
        """To the user that the server runs as, and nobody else."""
        if self.user:
            account = pwd.getpwnam(self.user)
            os.chown(path, account.pw_uid, account.pw_gid)

    def run(self, program, *arguments, text=None):
        options = {"user": self.user, "group": self.user, "extra_groups": []} if self.user else {}
        command = [str(self.bin / program), *arguments]
        done = subprocess.run(
            command, input=text, env=self.environment, cwd=self.home, text=True, capture_output=True, check=False, **options
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def start(self):
        log = self.home / "log"
        self.process = Process(self.command, log, environment=self.environment, user=self.user, cwd=self.home)
        self.process.wait_until_up(lambda: listens(self.port))

    def stop(self):
        """SIGTERM would wait for the clients; a fast shutdown ends their connections, as a failover does."""
        self.run("pg_ctl", "stop", f"--pgdata={self.data}", "--mode=fast")
        self.process.process.wait()

    def kill(self):
        self.process.kill()

    def sql(self, text, database="postgres"):
        """As the superuser; gives what a query answers, a line a row."""
        where = [f"--host={ADDRESS}", f"--port={self.port}", "--username=postgres", f"--dbname={database}"]
        return self.run("psql", "--no-psqlrc", "--quiet", "-At", *where, "--set=ON_ERROR_STOP=1", text=text).strip()

    def url(self, user, database, password=None, query=""):
        login = user if password is None else f"{user}:{password}"
        return f"postgres://{login}@{ADDRESS}:{self.port}/{database}{query}"


def listens(port):
    with contextlib.suppress(OSError), socket.create_connection((ADDRESS, port), timeout=5):
        return True
    return False
