//! Tables at random, written and read back.

use super::{CSV, Format, JSON, LIMITS, NDJSON, layout};
use larder::tables::read::{Cell, RowReader};

/// Marsaglia's xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }

    fn cell(&mut self) -> Option<String> {
        const PIECES: [&str; 16] =
            ["\"", "\"\"", ",", "\n", "\r\n", "\r", "\t", "\\", "ä", "😀", "{", "]", "a", "12", " ", "null"];
        match self.below(8) {
            0 => None,
            1 => Some(String::new()),
            // Now and then one longer than the window.
            2 if self.below(400) == 0 => Some("long\"\n".repeat(60_000)),
            _ => Some((0..self.below(9)).map(|_| PIECES[self.below(PIECES.len())]).collect()),
        }
    }
}

fn quoted(cell: &Option<String>, always: bool) -> String {
    match cell {
        None => String::new(),
        Some(text) if always || text.is_empty() || text.contains(['"', ',', '\n', '\r']) => {
            format!("\"{}\"", text.replace('"', "\"\""))
        }
        Some(text) => text.clone(),
    }
}

fn read_back(format: Format, file: &str) -> Vec<Vec<Option<String>>> {
    let mut reader =
        RowReader::open(&layout(format, file.as_bytes(), LIMITS).unwrap(), file.as_bytes(), LIMITS).unwrap();
    let mut rows = Vec::new();
    while reader.advance().unwrap() {
        let cells = reader.row().cells().map(|cell| match cell {
            Cell::Value(value) => Some(format!("{value:?}")),
            Cell::Null => None,
            Cell::Text(text) | Cell::String { value: text, .. } | Cell::Json(text) => {
                Some(String::from_utf8(text.to_vec()).unwrap())
            }
        });
        rows.push(cells.collect());
    }
    rows
}

#[test]
fn random_tables_are_read_back_as_they_were_written() {
    for seed in 1..=12 {
        let random = &mut Random(0x9e37_79b9_7f4a_7c15 ^ seed);
        let columns = 2 + random.below(5);
        let table: Vec<Vec<Option<String>>> =
            (0..random.below(1500)).map(|_| (0..columns).map(|_| random.cell()).collect()).collect();
        let header: Vec<String> = (0..columns).map(|column| format!("c{column}")).collect();
        let line_end = ["\n", "\r\n", "\r"][random.below(3)];

        let mut csv = header.join(",") + line_end;
        let mut objects = Vec::new();
        for row in &table {
            let always = random.below(2) == 0;
            let cells: Vec<String> = row.iter().map(|cell| quoted(cell, always)).collect();
            csv += &(cells.join(",") + line_end);
            let object: serde_json::Map<_, _> =
                header.iter().zip(row).map(|(name, cell)| (name.clone(), serde_json::json!(cell))).collect();
            objects.push(serde_json::Value::Object(object));
        }
        assert!(read_back(CSV, &csv) == table, "seed {seed}");
        let lines: String = objects.iter().map(|object| format!("{object}\n")).collect();
        assert!(read_back(NDJSON, &lines) == table, "seed {seed}");
        let array = serde_json::to_string_pretty(&objects).unwrap();
        assert!(read_back(JSON, &array) == table, "seed {seed}");
    }
}
