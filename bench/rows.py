"""The rows that the benchmark loads: eight columns, about 108 bytes of CSV each, the same in every run and in every format."""

import datetime
import json
import pathlib
import random
from collections.abc import Iterator
from decimal import Decimal

NAMES = ["id", "price", "name", "day", "at", "ok", "category", "note"]
COLUMNS = "id bigint, price numeric, name text, day date, at timestamp, ok boolean, category text, note text"
CHUNK_ROWS = 20_000

_rng = random.Random(2)
_days = [datetime.date(2020, 1, 1) + datetime.timedelta(n) for n in range(2000)]
_names = [f'Müller, {n} "Ö"' for n in range(997)]
_notes = [" ".join(_rng.choices("alpha beta gamma delta epsilon zeta eta theta".split(), k=7)) for _ in range(499)]


def chunks(count: int) -> Iterator[list[tuple]]:
    for start in range(0, count, CHUNK_ROWS):
        yield [row(n) for n in range(start, min(start + CHUNK_ROWS, count))]


def row(n: int) -> tuple:
    day = _days[n * 7 % 2000]
    at = datetime.datetime.combine(day, datetime.time(n // 3600 % 24, n // 60 % 60, n % 60))
    return n, Decimal(n * 37 % 100_000).scaleb(-2), _names[n % 997], day, at, n % 3 > 0, "abcdefgh"[n % 8], _notes[n % 499]


def write_csv(path: pathlib.Path, count: int):
    """By hand, since gigabytes of it are needed."""
    days, names = [day.isoformat() for day in _days], ['"' + name.replace('"', '""') + '"' for name in _names]
    with open(path, "w", encoding="utf-8", newline="") as file:
        file.write(",".join(NAMES) + "\n")
        for start in range(0, count, CHUNK_ROWS):
            lines = []
            for n in range(start, min(start + CHUNK_ROWS, count)):
                day, cents = days[n * 7 % 2000], n * 37 % 100_000
                lines.append(
                    f"{n},{cents // 100}.{cents % 100:02},{names[n % 997]},{day},{day} {n // 3600 % 24:02}:{n // 60 % 60:02}:{n % 60:02},"
                    f"{'true' if n % 3 else 'false'},{'abcdefgh'[n % 8]},{_notes[n % 499]}\n"
                )
            file.write("".join(lines))
    path.chmod(0o644)


def write_ndjson(path: pathlib.Path, count: int):
    with open(path, "w", encoding="utf-8") as file:
        for chunk in chunks(count):
            for n, price, name, day, at, *rest in chunk:
                values = [n, float(price), name, day.isoformat(), at.isoformat(), *rest]
                file.write(json.dumps(dict(zip(NAMES, values, strict=True)), ensure_ascii=False) + "\n")


def write_parquet(path: pathlib.Path, count: int):
    import pyarrow
    from pyarrow import parquet

    types = [pyarrow.int64(), pyarrow.decimal128(10, 2), pyarrow.string(), pyarrow.date32(), pyarrow.timestamp("us")]
    types += [pyarrow.bool_(), pyarrow.string(), pyarrow.string()]
    schema = pyarrow.schema(list(zip(NAMES, types, strict=True)))
    with parquet.ParquetWriter(path, schema) as writer:
        for chunk in chunks(count):
            arrays = [pyarrow.array(values, kind) for values, kind in zip(zip(*chunk), types, strict=True)]
            writer.write_table(pyarrow.table(arrays, schema=schema))


def write_wide(path: pathlib.Path, columns: int, count: int):
    """Integers and short texts in turn."""
    with open(path, "w", encoding="utf-8") as file:
        file.write(",".join(f"c{n}" for n in range(columns)) + "\n")
        for at in range(count):
            file.write(",".join(str(at * n % 9973) if n % 2 else f"t{at * n % 97}" for n in range(columns)) + "\n")
