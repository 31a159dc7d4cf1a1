//! JSON text to DynamoDB's values and back, table by table.

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use larder::{
    documents::value::{DEPTH_MAX, NATIVE_BYTES_MAX, parse, to_json},
    error::{Error, Malformed},
};
use std::collections::HashMap;

fn round_trip(json: &str) -> String {
    let value = parse(json.as_bytes()).unwrap_or_else(|error| panic!("{json}: {error}")).expect(json);
    String::from_utf8(to_json(&value).unwrap()).unwrap()
}

fn refused(json: &[u8]) -> Malformed {
    match parse(json) {
        Err(Error::Malformed(malformed)) => *malformed,
        other => panic!("{}: {other:?}", String::from_utf8_lossy(json)),
    }
}

pub fn nested(depth: usize) -> String {
    format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth))
}

#[test]
fn a_document_comes_back_exactly_with_its_keys_sorted() {
    for (json, expected) in [
        ("{}", "{}"),
        (" {\n\t\"b\" : 1 , \"a\":[ ] }\r\n", r#"{"a":[],"b":1}"#),
        (
            r#"{"n":[12345678901234567890123456789012345678,-0.00012345678901234567890123456789012345678]}"#,
            r#"{"n":[12345678901234567890123456789012345678,-0.00012345678901234567890123456789012345678]}"#,
        ),
        (r#"{"n":[1e2,1E-2,-0,-0.0,1.0,1e40,2.50e-10]}"#, r#"{"n":[100,0.01,0,0,1,1e40,2.5e-10]}"#),
        (r#"{"n":[9007199254740993,0.1]}"#, r#"{"n":[9007199254740993,0.1]}"#),
        (r#"{"s":"a\u0000b\"\\\/\ud83d\ude00 é 数据","":1}"#, "native only without an empty key"),
        (r#"{"s":"a\u0000b\"\\\/\ud83d\ude00 é 数据"}"#, "{\"s\":\"a\\u0000b\\\"\\\\/😀 é 数据\"}"),
        (r#"{"":1,"a":{"":{}}}"#, "native only without an empty key"),
        (r#"{"t":true,"f":false,"z":null,"e":"","l":[[],{}]}"#, r#"{"e":"","f":false,"l":[[],{}],"t":true,"z":null}"#),
        (r#"{"a}":"]","b":"{,:\\"}"#, r#"{"a}":"]","b":"{,:\\"}"#),
    ] {
        match parse(json.as_bytes()).unwrap() {
            Some(_) => assert_eq!(round_trip(json), expected),
            None => assert_eq!(expected, "native only without an empty key", "{json}"),
        }
        if parse(json.as_bytes()).unwrap().is_some() {
            assert_eq!(round_trip(expected), expected, "the canonical spelling is stable");
        }
    }
}

#[test]
fn what_the_store_cannot_hold_is_named_by_a_json_pointer() {
    for (json, field, word) in [
        (r#"{"a":[0,{"b/c":1.00000000000000000000000000000000000001}]}"#, "/a/1/b~1c", "39 significant digits"),
        (r#"{"~":1e126}"#, "/~0", "1e-130"),
        (r#"{"x":-1e-131}"#, "/x", "1e-130"),
        (r#"{"x":{"a":1,"b":2,"\u0061":3}}"#, "/x/a", "twice"),
        (r#"{"x":"\ud83d"}"#, "/x", "surrogate"),
    ] {
        let malformed = refused(json.as_bytes());
        assert_eq!(malformed.field.as_deref(), Some(field), "{json}");
        assert!(malformed.detail.contains(word) && malformed.hint.is_some(), "{malformed:?}");
    }
    assert!(parse(nested(DEPTH_MAX).as_bytes()).unwrap().is_some());
    assert_eq!(refused(nested(DEPTH_MAX + 1).as_bytes()).field, Some("/a".repeat(DEPTH_MAX)));
    assert!(refused(nested(100_000).as_bytes()).detail.contains("deeper"));
}

#[test]
fn what_is_no_json_object_is_refused_with_its_place() {
    for (json, place) in [
        (&b"{\n \"a\": }"[..], (Some(2), Some(7))),
        (b"{\"a\":1}}", (Some(1), Some(8))),
        (b"{\"a\":\"\xff\"}", (Some(1), Some(7))),
        (b"{\"a\":01}", (Some(1), Some(7))),
        (b"", (Some(1), Some(0))),
        (b"[1]", (None, None)),
        (b"1", (None, None)),
        (b"\"a\"", (None, None)),
    ] {
        let malformed = refused(json);
        assert_eq!((malformed.line, malformed.column), place, "{malformed:?}");
    }
}

#[test]
fn a_large_body_is_checked_all_the_same_but_not_built() {
    let text = "x".repeat(NATIVE_BYTES_MAX);
    assert!(parse(format!(r#"{{"a":"{text}"}}"#).as_bytes()).unwrap().is_none());
    assert!(parse(format!(r#"{{"a":"{}"}}"#, &text[..NATIVE_BYTES_MAX - 5]).as_bytes()).unwrap().is_some());
    assert_eq!(refused(format!(r#"{{"a":"{text}","b":1,"b":2}}"#).as_bytes()).field.as_deref(), Some("/b"));
}

#[test]
fn what_other_tools_write_becomes_json() {
    let map = HashMap::from([
        ("b".to_owned(), AttributeValue::B(Blob::new(*b"\x00\xff"))),
        ("bs".to_owned(), AttributeValue::Bs(vec![Blob::new(*b"a")])),
        ("ns".to_owned(), AttributeValue::Ns(vec!["1E+2".to_owned(), "-0.50".to_owned()])),
        ("ss".to_owned(), AttributeValue::Ss(vec!["x".to_owned()])),
    ]);
    let json = to_json(&AttributeValue::M(map)).unwrap();
    assert_eq!(String::from_utf8(json).unwrap(), r#"{"b":"AP8=","bs":["YQ=="],"ns":[100,-0.5],"ss":["x"]}"#);
}
