"""Tables: every delimited file and every JSON array of the package, read back cell by cell; and what a file may not be."""

import gzip
import io
from decimal import Decimal

import pandas
import pytest
import vega
import zstandard
from cells import assert_same, assert_table_is, of_json, read_json, read_text
from service import problem

# Each of them is a valid table; the list of those that are not, with line and column, is empty.
DELIMITED = vega.files(".csv", ".tsv")
JSON = vega.files(".json")
ARRAYS = [name for name in JSON if vega.path(name).read_bytes().lstrip()[:1] == b"["]


def slug(file):
    return file.rsplit(".", 1)[0].lower()


@pytest.mark.parametrize("file", DELIMITED)
def test_every_delimited_file_comes_back_cell_by_cell_and_byte_for_byte(service, client, file):
    path = vega.path(file)
    descriptor = service.upload(path)
    assert (descriptor["kind"], descriptor["name"]) == ("table", slug(file))
    assert_table_is(client, descriptor, read_text(path, "\t" if file.endswith(".tsv") else ","))
    assert client.whole("GET", descriptor["links"]["raw"]).content == path.read_bytes()


@pytest.mark.parametrize("file", ARRAYS)
def test_every_json_array_of_objects_becomes_a_table_of_the_same_values(service, client, file):
    path = vega.path(file)
    descriptor = service.upload(path)
    assert (descriptor["kind"], descriptor["name"]) == ("table", slug(file))
    wanted = read_json(path.read_text("utf-8"))
    names = list(dict.fromkeys(key for row in wanted for key in row))
    assert [column["name"] for column in descriptor["columns"]] == names
    assert descriptor["rows"] == len(wanted)
    found = read_json(client.whole("GET", descriptor["links"]["rows"]).text)
    for column in descriptor["columns"]:
        name, kind = column["name"], column["type"]
        values = [of_json(kind, row.get(name)) for row in wanted]
        assert_same(kind, name, values, [of_json(kind, row[name]) for row in found])
    assert client.whole("GET", descriptor["links"]["raw"]).content == path.read_bytes()


def test_the_package_has_what_these_tests_are_about():
    assert (len(DELIMITED), len(ARRAYS)) == (24, 36)


@pytest.mark.parametrize(
    ("file", "types"),
    [
        ("zipcodes.csv", {"zip_code": "text", "latitude": "numeric", "city": "text"}),
        ("seattle-weather.csv", {"date": "date", "precipitation": "numeric", "weather": "text"}),
        ("seattle-weather-hourly-normals.csv", {"date": "timestamp", "temperature": "numeric"}),
        ("github.csv", {"time": "timestamp", "count": "bigint"}),
        ("stocks.csv", {"symbol": "text", "date": "date", "price": "numeric"}),
        ("unemployment.tsv", {"id": "bigint", "rate": "numeric"}),
        ("birdstrikes.csv", {"Flight Date": "date", "Cost Total $": "bigint", "Wildlife Size": "text"}),
        ("monarchs.json", {"name": "text", "start": "bigint", "commonwealth": "boolean"}),
        ("weekly-weather.json", {"record": "json"}),
    ],
)
def test_types_follow_from_all_the_values(service, file, types):
    descriptor = service.upload(vega.path(file))
    found = {column["name"]: column["type"] for column in descriptor["columns"]}
    assert {name: found[name] for name in types} == types


def test_a_compressed_file_is_the_table_that_is_in_it_and_raw_is_the_bytes_as_they_came(service, client, tmp_path):
    plain = vega.path("stocks.csv").read_bytes()
    packed = {"gz": gzip.compress(plain), "zst": zstandard.compress(plain)}
    for extension, content in packed.items():
        file = tmp_path / f"packed-{extension}.csv.{extension}"
        file.write_bytes(content)
        descriptor = service.upload(file)
        assert (descriptor["kind"], descriptor["name"]) == ("table", f"packed-{extension}")
        assert_table_is(client, descriptor, read_text(vega.path("stocks.csv")))
        assert service.curl(path=f"/v1/tables/packed-{extension}/raw") == content


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_content_encoding_is_undone_for_the_table_and_kept_for_the_raw(service, client, name, encoding):
    plain = vega.path("iowa-electricity.csv").read_bytes()
    packed = gzip.compress(plain) if encoding == "gzip" else zstandard.compress(plain)
    headers = {"Content-Type": "text/csv", "Content-Encoding": encoding}
    descriptor = client.json_of(f"/v1/tables/{name}", 201, "PUT", data=packed, headers=headers)
    assert_table_is(client, descriptor, read_text(io.BytesIO(plain)))
    assert service.curl(path=f"/v1/tables/{name}/raw") == packed


def put(client, name, text, content_type="text/csv", status=201):
    data = text if isinstance(text, bytes) else text.encode()
    return client.json_of(f"/v1/tables/{name}", status, "PUT", data=data, headers={"Content-Type": content_type})


def test_an_unquoted_empty_cell_is_null_and_a_quoted_one_the_empty_string(client, name):
    put(client, name, 'a,b\n,""\nx,y\n')
    assert client.json_of(f"/v1/tables/{name}/rows") == [{"a": None, "b": ""}, {"a": "x", "b": "y"}]
    assert client.whole("GET", f"/v1/tables/{name}/rows.csv").text.split() == ["a,b", ',""', "x,y"]


def test_a_byte_order_mark_is_no_part_of_the_first_name(client, name):
    descriptor = put(client, name, b"\xef\xbb\xbfa;b,c\r\n1,2\r\n")
    assert [column["name"] for column in descriptor["columns"]] == ["a;b", "c"]


def test_cells_with_quotes_line_ends_and_every_script_survive(client, name):
    cells = ['say "hi"', "two\nlines", "Ünïcødé 数据 🦀", "a,b", "\\n", "\\.", "tab\there", "' or 1=1 --", " space "]
    text = pandas.DataFrame({"no": range(len(cells)), "cell": cells}).to_csv(index=False)
    assert_table_is(client, put(client, name, text), read_text(io.StringIO(text)))


def test_column_names_can_be_anything(client, name):
    names = ["select", "a b", '"quoted"', "Ünïcødé", "x; drop table y", "c1", "_row", "A", "a"]
    text = pandas.DataFrame([range(len(names))], columns=names).to_csv(index=False)
    descriptor = put(client, name, text)
    assert [column["name"] for column in descriptor["columns"]] == names
    assert client.json_of(f"/v1/tables/{name}/rows") == [{one: number for number, one in enumerate(names)}]


def test_numbers_keep_every_digit(client, name):
    put(client, name, "exact,long,code\n12345678901234567890.123456789,9223372036854775807,007\n0.10,-1,1\n")
    rows = read_json(client.whole("GET", f"/v1/tables/{name}/rows").text)
    assert rows[0]["exact"] == Decimal("12345678901234567890.123456789")
    assert (rows[0]["long"], rows[0]["code"], rows[1]["code"]) == (9223372036854775807, "007", "1")
    assert "0.10" in client.whole("GET", f"/v1/tables/{name}/rows.csv").text


def test_booleans_are_words_in_every_format(client, name):
    put(client, name, "yes\nTrue\nFalse\n")
    assert client.json_of(f"/v1/tables/{name}/rows") == [{"yes": True}, {"yes": False}]
    assert client.whole("GET", f"/v1/tables/{name}/rows.csv").text == "yes\ntrue\nfalse\n"


def test_a_value_at_the_very_end_can_still_change_the_type(client, name):
    lines = ["a,b", *(f"{n},2026-01-{n % 28 + 1:02}" for n in range(20_000)), "x,never"]
    descriptor = put(client, name, "\n".join(lines))
    assert [column["type"] for column in descriptor["columns"]] == ["text", "text"]
    rows = client.json_of(f"/v1/tables/{name}/rows")
    assert (len(rows), rows[7]["a"], rows[-1]["b"]) == (20_001, "7", "never")


def test_ndjson_is_a_table_too(client, name):
    descriptor = put(client, name, '{"a": 1, "b": [1, {"c": null}]}\n\n{"b": null, "d": "x"}\n', "application/x-ndjson")
    assert [(column["name"], column["type"]) for column in descriptor["columns"]] == [
        ("a", "bigint"),
        ("b", "json"),
        ("d", "text"),
    ]
    wanted = [{"a": 1, "b": [1, {"c": None}], "d": None}, {"a": None, "b": None, "d": "x"}]
    assert client.json_of(f"/v1/tables/{name}/rows") == wanted
    lines = client.whole("GET", f"/v1/tables/{name}/rows.ndjson").text.splitlines()
    assert [read_json(line) for line in lines] == wanted


def test_select_order_limit_and_offset_choose_rows(client, name):
    put(client, name, "city,size,kind\nb,2,x\na,3,y\nc,1,x\n")
    url = f"/v1/tables/{name}/rows"

    def rows(**params):
        return client.json_of(url, params=params)

    assert [row["city"] for row in rows()] == ["b", "a", "c"]
    assert [row["city"] for row in rows(order="size.desc")] == ["a", "b", "c"]
    assert [row["city"] for row in rows(order="kind.asc,size.asc")] == ["c", "b", "a"]
    assert rows(select="size,city", order="city", limit=1, offset=1) == [{"size": 2, "city": "b"}]
    assert rows(limit=0) == []
    text = client.whole("GET", f"{url}.csv", params={"select": "city", "order": "city.desc", "limit": "2"}).text
    assert text.split() == ["city", "c", "b"]
    for wrong in [{"select": "nope"}, {"order": "nope"}, {"order": "city.sideways"}, {"limit": "-1"}, {"offset": "x"}]:
        problem(client.get(url, params=wrong), 400)


def test_the_format_follows_the_extension_or_accept(client, name):
    put(client, name, "a\n1\n")
    url = f"/v1/tables/{name}/rows"
    for accept, kind in [("text/csv", "text/csv"), ("application/x-ndjson", "application/x-ndjson"), ("*/*", "application/json")]:
        assert client.whole("GET", url, headers={"Accept": accept}).headers["content-type"].startswith(kind)
    assert client.whole("GET", f"{url}.csv", headers={"Accept": "application/json"}).text == "a\n1\n"
    problem(client.get(f"{url}.docx"), 406, "not-acceptable")


def test_pandas_reads_a_table_with_the_token_alone(service, client, name):
    put(client, name, "day,n\n2026-01-01,1\n2026-01-02,2\n")
    options = {"Authorization": f"Bearer {service.token}"}
    frame = pandas.read_csv(f"{service.url}/v1/tables/{name}/rows.csv", storage_options=options, parse_dates=["day"])
    assert frame["n"].sum() == 3 and str(frame["day"][1].date()) == "2026-01-02"
    assert pandas.read_json(f"{service.url}/v1/tables/{name}/rows.json", storage_options=options)["n"].tolist() == [1, 2]


def test_a_table_is_replaced_by_its_next_version_and_not_by_the_same_bytes(client, name):
    first = put(client, name, "a\n1\n")
    assert put(client, name, "a\n1\n", status=200)["etag"] == first["etag"]
    second = put(client, name, "b\n2\n3\n", status=200)
    assert (second["id"], second["rows"]) == (first["id"], 2) and second["etag"] != first["etag"]
    assert client.json_of(f"/v1/tables/{name}/rows") == [{"b": 2}, {"b": 3}]


def test_a_deleted_table_comes_back_with_restore(client, name):
    put(client, name, "a\n1\n")
    client.whole("DELETE", f"/v1/tables/{name}", 204)
    for path in ("", "/rows", "/raw"):
        problem(client.get(f"/v1/tables/{name}{path}"), 404, "not-found")
    client.whole("POST", f"/v1/tables/{name}/restore")
    assert client.json_of(f"/v1/tables/{name}/rows") == [{"a": 1}]


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        pytest.param("a,b\n1,2\n3,4,5\n", 3, None, id="a cell too many"),
        pytest.param('a,b\n1,"2\n3,4\n', 2, 3, id="a quote that is never closed"),
    ],
)
def test_a_malformed_file_says_where_and_leaves_the_version_before_it(client, name, text, line, column):
    before = put(client, name, "a,b\n1,2\n")
    data = text if isinstance(text, bytes) else text.encode()
    answer = client.put(f"/v1/tables/{name}", data=data, headers={"Content-Type": "text/csv"})
    body = problem(answer, 422, "malformed")
    assert body["line"] == line and body["column"] >= 1
    assert column is None or body["column"] == column, body
    assert client.json_of(f"/v1/tables/{name}")["etag"] == before["etag"]
    assert client.json_of(f"/v1/tables/{name}/rows") == [{"a": 1, "b": 2}]


@pytest.mark.parametrize(
    ("text", "code", "line", "row"),
    [
        pytest.param("a,b\n1,2\n3\n", "short-row", 3, {"a": 3, "b": None}, id="a cell too few"),
        pytest.param("a,b\n1,2\n3,4,,\n", "trailing-fields", 3, {"a": 3, "b": 4}, id="empty cells too many"),
        pytest.param('a,b\n1,x\n3,"4"x\n', "stray-quote", 3, {"a": 3, "b": '"4"x'}, id="text behind a quoted cell"),
    ],
)
def test_what_a_person_would_mend_is_mended_and_told_and_refused_with_strict(client, name, text, code, line, row):
    headers = {"Content-Type": "text/csv"}
    refused = problem(client.put(f"/v1/tables/{name}?strict=true", data=text.encode(), headers=headers), 422, "malformed")
    assert refused["line"] == line and code in refused["detail"], refused
    problem(client.get(f"/v1/tables/{name}"), 404, "not-found")
    warnings = put(client, name, text)["ingest"]["warnings"]
    assert [(one["code"], one["count"], one["lines"]) for one in warnings] == [(code, 1, [line])]
    assert client.json_of(f"/v1/tables/{name}/rows")[-1] == row


def test_a_malformed_smart_upload_names_the_way_to_keep_the_file_anyway(client, name):
    answer = client.put(f"/{name}.csv", data=b'a,b\n1,"2\n')
    assert "as=blob" in problem(answer, 422, "malformed")["detail"]
    problem(client.get(f"/v1/tables/{name}"), 404, "not-found")
    kept = client.json_of(f"/{name}.csv?as=blob", 201, "PUT", data=b"a,b\n1\n")
    assert (kept["kind"], kept["name"]) == ("blob", f"{name}.csv")
