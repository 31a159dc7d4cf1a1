//! Links to a fixed query of a table.

use super::{follow, follow_with, share, share_with, url};
use crate::support::{json, problem, shared};
use reqwest::Method;
use serde_json::{Value, json};

async fn text(share: &Value, behind: &str) -> String {
    let answer = follow(&format!("{}{behind}", url(share))).await;
    assert_eq!(answer.status(), 200, "{behind}");
    answer.text().await.unwrap()
}

#[tokio::test]
async fn a_fixed_query_shows_its_rows_and_columns_and_cannot_be_widened() {
    shared().put("/v1/tables/q-fixed", "day,total,secret\n1,10,x\n2,20,y\n3,30,z\n").await;
    let target = "/v1/tables/q-fixed/rows.csv?total=gte.20&select=day,total&order=day.desc";
    let share = share(target).await;
    assert_eq!(share["target"], target);
    assert_eq!(text(&share, "").await, "day,total\n3,30\n2,20\n");
    assert_eq!(text(&share, "/any.csv").await, "day,total\n3,30\n2,20\n");
    assert_eq!(text(&share, "?limit=1").await, "day,total\n3,30\n");
    assert_eq!(text(&share, "?offset=1").await, "day,total\n2,20\n");
    for added in [
        "select=secret",
        "select=*",
        "order=secret",
        "secret=eq.x",
        "total=gte.0",
        "or=(total.gte.0)",
        "q=x",
        "distinct=true",
        "having=count().gt.0",
        "version=1",
        "excel=true",
        "limit=1&select=secret",
    ] {
        let refused = follow(&format!("{}?{added}", url(&share))).await;
        problem(refused, 400, "bad-request").await;
    }
    for other in ["json", "parquet", "xlsx", "html"] {
        problem(follow(&format!("{}/rows.{other}", url(&share))).await, 406, "not-acceptable").await;
    }
    let accepted = follow_with(Method::GET, url(&share), &[("accept", "application/json")]).await;
    assert!(accepted.headers()["content-type"].to_str().unwrap().starts_with("text/csv"));
    let body = accepted.text().await.unwrap();
    assert_eq!(body, "day,total\n3,30\n2,20\n");
}

#[tokio::test]
async fn pages_of_a_fixed_query_go_on_and_tell_nothing_of_it() {
    let rows: String = (1..=25).map(|n| format!("{n},hidden-{n}\n")).collect();
    shared().put("/v1/tables/q-pages", format!("n,secret\n{rows}")).await;
    let share = share("/v1/tables/q-pages/rows?secret=neq.hidden-7&select=n&order=n").await;
    let (mut found, mut next) = (Vec::new(), Some(format!("{}?limit=10", url(&share))));
    while let Some(page) = next {
        let answer = follow_with(Method::GET, &page, &[("accept", "application/vnd.larder.page+json")]).await;
        let page = json(answer, 200).await;
        found.extend(page["rows"].as_array().unwrap().iter().map(|row| row["n"].as_i64().unwrap()));
        next = page["next"].as_str().map(str::to_owned);
        if let Some(next) = &next {
            assert!(next.starts_with(&format!("{}?limit=10&cursor=", url(&share))), "{next}");
        }
    }
    assert_eq!(found, (1..=25).filter(|n| *n != 7).collect::<Vec<i64>>());
    let without = follow(&format!("{}/rows.json?limit=1&cursor=x", url(&share))).await;
    problem(without, 400, "bad-request").await;
}

#[tokio::test]
async fn a_fixed_limit_is_the_end() {
    shared().put("/v1/tables/q-limit", "n\n1\n2\n3\n").await;
    let share = share("/v1/tables/q-limit/rows?limit=2&order=n").await;
    let answer = follow(&format!("{}/rows.csv", url(&share))).await;
    assert!(!answer.headers().contains_key("link"));
    assert_eq!(answer.text().await.unwrap(), "n\n1\n2\n");
    let page = follow_with(Method::GET, url(&share), &[("accept", "application/vnd.larder.page+json")]).await;
    let page = json(page, 200).await;
    assert_eq!((page["rows"].as_array().unwrap().len(), &page["next"]), (2, &Value::Null));
    for widened in ["limit=3", "offset=2", "limit=1"] {
        problem(follow(&format!("{}?{widened}", url(&share))).await, 400, "bad-request").await;
    }
    problem(follow_with(Method::GET, url(&share), &[("range", "items=0-5")]).await, 400, "bad-request").await;
}

#[tokio::test]
async fn a_query_that_the_table_cannot_answer_is_no_target_and_one_that_it_can_no_longer_is_gone() {
    shared().put("/v1/tables/q-gone", "a,secret\n1,2\n").await;
    for (target, parameter) in [
        ("/v1/tables/q-gone/rows?select=nothing", "select"),
        ("/v1/tables/q-gone/rows.csv?nothing=eq.1", "nothing"),
        ("/v1/tables/q-gone/rows.csv?limit=x", "limit"),
        ("/v1/tables/q-gone/rows.csv?cursor=x", "target"),
    ] {
        let refused = shared().post("/v1/shares", &json!({ "target": target })).await;
        assert_eq!(problem(refused, 400, "bad-request").await["parameter"], parameter, "{target}");
    }
    problem(
        shared().post("/v1/shares", &json!({ "target": "/v1/tables/q-gone/rows.docx" })).await,
        406,
        "not-acceptable",
    )
    .await;
    let share = share_with("/v1/tables/q-gone/rows.csv?secret=eq.2&select=a", json!({})).await;
    assert_eq!(text(&share, "").await, "a\n1\n");
    shared().put("/v1/tables/q-gone", "a\n1\n").await;
    // The holder may not know of the column.
    let gone = problem(follow(url(&share)).await, 410, "gone").await;
    assert!(!gone.to_string().contains("secret"), "{gone}");
}
