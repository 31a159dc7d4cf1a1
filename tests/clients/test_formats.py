"""Rows out in every format, read by the programs that people read them with: the same values everywhere, types included."""

import datetime as dt
import io
import json
import uuid
from decimal import Decimal

import duckdb
import openpyxl
import pandas
import polars
import pyarrow
import pytest
from pyarrow import ipc, parquet

UTC = dt.timezone.utc
BIG = 2**63 - 1
KEY = uuid.UUID("0194f1a2-7b3c-7d4e-8f50-112233445566")

NAMES = ["flag", "count", "price", "ratio", "day", "at", "instant", "clock", "key", "note", "doc"]
CSV = f"""{",".join(NAMES)}
true,{BIG},0.10,1.5e-3,2026-01-02,2026-01-02T03:04:05.25,2026-01-02T03:04:05+02:00,03:04:05.000001,{KEY},"say ""hi"", ok","{{""a"": [1.50]}}"
false,-1,-12345678901234.5,-2.5E+300,1899-12-31,2026-01-02T03:04:00,2026-01-02T03:04:05Z,23:59:59,{uuid.UUID(int=0)},"","[1,
 2]"
,,,,,,,,,,
"""
ROWS = [
    {
        "flag": True,
        "count": BIG,
        "price": Decimal("0.10"),
        "ratio": 0.0015,
        "day": dt.date(2026, 1, 2),
        "at": dt.datetime(2026, 1, 2, 3, 4, 5, 250_000),
        "instant": dt.datetime(2026, 1, 2, 1, 4, 5, tzinfo=UTC),
        "clock": dt.time(3, 4, 5, 1),
        "key": KEY,
        "note": 'say "hi", ok',
        "doc": '{"a": [1.50]}',
    },
    {
        "flag": False,
        "count": -1,
        "price": Decimal("-12345678901234.50"),
        "ratio": -2.5e300,
        "day": dt.date(1899, 12, 31),
        "at": dt.datetime(2026, 1, 2, 3, 4),
        "instant": dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "clock": dt.time(23, 59, 59),
        "key": uuid.UUID(int=0),
        "note": "",
        "doc": "[1,\n 2]",
    },
    dict.fromkeys(NAMES),
]


@pytest.fixture(scope="module")
def table(service):
    answer = service.client().put("/v1/tables/formats", data=CSV.encode(), headers={"Content-Type": "text/csv"})
    assert answer.status_code in (200, 201), answer.text
    return service


def read(service, extension, query=""):
    answer = service.client().get(f"/v1/tables/formats/rows.{extension}{query}")
    assert answer.status_code == 200, answer.text
    return answer.content


def as_key(value):
    return uuid.UUID(bytes=value) if isinstance(value, bytes) else uuid.UUID(value) if isinstance(value, str) else value


def same(rows):
    """As each reader has them: a UUID may be its bytes or its text."""
    found = [row | {"key": as_key(row["key"])} for row in rows]
    assert found == ROWS


@pytest.fixture(params=["parquet", "arrow"])
def columnar(request, table):
    content = read(table, request.param)
    return request.param, content, parquet.read_table(io.BytesIO(content)) if request.param == "parquet" else ipc.open_stream(content).read_all()


def test_pyarrow_reads_types_and_values(columnar):
    _, _, read = columnar
    same(read.to_pylist())
    types = dict(zip(read.schema.names, read.schema.types, strict=True))
    assert types["count"] == pyarrow.int64()
    assert types["price"] == pyarrow.decimal128(18, 2)
    assert types["day"] == pyarrow.date32()
    assert types["at"] == pyarrow.timestamp("us")
    assert types["instant"] == pyarrow.timestamp("us", tz="UTC")
    assert types["clock"] == pyarrow.time64("us")
    assert types["key"] in (pyarrow.uuid(), pyarrow.binary(16))
    assert types["note"] == pyarrow.string()


def test_pandas_reads_parquet_with_arrow_types(table):
    frame = pandas.read_parquet(io.BytesIO(read(table, "parquet")), dtype_backend="pyarrow")
    assert frame["count"].tolist()[:2] == [BIG, -1]
    assert frame["price"].tolist()[:2] == [Decimal("0.10"), Decimal("-12345678901234.50")]
    assert frame["note"].tolist()[:2] == ['say "hi", ok', ""]
    assert frame.isna().sum().tolist() == [1] * len(NAMES)
    assert frame["instant"].iloc[0] == pandas.Timestamp(ROWS[0]["instant"])


def test_polars_reads_types_and_values(columnar):
    format, content, _ = columnar
    frame = polars.read_parquet(io.BytesIO(content)) if format == "parquet" else polars.read_ipc_stream(io.BytesIO(content))
    same(frame.to_dicts())
    assert frame.schema["price"] == polars.Decimal(18, 2)
    assert frame.schema["instant"] == polars.Datetime("us", "UTC")
    assert frame.schema["day"] == polars.Date


def test_duckdb_reads_parquet_with_its_own_types(table, tmp_path):
    file = tmp_path / "rows.parquet"
    file.write_bytes(read(table, "parquet"))
    with duckdb.connect() as database:
        database.execute("set timezone = 'UTC'")
        relation = database.sql(f"from '{file}'")
        types = dict(zip(relation.columns, map(str, relation.types), strict=True))
        assert types == {
            "flag": "BOOLEAN",
            "count": "BIGINT",
            "price": "DECIMAL(18,2)",
            "ratio": "DOUBLE",
            "day": "DATE",
            "at": "TIMESTAMP",
            "instant": "TIMESTAMP WITH TIME ZONE",
            "clock": "TIME",
            "key": "UUID",
            "note": "VARCHAR",
            "doc": "JSON",
        }
        # Python's instants of DuckDB want pytz; as text they do not.
        rows = database.sql(f"select * replace (instant::timestamp as instant) from '{file}'").fetchall()
    rows = [dict(zip(NAMES, row, strict=True)) for row in rows]
    same([row | {"instant": row["instant"] and row["instant"].replace(tzinfo=UTC)} for row in rows])


def test_duckdb_reads_csv_and_ndjson(table, tmp_path):
    for extension, reader in [("csv", "read_csv"), ("tsv", "read_csv"), ("ndjson", "read_json")]:
        file = tmp_path / f"rows.{extension}"
        file.write_bytes(read(table, extension, "?select=flag,count,day,key"))
        rows = duckdb.sql(f"select flag, count, day, key::uuid as key from {reader}('{file}')").fetchall()
        assert rows == [tuple(row[name] for name in ("flag", "count", "day", "key")) for row in ROWS], extension


def test_openpyxl_reads_a_workbook(table):
    book = openpyxl.load_workbook(io.BytesIO(read(table, "xlsx")))
    sheet = book.active
    assert (sheet.title, sheet.freeze_panes, sheet["A1"].font.b) == ("formats", "A2", True)
    header, first, second = list(sheet.iter_rows(values_only=True))[:3]
    assert list(header) == NAMES
    found = dict(zip(NAMES, first, strict=True))
    assert (found["flag"], found["count"], found["price"], found["ratio"]) == (True, str(BIG), 0.1, 0.0015)
    assert (found["day"], found["at"]) == (dt.datetime(2026, 1, 2), ROWS[0]["at"])
    assert found["instant"] == ROWS[0]["instant"].replace(tzinfo=None)
    assert found["clock"] == dt.time(3, 4, 5)  # openpyxl knows no microseconds
    assert (found["key"], found["note"], found["doc"]) == (str(KEY), 'say "hi", ok', '{"a": [1.50]}')
    found = dict(zip(NAMES, second, strict=True))
    assert (found["count"], found["price"], found["day"]) == (-1, -12345678901234.5, "1899-12-31")
    assert sheet["J3"].data_type in ("inlineStr", "s") and sheet["A4"].value is None


def test_pandas_reads_every_text_format(table):
    csv = pandas.read_csv(io.BytesIO(read(table, "csv")), keep_default_na=False, dtype=str)
    tsv = pandas.read_csv(io.BytesIO(read(table, "tsv")), sep="\t", keep_default_na=False, dtype=str)
    marked = pandas.read_csv(io.BytesIO(read(table, "csv", "?excel=true")), encoding="utf-8-sig", keep_default_na=False, dtype=str)
    assert csv.equals(tsv) and csv.equals(marked)
    assert csv["count"].tolist() == [str(BIG), "-1", ""]
    excel = pandas.read_excel(io.BytesIO(read(table, "xlsx")), dtype=object)
    assert excel["count"].tolist()[:2] == [str(BIG), -1]


def test_json_keeps_integers_and_decimals(table):
    rows = json.loads(read(table, "json"), parse_float=Decimal)
    assert [row["count"] for row in rows] == [BIG, -1, None]
    assert [row["price"] for row in rows] == [Decimal("0.10"), Decimal("-12345678901234.5"), None]
    rows = json.loads(read(table, "json", "?bigint=string"))
    assert [row["count"] for row in rows] == [str(BIG), "-1", None]
    assert polars.read_ndjson(io.BytesIO(read(table, "ndjson", "?select=flag,count,note"))).to_dicts() == [
        {name: row[name] for name in ("flag", "count", "note")} for row in ROWS
    ]


def test_a_browser_sees_a_page_and_a_program_its_format(table):
    client = table.client()
    for accept, content_type in [
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html; charset=utf-8"),
        ("application/vnd.apache.parquet", "application/vnd.apache.parquet"),
        ("application/vnd.apache.arrow.stream, application/json;q=0.5", "application/vnd.apache.arrow.stream"),
        ("text/tab-separated-values;q=0.9, text/csv;q=0.8", "text/tab-separated-values; charset=utf-8"),
    ]:
        answer = client.get("/v1/tables/formats/rows", headers={"Accept": accept})
        assert answer.headers["Content-Type"] == content_type, accept
