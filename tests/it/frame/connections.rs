//! Clients that stall, break off or are still reading when the service stops.

use crate::support::{Raw, Service, problem, shared};
use larder::{config::Times, router::router, serve::serve};
use reqwest::Method;
use tokio::{io::AsyncWriteExt, net::TcpListener, sync::oneshot};

#[tokio::test]
async fn a_connection_that_brings_no_request_is_closed() {
    let larder = shared().replica(&["--idle-seconds", "2"]).await;
    let closed = async |bytes: &str| {
        let mut raw = Raw::connect(&larder).await;
        raw.send(bytes).await;
        raw.read_to_end().await
    };
    // The beginning of HTTP/2's preface is that of a request, too.
    let (nothing, preface, line, headers) = tokio::join!(
        closed(""),
        closed("PRI * HT"),
        closed("GET /health/li"),
        closed("GET /health/live HTTP/1.1\r\nhost: x\r\nx-slow: ")
    );
    for answer in [nothing, preface, line, headers] {
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    }
}

#[tokio::test]
async fn an_upload_that_stalls_is_answered_and_nothing_of_it_is_visible() {
    let larder = shared().replica(&["--idle-seconds", "5"]).await;
    let length = "content-length: 1000\r\nconnection: close\r\n";
    let chunked = "transfer-encoding: chunked\r\nconnection: close\r\n";
    let form = format!("{length}content-type: multipart/form-data; boundary=b\r\n");
    let field = "--b\r\ncontent-disposition: form-data; name=\"f\"; filename=\"stalled-form.bin\"\r\n\r\nxxxx";
    let stalled = async |request: &str, headers: &str, body: &str| {
        let mut raw = Raw::connect(&larder).await;
        raw.send_head(&larder, request, headers).await;
        raw.send(body).await;
        raw.read_to_end().await
    };
    let json = format!("{length}content-type: application/json\r\n");
    let answers = tokio::join!(
        stalled("PUT /stalled/smart.bin", length, "xxxx"),
        stalled("PUT /v1/blobs/stalled/blob", chunked, "4\r\nxxxx\r\n"),
        stalled("PUT /v1/tables/stalled-table", length, "a,b\n1,2\n"),
        stalled("PUT /v1/documents/stalled/x", length, "{"),
        stalled("POST /", &form, field),
        stalled("POST /v1/shares", &json, "{"),
    );
    for answer in <[String; 6]>::from(answers) {
        assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
        assert!(answer.contains("/problems/interrupted"), "{answer}");
    }
    for path in [
        "/v1/blobs/stalled/smart.bin",
        "/v1/blobs/stalled/blob",
        "/v1/blobs/stalled-form.bin",
        "/v1/tables/stalled-table",
        "/v1/documents/stalled/x",
    ] {
        problem(shared().get(path).await, 404, "not-found").await;
    }
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_the_old_version_as_it_was() {
    let larder = shared();
    assert_eq!(larder.put("/v1/blobs/broken/off", "before").await.status(), 201);
    for (headers, body) in [
        ("content-length: 1000\r\n", "after".to_owned()),
        ("transfer-encoding: chunked\r\n", "5\r\nafter\r\n".to_owned()),
        ("transfer-encoding: chunked\r\n", "5\r\nafter\r\nnonsense\r\n".to_owned()),
        // More than one part has gone to the bucket.
        ("content-length: 20000000\r\n", "x".repeat(17 << 20)),
    ] {
        let mut raw = Raw::connect(larder).await;
        raw.send_head(larder, "PUT /v1/blobs/broken/off", headers).await;
        raw.send(body).await;
        raw.0.shutdown().await.unwrap();
        let answer = raw.read_to_end().await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
        assert_eq!(larder.text("/v1/blobs/broken/off").await, "before");
    }
}

/// A service on `times` beside the shared one, and the sign to stop it; the task tells whether every request ended.
async fn stoppable(times: Times) -> (String, oneshot::Sender<()>, tokio::task::JoinHandle<bool>) {
    let replica = shared().replica(&[]).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (stop, stopped) = oneshot::channel::<()>();
    let serving =
        tokio::spawn(async move { serve(listener, router(&replica.app), &times, async { drop(stopped.await) }).await });
    (url, stop, serving)
}

/// A download larger than what the sockets on the way hold, of which only the beginning has been read.
async fn started_download(url: &str, name: &str) -> (reqwest::Response, usize) {
    let larder = shared();
    let path = format!("/v1/blobs/draining/{name}");
    assert_eq!(larder.put(&path, vec![7; 40 << 20]).await.status(), 201);
    let mut answer = larder.request(Method::GET, &format!("{url}{path}")).send().await.unwrap();
    let read = answer.chunk().await.unwrap().expect("a beginning").len();
    (answer, read)
}

#[tokio::test]
async fn a_download_that_is_running_ends_before_the_service_does() {
    let (url, stop, serving) = stoppable(shared().app.config.times.clone()).await;
    let (mut answer, mut read) = started_download(&url, "slow").await;
    stop.send(()).unwrap();
    // The sign is taken when new connections are for one request each; one that came just before may be closed, as any idle one.
    let late = async || crate::support::client().get(format!("{url}/health/live")).send().await;
    while !late().await.is_ok_and(|answer| answer.headers().contains_key("connection")) {
        tokio::task::yield_now().await;
    }
    assert!(!serving.is_finished());
    while let Some(chunk) = answer.chunk().await.unwrap() {
        read += chunk.len();
    }
    assert_eq!(read, 40 << 20);
    assert!(serving.await.unwrap(), "all requests ended");
}

#[tokio::test]
async fn a_download_that_nobody_reads_does_not_hold_the_service_up() {
    let (url, stop, serving) = stoppable(Times { shutdown_seconds: 1, ..shared().app.config.times.clone() }).await;
    let (answer, _) = started_download(&url, "unread").await;
    stop.send(()).unwrap();
    assert!(!serving.await.unwrap(), "it was cut off");
    drop(answer);
}

#[tokio::test]
async fn a_reader_that_stalls_gives_its_connection_to_the_database_back() {
    let whole = Service::start(&[]).await;
    let larder =
        whole.replica(&["--idle-seconds", "5", "--pool-connections-max", "1", "--request-seconds", "300"]).await;
    let mut file = String::from("n,text\n");
    for n in 0..300_000 {
        file.push_str(&format!("{n},abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz\n"));
    }
    assert_eq!(whole.put("/v1/tables/long", file).await.status(), 201);
    let mut stalled = larder.get("/v1/tables/long/rows.csv").await;
    stalled.chunk().await.unwrap().expect("a beginning");
    // The only connection is taken until the stalled reader is given up.
    assert_eq!(larder.text("/v1/tables/long/rows.csv?limit=1&select=n").await, "n\n0\n");
    let rest = loop {
        match stalled.chunk().await {
            Ok(Some(_)) => {}
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    assert!(rest.is_err(), "a part looked whole");
}
