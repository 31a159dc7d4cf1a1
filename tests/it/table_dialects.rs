//! Delimited files as people write them: what a person reads in each, cell by cell.

use larder::error::{Error, Malformed, Result};
use larder::tables::read::{Cell, Layout, Options, ReadLimits, RowReader, TableFormat, Told};
use serde_json::Value;

const LIMITS: ReadLimits =
    ReadLimits { columns_max: 1599, cell_bytes_max: 1 << 20, row_bytes_max: 4 << 20, rows_max: u64::MAX };

struct Table {
    /// A line each: names, then rows; cells are parted by `·`, and `∅` is NULL.
    text: String,
    /// `code:line,line`.
    warnings: Vec<String>,
    layout: Layout,
    footer_lines: u64,
}

fn read_as(told: &str, hint: Option<TableFormat>, file: &[u8]) -> Result<Table> {
    let told: Told = told
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let beginning = &file[..file.len().min(Layout::BEGINNING_BYTES)];
    let layout = Layout::detect(beginning, beginning.len() == file.len(), &Options::parse(&told)?, hint, LIMITS)?;
    let mut reader = RowReader::open(&layout, file, LIMITS)?;
    let mut lines = vec![reader.names().join("·")];
    while reader.advance()? {
        let cells = reader.row().cells().map(|cell| match cell {
            Cell::Null => "∅".to_owned(),
            Cell::Text(text) => String::from_utf8(text.to_vec()).unwrap(),
            other => format!("{other:?}"),
        });
        lines.push(cells.collect::<Vec<_>>().join("·"));
    }
    let warnings = reader.warnings().list().into_iter().map(|warning| {
        let lines: Vec<String> = warning.lines.iter().map(u64::to_string).collect();
        format!("{}:{}", warning.code, lines.join(","))
    });
    let (warnings, footer_lines) = (warnings.collect(), reader.footer_lines());
    Ok(Table { text: lines.join("\n"), warnings, layout, footer_lines })
}

/// What a caller told about a file, the file, and what is read in it.
fn check_told(cases: &[(&str, &str, &str)]) {
    for (told, file, expected) in cases {
        let table = read_as(told, None, file.as_bytes()).unwrap_or_else(|error| panic!("{told} {file:?}: {error}"));
        assert_eq!(table.text, *expected, "{told} {file:?}");
    }
}

fn read(file: &str) -> Table {
    read_as("", Some(TableFormat::Csv), file.as_bytes()).unwrap_or_else(|error| panic!("{file:?}: {error}"))
}

fn malformed(told: &str, file: &str) -> Malformed {
    match read_as(told, None, file.as_bytes()) {
        Err(Error::Malformed(malformed)) => *malformed,
        Err(error) => panic!("{file:?}: {error}"),
        Ok(table) => panic!("{file:?}: {}", table.text),
    }
}

/// Files, what is read in them, and what is noted.
fn check(cases: &[(&str, &str, &[&str])]) {
    let mut wrong = Vec::new();
    for (file, expected, warnings) in cases {
        match read_as("", Some(TableFormat::Csv), file.as_bytes()) {
            Ok(table) if table.text == *expected && table.warnings == *warnings => {}
            Ok(table) => wrong.push(format!(
                "{file:?}\n  {:?} {:?}\n  expected {expected:?} {warnings:?}\n  {:?}",
                table.text,
                table.warnings,
                table.layout.describe()
            )),
            Err(error) => wrong.push(format!("{file:?}\n  {error}")),
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_delimiter_is_the_one_that_makes_a_table() {
    check(&[
        ("a,b\n1,2\n", "a·b\n1·2", &[]),
        ("a;b\n1,5;2,5\n", "a·b\n1,5·2,5", &[]),
        ("a\tb\n1,5\t2,5\n", "a·b\n1,5·2,5", &[]),
        ("a|b|c\nx, y|1|2\nz|3|4\n", "a·b·c\nx, y·1·2\nz·3·4", &[]),
        ("a^b\nx^1\ny^2\n", "a·b\nx·1\ny·2", &[]),
        ("a~b\nx~1\ny~2\n", "a·b\nx·1\ny·2", &[]),
        ("name age\nAnn 5\nBob 6\n", "name·age\nAnn·5\nBob·6", &[]),
        ("  name   age\n  Ann      5\n  Bob     16\n", "name·age\nAnn·5\nBob·16", &[]),
        ("name;city\nSmith, J;Rome\nDoe, A;Oslo\n", "name·city\nSmith, J·Rome\nDoe, A·Oslo", &[]),
        ("name,tags\nA,x|y\nB,z|w|q\n", "name·tags\nA·x|y\nB·z|w|q", &[]),
        ("sep=;\na;b\n1;2\n", "a·b\n1·2", &[]),
        ("a, b\n1, \"x, y\"\n2, z\n", "a·b\n1·x, y\n2·z", &[]),
        (
            "Datum;Betrag\n01.02.2024;1.234,56\n02.02.2024;-7,00\n",
            "Datum·Betrag\n01.02.2024·1.234,56\n02.02.2024·-7,00",
            &[],
        ),
        (
            "root:x:0:0:root:/root:/bin/bash\nbin:x:1:1:bin:/bin:/sbin/nologin\n",
            "column_1·column_2·column_3·column_4·column_5·column_6·column_7\nroot·x·0·0·root·/root·/bin/bash\nbin·x·1·1·bin·/bin·/sbin/nologin",
            &[],
        ),
        (" id | name \n----+------\n  1 | Ann\n  2 | Bob\n(2 rows)\n", "id·name\n1·Ann\n2·Bob", &["footer:5"]),
        ("| a | b |\n|---|---|\n| 1 | x |\n| 2 | y |\n", "a·b\n1·x\n2·y", &[]),
    ]);
}

#[test]
fn a_single_column_is_not_torn_apart() {
    check(&[
        ("price\n2,5\n3,75\n10,0\n", "price\n2,5\n3,75\n10,0", &[]),
        ("time\n12:30\n13:45\n", "time\n12:30\n13:45", &[]),
        ("when\n2024-01-01 12:00\n2024-01-02 13:00\n", "when\n2024-01-01 12:00\n2024-01-02 13:00", &[]),
        ("name\nSmith, John\nDoe, Jane\nRoe, Rick\n", "name\nSmith, John\nDoe, Jane\nRoe, Rick", &[]),
        (
            "comment\nWell, that was nice.\nI came, I saw, I left.\nNothing to add\n",
            "comment\nWell, that was nice.\nI came, I saw, I left.\nNothing to add",
            &[],
        ),
        ("mac\n00:1a:2b:3c:4d:5e\naa:bb:cc:dd:ee:ff\n", "mac\n00:1a:2b:3c:4d:5e\naa:bb:cc:dd:ee:ff", &[]),
        ("name\nJohn Smith\nJane Doe\n", "name\nJohn Smith\nJane Doe", &[]),
        ("a\n\n1\n\n2\n", "a\n1\n2", &[]),
        ("name\n\"Smith, John\"\n\"say \"\"hi\"\"\"\n", "name\nSmith, John\nsay \"hi\"", &[]),
    ]);
    assert_eq!(read("price\n2,5\n").layout.describe()["delimiter"], Value::Null);
}

#[test]
fn what_is_told_is_law() {
    check_told(&[
        ("delimiter=;", "a,b;c\n1,2;3\n", "a,b·c\n1,2·3"),
        ("delimiter=,", "a;b\n1;2\n", "a;b\n1;2"),
        ("delimiter=spaces", "a  b\n1\t 2\n", "a·b\n1·2"),
        ("delimiter=space", "a  b\n1  2\n", "a·column_2·b\n1·∅·2"),
        ("quote=none", "a,b\n\"x,1\ny\",2\n", "a·b\n\"x·1\ny\"·2"),
        ("quote='", "a,b\n'x,y',\"1\n", "a·b\nx,y·\"1"),
        ("escape=backslash", "a,b\n\"x\\\"y\",1\n", "a·b\nx\"y·1"),
        ("escape=double", "a,b\nx\\,y\n", "a·b\nx\\·y"),
        ("comment=//", "// one\na,b\n1,2\n// two, three, four\n3,4\n", "a·b\n1·2\n3·4"),
        ("header=1", "1,2\n3,4\n", "1·2\n3·4"),
        ("header=3", "a,b\nc,d\n,e\n3,4\n", "a c·b d e\n3·4"),
        ("header=none&skip=1", "Title\n1,x\n3,y\n", "column_1·column_2\n1·x\n3·y"),
        ("skip=0", "Title, long\na,b\n1,2\n", "Title· long\na·b\n1·2"),
        ("format=csv", "[a],{b}\n1,2\n", "[a]·{b}\n1·2"),
    ]);
}

#[test]
fn quotes_and_escapes_are_those_of_the_file() {
    check(&[
        ("a,b\n'x, y',1\n'it''s',2\n", "a·b\nx, y·1\nit's·2", &[]),
        ("a,b\n\"say \\\"hi\\\", ok\",1\n\"x\",2\n", "a·b\nsay \"hi\", ok·1\nx·2", &[]),
        ("a,b\nx\\,y,1\nz,2\n", "a·b\nx,y·1\nz·2", &[]),
        ("a\tb\n\\N\t1\nx\\\\y\t\\N\n", "a·b\n∅·1\nx\\y·∅", &[]),
        ("a,b\n\"C:\\dir\\\",1\nx,2\n", "a·b\nC:\\dir\\·1\nx·2", &[]),
        ("a,b\n\"line\nbreak\",1\r\nx,2\ry,3", "a·b\nline\nbreak·1\nx·2\ny·3", &[]),
        ("a,b\n\"\",1\n,2\n", "a·b\n·1\n∅·2", &[]),
        ("\"multi\nline\",b\n1,2\n", "multi\nline·b\n1·2", &[]),
        ("size\tname\n\"5\tfoo\n\"6\tbar\n\"7\tqux\n\"8\tzap\n", "size·name\n\"5·foo\n\"6·bar\n\"7·qux\n\"8·zap", &[]),
    ]);
}

#[test]
fn stray_quotes_are_read_as_they_stand() {
    check(&[
        ("a,b\n\"abc\"def,1\nx,2\n", "a·b\n\"abc\"def·1\nx·2", &["stray-quote:2"]),
        ("a,b\n\"x\",\"y\"z\n\"x\",\"y\"z\n", "a·b\nx·\"y\"z\nx·\"y\"z", &["stray-quote:2,3"]),
        ("a,b\n\"5\" tall\",1\nx,2\n", "a·b\n5\" tall·1\nx·2", &["stray-quote:2"]),
        ("a,b\n\"He said \"hi\" to me\",1\nx,2\n", "a·b\nHe said \"hi\" to me·1\nx·2", &["stray-quote:2"]),
        (
            "a,b\n\"He said \"hi\", then left\",1\nx,2\n",
            "a·b\nHe said \"hi\", then left·1\nx·2",
            &["stray-quote:2", "long-row:2"],
        ),
        ("a,b,c\n1,\"oops,x\n2,\"b\",y\n3,c,z\n", "a·b·c\n1·\"oops·x\n2·b·y\n3·c·z", &["stray-quote:2"]),
        ("a,b\n5\" tall,1\nx,2\n", "a·b\n5\" tall·1\nx·2", &[]),
        ("a,b\n\"says\nthe \"big\" one\nman\",1\nx,2\n", "a·b\nsays\nthe \"big\" one\nman·1\nx·2", &["stray-quote:2"]),
    ]);
    let open = malformed("", "a,b\n1,\"x\n\ny\n");
    assert_eq!((open.line, open.column), (Some(2), Some(3)));
}

#[test]
fn the_header_is_found_or_there_is_none() {
    check(&[
        ("1,Ann\n2,Bob\n", "column_1·column_2\n1·Ann\n2·Bob", &[]),
        ("Ann,2024-01-01\nBob,2024-01-02\n", "column_1·column_2\nAnn·2024-01-01\nBob·2024-01-02", &[]),
        ("name,2022,2023\nA,5,6\nB,7,9\n", "name·2022·2023\nA·5·6\nB·7·9", &[]),
        ("name,city\nAnn,Rome\n", "name·city\nAnn·Rome", &[]),
        ("a,b\n", "a·b", &[]),
        ("1,2\n", "column_1·column_2\n1·2", &[]),
        ("Sales report 2024\n\nname,qty\nA,1\nB,2\n", "name·qty\nA·1\nB·2", &[]),
        ("Report: sales, all\nmade by x\nname,qty,n\nA,1,3\nB,2,4\n", "name·qty·n\nA·1·3\nB·2·4", &[]),
        (
            "name,Sales,,Costs,\n,Q1,Q2,Q1,Q2\nA,1,2,3,4\nB,5,6,7,8\n",
            "name·Sales Q1·Sales Q2·Costs Q1·Costs Q2\nA·1·2·3·4\nB·5·6·7·8",
            &[],
        ),
        ("len,t\n(m),(s)\n1,2\n3,4\n", "len (m)·t (s)\n1·2\n3·4", &[]),
        ("name,len\n,m\nA,1\nB,2\n", "name·len\n∅·m\nA·1\nB·2", &[]),
        ("# made by x, y\na,b\n1,2\n# late\n3,4\n", "a·b\n1·2\n3·4", &[]),
        ("# id,name\n1,Ann\n2,Bob\n", "id·name\n1·Ann\n2·Bob", &[]),
        ("#id,name\n1,Ann\n2,Bob\n", "#id·name\n1·Ann\n2·Bob", &[]),
        ("color,name\n#ff0000,red\n#00ff00,green\n", "color·name\n#ff0000·red\n#00ff00·green", &[]),
        ("\"x\" \"y\"\n\"1\" 5 2.5\n\"2\" 6 3.5\n", "column_1·x·y\n1·5·2.5\n2·6·3.5", &["unnamed-columns:1"]),
        ("id,name\n1,Ann,5\n2,Bob,6\n", "id·name·column_3\n1·Ann·5\n2·Bob·6", &["unnamed-columns:1"]),
        ("a,b,c\n1,2\n3,4\n5,6\n", "a·b·c\n1·2\n3·4\n5·6", &["short-row:2,3,4"]),
        ("a,b,\n1,2,\n3,4,\n", "a·b\n1·2\n3·4", &[]),
        ("a,b\n1,2,\n3,4,\n", "a·b\n1·2\n3·4", &[]),
        ("n,x\nA,y,\nB,z,\n", "n·x\nA·y\nB·z", &[]),
        ("\u{feff}a,a,\n1,2,3\n", "a·a_2·column_3\n1·2·3", &["renamed-column:1", "renamed-column:1"]),
    ]);
    let two = read_as("header=2", None, b"A,,B\nx,y,z\n1,2,3\n").unwrap();
    assert_eq!(two.text, "A x·A y·B z\n1·2·3");
    let none = read_as("header=none", None, b"a,b\n1,2\n").unwrap();
    assert_eq!(none.text, "column_1·column_2\na·b\n1·2");
    let skipped = read_as("skip=2", None, b"x,y,z\n1,2\n\na,b\n1,2\n").unwrap();
    assert_eq!(skipped.text, "a·b\n1·2");
    let described = read("Title\n\na;b\n1;2\n").layout.describe();
    assert_eq!(
        serde_json::to_string(&described).unwrap(),
        r#"{"delimiter":";","quote":"\"","escape":"double","comment":null,"header_rows":1,"skipped":2}"#
    );
}

#[test]
fn rows_that_do_not_fit_are_mended_as_a_person_would() {
    check(&[
        ("id,name,age\n1,Ann,5\n2,Bob\n3,Cid,7\n", "id·name·age\n1·Ann·5\n2·Bob\n3·Cid·7", &["short-row:3"]),
        ("a,b\n1,2\n3,4,,\n5,6\n", "a·b\n1·2\n3·4\n5·6", &["trailing-fields:3"]),
        (
            "id,name,age\n1,Ann,5\n2,Smith, John,34\n3,Cid,7\n",
            "id·name·age\n1·Ann·5\n2·Smith, John·34\n3·Cid·7",
            &["long-row:3"],
        ),
        ("n,name,text\n1,Ann,x\n2,Bob,a,b\n3,Cid,y\n", "n·name·text\n1·Ann·x\n2·Bob·a,b\n3·Cid·y", &["long-row:3"]),
        ("a,b,c\n1,2,3\n4\n5,6,7\n", "a·b·c\n1·2·3\n4\n5·6·7", &["short-row:3"]),
        ("name,age\nAnn,3\nBob\n", "name·age\nAnn·3\nBob", &["short-row:3"]),
    ]);
    let long = malformed("", "a,b\n1,2\n1,2,3,4\n5,6\n");
    assert_eq!((long.line, long.column), (Some(3), Some(5)));
    assert_eq!(long.detail, "Expected 2 fields, found 4.");
    let strict = malformed("strict=true", "id,name,age\n1,Ann,5\n2,Bob\n3,Cid,7\n");
    assert_eq!((strict.line, strict.column), (Some(3), Some(6)));
}

#[test]
fn notes_below_a_table_are_left_out_and_rows_never() {
    check(&[
        ("id,name\n1,Ann\n2,Bob\n\nSource: the office\n", "id·name\n1·Ann\n2·Bob", &["footer:5"]),
        ("id,name\n1,Ann\n2,Bob\nTotal rows: 2\n", "id·name\n1·Ann\n2·Bob", &["footer:4"]),
        ("name,qty\nA,1\nB,2\nTotal,3\n", "name·qty\nA·1\nB·2\nTotal·3", &[]),
        ("name,a,b\nA,1,2\nB,2,3\nTotal,,5\n", "name·a·b\nA·1·2\nB·2·3\nTotal·∅·5", &[]),
        ("id,name\n1,Ann\nnote\n2,Bob\n", "id·name\n1·Ann\nnote\n2·Bob", &["short-row:3"]),
        ("a,b,c\n1,2,3\n4,5,6\nSource: x, 2020\nNote: y\n", "a·b·c\n1·2·3\n4·5·6", &["footer:4,5"]),
    ]);
    assert_eq!(read("id,name\n1,Ann\n\nSource: a\nNote: b\n").footer_lines, 2);
    let many = format!("id,name\n1,Ann\n{}", "note\n".repeat(50));
    assert_eq!(read(&many).text.lines().count(), 52 - usize::try_from(read(&many).footer_lines).unwrap());
}

#[test]
fn no_bytes_at_all_make_the_reader_fail_otherwise_than_with_an_error() {
    const PIECES: [&str; 22] = [
        "\"", "\"\"", ",", ";", "\n", "\r\n", "\r", "\t", "\\", "'", " ", "#", "|", ":", "a", "12", "2,5", "=", "--",
        "ä", "sep=,\n", "\n\n",
    ];
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = |end: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % end as u64).unwrap()
    };
    for _ in 0..300 {
        let file: String = (0..below(60)).map(|_| PIECES[below(PIECES.len())]).collect();
        for told in
            ["", "delimiter=spaces", "escape=backslash", "header=3", "header=none&delimiter=|", "strict=true&quote='"]
        {
            let first = read_as(told, None, file.as_bytes()).map(|table| table.text).map_err(|error| error.to_string());
            let again = read_as(told, None, file.as_bytes()).map(|table| table.text).map_err(|error| error.to_string());
            assert_eq!(first, again);
        }
    }
}
