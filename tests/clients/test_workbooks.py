"""Workbooks, written by pandas and read back from the service."""

import datetime as dt

import openpyxl
import pandas
import pytest
from service import problem

FRAME = pandas.DataFrame(
    {
        "id": [1, 2, 3],
        "code": ["007", "010", "123"],
        "amount": [0.5, -2.25, 1000000.125],
        "moment": pandas.to_datetime(["2026-01-31 10:30:00", "2026-02-01 00:00:00", "2024-02-29 23:59:59"]),
        "yes": [True, False, True],
        "note": ["a, b", 'say "hi"', "Grüße\n数据"],
    }
)
TYPES = {"id": "bigint", "code": "text", "amount": "numeric", "moment": "timestamp", "yes": "boolean", "note": "text"}


@pytest.mark.parametrize("extension", ["xlsx", "ods"])
def test_a_frame_comes_back_as_it_was_written(service, client, name, tmp_path, extension):
    file = tmp_path / f"{name}.{extension}"
    FRAME.to_excel(file, index=False)
    descriptor = service.upload(file)
    assert {column["name"]: column["type"] for column in descriptor["columns"]} == TYPES
    rows = client.json_of(f"/v1/tables/{name}/rows")
    found = pandas.DataFrame(rows).assign(moment=lambda frame: pandas.to_datetime(frame["moment"]))
    found["amount"] = found["amount"].astype(float)
    pandas.testing.assert_frame_equal(found, FRAME, check_dtype=False)


def test_a_table_may_begin_anywhere_in_the_first_sheet_that_holds_anything(service, client, name, tmp_path):
    book = openpyxl.Workbook()
    sheet = book.create_sheet("Later")
    sheet["C4"], sheet["D4"] = "day", "n"
    sheet["C5"], sheet["D5"] = dt.date(2026, 1, 31), 1
    file = tmp_path / f"{name}.xlsx"
    book.save(file)
    service.upload(file)
    assert client.json_of(f"/v1/tables/{name}/rows") == [{"day": "2026-01-31", "n": 1}]


def test_a_broken_workbook_is_refused_and_leaves_nothing(client, name):
    problem(client.put(f"/{name}.xlsx", data=b"PK\x03\x04 and then nothing"), 422, "malformed")
    problem(client.get(f"/v1/tables/{name}"), 404, "not-found")
