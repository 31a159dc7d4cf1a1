//! Who used a link.

use super::{follow, follow_with, made, share, url};
use crate::support::{Service, json, problem, shared};
use reqwest::Method;
use serde_json::{Value, json};

async fn log(larder: &Service, share: &Value, query: &str) -> Value {
    json(larder.get(&format!("/v1/shares/{}/log{query}", share["id"].as_str().unwrap())).await, 200).await
}

#[tokio::test]
async fn each_hit_says_when_what_and_from_where_and_days_are_counted() {
    let larder = Service::start(&[]).await;
    larder.put("/v1/blobs/log.txt", "0123456789").await;
    let share = made(&larder, "/v1/blobs/log.txt", json!({})).await;
    let ask = async |method: Method, headers: &[(&str, &str)]| {
        let request = larder.anonymous(method, url(&share)).header("user-agent", "a test");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let answer = request.send().await.unwrap();
        answer.bytes().await.unwrap();
    };
    ask(Method::GET, &[]).await;
    ask(Method::GET, &[("authorization", "Bearer x")]).await;
    ask(Method::GET, &[("authorization", "Bearer x"), ("range", "bytes=2-4")]).await;
    ask(Method::HEAD, &[]).await;
    // What an answer sent is added at its end.
    larder.wait_for("select bytes from larder.share_hits where outcome = 'streamed' order by id", &["10", "3"]).await;
    let all = log(&larder, &share, "").await;
    let told: Vec<(&str, &Value)> =
        all["hits"].as_array().unwrap().iter().map(|hit| (hit["outcome"].as_str().unwrap(), &hit["bytes"])).collect();
    let (three, ten) = (json!(3), json!(10));
    assert_eq!(told, [("asked", &Value::Null), ("streamed", &three), ("streamed", &ten), ("redirected", &Value::Null)]);
    let hit = &all["hits"][1];
    assert_eq!((&hit["agent"], &hit["network"]), (&"a test".into(), &"127.0.0.0/24".into()));
    assert_eq!(hit["format"], "text/plain");
    assert!(!hit["request_id"].as_str().unwrap().is_empty());
    let days = all["days"].as_array().unwrap();
    assert_eq!(days.iter().map(|day| day["hits"].as_i64().unwrap()).sum::<i64>(), 4);
    assert_eq!(days.iter().map(|day| day["bytes"].as_i64().unwrap()).sum::<i64>(), 13);

    let (mut outcomes, mut query) = (Vec::new(), "?limit=3".to_owned());
    loop {
        let page = log(&larder, &share, &query).await;
        outcomes.extend(page["hits"].as_array().unwrap().iter().map(|hit| hit["outcome"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        query = format!("?limit=3&cursor={next}");
    }
    assert_eq!(outcomes, ["asked", "streamed", "streamed", "redirected"]);
    let token = larder.principal("bob").await;
    let path = format!("/v1/shares/{}/log", share["id"].as_str().unwrap());
    problem(larder.anonymous(Method::GET, &path).bearer_auth(&token).send().await.unwrap(), 404, "not-found").await;
}

#[tokio::test]
async fn the_log_says_of_addresses_what_a_setting_lets_it() {
    let larder = Service::start(&["--share-log-clients", "nothing"]).await;
    larder.put("/v1/blobs/log.txt", "x").await;
    let share = made(&larder, "/v1/blobs/log.txt", json!({})).await;
    larder.anonymous(Method::GET, url(&share)).send().await.unwrap();
    let full = larder.replica(&["--share-log-clients", "address"]).await;
    let path = url(&share).strip_prefix(&larder.url).unwrap();
    full.anonymous(Method::GET, path).send().await.unwrap();
    let all = log(&larder, &share, "").await;
    assert_eq!((&all["hits"][0]["network"], &all["hits"][1]["network"]), (&"127.0.0.1".into(), &Value::Null));
}

#[tokio::test]
async fn many_who_come_at_once_by_several_links_are_each_written_down_before_they_are_answered() {
    shared().put("/v1/blobs/log-many.txt", "x").await;
    shared().put("/v1/tables/log-many", "a\n1\n").await;
    let revoked = share("/v1/blobs/log-many.txt").await;
    let path = format!("/v1/shares/{}", revoked["id"].as_str().unwrap());
    assert_eq!(shared().delete(&path).await.status(), 204);
    let links = [
        (share("/v1/blobs/log-many.txt").await, 307, "redirected"),
        (share("/v1/blobs/log-many.txt").await, 307, "redirected"),
        (share("/v1/tables/log-many").await, 200, "streamed"),
        (made(shared(), "/v1/tables/log-many", json!({ "password": "correct horse" })).await, 401, "password"),
        (revoked, 410, "over"),
    ];
    let asks = (0..200).map(|n| follow(url(&links[n % links.len()].0)));
    let answers = futures::future::join_all(asks).await;
    for (n, answer) in answers.iter().enumerate() {
        assert_eq!(answer.status(), links[n % links.len()].1, "{n}");
    }
    for (share, _, outcome) in &links {
        let hits = log(shared(), share, "?limit=1000").await;
        let hits = hits["hits"].as_array().unwrap();
        assert!(hits.iter().all(|hit| hit["outcome"] == *outcome), "{hits:?}");
        let mut ids: Vec<&str> = hits.iter().map(|hit| hit["request_id"].as_str().unwrap()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!((hits.len(), ids.len()), (40, 40));
    }
}

#[tokio::test]
async fn a_client_that_is_fresh_and_one_that_goes_away_are_told_apart() {
    shared().put("/v1/tables/log-table", "a\n1\n").await;
    let share = share("/v1/tables/log-table").await;
    let answer = follow(url(&share)).await;
    let etag = answer.headers()["etag"].to_str().unwrap().to_owned();
    answer.bytes().await.unwrap();
    assert_eq!(follow_with(Method::GET, url(&share), &[("if-none-match", &etag)]).await.status(), 304);
    let outcomes = format!(
        "select outcome from larder.share_hits where share_id = '{}' order by id",
        share["id"].as_str().unwrap()
    );
    shared().wait_for(&outcomes, &["streamed", "unchanged"]).await;
    let bytes =
        format!("select bytes from larder.share_hits where share_id = '{}' order by id", share["id"].as_str().unwrap());
    shared().wait_for(&bytes, &["4", "NULL"]).await;
}

#[tokio::test]
async fn old_hits_are_forgotten() {
    let larder = Service::start(&["--share-log-days", "2", "--sweep-seconds", "3600"]).await;
    larder.put("/v1/blobs/log.txt", "x").await;
    let share = made(&larder, "/v1/blobs/log.txt", json!({})).await;
    larder.anonymous(Method::GET, url(&share)).send().await.unwrap();
    larder.anonymous(Method::GET, url(&share)).send().await.unwrap();
    larder::sweep::once(&larder.app).await.unwrap();
    assert_eq!(larder.column("select count(*) from larder.share_hits").await, ["2"]);
    // Its id says when it was: one of the two becomes three days old.
    let old = larder::shares::first_id(time::OffsetDateTime::now_utc() - time::Duration::days(3));
    larder
        .sql(&format!(
            "update larder.share_hits set id = '{old}' where id = (select min(id::text)::uuid from larder.share_hits)"
        ))
        .await;
    larder::sweep::once(&larder.app).await.unwrap();
    assert_eq!(larder.column("select count(*) from larder.share_hits").await, ["1"]);
}
