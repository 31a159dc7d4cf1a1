"""Load from wrk and pgbench, one thread each, and how much of a core they took themselves."""

import pathlib
import re
import resource
import sys
import time
from collections.abc import Callable

from service import URL, Psql, run


class Rate(float):
    """Answers a second, and the share of one core that the load generator took."""

    sender_share: float

    @classmethod
    def measured(cls, pattern: str, *command: str) -> tuple["Rate", str]:
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        told = run(*command)
        after, seconds = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic() - started
        rate = cls(re.search(pattern, told)[1])
        rate.sender_share = (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime) / seconds
        return rate, told

    def __str__(self) -> str:
        return f"{float(self):.1f} (sender {self.sender_share:.0%})"


class Load:
    """So many clients for so many seconds."""

    def __init__(self, folder: pathlib.Path, clients: int, seconds: int):
        self.folder, self.clients, self.seconds = folder, clients, seconds

    def http(
        self, path: str, key_max: int, token: str | None = None, headers: dict | None = None, url: str = URL, body: str | None = None, refused: bool = False
    ) -> Rate:
        """Requests a second, GET or, with a body, POST; `KEY` in the body, or else in the path, becomes a random number below `key_max`. Every answer must be of one kind: a good one, unless refusals are
        wanted."""
        headers = dict(headers or {}) | ({"Authorization": f"Bearer {token}"} if token else {})
        given = [argument for name, value in headers.items() for argument in ("-H", f"{name}: {value}")]
        wrk = ["wrk", "-t", "1", "-c", str(self.clients), "-d", f"{self.seconds}s", "--timeout", "60s", *given]
        if body or "KEY" in path:
            # What is the same each time wrk writes once, without a script.
            with_key = '(string.gsub([[%s]], "KEY", tostring(math.random(%d))))' % (body or path, key_max)
            request = f'"POST", [[{path}]], nil, {with_key}' if body else f'"GET", {with_key}'
            script = self.folder / "wrk.lua"
            script.write_text(f"function init() math.randomseed(os.time()) end\nfunction request() return wrk.format({request}) end\n")
            wrk += ["-s", str(script), url]
        else:
            wrk.append(url + path)
        rate, told = Rate.measured(r"Requests/sec:\s+([0-9.]+)", *wrk)
        answers, others = (re.search(pattern, told) for pattern in (r"(\d+) requests in", r"Non-2xx or 3xx responses: (\d+)"))
        if int(others[1] if others else 0) != (int(answers[1]) if refused else 0) or "Socket errors" in told:
            sys.exit(f"{path}: {told}")
        return rate

    def pgbench(self, psql: Psql, sql: str, key_max: int, mode: str = "simple") -> Rate:
        """Transactions a second; `:key` is random."""
        script = self.folder / "pgbench.sql"
        script.write_text(f"\\set key random(1, {key_max})\n{sql}\n")
        host = psql.command[psql.command.index("-h") + 1]
        told = ["pgbench", "-n", "-M", mode, "-c", str(self.clients), "-j", "1", "-T", str(self.seconds), "-f", str(script), "-h", host, "-U", "larder", "larder"]
        return Rate.measured(r"tps = ([0-9.]+)", *told)[0]


def best(contenders: dict[str, Callable[[], Rate]], rounds: int) -> dict[str, Rate]:
    """The best of some rounds in which all take turns, so that what else goes on at a time falls on each of them."""
    measured = [{name: measure() for name, measure in contenders.items()} for _ in range(rounds)]
    return {name: max(rates[name] for rates in measured) for name in contenders}


def ratio(what: str, ours: float, theirs: dict[str, float], unit: str):
    shown = [str(value) if isinstance(value, Rate) else f"{value:.2f}" for value in (ours, *theirs.values())]
    others = "; ".join(f"{name} {value}: {ours / theirs[name]:.2f} ×" for name, value in zip(theirs, shown[1:], strict=True))
    print(f"{what}: {shown[0]} {unit}; {others}", flush=True)
