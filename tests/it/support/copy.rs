//! Binary COPY read back as text, independently of the code that writes it.

use larder::tables::read::ColumnType;

/// Lines of `_row` and the values, tabs between them, `\N` for NULL and the escapes of COPY's text format. Panics at what Postgres would refuse.
pub fn decode(types: &[ColumnType], copy: &[u8]) -> String {
    let mut rest = copy.strip_prefix(b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0").expect("the header of binary COPY");
    let mut text = String::new();
    loop {
        let fields = i16::from_be_bytes(take(&mut rest));
        if fields == -1 {
            assert!(rest.is_empty(), "nothing follows the trailer");
            return text;
        }
        assert_eq!(usize::try_from(fields).unwrap(), types.len() + 1);
        let types = std::iter::once(ColumnType::Bigint).chain(types.iter().copied());
        let cells: Vec<String> = types.map(|column_type| field(&mut rest, column_type)).collect();
        text += &cells.join("\t");
        text.push('\n');
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let (head, tail) = rest.split_first_chunk().expect("a whole field");
    *rest = tail;
    *head
}

fn field(rest: &mut &[u8], column_type: ColumnType) -> String {
    let Ok(length) = usize::try_from(i32::from_be_bytes(take(rest))) else { return "\\N".to_owned() };
    let (mut value, tail) = rest.split_at(length);
    *rest = tail;
    let value = &mut value;
    match column_type {
        ColumnType::Boolean => if take::<1>(value) == [1] { "true" } else { "false" }.to_owned(),
        ColumnType::Bigint => i64::from_be_bytes(take(value)).to_string(),
        ColumnType::Double => f64::from_be_bytes(take(value)).to_string(),
        ColumnType::Numeric => numeric(value),
        ColumnType::Date => day(i64::from(i32::from_be_bytes(take(value)))),
        ColumnType::Timestamp => instant(i64::from_be_bytes(take(value))),
        ColumnType::Timestamptz => instant(i64::from_be_bytes(take(value))) + "Z",
        ColumnType::Time => clock(i64::from_be_bytes(take(value))),
        ColumnType::Uuid => uuid::Uuid::from_bytes(take(value)).to_string(),
        ColumnType::Text | ColumnType::Json => {
            let text = std::str::from_utf8(value).expect("Postgres takes UTF-8 only");
            assert!(!text.contains('\0'), "Postgres takes no NUL");
            text.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n").replace('\r', "\\r")
        }
    }
}

fn day(days: i64) -> String {
    let date = time::Date::from_calendar_date(2000, time::Month::January, 1).unwrap() + time::Duration::days(days);
    format!("{:04}-{:02}-{:02}", date.year(), u8::from(date.month()), date.day())
}

fn instant(micros: i64) -> String {
    let day_micros = 86_400_000_000;
    format!("{}T{}", day(micros.div_euclid(day_micros)), clock(micros.rem_euclid(day_micros)))
}

fn clock(micros: i64) -> String {
    let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
    let text = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if fraction == 0 { text } else { format!("{text}.{fraction:06}").trim_end_matches('0').to_owned() }
}

/// Digits of base 10,000 with a weight, a sign and a scale.
fn numeric(value: &mut &[u8]) -> String {
    let count = u16::from_be_bytes(take(value));
    let weight = i16::from_be_bytes(take(value));
    let negative = u16::from_be_bytes(take(value)) == 0x4000;
    let scale = usize::from(u16::from_be_bytes(take(value)));
    let groups: Vec<u16> = (0..count).map(|_| u16::from_be_bytes(take(value))).collect();
    let group = |power: i32| {
        let index = usize::try_from(i32::from(weight) - power).ok();
        index.and_then(|index| groups.get(index)).copied().unwrap_or(0)
    };
    let whole: String = (0..=i32::from(weight).max(0)).rev().map(|power| format!("{:04}", group(power))).collect();
    let whole = whole.trim_start_matches('0');
    let fraction: String =
        (1..=i32::try_from(scale.div_ceil(4)).unwrap()).map(|power| format!("{:04}", group(-power))).collect();
    assert!(fraction[scale..].chars().all(|digit| digit == '0'), "no digit lies beyond the scale");
    let sign = if negative { "-" } else { "" };
    let whole = if whole.is_empty() { "0" } else { whole };
    if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{}", &fraction[..scale]) }
}
