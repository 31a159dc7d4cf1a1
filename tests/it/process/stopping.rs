//! SIGTERM, and engines that end by themselves.

use crate::support::{
    json,
    process::{Folder, Larder, within},
};
use reqwest::{Body, Method};
use sha2::{Digest, Sha256};
use std::fs;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::mpsc,
};

/// Bytes that no transfer can hold in its buffers.
fn many_bytes() -> Vec<u8> {
    (0..32).flat_map(|megabyte| vec![megabyte; 1 << 20]).collect()
}

#[tokio::test]
async fn sigterm_lets_running_transfers_end_and_takes_the_service_out_of_readiness() {
    let folder = Folder::new();
    let data = folder.data();
    let service = Larder::start(&data, &[]).await;
    let bytes = many_bytes();
    json(service.put("/v1/blobs/large.bin", bytes.clone()).await, 201).await;

    let mut download = service.get("/v1/blobs/large.bin").await;
    assert_eq!(download.status(), 200);
    let mut received = download.chunk().await.expect("bytes").expect("bytes").to_vec();
    let (upload, rest) = mpsc::channel::<Result<Vec<u8>, std::io::Error>>(1);
    let body = futures::stream::unfold(rest, |mut rest| async move { Some((rest.recv().await?, rest)) });
    let request = service.request(Method::PUT, "/v1/blobs/slow.bin").body(Body::wrap_stream(body));
    let uploading = tokio::spawn(request.send());
    upload.send(Ok(bytes[..1 << 20].to_vec())).await.expect("a reader");
    upload.send(Ok(Vec::new())).await.expect("a reader");
    // Idle connections, one that has not spoken yet among them, hold up nothing.
    let _idle = std::net::TcpStream::connect(service.url.trim_start_matches("http://")).expect("a connection");

    service.terminate();
    service.wait_for_readiness(503).await;
    let late = service.anonymous(Method::GET, "/health/live").send().await.expect("an answer");
    assert_eq!((late.status().as_u16(), &late.headers()["connection"]), (200, &"close".parse().expect("a header")));
    assert!(service.postgres().is_some());

    while let Some(chunk) = download.chunk().await.expect("bytes") {
        received.extend_from_slice(&chunk);
    }
    assert_eq!(Sha256::digest(&received), Sha256::digest(&bytes));
    upload.send(Ok(bytes[1 << 20..].to_vec())).await.expect("a reader");
    drop(upload);
    json(uploading.await.expect("no panic").expect("an answer"), 201).await;
    let mut service = service;
    let ended = service.process.end().await;
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert_eq!(service.postgres(), None);
    assert!(!ended.stderr.contains("cut off"), "{}", ended.stderr);

    let service = Larder::start(&data, &[]).await;
    let kept = service.get("/v1/blobs/slow.bin").await.bytes().await.expect("a body");
    assert_eq!(Sha256::digest(&kept), Sha256::digest(&bytes));
    service.stop().await;
}

#[tokio::test]
async fn while_it_drains_it_serves_whoever_comes_and_each_answer_is_the_last_of_its_connection() {
    let folder = Folder::new();
    // Longer than the test: without it, the service would end at once, since nothing runs.
    let service = Larder::start(&folder.data(), &["--drain-seconds", "3600"]).await;
    let address = service.url.trim_start_matches("http://");
    let mut kept = tokio::net::TcpStream::connect(address).await.expect("a connection");
    let request = "GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n";
    kept.write_all(request.as_bytes()).await.expect("it takes a request");
    let mut first = [0; 1024];
    let read = within("an answer", kept.read(&mut first)).await.expect("an answer");
    assert!(!String::from_utf8_lossy(&first[..read]).contains("connection: close"));

    service.terminate();
    service.wait_for_readiness(503).await;
    // A balancer's connections: one from before, and a new one.
    kept.write_all(request.as_bytes()).await.expect("it is still open");
    let mut last = String::new();
    within("the end of the connection", kept.read_to_string(&mut last)).await.expect("an answer");
    assert!(last.starts_with("HTTP/1.1 200") && last.contains("connection: close"), "{last}");
    let late = service.put("/v1/blobs/late", "bytes").await;
    assert_eq!(late.headers()["connection"], "close");
    json(late, 201).await;
    service.kill();
}

#[tokio::test]
async fn a_transfer_that_outlasts_the_shutdown_is_cut_off_visibly() {
    let folder = Folder::new();
    let service = Larder::start(&folder.data(), &["--shutdown-seconds", "1"]).await;
    let bytes = many_bytes();
    json(service.put("/v1/blobs/large.bin", bytes.clone()).await, 201).await;
    let mut download = service.get("/v1/blobs/large.bin").await;
    download.chunk().await.expect("bytes");
    let ended = service.stop().await;
    assert!(ended.stderr.contains("cut off"), "{}", ended.stderr);
    let broken = loop {
        match download.chunk().await {
            Ok(Some(_)) => {}
            Ok(None) => break false,
            Err(_) => break true,
        }
    };
    assert!(broken, "a part looked whole");
}

#[tokio::test]
async fn a_postgres_that_dies_is_started_again_and_meanwhile_answers_are_problems() {
    let folder = Folder::new();
    let data = folder.data();
    let service = Larder::start(&data, &[]).await;
    json(service.put("/v1/tables/kept", "n\n1\n2\n").await, 201).await;
    service.stop().await;
    let service = Larder::start(&data, &["--request-seconds", "3"]).await;
    let first = service.postgres().expect("Postgres runs");
    // While its folder is away, it cannot come back.
    let (here, away) = (data.join("postgres/data"), data.join("postgres/away"));
    fs::rename(&here, &away).expect("a rename");
    crate::support::process::signal("KILL", first);
    loop {
        let answer = service.get("/v1/tables/kept").await;
        if answer.status() != 200 {
            crate::support::problem(answer, 503, "store-unavailable").await;
            break;
        }
    }
    let answer = service.put("/v1/tables/other", "n\n1\n").await;
    assert!(answer.headers().contains_key("retry-after"));
    crate::support::problem(answer, 503, "store-unavailable").await;
    service.wait_for_readiness(503).await;
    let live = service.anonymous(Method::GET, "/health/live").send().await.expect("an answer");
    assert_eq!(live.status(), 200);

    fs::rename(&away, &here).expect("a rename");
    service.wait_for_readiness(200).await;
    assert_ne!(service.postgres(), Some(first));
    assert_eq!(service.text("/v1/tables/kept/rows.csv").await, "n\n1\n2\n");
    let ended = service.stop().await;
    assert!(ended.stderr.contains("the embedded Postgres ended by itself"), "{}", ended.stderr);
}

#[tokio::test]
async fn whoever_comes_with_a_link_waits_for_a_database_that_is_soon_back_and_is_written_down_once() {
    let folder = Folder::new();
    let data = folder.data();
    let service = Larder::start(&data, &[]).await;
    json(service.put("/v1/documents/kept/a", "{\"n\":1}").await, 201).await;
    let link =
        service.request(Method::POST, "/v1/shares").json(&serde_json::json!({ "target": "/v1/documents/kept/a" }));
    let link = json(link.send().await.expect("an answer"), 201).await;
    let url = link["url"].as_str().expect("a link");
    let postgres = service.postgres().expect("Postgres runs");
    crate::support::process::signal("KILL", postgres);
    for _ in 0..2 {
        let answer = service.anonymous(Method::GET, url).send().await.expect("an answer");
        assert_eq!(json(answer, 200).await, serde_json::json!({ "n": 1 }));
    }
    assert_ne!(service.postgres(), Some(postgres));
    let log = format!("/v1/shares/{}/log", link["id"].as_str().expect("an id"));
    let log = json(service.get(&log).await, 200).await;
    assert_eq!(log["hits"].as_array().map(Vec::len), Some(2), "{log}");
    service.stop().await;
}
