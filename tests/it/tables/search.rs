//! `q=`: words in any text column.

use super::{put, rows};
use crate::support::{Service, json, problem, shared};
use serde_json::{Value, json};

const BOOKS: &str = "id,title,about,price\n\
    1,Summer in Zürich,A guide to lakes and swimming,10\n\
    2,The lake,\"Lakes, lakes and nothing but lakes: the lake\",20\n\
    3,Winter,No water here,30\n\
    4,New York by foot,\"Walks, with rain and without\",5\n\
    5,York,A new guide to an old town,15\n\
    6,,,1\n";

/// The ids of the rows that are found, in their order.
async fn ids(table: &str, query: &str) -> String {
    let csv = shared().text(&format!("/v1/tables/{table}/rows.csv?select=id&{query}")).await;
    csv.lines().skip(1).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn words_are_found_in_any_text_column_and_ranked() {
    put("s-books", BOOKS).await;
    let found = |query: &'static str| ids("s-books", query);
    // As people write: every word, whatever its case, in whichever column.
    assert_eq!(found("q=lake").await, "2");
    assert_eq!(found("q=lakes").await, "2 1");
    assert_eq!(found("q=ZÜRICH").await, "1");
    assert_eq!(found("q=z%C3%BCrich+guide").await, "1");
    assert_eq!(found("q=york").await, "4 5");
    assert_eq!(found("q=new+york").await, "4 5");
    assert_eq!(found("q=%22new+york%22").await, "4");
    assert_eq!(found("q=york+-rain").await, "5");
    assert_eq!(found("q=winter+or+rain").await, "3 4");
    assert_eq!(found("q=wat*").await, "3");
    assert_eq!(found("q=guide+swim*").await, "1");
    assert_eq!(found("q=nowhere").await, "");
    // No words at all, and what would be an error of another syntax.
    for odd in ["q=%E2%98%85", "q=%26%7C%21()%3A*", "q=%22", "q='%3B--", "q=-", "q=or", "q=*"] {
        assert_eq!(found(odd).await, "", "{odd}");
    }
    // What is searched is not what is selected; numbers are no text.
    assert_eq!(found("q=30").await, "");
    assert_eq!(rows("s-books", "csv?q=winter").await, "id,title,about,price\n3,Winter,No water here,30\n");
}

#[tokio::test]
async fn a_search_goes_with_filters_orders_groups_and_counts() {
    put("s-more", BOOKS).await;
    let found = |query: &'static str| ids("s-more", query);
    assert_eq!(found("q=york&price=lt.10").await, "4");
    assert_eq!(found("q=guide+or+lakes&order=price.desc").await, "2 5 1");
    assert_eq!(found("q=guide+or+lakes&or=(id.eq.1,id.eq.5)&order=id.desc&limit=1").await, "5");
    assert_eq!(found("q=guide+or+lakes&limit=1&offset=2").await.len(), 1);
    let larder = shared();
    assert_eq!(larder.text("/v1/tables/s-more/rows.csv?q=york&select=count(),price.sum()").await, "count,sum\n2,20\n");
    let request = larder.request(reqwest::Method::GET, "/v1/tables/s-more/rows?q=york&limit=1");
    let counted = request.header("prefer", "count=exact").send().await.unwrap();
    assert_eq!(counted.headers()["content-range"], "items 0-0/2");
    assert_eq!(counted.headers()["larder-search"], "indexed=?0, ranked=10000");
    let ordered = larder.get("/v1/tables/s-more/rows?q=york&order=id").await;
    assert_eq!(ordered.headers()["larder-search"], "indexed=?0");
    assert!(!larder.get("/v1/tables/s-more/rows").await.headers().contains_key("larder-search"));
    // A column of that name is still reachable.
    put("s-q", "q,t\n1,x\n2,y\n").await;
    assert_eq!(larder.text("/v1/tables/s-q/rows.csv?%22q%22=eq.2&q=y").await, "q,t\n2,y\n");
}

#[tokio::test]
async fn what_cannot_be_searched_is_said() {
    put("s-bad", "id,n\n1,2\n").await;
    put("s-text", "t\nx\n").await;
    for (path, what) in [
        ("s-bad/rows?q=x", "no text column"),
        ("s-text/rows?q=", "no word"),
        ("s-text/rows.csv?q=%20%09", "no word"),
        ("s-text/rows?q=a%00", "U+0000"),
        ("s-text/rows?q=a&q=b", "twice"),
    ] {
        let refused = problem(shared().get(&format!("/v1/tables/{path}")).await, 400, "bad-request").await;
        assert_eq!(refused["parameter"], "q");
        assert!(refused["detail"].as_str().unwrap().contains(what), "{refused}");
    }
    let long = format!("/v1/tables/s-text/rows?q={}", "x".repeat(1001));
    problem(shared().get(&long).await, 400, "bad-request").await;
    // The longest that is taken, of words that no index holds.
    let long = "%F0%9F%8D%8E".repeat(10) + &"%F0%A0%80%80".repeat(990);
    assert_eq!(shared().text(&format!("/v1/tables/s-text/rows.csv?q={long}")).await, "t\n");
}

/// All rows of a walk through pages of `limit`, by their ids.
async fn walk(larder: &Service, path: &str, limit: usize) -> Vec<i64> {
    let mut next = Some(format!("{path}&limit={limit}"));
    let mut found = Vec::new();
    while let Some(address) = next {
        let request = larder.request(reqwest::Method::GET, &address);
        let answer = request.header("accept", "application/vnd.larder.page+json").send().await.unwrap();
        let page = json(answer, 200).await;
        let rows = page["rows"].as_array().unwrap();
        assert!(rows.len() == limit || page["next"].is_null(), "{} rows", rows.len());
        found.extend(rows.iter().map(|row| row["id"].as_i64().unwrap()));
        next = page["next"].as_str().map(str::to_owned);
    }
    found
}

#[tokio::test]
async fn pages_go_through_ranked_rows_and_then_through_the_others() {
    // Every third row says it twice, and so ranks before; more rows match than are ranked.
    let body: String = (1..=25_000)
        .map(|id| if id % 3 == 0 { format!("{id},fox fox\n") } else { format!("{id},a fox of number {}\n", id % 7) })
        .collect();
    put("s-walk", format!("id,text\n{body}")).await;
    let (ranked, mut expected): (Vec<i64>, Vec<i64>) = (1..=10_000).partition(|id| id % 3 == 0);
    expected.splice(0..0, ranked);
    expected.extend(10_001..=25_000);
    let larder = shared();
    assert_eq!(walk(larder, "/v1/tables/s-walk/rows?q=fox&select=id", 997).await, expected);
    let all = |query: &'static str| async move {
        let csv = larder.text(&format!("/v1/tables/s-walk/rows.csv?q=fox&select=id{query}")).await;
        csv.lines().skip(1).map(|id| id.parse().unwrap()).collect::<Vec<i64>>()
    };
    assert_eq!(all("").await, expected);
    // Windows over the line and behind it.
    assert_eq!(all("&offset=9990&limit=20").await, expected[9990..10_010]);
    assert_eq!(all("&offset=9999&limit=2").await, expected[9999..10_001]);
    assert_eq!(all("&offset=10000&limit=3").await, expected[10_000..10_003]);
    assert_eq!(all("&offset=24999&limit=3").await, expected[24_999..]);
    assert_eq!(all("&limit=10001").await, expected[..10_001]);
    assert_eq!(all("&limit=10000&id=lte.10000").await, expected[..10_000]);
    assert_eq!(walk(larder, "/v1/tables/s-walk/rows?q=fox&select=id&offset=24990", 4).await, expected[24_990..]);
    assert_eq!(walk(larder, "/v1/tables/s-walk/rows?q=fox&select=id&order=id.desc&id=lte.500", 100).await.len(), 500);
    // Rows that come and go meanwhile move no other over the line.
    let first = json(larder.get("/v1/tables/s-walk/rows?q=fox&select=id&limit=6000").await, 200).await;
    assert_eq!(first.as_array().map(Vec::len), Some(6000));
    let link = larder.get("/v1/tables/s-walk/rows?q=fox&select=id&limit=6000").await;
    let next = link.headers()["link"].to_str().unwrap().trim_start_matches('<').split_once('>').unwrap().0.to_owned();
    let table = larder
        .column(
            "select table_id from larder.datasets d join larder.versions v on v.id = d.current where d.name = 's-walk'",
        )
        .await;
    larder.sql(&format!("delete from rows.t_{} where c1 <= 100", table.join("").replace('-', ""))).await;
    let request = larder.request(reqwest::Method::GET, &next).header("accept", "application/json");
    let page = json(request.send().await.unwrap(), 200).await;
    let rest: Vec<i64> = page.as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()).collect();
    assert_eq!(rest, expected[6000..12_000]);
}

#[tokio::test]
async fn no_row_is_too_long_or_too_wide_to_be_searched() {
    // Short words of the longest letters, compound words that stand in the index thrice, and words that are no words.
    let letter = |n: u32| char::from_u32(0x2_0000 + n * 7 % 40_000).unwrap();
    let texts = [
        (0..60_000).map(|n| format!("{} ", letter(n))).collect::<String>(),
        (0..60_000).map(|n| format!("{}-{} ", letter(n), letter(n * 3 + 1))).collect(),
        (0..30_000).map(|n| format!("{}{}-{} ", letter(n), letter(n / 3), letter(n * 3 + 1))).collect(),
        (0..9000).map(|n| format!("x{n}.example.org/a{n}/b{n} ")).collect(),
        (0..60_000).map(|n| format!("{n:x}-{:x}-a ", n * 31)).collect(),
        (0..90_000).map(|n| format!("{n:04x} ")).collect(),
        "y".repeat(300_000),
        "\u{023a}\u{0130}\u{1e9e}-".repeat(40_000),
    ];
    let lines: String = texts.iter().map(|text| format!("\"{text}\",\"{text}\",last\n")).collect();
    put("s-long", format!("a,b,c\n{lines}")).await;
    let found = shared().text("/v1/tables/s-long/rows.csv?q=last&select=count()").await;
    let list: Value = json(shared().post("/v1/tables/s-long/indexes", &json!({ "kind": "search" })).await, 202).await;
    assert_eq!(super::search_indexes::ended(shared(), &list).await["state"], "finished");
    assert_eq!(found, "count\n8\n");
    assert_eq!(shared().text("/v1/tables/s-long/rows.csv?q=last&select=count()").await, found);
    // All of 1,599 columns are searched.
    let names: Vec<_> = (1..=1599).map(|n| format!("c{n}")).collect();
    let values: Vec<_> = (1..=1599).map(|n| if n % 500 == 0 { format!("w{n}") } else { String::new() }).collect();
    put("s-wide", format!("{}\n{}\n", names.join(","), values.join(","))).await;
    assert_eq!(shared().text("/v1/tables/s-wide/rows.csv?q=w1500+w500&select=c500").await, "c500\nw500\n");
    let job = json(shared().post("/v1/tables/s-wide/indexes", &json!({ "kind": "search" })).await, 202).await;
    assert_eq!(super::search_indexes::ended(shared(), &job).await["state"], "finished");
    assert_eq!(shared().text("/v1/tables/s-wide/rows.csv?q=w1500&select=c500").await, "c500\nw500\n");
}
