#!/usr/bin/env python3
"""Makes the files of the corpus that no editor writes: other encodings, compressed files, workbooks, Parquet and Arrow.

Its output is committed; run it again after a change here. The same script gives the same bytes, as long as the
libraries are the same: `pyarrow==26.0.1` and `xlwt==1.3.0`.
"""

import bz2
import datetime as dt
import decimal
import gzip
import io
import lzma
import pathlib
import zipfile

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import xlwt

FOLDER = pathlib.Path(__file__).parent
ROWS = 'id,name,amount\n1,Ann,1.50\n2,"Bob, Jr.",\n3,Zoë,3.00\n'
TABS = "id\tname\tamount\n1\tAnn\t1.50\n2\tBob, Jr.\t\n3\tZoë\t3.00\n"
SEMICOLONS = "id;name;amount\n1;Ann;1,50\n2;Bob, Jr.;\n3;Zoë;3,00\n"
OBJECTS = '{"id":1,"name":"Ann","amount":1.50}\n{"id":2,"name":"Bob, Jr.","amount":null}\n{"id":3,"name":"Zoë","amount":3.00}\n'
MOMENT = (2026, 11, 23, 10, 0, 0)


def save(name, content):
    """Writes the file of the corpus whose name is `name` behind its number."""
    (expectation,) = FOLDER.glob(f"[0-9][0-9][0-9]-{name.split('.')[0]}.expected.json")
    number = expectation.name.split("-")[0]
    (FOLDER / f"{number}-{name}").write_bytes(content)


def encodings():
    scripts = "id,name\r\n1,Zoë\r\n2,名前\r\n3,🦀\r\n"
    save("utf-16le-with-bom.csv", b"\xff\xfe" + scripts.encode("utf-16-le"))
    save("utf-16be-with-bom.csv", b"\xfe\xff" + scripts.encode("utf-16-be"))
    letters = "id,name\n1,Zoë\n2,Anna\n3,Bob\n"
    save("utf-16le-without-bom.csv", letters.encode("utf-16-le"))
    save("utf-16be-without-bom.csv", letters.encode("utf-16-be"))
    excel = 'id\tname\tamount\r\n1\tZoë, Ann\t1.50\r\n2\t"the ""best"""\t2.25\r\n'
    save("utf-16le-tabs-of-excel.txt", b"\xff\xfe" + excel.encode("utf-16-le"))
    titles = "Umsatz 2026\t\t\r\n\t\t\r\nTag\tOrt\tMenge\r\n2026-01-31\tKöln\t5\r\n2026-02-01\tBonn\t6\r\n"
    save("titles-in-utf-16.txt", b"\xff\xfe" + titles.encode("utf-16-le"))
    save("utf-16le-told.csv", "名,前\n山,川\n空,海\n".encode("utf-16-le"))
    save("windows-1252.csv", "id,name,price\n1,Müller,€5\n2,“Zoé”,€6\n3,naïve – café,€7\n".encode("cp1252"))
    save("windows-1252-semicolons.csv", "Größe;Straße\r\n1,5;Königstraße\r\n2,25;Am Bäche\r\n".encode("cp1252"))
    save("latin-1-told.csv", "id,name\n1,Ærø\n2,Åse\n".encode("latin-1"))
    save("shift-jis-told.csv", "番号,名前\n1,表示\n2,ソース\n".encode("shift_jis"))
    save("gb18030-told.csv", "编号,城市\n1,北京\n2,上海\n".encode("gb18030"))
    save("koi8-r-by-charset.csv", "номер,город\n1,Москва\n2,Тверь\n".encode("koi8-r"))
    save("array-in-utf-16.json", b"\xff\xfe" + '[{"id":1,"name":"Zoë"},\r\n{"id":2,"name":"Ann"}]\r\n'.encode("utf-16-le"))


def compressed():
    rows = ROWS.encode()
    half = rows.index(b"2,")
    squeeze = lambda data: gzip.compress(data, mtime=0)
    save("gzip.csv.gz", squeeze(rows))
    save("gzip-of-two-members.csv.gz", squeeze(rows[:half]) + squeeze(rows[half:]))
    save("bzip2.csv.bz2", bz2.compress(rows))
    save("bzip2-of-two-members.csv.bz2", bz2.compress(rows[:half]) + bz2.compress(rows[half:]))
    save("xz.csv.xz", lzma.compress(rows))
    save("zstd.csv.zst", pa.Codec("zstd").compress(rows, asbytes=True))
    save("gzip-of-utf-16-tabs.tsv.gz", squeeze(b"\xff\xfe" + TABS.encode("utf-16-le")))
    save("gzip-of-windows-1252.csv.gz", squeeze(SEMICOLONS.encode("cp1252")))
    save("gzip-of-lines-of-objects.ndjson.gz", squeeze(OBJECTS.encode()))
    save("gzip-called-csv.csv", squeeze(rows))
    whole = squeeze("".join(f"{n},{n * 7919 % 1000}\n" for n in range(2000)).encode())
    save("gzip-that-breaks-off.csv.gz", whole[: len(whole) // 2])


def zipped(*files, method=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files:
            entry = zipfile.ZipInfo(name, MOMENT)
            entry.compress_type = method
            archive.writestr(entry, content)
    return out.getvalue()


def zips():
    save("zip.zip", zipped(("rows.csv", ROWS)))
    mac = [("data/", ""), ("data/rows.csv", ROWS), ("__MACOSX/data/._rows.csv", b"\0\x05\x16\x07"), ("data/.DS_Store", b"\0\0\0\1Bud1")]
    save("zip-of-a-mac.zip", zipped(*mac))
    save("zip-stored-tabs.zip", zipped(("rows.tsv", "\ufeff" + TABS), method=zipfile.ZIP_STORED))
    save("zip-of-two-files.zip", zipped(("first.csv", "a,b\n1,2\n"), ("second.csv", "c,d\n3,4\n")))
    save("zip-of-nothing.zip", zipped())


XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"


class Failure(str):
    """An error as the value of a cell: `#N/A`."""


def escaped(text):
    return text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")


def serial(moment, epoch):
    delta = moment - epoch
    days, seconds = delta.days, delta.seconds
    return str(days) if seconds == 0 else repr(days + seconds / 86400)


def xlsx_cell(place, value, mac):
    """Styles 1 and 2 are the built-in formats of a date and of a date with its time."""
    epoch = dt.datetime(1904, 1, 1) if mac else dt.datetime(1899, 12, 30)
    match value:
        case None:
            return ""
        case bool():
            return f'<c r="{place}" t="b"><v>{int(value)}</v></c>'
        case int() | float():
            return f'<c r="{place}"><v>{value!r}</v></c>'
        case dt.datetime():
            return f'<c r="{place}" s="2"><v>{serial(value, epoch)}</v></c>'
        case dt.date():
            return f'<c r="{place}" s="1"><v>{serial(dt.datetime.combine(value, dt.time()), epoch)}</v></c>'
        case Failure():
            return f'<c r="{place}" t="e"><v>{value}</v></c>'
        case _:
            return f'<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{escaped(value)}</t></is></c>'


def xlsx_sheet(rows, mac, merged):
    lines = []
    for number, row in enumerate(rows, 1):
        cells = "".join(xlsx_cell(f"{chr(65 + column)}{number}", value, mac) for column, value in enumerate(row))
        lines.append(f'<row r="{number}">{cells}</row>' if cells else "")
    merges = "".join(f'<mergeCell ref="{area}"/>' for area in merged)
    merges = f'<mergeCells count="{len(merged)}">{merges}</mergeCells>' if merged else ""
    return f'{XML}<worksheet xmlns="{SHEET}"><sheetData>{"".join(lines)}</sheetData>{merges}</worksheet>'


def xlsx(sheets, mac=False, merged=()):
    """`sheets`: from names to rows of values. `mac`: dates count from 1904."""
    names = list(sheets)
    parts = "".join(f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>' for n in range(1, len(names) + 1))
    entries = "".join(f'<sheet name="{escaped(name)}" sheetId="{n}" r:id="rId{n}"/>' for n, name in enumerate(names, 1))
    links = "".join(f'<Relationship Id="rId{n}" Type="{OFFICE}/worksheet" Target="worksheets/sheet{n}.xml"/>' for n in range(1, len(names) + 1))
    files = [
        (
            "[Content_Types].xml",
            f'{XML}<Types xmlns="{PACKAGE}/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            f'<Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>'
            f'<Override PartName="/xl/styles.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.styles+xml"/>{parts}</Types>',
        ),
        ("_rels/.rels", f'{XML}<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="rId1" Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>'),
        ("xl/workbook.xml", f'{XML}<workbook xmlns="{SHEET}" xmlns:r="{OFFICE}"><workbookPr date1904="{int(mac)}"/><sheets>{entries}</sheets></workbook>'),
        ("xl/_rels/workbook.xml.rels", f'{XML}<Relationships xmlns="{PACKAGE}/relationships">{links}<Relationship Id="rId99" Type="{OFFICE}/styles" Target="styles.xml"/></Relationships>'),
        (
            "xl/styles.xml",
            f'{XML}<styleSheet xmlns="{SHEET}"><fonts count="1"><font/></fonts><fills count="1"><fill><patternFill/></fill></fills><borders count="1"><border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs>'
            '<cellXfs count="3"><xf numFmtId="0"/><xf numFmtId="14" applyNumberFormat="1"/><xf numFmtId="22" applyNumberFormat="1"/></cellXfs></styleSheet>',
        ),
    ]
    files += [(f"xl/worksheets/sheet{n}.xml", xlsx_sheet(rows, mac, merged)) for n, rows in enumerate(sheets.values(), 1)]
    return zipped(*files)


def workbooks():
    day, moment = dt.date, dt.datetime
    people = [
        ["id", "name", "amount", "born", "seen", "ok"],
        [1, "Ann", 1.5, day(2001, 2, 3), moment(2026, 11, 23, 10, 30), True],
        [2, "Bob, Jr.", 22.75, day(1999, 12, 31), moment(2026, 11, 23, 0, 0, 1), False],
        [3, None, 3, day(2000, 2, 29), moment(2026, 12, 31, 23, 59, 59), True],
    ]
    plain = xlsx({"People": people})
    save("workbook-plain.xlsx", plain)
    save("workbook-that-breaks-off.xlsx", plain[: len(plain) // 2])
    save("workbook-leading-zeros.xlsx", xlsx({"S": [["zip", "n"], ["01067", 5], ["99089", 6]]}))
    rain = [[None, "Rainfall in Aachen"], [], [None, "day", "mm"], [None, day(2026, 11, 21), 0.5], [None, day(2026, 11, 22), 3.25], [], [None, "provisional"]]
    save("workbook-titles.xlsx", xlsx({"Rain": rain}))
    first, second = [["a", "b"], [1, "x"], [2, "y"]], [["c"], [7], [8]]
    both = {"First": first, "Second & last": second}
    for name in ["workbook-several-sheets.xlsx", "workbook-sheet-told.xlsx", "workbook-no-such-sheet.xlsx"]:
        save(name, xlsx(both))
    save("workbook-first-sheet-empty.xlsx", xlsx({"Empty": [], "Data": first}))
    save("workbook-errors.xlsx", xlsx({"S": [["a", "b"], [1, 0.5], [2, Failure("#DIV/0!")], [3, 1.5]]}))
    save("workbook-of-1904.xlsx", xlsx({"S": [["d", "n"], [day(2026, 11, 23), 1], [day(1904, 1, 2), 2]]}, mac=True))
    save("workbook-newlines-and-quotes.xlsx", xlsx({"S": [["id", "t"], [1, "a\nb"], [2, 'say "hi", twice'], [3, " x "]]}))
    save("workbook-numbers-beside-commas.xlsx", xlsx({"S": [["t", "n"], ["1,5", 1.125], ["2,25", 2.375]]}))
    save("workbook-decimal-comma-told.xlsx", xlsx({"S": [["t", "n"], ["1.234", 1.125], ["2.500", 3.5]]}))
    sales = [[None, "Sales", None], ["Region", "Q1", "Q2"], ["North", 10, 12], ["South", 7, 9]]
    save("workbook-merged-header.xlsx", xlsx({"S": sales}, merged=["B1:C1"]))
    xls()
    ods()


def xls():
    book = xlwt.Workbook(encoding="utf-8")
    sheet = book.add_sheet("People")
    style = xlwt.easyxf(num_format_str="YYYY-MM-DD")
    rows = [["id", "name", "amount", "born"], [1, "Zoë", 1.5, dt.date(2001, 2, 3)], [2, "Bob", 22.75, dt.date(1999, 12, 31)]]
    for at, row in enumerate(rows):
        for column, value in enumerate(row):
            sheet.write(at, column, value, style if isinstance(value, dt.date) else xlwt.Style.default_style)
    out = io.BytesIO()
    book.save(out)
    save("workbook-old.xls", out.getvalue())


def ods():
    urn = "urn:oasis:names:tc:opendocument:xmlns"
    text = lambda value: f'<table:table-cell office:value-type="string"><text:p>{value}</text:p></table:table-cell>'
    number = lambda value: f'<table:table-cell office:value-type="float" office:value="{value}"><text:p>{value}</text:p></table:table-cell>'
    date = lambda value: f'<table:table-cell office:value-type="date" office:date-value="{value}"><text:p>{value}</text:p></table:table-cell>'
    truth = lambda value: f'<table:table-cell office:value-type="boolean" office:boolean-value="{value}"><text:p>{value.upper()}</text:p></table:table-cell>'
    row = lambda *cells: f"<table:table-row>{''.join(cells)}</table:table-row>"
    same = [text("same"), number("2.5"), date("1999-12-31"), truth("false")]
    rows = [
        row(*map(text, ["id", "name", "amount", "born", "ok"])),
        row(number("1"), text("Zoë"), number("1.5"), date("2001-02-03"), truth("true")),
        row(number("2"), *same),
        row(number("3"), *same),
        # What LibreOffice writes below and beside the data: a million empty rows in one element.
        '<table:table-row table:number-rows-repeated="1048572"><table:table-cell table:number-columns-repeated="16384"/></table:table-row>',
    ]
    content = (
        f'{XML}<office:document-content xmlns:office="{urn}:office:1.0" xmlns:table="{urn}:table:1.0" xmlns:text="{urn}:text:1.0" office:version="1.3"><office:body><office:spreadsheet>'
        f'<table:table table:name="People">{"".join(rows)}</table:table></office:spreadsheet></office:body></office:document-content>'
    )
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    manifest = (
        f'{XML}<manifest:manifest xmlns:manifest="{urn}:manifest:1.0" manifest:version="1.3"><manifest:file-entry manifest:full-path="/" manifest:media-type="{kind}"/>'
        '<manifest:file-entry manifest:full-path="content.xml" manifest:media-type="text/xml"/></manifest:manifest>'
    )
    save("workbook-open.ods", zipped(("mimetype", kind), ("content.xml", content), ("META-INF/manifest.xml", manifest), method=zipfile.ZIP_STORED))


def typed_columns():
    """A row of values, one of nulls, and another of values, of every kind."""
    day, moment, time, dec = dt.date, dt.datetime, dt.time, decimal.Decimal
    utc = dt.timezone.utc
    return {
        "b": pa.array([True, None, False]),
        "i": pa.array([1, None, -5], pa.int16()),
        "f": pa.array([0.1, None, 2.5], pa.float32()),
        "g": pa.array([1e300, None, -0.25], pa.float64()),
        "n": pa.array([dec("1.50"), None, dec("-22.00")], pa.decimal128(10, 2)),
        "d": pa.array([day(2026, 11, 23), None, day(1, 1, 1)], pa.date32()),
        "t": pa.array([moment(2026, 11, 23, 10, 0, 0, 500000), None, moment(1969, 12, 31, 23, 59, 59)], pa.timestamp("us")),
        "z": pa.array([moment(2026, 11, 23, 10, tzinfo=utc), None, moment(2026, 11, 23, 8, tzinfo=utc)], pa.timestamp("ms", "Europe/Berlin")),
        "o": pa.array([time(8, 30), None, time(23, 59, 59, 250000)], pa.time64("us")),
        "s": pa.array(["007", None, ""]),
        "c": pa.array(["x", None, "x"]).dictionary_encode(),
        "l": pa.array([[1, 2], None, []], pa.list_(pa.int32())),
        "m": pa.array([{"k": "v"}, None, {"k": "w"}], pa.struct([("k", pa.string())])),
    }


def columnar():
    out = io.BytesIO()
    pq.write_table(pa.table(typed_columns()), out, compression="snappy")
    save("types.parquet", out.getvalue())
    save("parquet-breaks-off.parquet", out.getvalue()[: len(out.getvalue()) // 2])
    out = io.BytesIO()
    pq.write_table(pa.schema([("a", pa.int64()), ("b", pa.string())]).empty_table(), out)
    save("rows-of-none.parquet", out.getvalue())
    out = io.BytesIO()
    columns = [pa.array([2**64 - 1, 0], pa.uint64()), pa.array([1, 2**32 - 1], pa.uint32()), pa.array([b"\x00\xff", None], pa.binary()), pa.array(["x", "y"])]
    pq.write_table(pa.table(columns, names=["u", "v", "B", "b"]), out)
    save("unsigned-and-odd.parquet", out.getvalue())
    arrow()


def arrow():
    when = pa.array([dt.datetime(2026, 11, 23, 10), dt.datetime(2026, 11, 23, 10, 0, 1), None], pa.timestamp("s"))
    table = pa.table({"id": pa.array([1, 2, 3]), "name": pa.array(["Ann", None, "Ann"]).dictionary_encode(), "when": when})
    out = io.BytesIO()
    with pa.ipc.new_file(out, table.schema) as writer:
        writer.write_table(table)
    save("feather.arrow", out.getvalue())
    save("arrow-breaks-off.arrow", out.getvalue()[: len(out.getvalue()) // 2])
    numbers = pa.table({"id": pa.array([1, 2, 3]), "x": pa.array([0.5, float("nan"), None])})
    out = io.BytesIO()
    with pa.ipc.new_stream(out, numbers.schema) as writer:
        writer.write_table(numbers, max_chunksize=2)
    save("stream.arrows", out.getvalue())
    out = io.BytesIO()
    pa.feather.write_feather(pa.table({"id": pa.array([1, 2]), "name": pa.array(["Ann", "Bob"])}), out, compression="zstd")
    save("compressed.feather", out.getvalue())


if __name__ == "__main__":
    encodings()
    compressed()
    zips()
    workbooks()
    columnar()
