//! Changes of rows at the same time as appends, replaces and readers.

use super::changes::{changed, delete, header, patch, send};
use super::{put, rows};
use crate::support::{json as answer, shared};
use futures::future::join_all;
use reqwest::Method;
use std::collections::BTreeMap;

async fn append(name: &str, body: String) {
    let request = shared().request(Method::POST, &format!("/v1/tables/{name}/rows"));
    answer(request.header("content-type", "text/csv").body(body).send().await.unwrap(), 201).await;
}

#[tokio::test]
async fn changes_and_appends_at_once_lose_nothing() {
    put("r-append", "id,state\n0,new\n").await;
    let appends = (0..4).map(|who| async move {
        for round in 0..5 {
            let body: String = (0..20).map(|n| format!("{},new\n", who * 1000 + round * 100 + n)).collect();
            append("r-append", format!("id,state\n{body}")).await;
        }
    });
    let changes = (0..4).map(|_| async move {
        let mut counted = 0;
        for _ in 0..6 {
            let done = patch("r-append/rows?state=eq.new", &[("prefer", "count=exact")], r#"{"state":"seen"}"#).await;
            assert_eq!(done.status(), 204);
            let range = header(&done, "content-range").unwrap();
            counted += range.rsplit('/').next().unwrap().parse::<u64>().unwrap();
        }
        counted
    });
    let (_, counted) = tokio::join!(join_all(appends), join_all(changes));
    let done = patch("r-append/rows?state=eq.new", &[("prefer", "count=exact")], r#"{"state":"seen"}"#).await;
    let last: u64 = header(&done, "content-range").unwrap().rsplit('/').next().unwrap().parse().unwrap();
    // Each row was seen by exactly one change.
    assert_eq!(counted.iter().sum::<u64>() + last, 401);
    let csv = rows("r-append", "csv").await;
    assert_eq!((csv.lines().count(), csv.matches(",seen").count()), (402, 401));
    let table = answer(shared().get("/v1/tables/r-append").await, 200).await;
    assert_eq!(table["rows"], 401);
}

#[tokio::test]
async fn of_changes_on_one_condition_one_wins() {
    let etag = put("r-if", "n\n0\n").await["etag"].as_str().unwrap().to_owned();
    let etag = etag.as_str();
    let statuses = join_all((1..=8).map(|n| async move {
        patch("r-if/rows?n=gte.0", &[("if-match", etag)], &format!("{{\"n\":{n}}}")).await.status().as_u16()
    }));
    let statuses = statuses.await;
    assert_eq!(statuses.iter().filter(|status| **status == 204).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 204 | 412)), "{statuses:?}");
}

#[tokio::test]
async fn one_idempotency_key_at_once_is_one_change() {
    put("r-key", "n\n0\n").await;
    let done = join_all((0..6).map(|_| async {
        let done = patch("r-key/rows?n=gte.0", &[("idempotency-key", "r-key-1")], r#"{"n":1}"#).await;
        (done.status().as_u16(), header(&done, "larder-change"), header(&done, "idempotency-replayed").is_some())
    }))
    .await;
    assert!(done.iter().all(|(status, change, _)| *status == 204 && change == &done[0].1), "{done:?}");
    assert_eq!(done.iter().filter(|(_, _, replayed)| !replayed).count(), 1, "{done:?}");
}

#[tokio::test]
async fn a_change_meets_the_version_before_a_replace_or_the_one_behind_it() {
    put("r-replace", "n,m\n1,0\n").await;
    let replaces = async {
        for round in 0..6 {
            let body = if round % 2 == 0 { format!("m,n\n{round},1\n") } else { format!("n,m\n1,{round}\n") };
            put("r-replace", body).await;
        }
    };
    let changes = join_all((0..3).map(|_| async {
        for _ in 0..8 {
            let done = patch("r-replace/rows?n=eq.1", &[("prefer", "return=representation")], r#"{"m":77}"#).await;
            assert_eq!(done.status(), 200);
            assert!(done.text().await.unwrap().contains("\"m\":77"));
        }
    }));
    tokio::join!(replaces, changes);
    let n = shared().text("/v1/tables/r-replace/rows.csv?select=n").await;
    assert_eq!(n, "n\n1\n");
}

#[tokio::test]
async fn readers_see_all_of_a_change_or_nothing_and_an_etag_stands_for_one_state() {
    put("r-readers", format!("n\n{}", "0\n".repeat(2000))).await;
    let (done, ended) = tokio::sync::watch::channel(false);
    let reader = tokio::spawn(async move {
        let mut seen = BTreeMap::new();
        while !*ended.borrow() {
            let response = shared().get("/v1/tables/r-readers/rows.csv").await;
            let etag = header(&response, "etag").unwrap();
            let mut values: Vec<String> = response.text().await.unwrap().lines().skip(1).map(str::to_owned).collect();
            let count = values.len();
            values.dedup();
            assert!(values.len() == 1 && count == 2000, "{count} rows of {values:?}");
            assert_eq!(
                *seen.entry(etag.clone()).or_insert_with(|| values.clone()),
                values,
                "{etag} stands for two states"
            );
        }
    });
    let mut last = String::new();
    for n in 1..=12 {
        last = changed(&patch("r-readers/rows?n=gte.0", &[], &format!("{{\"n\":{n}}}")).await);
    }
    answer(send(shared(), Method::POST, &format!("r-readers/changes/{last}/undo"), &[], None).await, 200).await;
    done.send(true).unwrap();
    reader.await.unwrap();
    assert!(rows("r-readers", "csv").await.starts_with("n\n11\n"));
}

#[tokio::test]
async fn a_walk_by_cursor_meets_every_row_that_stays() {
    let all: String = (0..300).map(|n| format!("{n},{}\n", n % 3)).collect();
    put("r-walk", format!("id,kind\n{all}")).await;
    let (mut next, mut seen, mut page) = (String::new(), Vec::new(), 0);
    loop {
        let path = format!("/v1/tables/r-walk/rows.csv?select=id&limit=20{next}");
        let response = shared().get(&path).await;
        let link = header(&response, "link");
        seen.extend(response.text().await.unwrap().lines().skip(1).map(|id| id.parse::<u32>().unwrap()));
        match page % 2 {
            0 => drop(delete(&format!("r-walk/rows?kind=eq.1&id=gte.{}&order=id&limit=7", page * 20), &[]).await),
            _ => append("r-walk", format!("id,kind\n{},2\n", 1000 + page)).await,
        }
        page += 1;
        let Some(link) = link else { break };
        let cursor = link.split("cursor=").nth(1).unwrap().split('>').next().unwrap();
        next = format!("&cursor={cursor}");
    }
    let staying: Vec<u32> = (0..300).filter(|n| n % 3 != 1).collect();
    let mut once = seen.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), seen.len(), "a row came twice");
    assert!(staying.iter().all(|id| seen.contains(id)), "{seen:?}");
}
