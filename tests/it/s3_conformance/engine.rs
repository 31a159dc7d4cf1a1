//! What is particular to the embedded engine: its folder, its restarts, its place in the service's own router.

use std::path::Path;

use larder::embedded::s3::S3Engine;
use larder::error::Error;

use super::{client, keys, minutes, noise};

async fn start(folder: &Path) -> (S3Engine, aws_sdk_s3::Client) {
    let engine = S3Engine::start(folder, &keys()).await.unwrap();
    let client = client(&format!("http://{}", engine.addr()), &keys());
    (engine, client)
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let folders = std::fs::read_dir(folder.join("bytes")).unwrap();
    let files = folders.flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap());
    files.map(|file| file.unwrap().path()).collect()
}

#[tokio::test]
async fn everything_is_still_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, client) = start(folder.path()).await;
    client.create_bucket().bucket("bucket").send().await.unwrap();
    client.put_object().bucket("bucket").key("k").metadata("m", "v").body(noise(100_000).into()).send().await.unwrap();
    let upload = client.create_multipart_upload().bucket("bucket").key("mp").send().await.unwrap().upload_id.unwrap();
    client
        .upload_part()
        .bucket("bucket")
        .key("mp")
        .upload_id(&upload)
        .part_number(1)
        .body(noise(10).into())
        .send()
        .await
        .unwrap();
    engine.stop().await;

    let (engine, client) = start(folder.path()).await;
    let got = client.get_object().bucket("bucket").key("k").send().await.unwrap();
    assert_eq!(got.metadata().unwrap()["m"], "v");
    assert!(got.body.collect().await.unwrap().to_vec() == noise(100_000));
    let parts = client.list_parts().bucket("bucket").key("mp").upload_id(&upload).send().await.unwrap();
    assert_eq!(parts.parts()[0].size(), Some(10));
    engine.stop().await;
}

#[tokio::test]
async fn files_that_nothing_names_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, client) = start(folder.path()).await;
    client.create_bucket().bucket("bucket").send().await.unwrap();
    for body in ["one", "two", ""] {
        client.put_object().bucket("bucket").key("k").body(body.as_bytes().to_vec().into()).send().await.unwrap();
    }
    client.put_object().bucket("bucket").key("kept").body(b"kept".to_vec().into()).send().await.unwrap();
    let wrong =
        client.put_object().bucket("bucket").key("wrong").checksum_crc32("AAAAAA==").body(b"hello".to_vec().into());
    wrong.send().await.unwrap_err();
    engine.stop().await;
    let kept = files(folder.path());
    assert_eq!(kept.len(), 1);
    assert_eq!(std::fs::read_dir(folder.path().join("drafts")).unwrap().count(), 0);

    // What a crash leaves: a draft, and a file whose row was never committed.
    std::fs::write(folder.path().join("drafts/0123"), "x").unwrap();
    std::fs::write(folder.path().join("bytes/ab/ab000000000000000000000000000000"), "x").unwrap();
    let (engine, client) = start(folder.path()).await;
    assert_eq!(files(folder.path()), kept);
    assert!(!folder.path().join("drafts/0123").exists());
    client.get_object().bucket("bucket").key("kept").send().await.unwrap();
    engine.stop().await;
}

#[tokio::test]
async fn a_folder_belongs_to_one_engine_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, _) = start(folder.path()).await;
    let second = S3Engine::start(folder.path(), &keys()).await;
    assert!(matches!(second, Err(Error::Startup(_))));
    engine.stop().await;
    start(folder.path()).await.0.stop().await;
}

#[tokio::test]
async fn a_presigned_url_works_through_the_services_own_listener() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, direct) = start(folder.path()).await;
    direct.create_bucket().bucket("larder-objects").send().await.unwrap();
    let router = axum::Router::new()
        .route("/", axum::routing::get("the service"))
        .route_service("/larder-objects/{*key}", engine.service());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let public = format!("http://localhost:{}", listener.local_addr().unwrap().port());
    let server = tokio::spawn(async { axum::serve(listener, router).await });

    let outside = client(&public, &keys());
    let http = reqwest::Client::new();
    let key = "objects/ü 1+2";
    let put = outside.put_object().bucket("larder-objects").key(key).presigned(minutes(10)).await.unwrap();
    assert!(put.uri().starts_with(&public));
    assert_eq!(http.put(put.uri()).body(noise(700_000)).send().await.unwrap().status(), 200);
    let get = outside.get_object().bucket("larder-objects").key(key).presigned(minutes(10)).await.unwrap();
    let got = http.get(get.uri()).send().await.unwrap();
    assert_eq!(got.headers()["content-length"], "700000");
    assert!(got.bytes().await.unwrap() == noise(700_000));
    let head = outside.head_object().bucket("larder-objects").key(key).send().await.unwrap();
    assert_eq!(head.content_length(), Some(700_000));
    // Signed for another host.
    let direct = direct.get_object().bucket("larder-objects").key(key).presigned(minutes(10)).await.unwrap();
    let elsewhere = direct.uri().replace(&format!("http://{}", engine.addr()), &public);
    assert_eq!(http.get(elsewhere).send().await.unwrap().status(), 403);
    server.abort();
    engine.stop().await;
}

#[tokio::test]
async fn a_connection_without_the_continue_that_was_expected_is_closed_for_the_sake_of_botocore() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, client) = start(folder.path()).await;
    client.create_bucket().bucket("bucket").send().await.unwrap();
    let url = client.put_object().bucket("bucket").key("k").presigned(minutes(10)).await.unwrap();
    let http = reqwest::Client::new();
    let put = async |body: &'static str, expect: bool| {
        let put = http.put(url.uri()).header("content-length", body.len()).body(body);
        let put = if expect { put.header("expect", "100-continue") } else { put };
        put.send().await.unwrap().headers().get("connection").is_some_and(|value| value == "close")
    };
    assert!(put("", true).await);
    assert!(!put("", false).await);
    assert!(!put("bytes", true).await);
    engine.stop().await;
}

#[test]
fn the_secret_is_not_in_the_debug_output() {
    let shown = format!("{:?}", keys());
    assert!(shown.contains("LARDERTESTKEY") && !shown.contains("not-a-secret"), "{shown}");
}
