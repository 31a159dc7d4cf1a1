"""Files as people and programs really send them: by `curl -T`, read back by pandas."""

import io
import json
import subprocess

import pandas
import pytest
from cells import read_json
from service import problem, wait_until

FRAME = pandas.DataFrame(
    {
        "Kürzel": ["007", "012", "100"],
        "Straße": ["Hauptstraße 1; Hof", "Ålesund, Kai", 'Am "Tor"'],
        "Betrag": [1234.5, -0.25, 10.0],
        "Tag": pandas.to_datetime(["2026-01-31", "2026-02-01", "2024-02-29"]),
    }
)
TYPES = {"Kürzel": "text", "Straße": "text", "Betrag": "numeric", "Tag": "date"}


def types(descriptor):
    return {column["name"]: column["type"] for column in descriptor["columns"]}


def read(service, name):
    """As the README shows it: pandas, the token, and nothing told of the columns but what CSV cannot say."""
    url, options = f"{service.url}/v1/tables/{name}/rows.csv", {"Authorization": f"Bearer {service.token}"}
    return pandas.read_csv(url, storage_options=options, parse_dates=["Tag"], dtype={"Kürzel": str})


def german(frame):
    """What Excel writes in Germany."""
    shown = frame.assign(
        Betrag=[f"{value:,.2f}".translate(str.maketrans(",.", ".,")) for value in frame["Betrag"]],
        Tag=frame["Tag"].dt.strftime("%d.%m.%Y"),
    )
    return shown.to_csv(index=False, sep=";", lineterminator="\r\n")


def as_workbook(frame, extension):
    out = io.BytesIO()
    with pandas.ExcelWriter(out, engine="openpyxl" if extension == "xlsx" else "odf") as writer:
        frame.assign(Tag=frame["Tag"].dt.date).to_excel(writer, index=False, sheet_name="Umsatz")
        pandas.DataFrame({"other": [1]}).to_excel(writer, index=False, sheet_name="Notizen")
    return out.getvalue()


def as_parquet(frame):
    out = io.BytesIO()
    frame.assign(Tag=frame["Tag"].dt.date).to_parquet(out, index=False)
    return out.getvalue()


UGLY = {
    "excel in german, windows-1252": ("csv", lambda frame: german(frame).encode("cp1252")),
    "excel in german, utf-8 with a mark": ("csv", lambda frame: german(frame).encode("utf-8-sig")),
    "a line that says sep=;": ("csv", lambda frame: ("sep=;\r\n" + german(frame)).encode("cp1252")),
    "unicode text of excel": ("txt", lambda frame: german(frame).replace(";", "\t").encode("utf-16")),
    "utf-16 without a mark": ("csv", lambda frame: frame.to_csv(index=False).encode("utf-16-le")),
    "a title and a total": ("csv", lambda frame: f"Umsatz 2026\n\n{frame.to_csv(index=False)}\nSumme: 3\n".encode()),
    "xlsx": ("xlsx", lambda frame: as_workbook(frame, "xlsx")),
    "ods": ("ods", lambda frame: as_workbook(frame, "ods")),
    "parquet": ("parquet", as_parquet),
}


@pytest.mark.parametrize("kind", UGLY, ids=lambda kind: kind.replace(" ", "-"))
def test_pandas_reads_back_what_a_person_sees_in_the_file(service, name, tmp_path, kind):
    extension, write = UGLY[kind]
    file = tmp_path / f"{name}.{extension}"
    # In "unicode text" the semicolon within a text is a tab in quotes.
    frame = FRAME.assign(Straße=FRAME["Straße"].str.replace(";", "\t")) if extension == "txt" else FRAME
    file.write_bytes(write(FRAME))
    path = f"/{file.name}?as=table" if extension == "txt" else "/"
    descriptor = service.upload(file, path)
    wanted = {**TYPES, "Betrag": "double"} if extension == "parquet" else TYPES
    assert types(descriptor) == wanted, descriptor["ingest"]
    found = read(service, descriptor["name"])
    pandas.testing.assert_frame_equal(found, frame, check_dtype=False)
    assert service.curl(path=f"/v1/tables/{descriptor['name']}/raw") == file.read_bytes()


def test_what_was_assumed_is_told_and_can_be_told_instead(service, client, name, tmp_path):
    file = tmp_path / f"{name}.csv"
    file.write_bytes(b"tag;wert\n01.02.2026;1,5\n03.04.2026;n/a\n")
    descriptor = service.upload(file)
    ingest = descriptor["ingest"]
    assert (ingest["delimiter"], ingest["encoding"], ingest["header_rows"], ingest["nulls"]) == (";", "utf-8", 1, ["n/a"])
    assert types(descriptor)["wert"] == "numeric"
    told = client.json_of(f"/v1/tables/{name}?dates=dmy&rename=wert:value&types=value:double", method="PUT", data=file.read_bytes())
    assert types(told) == {"tag": "date", "value": "double"}
    assert client.json_of(f"/v1/tables/{name}/rows") == [{"tag": "2026-02-01", "value": 1.5}, {"tag": "2026-04-03", "value": None}]
    # What was told holds for the file of the next day, and an empty value takes it back.
    next_day = client.json_of(f"/v1/tables/{name}", method="PUT", data=b"tag;wert\n05.06.2026;2\n")
    assert types(next_day) == {"tag": "date", "value": "double"}
    back = client.json_of(f"/v1/tables/{name}?types=&rename=", method="PUT", data=b"tag;wert\n05.06.2026;2\n")
    assert types(back) == {"tag": "date", "wert": "bigint"}
    changes = [(one["column"], one["change"]) for one in back["ingest"]["changes"]]
    assert changes == [("value", "lost"), ("wert", "added")]
    kept = problem(client.put(f"/v1/tables/{name}?schema=keep", data=b"tag;x\n05.06.2026;2\n"), 422, "schema-changed")
    assert kept["changes"] == [{"column": "wert", "change": "lost", "from": "bigint"}]


def test_a_dry_run_answers_what_would_happen_and_writes_nothing(client, name):
    rehearsed = client.json_of(f"/v1/tables/{name}?dry_run=true", method="PUT", data=b"a;b\n1;x\n2\n")
    assert (rehearsed["dry_run"], rehearsed["replaces"], rehearsed["rows"]) == (True, False, 2)
    assert types(rehearsed) == {"a": "bigint", "b": "text"}
    assert [one["code"] for one in rehearsed["ingest"]["warnings"]] == ["short-row"]
    problem(client.get(f"/v1/tables/{name}"), 404, "not-found")


def test_another_sheet_is_read_when_it_is_named(client, name):
    workbook = as_workbook(FRAME, "xlsx")
    first = client.json_of(f"/v1/tables/{name}", 201, "PUT", data=workbook)
    assert first["ingest"]["sheet"] == "Umsatz"
    assert [(one["code"], "Notizen" in one["detail"]) for one in first["ingest"]["warnings"]] == [("sheets-not-read", True)]
    second = client.json_of(f"/v1/tables/{name}?sheet=Notizen", method="PUT", data=workbook)
    assert (second["ingest"]["sheet"], types(second)) == ("Notizen", {"other": "bigint"})


def test_a_job_is_answered_at_once_and_ends_with_the_table(client, name):
    csv = "n,text\n" + "".join(f"{n},text {n}\n" for n in range(50_000))
    accepted = client.whole("PUT", f"/v1/tables/{name}", 202, data=csv, headers={"Prefer": "respond-async"})
    url = accepted.headers["location"]
    assert accepted.json()["links"]["self"] == url
    wait_until(lambda: client.json_of(url)["state"] != "running", "the job to end")
    job = client.json_of(url)
    assert (job["state"], job["rows"], job["bytes"]) == ("finished", 50_000, len(csv))
    assert job["finished_at"] and job["id"] in [one["id"] for one in client.json_of("/v1/jobs")["items"]]
    assert client.json_of(job["links"]["target"])["rows"] == 50_000
    problem(client.delete(url), 409, "conflict")


def test_a_job_that_fails_says_why(client, name):
    headers = {"Prefer": "respond-async", "Content-Type": "text/csv"}
    accepted = client.whole("PUT", f"/v1/tables/{name}", 202, data=b'a,b\n1,"2\n', headers=headers)
    url = accepted.headers["location"]
    wait_until(lambda: client.json_of(url)["state"] != "running", "the job to end")
    job = client.json_of(url)
    assert (job["state"], job["problem"]["type"], job["problem"]["line"]) == ("failed", "/problems/malformed", 2)
    problem(client.get(f"/v1/tables/{name}"), 404, "not-found")


def test_curl_appends_a_file_by_the_names_of_its_columns(service, client, name, tmp_path):
    first, more, wrong = (tmp_path / f"{name}{part}.csv" for part in ("", "-more", "-wrong"))
    first.write_text("id,city\n1,Bern\n2,Graz\n")
    more.write_bytes("city;id\r\nKöln;3\r\n".encode("cp1252"))
    wrong.write_text("id,city\n4,Ulm\nx,Rom\n")
    service.curl("-T", str(first), path=f"/v1/tables/{name}?key=id")
    appended = json.loads(service.curl("-X", "POST", "-T", str(more), path=f"/v1/tables/{name}/rows"))
    assert (appended["appended"], appended["rows"], appended["version"]) == (1, 3, 1)
    refused = client.post(f"/v1/tables/{name}/rows", data=wrong.read_bytes())
    assert problem(refused, 422, "malformed")["line"] == 3
    with pytest.raises(AssertionError, match="409"):
        service.curl("-X", "POST", "-T", str(more), path=f"/v1/tables/{name}/rows")
    merge = ["-H", "Prefer: resolution=merge-duplicates", "-X", "POST", "-T", str(more)]
    assert json.loads(service.curl(*merge, path=f"/v1/tables/{name}/rows"))["updated"] == 1
    rows = [{"id": 1, "city": "Bern"}, {"id": 2, "city": "Graz"}, {"id": 3, "city": "Köln"}]
    assert client.json_of(f"/v1/tables/{name}/rows", params={"order": "id"}) == rows


def test_packed_by_the_programs_of_the_machine(service, client, name, tmp_path):
    plain = "n,s\n1,Grüße\n2,\n"
    for program, extension in [("gzip", "gz"), ("bzip2", "bz2"), ("xz", "xz")]:
        packed = subprocess.run([program, "-c"], input=plain.encode(), capture_output=True, check=True).stdout
        file = tmp_path / f"{name}-{extension}.csv.{extension}"
        file.write_bytes(packed)
        descriptor = service.upload(file)
        assert (descriptor["name"], types(descriptor)) == (f"{name}-{extension}", {"n": "bigint", "s": "text"})
        found = read_json(client.whole("GET", descriptor["links"]["rows"]).text)
        assert found == [{"n": 1, "s": "Grüße"}, {"n": 2, "s": None}]
