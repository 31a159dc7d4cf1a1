//! Parquet and workbooks on a link: files with a length, read by ranges.

use super::{made, url};
use crate::support::{Service, json};
use bytes::Bytes;
use larder::sweep;
use reqwest::{Method, Response};
use serde_json::{Value, json};

async fn start(settings: &[&str]) -> (Service, Value) {
    let fixed = ["--garbage-seconds", "0", "--sweep-seconds", "3600", "--versions-kept", "1"];
    let larder = Service::start(&[&fixed, settings].concat()).await;
    let rows: String = (0..5000).map(|n| format!("{n},name {n}\n")).collect();
    json(larder.put("/v1/tables/t", format!("n,name\n{rows}")).await, 201).await;
    let share = made(&larder, "/v1/tables/t", json!({})).await;
    (larder, share)
}

async fn ask(larder: &Service, method: Method, link: &str, range: Option<&str>) -> Response {
    let request = larder.anonymous(method, link);
    let request = range.map_or(request.try_clone().unwrap(), |range| request.header("range", range));
    request.send().await.expect("an answer")
}

fn header(answer: &Response, name: &str) -> String {
    answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
}

async fn swept(larder: &Service) {
    sweep::once(&larder.app).await.unwrap();
    larder.sql("update larder.garbage set due_at = now() - interval '1 second'").await;
    sweep::once(&larder.app).await.unwrap();
}

const KEPT: &str = "select count(*) from larder.renditions";

#[tokio::test]
async fn a_reader_by_ranges_finds_a_file_that_is_made_once() {
    let (larder, share) = start(&[]).await;
    for extension in ["parquet", "xlsx"] {
        let link = format!("{}/t.{extension}", url(&share));
        let streamed = ask(&larder, Method::GET, &link, None).await;
        assert_eq!((streamed.status().as_u16(), header(&streamed, "accept-ranges").as_str()), (200, "items"));
        streamed.bytes().await.unwrap();
        let head = ask(&larder, Method::HEAD, &link, None).await;
        assert_eq!((head.status().as_u16(), header(&head, "accept-ranges").as_str()), (200, "bytes"));
        let (length, etag): (usize, _) = (header(&head, "content-length").parse().unwrap(), header(&head, "etag"));
        // As a reader does: the end first, and then what that names.
        let foot = ask(&larder, Method::GET, &link, Some("bytes=-8")).await;
        assert_eq!(header(&foot, "content-range"), format!("bytes {}-{}/{length}", length - 8, length - 1));
        let foot = foot.bytes().await.unwrap();
        let rest = ask(&larder, Method::GET, &link, Some(&format!("bytes=0-{}", length - 9))).await;
        assert_eq!((rest.status().as_u16(), header(&rest, "etag")), (206, etag.clone()));
        let parts: Bytes = [rest.bytes().await.unwrap(), foot].concat().into();
        let whole = ask(&larder, Method::GET, &link, None).await;
        assert_eq!((header(&whole, "accept-ranges").as_str(), header(&whole, "etag")), ("bytes", etag.clone()));
        assert!(whole.bytes().await.unwrap() == parts);
        let magic = if extension == "parquet" { &b"PAR1"[..] } else { b"PK" };
        assert!(parts.starts_with(magic));
        let fresh = larder.anonymous(Method::GET, &link).header("if-none-match", etag).send().await.unwrap();
        assert_eq!(fresh.status(), 304);
    }
    assert_eq!(larder.column(KEPT).await, ["2"]);
    // The API's own rows are streamed as ever.
    let rows = larder.get("/v1/tables/t/rows.parquet").await;
    assert_eq!(header(&rows, "accept-ranges"), "items");
}

#[tokio::test]
async fn a_file_goes_behind_a_later_state_of_its_table_and_with_its_version() {
    let (larder, share) = start(&[]).await;
    let link = format!("{}/t.parquet", url(&share));
    let etag = async || header(&ask(&larder, Method::HEAD, &link, None).await, "etag");
    let (objects, first) = (larder.objects().await.len(), etag().await);
    assert_eq!(larder.objects().await.len(), objects + 1);
    let request = larder.request(Method::POST, "/v1/tables/t/rows").header("content-type", "text/csv");
    json(request.body("n,name\n5000,more\n").send().await.unwrap(), 201).await;
    let second = etag().await;
    assert_ne!(second, first);
    assert_eq!(larder.column(KEPT).await, ["2"]);
    swept(&larder).await;
    assert_eq!(larder.column(KEPT).await, ["1"]);
    // The table's file, that of the append, and the rendition.
    assert_eq!((larder.objects().await.len(), etag().await), (objects + 2, second));
    larder.sql("update larder.renditions set used_at = now() - interval '25 hours'").await;
    swept(&larder).await;
    assert_eq!((larder.column(KEPT).await.join(""), larder.objects().await.len()), ("0".to_owned(), objects + 1));
    etag().await;
    json(larder.put("/v1/tables/t", "n\n1\n").await, 200).await;
    swept(&larder).await;
    assert_eq!((larder.column(KEPT).await.join(""), larder.objects().await.len()), ("0".to_owned(), objects));
}

#[tokio::test]
async fn those_who_ask_at_once_make_one_file_and_leave_nothing_else() {
    let (larder, share) = start(&[]).await;
    let objects = larder.objects().await.len();
    let link = format!("{}/t.parquet", url(&share));
    let asked = futures::future::join_all((0..8).map(|_| ask(&larder, Method::HEAD, &link, None))).await;
    let mut etags: Vec<String> = asked.iter().map(|answer| header(answer, "etag")).collect();
    etags.dedup();
    assert_eq!((etags.len(), asked[0].status().as_u16()), (1, 200));
    assert_eq!(larder.column(KEPT).await, ["1"]);
    larder.wait_for("select count(*) from larder.pending", &["0"]).await;
    swept(&larder).await;
    assert_eq!(larder.objects().await.len(), objects + 1);
}

#[tokio::test]
async fn where_no_more_files_may_be_kept_they_are_streamed() {
    let (larder, share) = start(&["--renditions-max", "1"]).await;
    let first = ask(&larder, Method::HEAD, &format!("{}/t.parquet", url(&share)), None).await;
    assert_eq!(header(&first, "accept-ranges"), "bytes");
    let second = ask(&larder, Method::HEAD, &format!("{}/t.parquet?n=lt.10", url(&share)), None).await;
    assert_eq!((second.status().as_u16(), header(&second, "accept-ranges").as_str()), (200, "items"));
    let part = ask(&larder, Method::GET, &format!("{}/t.parquet?n=lt.10", url(&share)), Some("bytes=0-3")).await;
    assert_eq!(part.status(), 200);
    assert!(part.bytes().await.unwrap().len() > 100);
    assert_eq!(larder.column(KEPT).await, ["1"]);
}
