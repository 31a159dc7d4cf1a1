"""Comparing tables cell by cell: what a file says with what Larder gives back, by value of the column's type."""

import io
import json
from datetime import date, datetime, time
from decimal import Decimal
from uuid import UUID

import pandas


def read_text(source, separator=","):
    """Every cell as the text that it is; nothing is guessed."""
    return pandas.read_csv(source, sep=separator, dtype=str, keep_default_na=False, na_filter=False, encoding="utf-8")


def read_json(text):
    return json.loads(text, parse_float=Decimal)


def moment(read):
    """Of ISO 8601, and of the two other ways in which the package writes dates: `2015/01/01` and `Jan 1 2000`."""

    def value(text):
        try:
            return read(text.replace("/", "-"))
        except ValueError:
            return read(datetime.strptime(text, "%b %d %Y").date().isoformat())

    return value


VALUE_OF_TEXT = {
    "boolean": lambda text: {"true": True, "false": False}[text.lower()],
    "bigint": int,
    "numeric": Decimal,
    "double": float,
    "date": moment(date.fromisoformat),
    "time": time.fromisoformat,
    "timestamp": moment(datetime.fromisoformat),
    "timestamptz": moment(datetime.fromisoformat),
    "uuid": UUID,
    "text": str,
    "json": read_json,
}


def of_text(kind, text):
    """The value of a cell of CSV. The empty cell is NULL, unless it was quoted, which no file of the package does."""
    return None if text == "" else VALUE_OF_TEXT[kind](text)


def of_json(kind, value):
    """The value of a cell of JSON."""
    if value is None or kind in ("json", "text"):
        return value
    if kind in ("date", "time", "timestamp", "timestamptz", "uuid"):
        return VALUE_OF_TEXT[kind](value)
    return float(value) if kind == "double" else value


def assert_same(kind, name, wanted, found):
    """`wanted` and `found` are lists of values of one column."""
    assert len(found) == len(wanted), f"{name}: {len(found)} cells instead of {len(wanted)}"
    for row, (one, other) in enumerate(zip(wanted, found, strict=True), start=1):
        assert one == other, f"row {row} of {name} ({kind}): {one!r} came back as {other!r}"


def assert_table_is(client, descriptor, wanted):
    """The table holds the cells of `wanted`, as rows.csv and as rows.json give them."""
    names = [column["name"] for column in descriptor["columns"]]
    assert names == list(wanted.columns)
    assert descriptor["rows"] == len(wanted)
    url = descriptor["links"]["rows"]
    as_csv = read_text(io.BytesIO(client.whole("GET", f"{url}.csv").content))
    assert list(as_csv.columns) == names
    as_json = read_json(client.whole("GET", f"{url}.json").text)
    for column in descriptor["columns"]:
        name, kind = column["name"], column["type"]
        values = [of_text(kind, text) for text in wanted[name]]
        assert_same(kind, f"{name} of rows.csv", values, [of_text(kind, text) for text in as_csv[name]])
        assert_same(kind, f"{name} of rows.json", values, [of_json(kind, row[name]) for row in as_json])
