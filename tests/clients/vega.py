"""The files of vega-datasets: real public data, with real oddities. Fetched by ./test.sh, never committed."""

from service import ROOT

DATA = ROOT / "node_modules" / "vega-datasets" / "data"


def files(*extensions):
    return sorted(path.name for path in DATA.iterdir() if path.suffix in extensions) if DATA.is_dir() else []


def path(name):
    return DATA / name
