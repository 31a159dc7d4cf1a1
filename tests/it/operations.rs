//! What an operator watches: metrics, and traces in the log.

use crate::support::{
    json, problem,
    process::{Folder, Larder, larder, read_trimmed},
    shared,
};
use reqwest::Method;
use serde_json::{Value, json};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// The value of a sample, by its name and labels as they are written.
fn sample(metrics: &str, name: &str) -> f64 {
    let mut lines = metrics.lines().filter_map(|line| line.rsplit_once(' '));
    let found = lines.find(|(sample, _)| *sample == name);
    found.unwrap_or_else(|| panic!("no {name} in {metrics}")).1.parse().expect("a number")
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

    let log = lines_of(&service.process.stderr());
    let line = log.iter().find(|line| line["message"] == "listening for collectors of metrics").expect("a line");
    let address = line["address"].as_str().expect("an address").to_owned();
    let answer = service.anonymous(Method::GET, &format!("http://{address}/metrics")).send().await.expect("an answer");
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
    for word in ["secret", "SECRET", "plan", "hidden"] {
        assert!(!metrics.contains(word), "{word}: {metrics}");
    }
    // That address serves nothing else.
    for path in ["/", "/v1/blobs", "/health/live"] {
        let answer = service.anonymous(Method::GET, &format!("http://{address}{path}")).send().await;
        assert_eq!(answer.expect("an answer").status(), 404, "{path}");
    }
    service.stop().await;
}

#[tokio::test]
async fn metrics_of_the_service_itself_are_for_admins() {
    let service = shared();
    assert!(service.text("/metrics").await.contains("larder_build_info"));
    problem(service.anonymous(Method::GET, "/metrics").send().await.expect("an answer"), 401, "unauthenticated").await;
    problem(service.person().await.get("/metrics").await, 403, "forbidden").await;
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
