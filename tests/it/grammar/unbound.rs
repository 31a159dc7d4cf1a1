//! Text that would do harm as SQL, at every place of the grammar: it is a value or a problem of the caller's, and nothing happens.

use super::{encode, typed_table};
use crate::support::{json, shared};
use futures::StreamExt;
use reqwest::Method;
use serde_json::Value;

const COLUMNS: [(&str, &str); 13] = [
    ("id", "bigint"),
    ("flag", "boolean"),
    ("n", "bigint"),
    ("price", "numeric"),
    ("ratio", "double"),
    ("day", "date"),
    ("clock", "time"),
    ("at", "timestamp"),
    ("instant", "timestamptz"),
    ("key", "uuid"),
    ("note", "text"),
    ("doc", "json"),
    ("x'; drop table larder.datasets; --", "text"),
];

/// What ends a literal, a name, a statement or a comment, what Postgres substitutes, and what is no text at all.
const TEXTS: [&str; 34] = [
    "'",
    "''",
    "\"",
    "\\",
    "\\'",
    "';",
    "'; drop table larder.datasets; --",
    "1; drop table larder.datasets",
    "1); drop table larder.datasets; --",
    "\"; drop table larder.datasets; --",
    "' or '1'='1",
    "1 or 1=1",
    "1) or (1=1",
    "/*",
    "*/",
    "--",
    "-- \n",
    "#",
    "$1",
    "$2::text",
    "$$",
    "$a$ $a$",
    "\0",
    "a\0b",
    "E'\\x27'",
    "U&'\\0027'",
    "\u{2019}; select 1",
    "\u{ff07}",
    "\u{feff}'",
    "%27",
    "{}",
    "pg_sleep(10)",
    "(select version())",
    "::regclass",
];

/// Parameters with a `¤` where the text goes.
const PLACES: [(&str, &str); 66] = [
    ("¤", "eq.1"),
    ("¤", "¤"),
    ("\"¤\"", "eq.1"),
    ("id", "¤"),
    ("id", "eq.¤"),
    ("id", "¤.1"),
    ("id", "eq(¤).{1}"),
    ("id", "eq(any).{¤}"),
    ("id", "eq(any).{\"¤\"}"),
    ("id", "in.(¤)"),
    ("id", "in.(\"¤\")"),
    ("id", "in.(1)¤"),
    ("id", "is.¤"),
    ("id", "not.¤"),
    ("flag", "eq.¤"),
    ("price", "gt.¤"),
    ("ratio", "lt.¤"),
    ("day", "eq.¤"),
    ("day", "eq.2026-01-31¤"),
    ("clock", "eq.¤"),
    ("clock", "eq.10:00¤"),
    ("at", "eq.¤"),
    ("at", "eq.2026-01-31T10:00:00¤"),
    ("instant", "eq.2026-01-31T10:00:00¤"),
    ("instant", "eq.2026-01-31T10:00:00+0¤"),
    ("key", "eq.¤"),
    ("note", "eq.¤"),
    ("note", "in.(¤,\"¤\")"),
    ("note", "like.¤"),
    ("note", "ilike(any).{\"¤\"}"),
    ("note", "match.¤"),
    ("note", "imatch.¤"),
    ("note", "isdistinct.¤"),
    ("note", "fts.¤"),
    ("note", "fts(¤).x"),
    ("note", "plfts(english).¤"),
    ("note", "phfts.¤"),
    ("note", "wfts.¤"),
    ("doc", "eq.\"¤\""),
    ("doc", "cs.{\"¤\":1}"),
    ("doc", "ov.[¤]"),
    ("doc->¤", "eq.1"),
    ("doc->>¤", "eq.1"),
    ("doc->\"¤\"->>\"¤\"", "eq.¤"),
    ("note::¤", "eq.1"),
    ("day.trunc(¤)", "eq.2026-01-01"),
    ("n.bin(¤)", "eq.1"),
    ("or", "(note.eq.¤,note.eq.\"¤\")"),
    ("or", "(¤)"),
    ("and", "¤"),
    ("not.and", "(id.eq.1,or(note.like.¤))"),
    ("select", "¤"),
    ("select", "¤:id"),
    ("select", "\"¤\":id"),
    ("select", "id::¤"),
    ("select", "doc->¤"),
    ("select", "doc->\"¤\""),
    ("select", "n.percentile(¤)"),
    ("select", "n.¤()"),
    ("select", "n:count(),m:n.max()::¤"),
    ("order", "¤"),
    ("order", "id.¤"),
    ("order", "doc->>\"¤\".desc"),
    ("limit", "¤"),
    ("offset", "¤"),
    ("cursor", "¤"),
];

/// All that must not change.
async fn state(table: &str) -> Vec<String> {
    let rows = format!("select string_agg(t::text, ' ' order by _row) from {table} as t");
    let columns = "select string_agg(name || current, ' ') from larder.datasets where name = 'grammar-unbound'";
    [shared().column(&rows).await, shared().column(columns).await].concat()
}

/// An answer that is none of the service's faults, and in which no driver speaks.
async fn is_sound(what: &str, answer: reqwest::Response) -> bool {
    let status = answer.status().as_u16();
    let body = answer.text().await.expect("a whole body");
    assert!(matches!(status, 200 | 400 | 404 | 406 | 410), "{what}: {status} {body}");
    if status == 400 {
        let problem: Value = serde_json::from_str(&body).unwrap_or_else(|_| panic!("{what}: {body}"));
        let detail = problem["detail"].as_str().expect("a detail");
        assert!(problem["parameter"].is_string(), "{what}: {body}");
        for driver in ["syntax error", "does not exist", "invalid input", "ERROR", "error returned from database"] {
            assert!(!detail.contains(driver), "{what}: {body}");
        }
    }
    status == 200
}

#[tokio::test]
async fn no_text_at_any_place_reaches_sql() {
    let table = typed_table("grammar-unbound", &COLUMNS).await;
    shared()
        .sql(&format!(
            "insert into {table} values (1, 1, true, 1, 1.5, 1.5, '2026-01-31', '10:00', '2026-01-31', '2026-01-31', '{}', 'x', '{{\"a\":1}}', 'y')",
            uuid::Uuid::nil()
        ))
        .await;
    let before = state(&table).await;
    let asked = PLACES.iter().flat_map(|place| TEXTS.iter().map(move |text| (place, text)));
    let asked = asked.map(|((name, value), text)| async move {
        let (name, value) = (name.replace('¤', text), value.replace('¤', text));
        let limit = if name == "limit" { "" } else { "&limit=3" };
        let path = format!("/v1/tables/grammar-unbound/rows?{}={}{limit}", encode(&name), encode(&value));
        is_sound(&format!("{name}={value}"), shared().get(&path).await).await
    });
    let answers: Vec<bool> = futures::stream::iter(asked).buffer_unordered(8).collect().await;
    let answered = answers.iter().filter(|answered| **answered).count();
    assert!(answered > 200, "{answered}");
    for text in TEXTS {
        let having = format!("select=note,c:count()&having=note.eq.{}", encode(text));
        is_sound(text, shared().get(&format!("/v1/tables/grammar-unbound/rows?{having}")).await).await;
        for name in ["version", "distinct", "excel", "bigint", "formulas"] {
            let path = format!("/v1/tables/grammar-unbound/rows?{name}={}", encode(text));
            is_sound(&path, shared().get(&path).await).await;
        }
        let path = format!("/v1/tables/grammar-unbound/rows.{}", encode(text));
        is_sound(&path, shared().get(&path).await).await;
        for header in ["accept", "range", "prefer", "if-none-match", "if-range"] {
            let prefix = match header {
                "range" => "items=0-",
                "prefer" => "count=",
                _ => "",
            };
            let request = shared().request(Method::GET, "/v1/tables/grammar-unbound/rows");
            let Ok(value) = reqwest::header::HeaderValue::from_bytes(format!("{prefix}{text}").as_bytes()) else {
                continue;
            };
            is_sound(text, request.header(header, value).send().await.expect("an answer")).await;
        }
    }
    // Not UTF-8, and no pairs at all.
    for query in ["%FF", "note=eq.%C3", "a%00=%00", "&&&", "=", "=eq.1", "?", "id", "id=eq.1&&id=eq.1", "+", "%"] {
        is_sound(query, shared().get(&format!("/v1/tables/grammar-unbound/rows?{query}")).await).await;
    }
    assert_eq!(state(&table).await, before);
    let name = encode("\"x'; drop table larder.datasets; --\"");
    let rows = shared().text(&format!("/v1/tables/grammar-unbound/rows.csv?select={name}&{name}=eq.y")).await;
    assert_eq!(rows, "x'; drop table larder.datasets; --\ny\n");
}

#[tokio::test]
async fn a_value_is_found_as_it_was_written_whatever_it_holds() {
    let table = typed_table("grammar-unbound-texts", &[("id", "bigint"), ("note", "text")]).await;
    let texts: Vec<_> = TEXTS.iter().filter(|text| !text.contains('\0')).collect();
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let values: Vec<_> = texts.iter().enumerate().map(|(id, text)| format!("({id}, {id}, {})", quoted(text))).collect();
    shared().sql(&format!("insert into {table} values {}", values.join(", "))).await;
    for (id, text) in texts.iter().enumerate() {
        let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
        for (name, value) in [
            ("note", format!("eq.{text}")),
            ("note", format!("in.(\"{escaped}\")")),
            ("note", format!("eq(any).{{\"{escaped}\"}}")),
            ("note", format!("not.isdistinct.{text}")),
            ("and", format!("(note.eq.\"{escaped}\")")),
        ] {
            let path = format!("/v1/tables/grammar-unbound-texts/rows?select=id&{name}={}", encode(&value));
            let found = json(shared().get(&path).await, 200).await;
            assert_eq!(found, serde_json::json!([{ "id": id }]), "{name}={value}");
        }
    }
}
