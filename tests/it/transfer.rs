//! Moving house: all of an installation out of one kind of stores and into another, and back.

use crate::support::{
    deployment::{Deployment, servers},
    json, problem,
    process::{Ended, Folder, Larder, larder, read_trimmed, run},
};
use reqwest::Method;
use serde_json::{Value, json};
use std::{fs, path::Path, process::Command};

const KEY: &str = "a-key-that-moves-house-0123456789";

/// What must be the same wherever the installation is.
struct Known {
    token: String,
    links: Vec<(String, String)>,
    answers: Vec<(&'static str, String)>,
}

/// Readings whose answers are compared, ETags included.
const READINGS: [&str; 12] = [
    "/v1/blobs/photos/small.txt",
    "/v1/blobs/photos/large.bin",
    "/v1/tables/people/rows.csv?order=name",
    "/v1/tables/people/rows.csv?order=name&version=1",
    "/v1/tables/people/raw",
    "/v1/tables/people/changes",
    "/v1/tables/typed/rows.json",
    "/v1/tables/narrow/rows.csv",
    "/v1/documents/notes/small",
    "/v1/documents/notes/large",
    "/v1/tables/hidden",
    "/v1/documents/notes/hidden",
];

async fn answer(service: &Larder, path: &str) -> String {
    let answer = service.get(path).await;
    let etag = answer.headers().get("etag").map(|etag| etag.to_str().expect("ASCII").to_owned());
    let (status, body) = (answer.status().as_u16(), answer.bytes().await.expect("a body"));
    // Of a problem the id of the request differs.
    let body = if status == 404 { String::new() } else { String::from_utf8_lossy(&body).into_owned() };
    // The house has another address.
    let body = body.replace(&service.url, "").replace("https://data.example.org", "");
    format!("{status} {etag:?} {body}")
}

async fn post(service: &Larder, path: &str, content_type: &str, body: impl Into<reqwest::Body>, status: u16) -> Value {
    let request = service.request(Method::POST, path).header("content-type", content_type).body(body);
    json(request.send().await.expect("an answer"), status).await
}

/// One of everything that a catalogue can name.
async fn fill(service: &Larder) -> Known {
    json(service.put("/v1/blobs/photos/small.txt", "first").await, 201).await;
    json(service.put("/v1/blobs/photos/small.txt", "second").await, 200).await;
    // Several parts.
    json(service.put("/v1/blobs/photos/large.bin", vec![0x5a; 20 << 20]).await, 201).await;
    json(service.put("/v1/tables/people?key=name", "name,age\nada,36\nbob,40\n").await, 201).await;
    json(service.put("/v1/tables/people", "name,age\nada,37\nbob,41\ncy,1\n").await, 200).await;
    post(service, "/v1/tables/people/indexes", "application/json", "{\"columns\":[\"age\"]}", 201).await;
    post(service, "/v1/tables/people/rows?add_columns=true", "text/csv", "name,age,town\ndi,5,Ulm\n", 201).await;
    let change = service.request(Method::PATCH, "/v1/tables/people/rows?name=eq.ada").json(&json!({ "age": 99 }));
    assert!(change.send().await.expect("an answer").status().is_success());
    let typed = "b,i,n,d,t,z,c,u,j,x\n\
         true,9223372036854775807,1.50,2026-02-28,2026-02-28T01:02:03.000004,2026-02-28T01:02:03Z,23:59:59,\
         0a9b6f0e-3c1a-4f5b-8d2e-1f2a3b4c5d6e,\"{\"\"b\"\": [1.0,  2]}\",\"é, \"\"q\"\"\nline\"\n,,,,,,,,,\n";
    json(service.put("/v1/tables/typed", typed).await, 201).await;
    json(service.put("/v1/tables/narrow", "only\n1\n2\n").await, 201).await;
    json(service.put("/v1/documents/notes/small", "{\"n\":1.5,\"list\":[null,true,{\"é\":\"\"}]}").await, 201).await;
    let large = format!("{{\"text\":\"{}\"}}", "x".repeat(600_000));
    json(service.put("/v1/documents/notes/large", large.clone()).await, 201).await;
    json(service.put("/v1/documents/notes/hidden", large).await, 201).await;
    json(service.put("/v1/tables/hidden", "a\n1\n").await, 201).await;
    for path in ["/v1/documents/notes/hidden", "/v1/tables/hidden"] {
        assert!(service.request(Method::DELETE, path).send().await.expect("an answer").status().is_success());
    }
    let mut links = Vec::new();
    for (target, read) in
        [("/v1/blobs/photos/small.txt", ""), ("/v1/tables/people", "/people.csv"), ("/v1/documents/notes/large", "")]
    {
        let share = post(service, "/v1/shares", "application/json", json!({ "target": target }).to_string(), 201).await;
        let url = share["url"].as_str().expect("a link");
        let path = &url[url.find("/s/").expect("a share")..];
        links.push((format!("{path}{read}"), follow(service, &format!("{path}{read}")).await));
    }
    let mut answers = Vec::new();
    for path in READINGS {
        answers.push((path, answer(service, path).await));
    }
    Known { token: service.token.clone(), links, answers }
}

/// What a link gives, streamed through us.
async fn follow(service: &Larder, path: &str) -> String {
    let answer =
        service.anonymous(Method::GET, path).header("authorization", "Bearer x").send().await.expect("an answer");
    assert_eq!(answer.status(), 200, "{path}");
    answer.text().await.expect("a body")
}

impl Known {
    /// The same names, answers and links; and it goes on: keys, indexes, undo, restore.
    async fn holds(&self, service: &mut Larder) {
        service.token.clone_from(&self.token);
        for (path, known) in &self.answers {
            assert_eq!(answer(service, path).await, *known, "{path}");
        }
        for (path, known) in &self.links {
            assert_eq!(follow(service, path).await, *known, "{path}");
        }
        let indexes = json(service.get("/v1/tables/people/indexes").await, 200).await;
        let states: Vec<&Value> =
            indexes["indexes"].as_array().expect("a list").iter().map(|one| &one["state"]).collect();
        assert_eq!(states, ["ready", "ready"], "{indexes}");
    }

    async fn goes_on(&self, service: &Larder) {
        let twice = service.request(Method::POST, "/v1/tables/people/rows").header("content-type", "text/csv");
        problem(twice.body("name,age\nada,1\n").send().await.expect("an answer"), 409, "duplicate-key").await;
        let changes = json(service.get("/v1/tables/people/changes").await, 200).await;
        let id = changes["changes"][0]["id"].as_str().expect("an id").to_owned();
        let undo = service.request(Method::POST, &format!("/v1/tables/people/changes/{id}/undo"));
        assert!(undo.send().await.expect("an answer").status().is_success());
        assert!(service.text("/v1/tables/people/rows.csv?name=eq.ada").await.contains("ada,37"));
        for path in ["/v1/tables/hidden/restore", "/v1/documents/notes/hidden/restore"] {
            let restored = service.request(Method::POST, path).send().await.expect("an answer");
            assert!(restored.status().is_success(), "{path}: {}", restored.text().await.unwrap_or_default());
        }
        assert_eq!(service.text("/v1/documents/notes/hidden").await.len(), 600_011);
    }
}

fn embedded(data: &Path, arguments: &[&str]) -> Command {
    let mut command = larder(data, arguments);
    command.env("LARDER_SECRET_KEYS", KEY);
    command
}

async fn started(command: Command, data: &Path) -> Larder {
    let mut service = Larder::start_with(command).await;
    service.data_dir = data.to_owned();
    service.token = fs::read_to_string(data.join("admin-token")).unwrap_or_default().trim().to_owned();
    service
}

async fn succeeds(command: Command) -> Ended {
    let ended = run(command).await;
    assert!(ended.status.success(), "{ended:?}");
    ended
}

async fn refuses(command: Command, said: &str) {
    let ended = run(command).await;
    assert!(!ended.status.success() && ended.stderr.contains(said), "{said}: {ended:?}");
}

#[tokio::test]
async fn an_installation_moves_to_stores_elsewhere_and_back_with_every_name_and_link() {
    let folder = Folder::new();
    let (data, out) = (folder.data(), folder.path().join("export"));
    let place = out.to_str().expect("UTF-8").to_owned();
    let service = started(embedded(&data, &[]), &data).await;
    let known = fill(&service).await;
    service.stop().await;
    let said = succeeds(embedded(&data, &["export", &place])).await.stdout;
    assert!(said.contains("3 documents"), "{said}");
    refuses(embedded(&data, &["export", &place]), "There is an export already").await;

    // The keys that links derive from must come along.
    let elsewhere = Deployment::new().await.without("LARDER_ADMIN_TOKEN").with("LARDER_SECRET_KEYS", KEY);
    let import = |deployment: &Deployment, place: &str| {
        let mut command = deployment.command(&folder);
        command.args(["import", place]);
        command
    };
    let other_keys = elsewhere.with("LARDER_SECRET_KEYS", "another-key-0123456789-0123456789");
    refuses(import(&other_keys, &place), "LARDER_SECRET_KEYS are not those of the exported installation").await;
    refuses(import(&elsewhere, folder.path().join("nowhere").to_str().expect("UTF-8")), "There is no export").await;
    // A byte that differs, anywhere, is noticed before anything is visible; mended, the same stores take it in.
    for kind in ["rows", "objects", "documents", "catalogue"] {
        let mut files: Vec<_> =
            fs::read_dir(out.join(kind)).expect("a folder").map(|file| file.expect("a file").path()).collect();
        files.sort_by_key(|file| fs::metadata(file).expect("a file").len());
        let largest = files.last().expect("a file");
        let good = fs::read(largest).expect("bytes");
        let mut bad = good.clone();
        *bad.last_mut().expect("a byte") ^= 1;
        fs::write(largest, bad).expect("it is written");
        let ended = run(import(&elsewhere, &place)).await;
        assert!(!ended.status.success(), "{kind}: {ended:?}");
        fs::write(largest, good).expect("it is written");
    }
    succeeds(import(&elsewhere, &place)).await;
    refuses(import(&elsewhere, &place), "The stores are in use").await;
    let mut moved = elsewhere.start().await;
    known.holds(&mut moved).await;

    // Back, through a bucket, while it serves.
    let bucket = format!("{}-export", elsewhere.name);
    servers().s3().create_bucket().bucket(&bucket).send().await.expect("a bucket");
    let place = format!("s3://{bucket}/some/prefix");
    let mut export = elsewhere.command(&folder);
    export.args(["export", &place]);
    succeeds(export).await;
    known.holds(&mut moved).await;
    moved.stop().await;
    let back = folder.path().join("back");
    let mut command = embedded(&back, &["import", &place]);
    let needed = |name: &str| name.starts_with("AWS_") && !name.contains("DYNAMODB");
    command.envs(elsewhere.environment.iter().filter(|(name, _)| needed(name)).map(|(name, value)| (name, value)));
    succeeds(command).await;
    let mut service = started(embedded(&back, &[]), &back).await;
    // The folder's own first token is the bootstrap token now, and the one before has ended.
    let known = Known { token: read_trimmed(&back.join("admin-token")), ..known };
    known.holds(&mut service).await;
    known.goes_on(&service).await;
    service.stop().await;
}

#[tokio::test]
async fn what_is_replaced_while_an_export_runs_is_in_it_all_the_same() {
    let folder = Folder::new();
    let deployment = Deployment::new().await;
    let mut command = deployment.command(&folder);
    command.args(["--garbage-seconds", "0", "--sweep-seconds", "1", "--versions-kept", "1", "--lease-seconds", "4"]);
    let mut service = Larder::start_with(command).await;
    service.token = "the-operators-own-bootstrap-token".to_owned();
    for n in 0..30 {
        json(service.put(&format!("/v1/blobs/b/{n}"), vec![n; 200_000]).await, 201).await;
        json(service.put(&format!("/v1/tables/t{n}"), format!("n\n{n}\n")).await, 201).await;
    }
    let mut export = deployment.command(&folder);
    let place = folder.path().join("export");
    export.args(["export", place.to_str().expect("UTF-8")]);
    let exporting = async { succeeds(export).await };
    let replacing = async {
        for round in 1_u8.. {
            for n in 0..30_u8 {
                let blob = vec![n.wrapping_add(round.wrapping_mul(31)); 200_000];
                assert!(service.put(&format!("/v1/blobs/b/{n}"), blob).await.status().is_success());
                assert!(
                    service.put(&format!("/v1/tables/t{n}"), format!("n\n{n}{round}\n")).await.status().is_success()
                );
            }
        }
    };
    tokio::select! {
        _ = exporting => {}
        () = replacing => unreachable!("it goes on until the export has ended"),
    }
    service.stop().await;
    let fresh = Deployment::new().await.without("LARDER_ADMIN_TOKEN");
    let mut import = fresh.command(&folder);
    import.args(["import", place.to_str().expect("UTF-8")]);
    succeeds(import).await;
    let moved = fresh.start().await;
    for n in 0..30_u8 {
        assert_eq!(moved.get(&format!("/v1/blobs/b/{n}")).await.bytes().await.expect("a body").len(), 200_000);
        assert!(moved.text(&format!("/v1/tables/t{n}/rows.csv")).await.starts_with(&format!("n\n{n}")));
    }
    moved.stop().await;
}
