//! What an operator watches: metrics, and traces in the log.

use crate::support::{
    deployment::{Deployment, servers},
    json, problem,
    process::{Folder, Larder, larder, read_trimmed, signal},
    shared,
};
use reqwest::Method;
use serde_json::{Value, json};
use std::{fs, net::SocketAddr};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_util::task::AbortOnDropHandle;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// The value of a sample, by its name and labels as they are written.
fn sample(metrics: &str, name: &str) -> f64 {
    let mut lines = metrics.lines().filter_map(|line| line.rsplit_once(' '));
    let found = lines.find(|(sample, _)| *sample == name);
    found.unwrap_or_else(|| panic!("no {name} in {metrics}")).1.parse().expect("a number")
}

/// Where a service with `LARDER_METRICS_LISTEN` and logs in JSON serves its metrics.
fn collector(service: &Larder) -> String {
    let log = lines_of(&service.process.stderr());
    let line = log.iter().find(|line| line["message"] == "listening for collectors of metrics").expect("a line");
    format!("http://{}/metrics", line["address"].as_str().expect("an address"))
}

fn lines_of(log: &str) -> Vec<Value> {
    log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

#[tokio::test]
async fn metrics_count_by_names_of_ours_alone() {
    let folder = Folder::new();
    let mut command = larder(&folder.data(), &[]);
    command.env("LARDER_METRICS_LISTEN", "127.0.0.1:0").env("LARDER_LOG_FORMAT", "json");
    let mut service = Larder::start_with(command).await;
    service.data_dir = folder.data();
    service.token = read_trimmed(&folder.data().join("admin-token"));
    let bytes = vec![7; 100_000];
    let blob = json(service.put("/plan.bin?share=7d", bytes.clone()).await, 201).await;
    json(service.put("/secret.csv", "word\nhidden\n").await, 201).await;
    json(service.put("/v1/documents/secret/one", "{\"word\":\"hidden\"}").await, 201).await;
    assert_eq!(service.text("/v1/blobs/plan.bin").await.len(), bytes.len());
    for path in ["/secret/1", "/secret/2", "/s/secret"] {
        assert!(service.anonymous(Method::GET, path).send().await.expect("an answer").status().is_client_error());
    }
    let odd = Method::from_bytes(b"SECRET").expect("a method");
    assert_eq!(service.request(odd, "/v1/blobs").send().await.expect("an answer").status(), 405);
    let share = blob["links"]["share"].as_str().expect("a link");
    assert_eq!(service.anonymous(Method::GET, share).send().await.expect("an answer").status(), 307);

    let before = scraped(&service).await;
    for path in ["/v1/tables/secret/rows.csv", "/v1/tables/secret/rows.json?limit=5"] {
        assert!(service.text(path).await.contains("hidden"));
    }
    let collector = collector(&service);
    let answer = service.anonymous(Method::GET, &collector).send().await.expect("an answer");
    let content_type = answer.headers()["content-type"].to_str().expect("ASCII").to_owned();
    assert!(content_type.starts_with("application/openmetrics-text; version=1.0.0"), "{content_type}");
    let metrics = answer.text().await.expect("a body");
    assert!(metrics.ends_with("# EOF\n"), "{metrics}");
    for (name, value) in [
        ("larder_requests_total{method=\"PUT\",route=\"/{*path}\",status=\"201\"}", 2.0),
        ("larder_requests_total{method=\"GET\",route=\"/v1/blobs/{*key}\",status=\"200\"}", 1.0),
        ("larder_requests_total{method=\"GET\",route=\"/s/{token}\",status=\"307\"}", 1.0),
        ("larder_requests_total{method=\"other\",route=\"/v1/blobs\",status=\"405\"}", 1.0),
        ("larder_request_seconds_count{method=\"PUT\",route=\"/{*path}\"}", 2.0),
        ("larder_store_calls_total{store=\"documents\",operation=\"PutItem\",outcome=\"ok\"}", 0.0),
        ("larder_store_retries_total{store=\"objects\",operation=\"PutObject\"}", 0.0),
        ("larder_share_hits_total{outcome=\"redirected\"}", 1.0),
        ("larder_pool_connections_max{pool=\"control\"}", 10.0),
        ("larder_pool_wait_seconds{pool=\"loads\"}", 0.0),
        ("larder_uploads_pending", 0.0),
        ("larder_garbage_due", 0.0),
        ("larder_jobs_running", 0.0),
    ] {
        // The start tries some calls too.
        let found = sample(&metrics, name);
        assert!(
            if value == 0.0 && name.contains("calls") { found >= 1.0 } else { (found - value).abs() < 0.5 },
            "{name} {found}"
        );
    }
    let moved = |way| sample(&metrics, &format!("larder_store_bytes_total{{store=\"objects\",direction=\"{way}\"}}"));
    assert!(moved("in") >= 100_000.0 && moved("out") >= 100_000.0, "{metrics}");
    assert!(sample(&metrics, "larder_store_bytes_total{store=\"database\",direction=\"in\"}") > 0.0);
    // The one cell, whole and as a page.
    let out = "larder_store_bytes_total{store=\"database\",direction=\"out\"}";
    assert!((sample(&metrics, out) - 12.0).abs() < 0.5 && !before.contains(out), "{metrics}");
    for word in ["secret", "SECRET", "plan", "hidden"] {
        assert!(!metrics.contains(word), "{word}: {metrics}");
    }
    // That address serves nothing else.
    let address = collector.trim_end_matches("/metrics");
    for path in ["/", "/v1/blobs", "/health/live"] {
        let answer = service.anonymous(Method::GET, &format!("{address}{path}")).send().await;
        assert_eq!(answer.expect("an answer").status(), 404, "{path}");
    }
    service.stop().await;
}

async fn scraped(service: &Larder) -> String {
    let answer = service.anonymous(Method::GET, &collector(service)).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    answer.text().await.expect("a body")
}

#[tokio::test]
async fn an_outage_of_the_database_is_counted_and_does_not_end_the_metrics() {
    let folder = Folder::new();
    let data = folder.data();
    let mut command = larder(&data, &["--request-seconds", "2"]);
    command.env("LARDER_METRICS_LISTEN", "127.0.0.1:0").env("LARDER_LOG_FORMAT", "json");
    let mut service = Larder::start_with(command).await;
    service.data_dir.clone_from(&data);
    service.token = read_trimmed(&data.join("admin-token"));
    json(service.put("/v1/tables/kept", "n\n1\n").await, 201).await;
    let metrics = scraped(&service).await;
    assert!(
        !metrics.contains("larder_store_unavailable_total{") && metrics.contains("larder_garbage_due "),
        "{metrics}"
    );

    // While its folder is away, it cannot come back.
    let (here, away) = (data.join("postgres/data"), data.join("postgres/away"));
    let postgres = service.postgres().expect("Postgres runs");
    fs::rename(&here, &away).expect("a rename");
    signal("KILL", postgres);
    loop {
        let answer = service.get("/v1/tables/kept").await;
        if answer.status() != 200 {
            problem(answer, 503, "store-unavailable").await;
            break;
        }
    }
    let metrics = scraped(&service).await;
    // The reading was tried more than once before it failed.
    let tries = sample(&metrics, "larder_store_retries_total{store=\"database\",operation=\"read\"}");
    assert!(tries >= 1.0, "{metrics}");
    assert!(sample(&metrics, "larder_store_unavailable_total{store=\"database\"}") > tries, "{metrics}");
    // What only the database knows is left out, and the rest is there.
    assert!(!metrics.contains("larder_garbage_due ") && metrics.contains("larder_pool_connections_max{"), "{metrics}");
    fs::rename(&away, &here).expect("a rename");
    service.wait_for_readiness(200).await;
    assert!(scraped(&service).await.contains("larder_garbage_due "));
    service.stop().await;
}

#[tokio::test]
async fn metrics_of_the_service_itself_are_for_admins() {
    let service = shared();
    assert!(service.text("/metrics").await.contains("larder_build_info"));
    problem(service.anonymous(Method::GET, "/metrics").send().await.expect("an answer"), 401, "unauthenticated").await;
    problem(service.person().await.get("/metrics").await, 403, "forbidden").await;
}

/// A way to a server that can be shut.
struct Gate {
    url: String,
    _connections: AbortOnDropHandle<()>,
}

impl Gate {
    async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let passing = async move {
            let mut connections = JoinSet::new();
            while let Ok((mut client, _)) = listener.accept().await {
                connections.spawn(async move {
                    let mut behind = TcpStream::connect(server).await?;
                    copy_bidirectional(&mut client, &mut behind).await
                });
            }
        };
        Self { url, _connections: AbortOnDropHandle::new(tokio::spawn(passing)) }
    }
}

#[tokio::test]
async fn the_outage_of_a_store_takes_down_what_needs_it_and_never_the_process() {
    let stores = [
        ("objects", "AWS_ENDPOINT_URL_S3", servers().s3.addr(), "/v1/blobs/kept.txt", "GetObject"),
        ("documents", "AWS_ENDPOINT_URL_DYNAMODB", servers().dynamodb.addr(), "/v1/documents/kept/one", "GetItem"),
    ];
    for (store, setting, server, needs, operation) in stores {
        let gate = Gate::before(server).await;
        let service = Deployment::new().await.with(setting, &gate.url).start().await;
        json(service.put("/v1/blobs/kept.txt", "kept").await, 201).await;
        json(service.put("/v1/documents/kept/one", "{\"v\":1}").await, 201).await;
        json(service.put("/v1/tables/kept", "n\n1\n").await, 201).await;
        service.text(needs).await;
        drop(gate);

        problem(service.get(needs).await, 503, "store-unavailable").await;
        let ready = service.anonymous(Method::GET, "/health/ready").send().await.expect("an answer");
        let ready = json(ready, 503).await;
        for other in ["database", "objects", "documents"] {
            assert_eq!(ready[other] == "failing", other == store, "{store}: {ready}");
        }
        let live = service.anonymous(Method::GET, "/health/live").send().await.expect("an answer");
        assert_eq!(live.status(), 200);
        for other in ["/v1/blobs/kept.txt", "/v1/documents/kept/one", "/v1/tables/kept/rows.csv"] {
            let status = service.get(other).await.status().as_u16();
            assert_eq!(status, if other == needs { 503 } else { 200 }, "{store}: {other}");
        }
        let metrics = service.text("/metrics").await;
        let failed =
            format!("larder_store_calls_total{{store=\"{store}\",operation=\"{operation}\",outcome=\"failed\"}}");
        let retried = format!("larder_store_retries_total{{store=\"{store}\",operation=\"{operation}\"}}");
        let unavailable = format!("larder_store_unavailable_total{{store=\"{store}\"}}");
        let [failed, retried, unavailable] = [failed, retried, unavailable].map(|name| sample(&metrics, &name));
        // Each call four times.
        assert!(failed >= 2.0 && retried >= 3.0 * failed - 0.5 && unavailable >= 2.0, "{metrics}");
        service.stop().await;
    }
}

/// As deploy/README.md rotates them: known to all replicas first, and put first then.
#[tokio::test]
async fn keys_are_rotated_replica_by_replica_and_no_link_is_met_by_one_that_does_not_know_it() {
    let (old, new) = ("the-key-of-before-0123456789-0123456789", "the-key-from-now-on-0123456789-0123456789");
    let deployment = Deployment::new().await;
    let with = |keys: String| deployment.with("LARDER_SECRET_KEYS", keys);
    let link = async |service: &Larder, name: &str| {
        let blob = json(service.put(&format!("/{name}.txt?share=7d"), name.to_owned()).await, 201).await;
        let link = blob["links"]["share"].as_str().expect("a link").to_owned();
        link[link.find("/s/").expect("a share")..].to_owned()
    };
    let status = async |service: &Larder, link: &str| {
        service.anonymous(Method::GET, link).send().await.expect("an answer").status().as_u16()
    };
    let first = with(old.to_owned()).start().await;
    let before = link(&first, "before").await;
    let mut replicas = vec![first];
    for (step, keys) in [format!("{old},{new}"), format!("{new},{old}")].into_iter().enumerate() {
        let next = with(keys).start().await;
        let made = [link(&next, &format!("next-{step}")).await, link(&replicas[0], &format!("last-{step}")).await];
        for link in made.iter().chain([&before]) {
            for service in [&next, &replicas[0]] {
                assert_eq!(status(service, link).await, 307, "step {step}: {link}");
            }
        }
        replicas.insert(0, next);
    }
    let after = link(&replicas[0], "after").await;
    let rotated = with(new.to_owned()).start().await;
    assert_eq!((status(&rotated, &after).await, status(&rotated, &before).await), (307, 404));
    for service in replicas.into_iter().chain([rotated]) {
        service.stop().await;
    }
}

#[tokio::test]
async fn a_traceparent_is_taken_up_into_each_line_and_a_malformed_one_begins_a_trace() {
    let folder = Folder::new();
    let service = Larder::start(&folder.data(), &[]).await;
    for (id, sent) in
        [("good", format!("00-{TRACE}-{PARENT}-01")), ("bad", format!("00-{TRACE}-{PARENT}")), ("none", String::new())]
    {
        let request = service.request(Method::GET, "/v1/tables/absent/rows").header("x-request-id", id);
        let request = if sent.is_empty() { request } else { request.header("traceparent", sent) };
        assert_eq!(request.send().await.expect("an answer").status(), 404);
    }
    let ended = service.stop().await;
    let lines = lines_of(&ended.stderr);
    let of = |id: &str| lines.iter().filter(|line| line["span"]["request_id"] == id).collect::<Vec<_>>();
    let hex = |value: &Value, digits: usize| {
        let text = value.as_str().unwrap_or_default();
        text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    for id in ["good", "bad", "none"] {
        assert!(!of(id).is_empty(), "{}", ended.stderr);
        for line in of(id) {
            assert!(hex(&line["span"]["trace_id"], 32) && hex(&line["span"]["span_id"], 16), "{line}");
            assert_eq!(line["span"]["trace_id"] == TRACE, id == "good", "{line}");
            assert_eq!(line["span"]["parent_id"] == PARENT, id == "good", "{line}");
            assert_ne!(line["span"]["span_id"], PARENT);
        }
        let answered = of(id).into_iter().find(|line| line["message"] == "answered").expect("the line of the answer");
        assert_eq!(
            (&answered["principal"], &answered["client"]),
            (&json!("admin"), &json!("127.0.0.0/24")),
            "{answered}"
        );
    }
}
