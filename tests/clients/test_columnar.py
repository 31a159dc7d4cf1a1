"""Parquet and Arrow: what pandas, PyArrow and polars write comes back with its types and values."""

import datetime as dt
import io
import uuid
from decimal import Decimal

import pandas
import polars
import pyarrow
import pytest
import vega
from cells import read_json, read_text
from pyarrow import feather, ipc, parquet
from service import problem

PARQUET = "application/vnd.apache.parquet"
ARROW_FILE = "application/vnd.apache.arrow.file"
ARROW_STREAM = "application/vnd.apache.arrow.stream"


def as_parquet(table, **options):
    out = io.BytesIO()
    parquet.write_table(table, out, **options)
    return out.getvalue()


def as_feather(table, **options):
    out = io.BytesIO()
    feather.write_feather(table, out, **options)
    return out.getvalue()


def as_stream(table):
    out = io.BytesIO()
    with ipc.new_stream(out, table.schema) as writer:
        writer.write_table(table)
    return out.getvalue()


WRITERS = {
    "parquet": (PARQUET, as_parquet),
    "parquet of version 1": (PARQUET, lambda table: as_parquet(table, version="1.0", data_page_version="1.0")),
    "parquet with pages of version 2": (PARQUET, lambda table: as_parquet(table, data_page_version="2.0")),
    "parquet without dictionaries": (PARQUET, lambda table: as_parquet(table, use_dictionary=False)),
    "parquet without the schema of Arrow": (PARQUET, lambda table: as_parquet(table, store_schema=False)),
    "parquet with gzip": (PARQUET, lambda table: as_parquet(table, compression="gzip")),
    "parquet with brotli": (PARQUET, lambda table: as_parquet(table, compression="brotli")),
    "parquet with lz4": (PARQUET, lambda table: as_parquet(table, compression="lz4")),
    "parquet with zstd": (PARQUET, lambda table: as_parquet(table, compression="zstd")),
    "parquet of small row groups": (PARQUET, lambda table: as_parquet(table, row_group_size=2)),
    "feather": (ARROW_FILE, as_feather),
    "feather with lz4": (ARROW_FILE, lambda table: as_feather(table, compression="lz4")),
    "feather with zstd": (ARROW_FILE, lambda table: as_feather(table, compression="zstd")),
    "feather without compression": (ARROW_FILE, lambda table: as_feather(table, compression="uncompressed")),
    "stream": (ARROW_STREAM, as_stream),
}


@pytest.fixture(params=WRITERS, ids=lambda name: name.replace(" ", "-"))
def writer(request):
    return WRITERS[request.param]


def put(client, name, content, content_type, status=201):
    return client.json_of(f"/v1/tables/{name}", status, "PUT", data=content, headers={"Content-Type": content_type})


def types(descriptor):
    return {column["name"]: column["type"] for column in descriptor["columns"]}


def rows(client, name):
    return read_json(client.whole("GET", f"/v1/tables/{name}/rows").text)


def cells(client, name):
    """The cells of rows.csv as texts, by column."""
    return read_text(io.BytesIO(client.whole("GET", f"/v1/tables/{name}/rows.csv").content)).to_dict("list")


UTC = dt.timezone.utc
DAY = dt.date(2024, 2, 29)
TIME = dt.datetime(2024, 2, 29, 23, 59, 59, 123456)


def table():
    """A row of values, one of NULLs, and one of the values at the edge."""
    columns = {
        "boolean": pyarrow.array([True, None, False]),
        "int8": pyarrow.array([1, None, -128], pyarrow.int8()),
        "int64": pyarrow.array([1, None, -(2**63)], pyarrow.int64()),
        "uint32": pyarrow.array([1, None, 2**32 - 1], pyarrow.uint32()),
        "uint64": pyarrow.array([1, None, 2**64 - 1], pyarrow.uint64()),
        "float": pyarrow.array([0.1, None, 1e-30], pyarrow.float32()),
        "double": pyarrow.array([0.1, None, 1e300], pyarrow.float64()),
        "decimal": pyarrow.array([Decimal("12.50"), None, Decimal("-0.01")], pyarrow.decimal128(38, 2)),
        "text": pyarrow.array(["Ünïcødé 🦀", None, 'a,"b"\n'], pyarrow.string()),
        "large_text": pyarrow.array(["x", None, ""], pyarrow.large_string()),
        "binary": pyarrow.array([b"\x00\xff", None, b""], pyarrow.binary()),
        "date": pyarrow.array([DAY, None, dt.date(1, 1, 1)], pyarrow.date32()),
        "time": pyarrow.array([TIME.time(), None, dt.time(0)], pyarrow.time64("us")),
        "timestamp": pyarrow.array([TIME, None, dt.datetime(9999, 12, 31)], pyarrow.timestamp("us")),
        "instant": pyarrow.array([TIME, None, TIME], pyarrow.timestamp("us", "Europe/Berlin")),
        "category": pyarrow.array(["b", None, "b"]).dictionary_encode(),
        "list": pyarrow.array([[1, None, 3], None, []], pyarrow.list_(pyarrow.int64())),
        "struct": pyarrow.array([{"a": 1, "b": "x"}, None, {"a": None, "b": '"'}]),
    }
    return pyarrow.table(columns)


def test_every_writer_gives_the_same_types_and_values(client, name, writer):
    content_type, write = writer
    wanted = table()
    descriptor = put(client, name, write(wanted), content_type)
    assert descriptor["rows"] == 3
    assert types(descriptor) == {
        "boolean": "boolean",
        "int8": "bigint",
        "int64": "bigint",
        "uint32": "bigint",
        "uint64": "numeric",
        "float": "double",
        "double": "double",
        "decimal": "numeric",
        "text": "text",
        "large_text": "text",
        "binary": "text",
        "date": "date",
        "time": "time",
        "timestamp": "timestamp",
        "instant": "timestamptz",
        "category": "text",
        "list": "json",
        "struct": "json",
    }
    found = rows(client, name)
    same = ["boolean", "int8", "int64", "uint32", "uint64", "decimal", "text", "large_text", "category", "list", "struct"]
    for column in same:
        assert [row[column] for row in found] == wanted[column].to_pylist(), column
    assert [row["float"] for row in found] == [Decimal("0.1"), None, Decimal("1e-30")]
    assert [row["double"] for row in found] == [Decimal("0.1"), None, Decimal("1e300")]
    assert [row["binary"] for row in found] == ["\\x00ff", None, "\\x"]
    assert [row["date"] for row in found] == ["2024-02-29", None, "0001-01-01"]
    assert [row["time"] for row in found] == ["23:59:59.123456", None, "00:00:00"]
    assert [row["timestamp"] and dt.datetime.fromisoformat(row["timestamp"]) for row in found] == wanted["timestamp"].to_pylist()
    assert dt.datetime.fromisoformat(found[0]["instant"]) == TIME.replace(tzinfo=UTC)
    as_text = cells(client, name)
    assert as_text["decimal"] == ["12.50", "", "-0.01"]
    assert as_text["uint64"] == ["1", "", "18446744073709551615"]
    assert as_text["text"] == ["Ünïcødé 🦀", "", 'a,"b"\n']
    raw = client.whole("GET", f"/v1/tables/{name}/raw").content
    assert raw == write(wanted)


@pytest.fixture
def frame():
    return pandas.DataFrame(
        {
            "n": [3, 1, 2],
            "when": pandas.to_datetime(["2026-01-01", "2026-01-02 03:04:05.678", None], format="ISO8601"),
            "kind": pandas.Categorical(["b", "a", "b"]),
            "maybe": pandas.array([1, None, 3], dtype="Int64"),
            "text": ["x", None, "z"],
        },
        index=pandas.Index(["r", "s", "t"]),
    )


def check_frame(client, name, descriptor, index):
    assert types(descriptor) == {"n": "bigint", "when": "timestamp", "kind": "text", "maybe": "bigint", "text": "text"} | index
    found = rows(client, name)
    assert [row["n"] for row in found] == [3, 1, 2]
    assert [row["kind"] for row in found] == ["b", "a", "b"]
    assert [row["maybe"] for row in found] == [1, None, 3]
    assert [row["text"] for row in found] == ["x", None, "z"]
    assert dt.datetime.fromisoformat(found[1]["when"]) == dt.datetime(2026, 1, 2, 3, 4, 5, 678000)
    assert found[2]["when"] is None
    return found


def test_a_frame_of_pandas_keeps_its_index_if_it_has_one(client, name, frame):
    descriptor = put(client, name, frame.to_parquet(), PARQUET)
    found = check_frame(client, name, descriptor, {"__index_level_0__": "text"})
    assert [row["__index_level_0__"] for row in found] == ["r", "s", "t"]
    out = io.BytesIO()
    frame.reset_index(drop=True).to_feather(out)
    check_frame(client, name, put(client, name, out.getvalue(), ARROW_FILE, 200), {})


def test_a_frame_of_polars_is_read_whatever_it_is_written_as(client, name):
    frame = polars.DataFrame(
        {
            "n": [1, None, 3],
            "text": ["x", None, "longer than twelve bytes"],
            "kind": polars.Series(["b", None, "a"], dtype=polars.Categorical),
            "duration": [dt.timedelta(seconds=3, milliseconds=500), None, dt.timedelta(0)],
            "list": [["a", None], None, []],
            "price": polars.Series([Decimal("1.50"), None, Decimal("-2.00")], dtype=polars.Decimal(10, 2)),
        }
    )
    writers = {
        PARQUET: [frame.write_parquet],
        ARROW_FILE: [frame.write_ipc, lambda out: frame.write_ipc(out, compression="zstd")],
        ARROW_STREAM: [frame.write_ipc_stream],
    }
    status = 201
    for content_type, several in writers.items():
        for write in several:
            out = io.BytesIO()
            write(out)
            descriptor = put(client, name, out.getvalue(), content_type, status)
            status = 200
            kinds = {"n": "bigint", "text": "text", "kind": "text", "duration": "text", "list": "json", "price": "numeric"}
            assert types(descriptor) == kinds
            found = rows(client, name)
            for column in ["n", "text", "kind", "list", "price"]:
                assert [row[column] for row in found] == frame[column].to_list(), (content_type, column)
            assert [row["duration"] for row in found] == ["PT3.5S", None, "PT0S"]


def test_nanoseconds_that_no_timestamp_of_ours_can_say_make_the_column_text(client, name):
    times = pyarrow.array([1_000, 1_001, None], pyarrow.timestamp("ns"))
    whole = pyarrow.array([1_000, 2_000, None], pyarrow.timestamp("ns"))
    descriptor = put(client, name, as_parquet(pyarrow.table({"fine": times, "whole": whole})), PARQUET)
    assert types(descriptor) == {"fine": "text", "whole": "timestamp"}
    found = rows(client, name)
    assert [row["fine"] for row in found][1:] == ["1970-01-01T00:00:00.000001001", None]
    assert dt.datetime.fromisoformat(found[0]["fine"]) == dt.datetime(1970, 1, 1, microsecond=1)
    assert dt.datetime.fromisoformat(found[1]["whole"]) == dt.datetime(1970, 1, 1, microsecond=2)


def test_uuids_maps_and_nested_structs(client, name):
    one = uuid.UUID(int=7)
    columns = {
        "id": pyarrow.ExtensionArray.from_storage(pyarrow.uuid(), pyarrow.array([one.bytes], pyarrow.binary(16))),
        "map": pyarrow.array([[("k", 1)]], pyarrow.map_(pyarrow.string(), pyarrow.int64())),
        "deep": pyarrow.array([[{"a": [{"b": dt.date(2026, 1, 1)}]}]]),
        "nothing": pyarrow.nulls(1),
    }
    for status, content, content_type in [(201, as_parquet, PARQUET), (200, as_feather, ARROW_FILE)]:
        descriptor = put(client, name, content(pyarrow.table(columns)), content_type, status)
        assert types(descriptor) == {"id": "uuid", "map": "json", "deep": "json", "nothing": "text"}
        [row] = rows(client, name)
        assert row == {"id": str(one), "map": {"k": 1}, "deep": [{"a": [{"b": "2026-01-01"}]}], "nothing": None}


def test_timestamps_of_96_bits_are_read(client, name):
    times = pyarrow.table({"t": pyarrow.array([TIME, None], pyarrow.timestamp("us"))})
    descriptor = put(client, name, as_parquet(times, use_deprecated_int96_timestamps=True), PARQUET)
    assert types(descriptor) == {"t": "timestamp"}
    assert dt.datetime.fromisoformat(rows(client, name)[0]["t"]) == TIME


def test_a_table_without_rows_keeps_its_columns(client, name, writer):
    content_type, write = writer
    descriptor = put(client, name, write(table().slice(0, 0)), content_type)
    assert (descriptor["rows"], len(descriptor["columns"])) == (0, 18)
    assert rows(client, name) == []


def test_a_million_rows_come_back_in_their_order(client, name):
    numbers = pyarrow.table({"n": pyarrow.array(range(1_000_000)), "c": pyarrow.array([f"c{n % 9}" for n in range(1_000_000)])})
    assert put(client, name, as_parquet(numbers), PARQUET)["rows"] == 1_000_000
    found = client.json_of(f"/v1/tables/{name}/rows", params={"offset": "999998"})
    assert found == [{"n": 999_998, "c": f"c{999_998 % 9}"}, {"n": 999_999, "c": f"c{999_999 % 9}"}]


@pytest.mark.parametrize("file", vega.files(".parquet", ".arrow"))
def test_the_files_of_the_package_come_back_value_by_value(service, client, name, file):
    path = vega.path(file)
    wanted = parquet.read_table(path) if file.endswith(".parquet") else ipc.open_file(path).read_all()
    # Under a name of its own: the package has some of them as CSV or JSON too.
    descriptor = service.upload(path, f"/{name}-{file}")
    assert (descriptor["kind"], descriptor["rows"]) == ("table", wanted.num_rows)
    assert [column["name"] for column in descriptor["columns"]] == wanted.column_names
    # Millions of rows; those at the end are where they should be only if none before them is missing.
    last = max(wanted.num_rows - 1000, 0)
    found = read_json(client.whole("GET", descriptor["links"]["rows"], params={"offset": str(last)}).text)
    for column in descriptor["columns"]:
        values = wanted[column["name"]][last:].to_pylist()
        cells = [row[column["name"]] for row in found]
        if column["type"] in ("date", "timestamp"):
            read = dt.date.fromisoformat if column["type"] == "date" else dt.datetime.fromisoformat
            cells = [cell and read(cell) for cell in cells]
        elif column["type"] == "double":
            narrow = wanted.schema.field(column["name"]).type == pyarrow.float32()
            values = [value if value is None or not narrow else float(pandas.Series([value], dtype="float32").astype(str)[0]) for value in values]
            cells = [None if cell is None else float(cell) for cell in cells]
        assert cells == values, column
    assert client.whole("GET", descriptor["links"]["raw"]).content == path.read_bytes()


@pytest.mark.parametrize("cut", [0, 3, 100, -1, -9])
def test_a_file_that_is_cut_off_is_malformed_and_leaves_no_table(client, name, cut):
    for content_type, write in [(PARQUET, as_parquet), (ARROW_FILE, as_feather)]:
        data = write(table())[:cut]
        answer = client.put(f"/v1/tables/{name}", data=data, headers={"Content-Type": content_type})
        problem(answer, 422, "malformed")
        problem(client.get(f"/v1/tables/{name}"), 404, "not-found")
