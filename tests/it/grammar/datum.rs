//! Values of every type, as Rust compares them and as a person may write them.

use proptest::prelude::*;
use std::cmp::Ordering;
use time::{Duration, UtcOffset, macros::datetime};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Boolean,
    Bigint,
    Numeric,
    Double,
    Date,
    Time,
    Timestamp,
    Timestamptz,
    Uuid,
    Text,
}

#[derive(Debug, Clone)]
pub enum Datum {
    Boolean(bool),
    Bigint(i64),
    /// Units of 10^-scale.
    Numeric(i64, u32),
    Double(f64),
    /// Days since the beginning of 2024.
    Date(i64),
    /// Microseconds of a day, up to its end.
    Time(i64),
    /// Microseconds since the beginning of 2024.
    Timestamp(i64),
    Timestamptz(i64),
    Uuid(u128),
    Text(&'static str),
}

const TEXTS: [&str; 24] = [
    "",
    "a",
    "A",
    "ab",
    "AB",
    "a,b",
    "(a)",
    "\"q\"",
    "\"",
    "back\\slash",
    "100%",
    "x_y",
    " sp ",
    "{a}",
    "[1]",
    "null",
    "NULL",
    "ä",
    "*",
    "a.b:c",
    "$1",
    "'; drop table x; --",
    "two\nlines",
    "eq.5",
];

/// Few values of a kind, so that many are equal.
pub fn datum(kind: Kind) -> BoxedStrategy<Datum> {
    const SECOND: i64 = 1_000_000;
    let instants = vec![0, 1, -1, SECOND, 86_400 * SECOND, -86_400 * SECOND, 31_536_000 * SECOND + 500_000];
    match kind {
        Kind::Boolean => any::<bool>().prop_map(Datum::Boolean).boxed(),
        Kind::Bigint => prop::sample::select(vec![i64::MIN, -2, -1, 0, 1, 2, i64::MAX]).prop_map(Datum::Bigint).boxed(),
        Kind::Numeric => (-12_i64..13, 0_u32..4).prop_map(|(units, scale)| Datum::Numeric(units, scale)).boxed(),
        Kind::Double => prop::sample::select(vec![
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            0.0,
            -0.0,
            0.1,
            -1.5,
            1e300,
            5e-324,
            9_007_199_254_740_993.0,
        ])
        .prop_map(Datum::Double)
        .boxed(),
        Kind::Date => (-2_i64..3).prop_map(Datum::Date).boxed(),
        Kind::Time => prop::sample::select(vec![0, 1, SECOND, 43_200 * SECOND, 86_399_999_999, 86_400 * SECOND])
            .prop_map(Datum::Time)
            .boxed(),
        Kind::Timestamp => prop::sample::select(instants).prop_map(Datum::Timestamp).boxed(),
        Kind::Timestamptz => prop::sample::select(instants).prop_map(Datum::Timestamptz).boxed(),
        Kind::Uuid => prop::sample::select(vec![0, 1, 0xABCD, u128::MAX]).prop_map(Datum::Uuid).boxed(),
        Kind::Text => prop::sample::select(TEXTS.to_vec()).prop_map(Datum::Text).boxed(),
    }
}

impl Datum {
    /// As Postgres orders two values of one type.
    pub fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Boolean(a), Self::Boolean(b)) => a.cmp(b),
            (Self::Bigint(a), Self::Bigint(b))
            | (Self::Date(a), Self::Date(b))
            | (Self::Time(a), Self::Time(b))
            | (Self::Timestamp(a), Self::Timestamp(b))
            | (Self::Timestamptz(a), Self::Timestamptz(b)) => a.cmp(b),
            (Self::Numeric(a, p), Self::Numeric(b, q)) => (a * 10_i64.pow(*q)).cmp(&(b * 10_i64.pow(*p))),
            // NaN is larger than all others, and equal to itself.
            (Self::Double(a), Self::Double(b)) => a.partial_cmp(b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan())),
            (Self::Uuid(a), Self::Uuid(b)) => a.cmp(b),
            (Self::Text(a), Self::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
            _ => unreachable!("values of one type are compared"),
        }
    }

    /// One of several ways in which it may be written; the first is Postgres' own.
    pub fn spelling(&self, choice: usize) -> String {
        let one_of = |spellings: &[String]| spellings[choice % spellings.len()].clone();
        match self {
            Self::Boolean(true) => one_of(&["true", "TRUE", "t", "yes", "on", "1"].map(str::to_owned)),
            Self::Boolean(false) => one_of(&["false", "False", "f", "no", "off", "0"].map(str::to_owned)),
            Self::Bigint(n) if *n < 0 => one_of(&[n.to_string(), format!(" {n}")]),
            Self::Bigint(n) => one_of(&[n.to_string(), format!("+{n}"), format!("{n} "), format!("00{n}")]),
            Self::Numeric(units, scale) => {
                let plain = decimal(*units, *scale);
                one_of(&[
                    plain.clone(),
                    format!("{units}e-{scale}"),
                    decimal(units * 10, scale + 1),
                    format!("{plain} "),
                ])
            }
            Self::Double(n) if n.is_nan() => one_of(&["NaN", "nan"].map(str::to_owned)),
            Self::Double(n) if n.is_infinite() => {
                let sign = if *n < 0.0 { "-" } else { "" };
                one_of(&[format!("{sign}Infinity"), format!("{sign}infinity"), format!("{sign}inf")])
            }
            Self::Double(n) => one_of(&[format!("{n:e}"), format!("{n:E}"), format!("{n:.20e}")]),
            Self::Date(days) => (datetime!(2024-01-01 0:00) + Duration::days(*days)).date().to_string(),
            Self::Time(86_400_000_000) => one_of(&["24:00:00", "24:00"].map(str::to_owned)),
            Self::Time(micros) => clock(*micros),
            Self::Timestamp(micros) => {
                let (day, micros) = (micros.div_euclid(86_400_000_000), micros.rem_euclid(86_400_000_000));
                let (day, clock) = (Self::Date(day).spelling(0), clock(micros));
                one_of(&[format!("{day} {clock}"), format!("{day}T{clock}"), format!("{day}t{clock}")])
            }
            Self::Timestamptz(micros) => {
                let hours = [0, 2, -5, 14][choice % 4];
                let offset = UtcOffset::from_hms(hours, 0, 0).expect("an offset");
                let local = Self::Timestamp(micros + i64::from(offset.whole_seconds()) * 1_000_000).spelling(choice);
                let sign = if hours < 0 { '-' } else { '+' };
                match choice % 3 {
                    0 if hours == 0 => local + "Z",
                    0 => format!("{local}{sign}{:02}", hours.abs()),
                    1 => format!("{local}{sign}{:02}:00", hours.abs()),
                    _ => format!("{local}{sign}{:02}00", hours.abs()),
                }
            }
            Self::Uuid(bits) => {
                let uuid = uuid::Uuid::from_u128(*bits);
                one_of(&[uuid.to_string(), uuid.to_string().to_uppercase(), uuid.simple().to_string()])
            }
            Self::Text(text) => (*text).to_owned(),
        }
    }
}

fn decimal(units: i64, scale: u32) -> String {
    let (sign, ten) = (if units < 0 { "-" } else { "" }, 10_u64.pow(scale));
    let (whole, part) = (units.unsigned_abs() / ten, units.unsigned_abs() % ten);
    match scale {
        0 => format!("{sign}{whole}"),
        _ => format!("{sign}{whole}.{part:0width$}", width = scale as usize),
    }
}

fn clock(micros: i64) -> String {
    let seconds = micros / 1_000_000;
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}.{:06}", seconds % 60, micros % 1_000_000)
}
