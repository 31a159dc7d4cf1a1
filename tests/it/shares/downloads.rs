//! Links that count their downloads.

use super::{made, url};
use crate::support::{Service, json, problem};
use futures::{StreamExt, future::join_all};
use larder::sweep;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use std::{
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

/// More than the buffers between a client and us hold, so that one that goes away has not had it all.
const LARGE: usize = 24 << 20;
const LEASE: [&str; 2] = ["--lease-seconds", "3"];

async fn downloads(larder: &Service, share: &Value) -> u64 {
    let shown = json(larder.get(&format!("/v1/shares/{}", share["id"].as_str().unwrap())).await, 200).await;
    shown["downloads"].as_u64().unwrap()
}

async fn send(request: RequestBuilder) -> Response {
    request.send().await.expect("an answer")
}

/// All bytes, if they come.
async fn whole(answer: Response) -> Option<usize> {
    let mut bytes = 0;
    let mut body = answer.bytes_stream();
    while let Some(chunk) = body.next().await {
        bytes += chunk.ok()?.len();
    }
    Some(bytes)
}

#[tokio::test]
async fn sixty_four_holders_at_two_replicas_get_ten_downloads_and_no_more() {
    let larder = Service::start(&LEASE).await;
    let other = larder.replica(&LEASE).await;
    json(larder.put("/v1/blobs/large.bin", vec![7; LARGE]).await, 201).await;
    let share = made(&larder, "/v1/blobs/large.bin", json!({ "max_downloads": 10 })).await;
    let path = url(&share).strip_prefix(&larder.url).unwrap().to_owned();
    let (had, cut) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let holder = async |n: usize| {
        let replica = if n.is_multiple_of(2) { &larder } else { &other };
        // Half of them are one client, as far as anyone can tell.
        let agent = if n.is_multiple_of(4) { "an agent".to_owned() } else { format!("agent {n}") };
        let mut cuts = n.is_multiple_of(5);
        loop {
            let answer = send(replica.anonymous(Method::GET, &path).header("user-agent", &agent)).await;
            match answer.status().as_u16() {
                200 if cuts => {
                    cuts = false;
                    let mut body = answer.bytes_stream();
                    assert!(body.next().await.unwrap().is_ok());
                    cut.fetch_add(1, Relaxed);
                }
                200 => {
                    if let Some(bytes) = whole(answer).await {
                        assert_eq!(bytes, LARGE);
                        had.fetch_add(1, Relaxed);
                        return;
                    }
                }
                // Others hold all places, and may give theirs back.
                429 => {
                    assert!(answer.headers().contains_key("retry-after"));
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                410 => return,
                status => panic!("{status}: {}", answer.text().await.unwrap()),
            }
        }
    };
    join_all((0..64).map(holder)).await;
    assert_eq!(had.load(Relaxed), 10, "{} were cut off", cut.load(Relaxed));
    assert_eq!((downloads(&larder, &share).await, downloads(&other, &share).await), (10, 10));
    problem(send(other.anonymous(Method::GET, &path)).await, 410, "gone").await;
    assert_eq!(send(larder.anonymous(Method::HEAD, &path)).await.status(), 410);
    // More can be allowed.
    let path_of = format!("/v1/shares/{}", share["id"].as_str().unwrap());
    json(larder.request(Method::PATCH, &path_of).json(&json!({ "max_downloads": 11 })).send().await.unwrap(), 200)
        .await;
    assert_eq!(whole(send(other.anonymous(Method::GET, &path)).await).await, Some(LARGE));
    problem(send(larder.anonymous(Method::GET, &path)).await, 410, "gone").await;
}

#[tokio::test]
async fn what_gives_no_bytes_takes_no_place_and_all_that_does_is_streamed() {
    let larder = Service::start(&[]).await;
    json(larder.put("/v1/blobs/a.txt", "0123456789").await, 201).await;
    let share = made(&larder, "/v1/blobs/a.txt", json!({ "max_downloads": 1 })).await;
    // A preview is not counted, so there is none unless the link says so.
    assert_eq!(share["allow"], json!(["download"]));
    let get = |headers: &[(&str, &str)]| {
        let request = larder.anonymous(Method::GET, url(&share));
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))
    };
    let head = send(larder.anonymous(Method::HEAD, url(&share))).await;
    assert_eq!((head.status().as_u16(), head.headers()["content-length"].to_str().unwrap()), (200, "10"));
    let etag = head.headers()["etag"].to_str().unwrap().to_owned();
    assert_eq!(send(get(&[("if-none-match", &etag)])).await.status(), 304);
    problem(send(get(&[("range", "bytes=10-")])).await, 416, "range-not-satisfiable").await;
    problem(send(larder.anonymous(Method::GET, &format!("{}?preview", url(&share)))).await, 403, "not-shared").await;
    let (window, bot) =
        ("text/html,application/xhtml+xml,*/*;q=0.8", "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)");
    for headers in [[("accept", window), ("user-agent", "Mozilla/5.0")], [("accept", "*/*"), ("user-agent", bot)]] {
        let page = send(get(&headers)).await;
        assert_eq!(page.status(), 200);
        assert!(page.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
    }
    let shown = made(&larder, "/v1/blobs/a.txt", json!({ "max_downloads": 1, "allow": ["view", "download"] })).await;
    problem(send(larder.anonymous(Method::GET, &format!("{}?preview", url(&shown)))).await, 403, "not-shared").await;
    let places = "select count(*) from larder.share_downloads";
    assert_eq!(larder.column(places).await, ["0"]);
    let answer = send(get(&[("prefer", "redirect")])).await;
    assert_eq!((answer.status().as_u16(), whole(answer).await), (200, Some(10)));
    assert_eq!((downloads(&larder, &share).await, larder.column(places).await.join("")), (1, "1".to_owned()));
    problem(send(get(&[])).await, 410, "gone").await;
}

#[tokio::test]
async fn ranges_of_one_client_are_one_download_and_those_of_another_are_its_own() {
    let larder = Service::start(&[]).await;
    json(larder.put("/v1/blobs/a.txt", "0123456789").await, 201).await;
    let share = made(&larder, "/v1/blobs/a.txt", json!({ "max_downloads": 2 })).await;
    let part = async |agent: &str, range: &str| {
        let request = larder.anonymous(Method::GET, url(&share)).header("user-agent", agent);
        send(request.header("range", format!("bytes={range}"))).await
    };
    for (range, text, done) in [("0-3", "0123", 0), ("8-", "89", 0), ("2-5", "2345", 0), ("6-7", "67", 1)] {
        let answer = part("one", range).await;
        assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().as_str()), (206, text));
        assert_eq!(downloads(&larder, &share).await, done, "{range}");
    }
    // It has had all of it: more is another download.
    assert_eq!(part("one", "0-0").await.text().await.unwrap(), "0");
    problem(part("two", "0-0").await, 429, "downloads-in-use").await;
    // The same bytes may be read again, but not for ever.
    for _ in 0..2 {
        assert_eq!(part("one", "0-8").await.text().await.unwrap(), "012345678");
    }
    problem(part("one", "0-8").await, 429, "downloads-in-use").await;
    assert_eq!(part("one", "9-9").await.text().await.unwrap(), "9");
    assert_eq!(downloads(&larder, &share).await, 2);
    problem(part("one", "0-0").await, 410, "gone").await;
}

#[tokio::test]
async fn a_browser_is_known_by_its_cookie_wherever_it_is() {
    let larder = Service::start(&[]).await;
    json(larder.put("/v1/blobs/a.txt", "0123456789").await, 201).await;
    let share = made(&larder, "/v1/blobs/a.txt", json!({ "max_downloads": 2 })).await;
    let part = async |range: &str, agent: &str, cookie: &str| {
        let request = larder.anonymous(Method::GET, url(&share)).header("user-agent", agent).header("cookie", cookie);
        send(request.header("range", format!("bytes={range}"))).await
    };
    let first = part("0-4", "a browser", "").await;
    let told = first.headers()["set-cookie"].to_str().unwrap().to_owned();
    let path = url(&share).strip_prefix(&larder.url).unwrap();
    assert!(told.contains(&format!("Path={path}")) && told.contains("HttpOnly"), "{told}");
    assert_eq!(first.text().await.unwrap(), "01234");
    let rest = part("5-9", "another agent", told.split(';').next().unwrap()).await;
    assert!(!rest.headers().contains_key("set-cookie"));
    assert_eq!(rest.text().await.unwrap(), "56789");
    assert_eq!(downloads(&larder, &share).await, 1);
}

#[tokio::test]
async fn a_place_that_is_given_up_is_free_again_but_not_for_ever() {
    let larder = Service::start(&[]).await;
    json(larder.put("/v1/blobs/large.bin", vec![7; LARGE]).await, 201).await;
    let share = made(&larder, "/v1/blobs/large.bin", json!({ "max_downloads": 1 })).await;
    let ask = async |agent: &str| send(larder.anonymous(Method::GET, url(&share)).header("user-agent", agent)).await;
    let expire = "update larder.share_downloads set lease_until = now() - interval '1 second' where confirmed_at is null and running = 0";
    for n in 0..3 {
        let answer = ask(&format!("agent {n}")).await;
        assert_eq!(answer.status(), 200);
        drop(answer);
        problem(ask("another").await, 429, "downloads-in-use").await;
        larder.wait_for("select count(*) from larder.share_downloads where running > 0", &["0"]).await;
        larder.sql(expire).await;
    }
    // So many were let go; the next one counts, whether it ends or not.
    let answer = ask("agent 3").await;
    assert_eq!(answer.status(), 200);
    drop(answer);
    larder.wait_for("select count(*) from larder.share_downloads where running > 0", &["0"]).await;
    larder.sql(expire).await;
    problem(ask("another").await, 410, "gone").await;
    assert_eq!(downloads(&larder, &share).await, 0);
    sweep::once(&larder.app).await.unwrap();
}

#[tokio::test]
async fn rows_of_a_table_and_files_of_a_folder_are_counted_too() {
    let larder = Service::start(&[]).await;
    json(larder.put("/v1/tables/t", "a\n1\n2\n").await, 201).await;
    json(larder.put("/v1/blobs/f/a.txt", "a").await, 201).await;
    json(larder.put("/v1/blobs/f/empty.txt", "").await, 201).await;
    let table = made(&larder, "/v1/tables/t", json!({ "max_downloads": 2 })).await;
    let text = async |link: &str| {
        let answer = send(larder.anonymous(Method::GET, link)).await;
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert_eq!(text(&format!("{}/x.csv", url(&table))).await, (200, "a\n1\n2\n".to_owned()));
    assert_eq!(text(&format!("{}/x.csv?limit=1", url(&table))).await, (200, "a\n1\n".to_owned()));
    assert_eq!((downloads(&larder, &table).await, text(url(&table)).await.0), (2, 410));
    let folder = made(&larder, "/v1/blobs/f/", json!({ "max_downloads": 2, "allow": ["view", "download"] })).await;
    assert_eq!(text(&format!("{}/empty.txt", url(&folder))).await, (200, String::new()));
    assert_eq!(text(&format!("{}/a.txt", url(&folder))).await, (200, "a".to_owned()));
    assert_eq!((downloads(&larder, &folder).await, text(&format!("{}/a.txt", url(&folder))).await.0), (2, 410));
}
