//! What is logged, and what never is.

use crate::support::{
    json,
    process::{Folder, Larder, larder, read_trimmed},
};
use futures::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn logs_are_json_with_one_line_for_each_request_and_hold_no_secret() {
    let folder = Folder::new();
    let data = folder.data();
    let mut command = larder(&data, &[]);
    let key = "a-key-that-signs-links-0123456789abcdef";
    // As talkative as an operator can make it.
    command.env("LARDER_SECRET_KEYS", key).env("LARDER_LOG", "trace");
    let mut service = Larder::start_with(command).await;
    service.data_dir.clone_from(&data);
    service.token = read_trimmed(&data.join("admin-token"));
    let keys: Value = serde_json::from_str(&read_trimmed(&data.join("engine-keys.json"))).expect("JSON");
    let mut secrets = vec![service.token.clone(), key.to_owned(), "a-wrong-token".to_owned()];
    secrets.push(keys["secret_access_key"].as_str().expect("a string").to_owned());

    let blob = json(service.put("/secret-plans/cat.png?share=7d", "\u{89}PNG meow").await, 201).await;
    let link = |value: &Value| value.as_str().expect("a link").to_owned();
    let share = link(&blob["links"]["share"]);
    let presigned = link(&blob["presigned"]["url"]);
    secrets.push(share.rsplit('/').next().expect("a token").to_owned());
    let signature = presigned.split("X-Amz-Signature=").nth(1).expect("a signature").split('&').next();
    secrets.push(signature.expect("a signature").to_owned());
    secrets.extend(["secret-plans".to_owned(), "meow".to_owned(), "private-cell".to_owned()]);
    let table = json(service.put("/people.csv?share=7d", "name\nprivate-cell\n").await, 201).await;
    json(service.put("/v1/documents/notes/private-cell", "{\"a\":\"private-cell\"}").await, 201).await;
    for (path, status) in [
        (share.as_str(), 307),
        (link(&table["links"]["share"]).as_str(), 200),
        (presigned.as_str(), 200),
        (presigned.replace("cat.png", "dog.png").as_str(), 403),
        ("/s/unknown", 404),
        ("/v1/shares", 401),
        ("/openapi.json?token=a-wrong-token", 200),
    ] {
        let answer = service.anonymous(Method::GET, path).send().await.expect("an answer");
        assert_eq!(answer.status().as_u16(), status, "{path}");
    }
    let wrong = service.anonymous(Method::GET, "/v1/shares").bearer_auth("a-wrong-token");
    assert_eq!(wrong.send().await.expect("an answer").status(), 401);
    let token =
        json(service.request(Method::POST, "/v1/tokens").json(&json!({ "name": "x" })).send().await.unwrap(), 201)
            .await;
    secrets.push(token["token"].as_str().expect("a token").to_owned());
    let login = service.anonymous(Method::POST, "/login").json(&json!({ "token": token["token"] }));
    let login = login.send().await.expect("an answer");
    let cookie =
        login.headers()["set-cookie"].to_str().expect("ASCII").split(['=', ';']).nth(1).expect("a value").to_owned();
    let session = service.anonymous(Method::GET, "/v1/audit").header("cookie", format!("larder-session={cookie}"));
    assert_eq!(session.send().await.expect("an answer").status(), 200);
    let locked = json!({ "target": "/v1/tables/people", "password": "an-open-sesame" });
    let locked = json(service.request(Method::POST, "/v1/shares").json(&locked).send().await.unwrap(), 201).await;
    for password in ["an-open-sesame", "a-closed-sesame"] {
        let request = service.anonymous(Method::GET, locked["url"].as_str().expect("a link"));
        request.basic_auth("", Some(password)).send().await.expect("an answer");
        secrets.push(password.to_owned());
    }
    secrets
        .extend([cookie, locked["url"].as_str().and_then(|url| url.rsplit('/').next()).expect("a token").to_owned()]);
    let broken = service.put("/broken.csv", "a,b\n1,2\n3,\"private-cell\n").await;
    crate::support::problem(broken, 422, "malformed").await;
    let broken = service.put("/v1/documents/notes/x", "{\"a\": private-cell}").await;
    crate::support::problem(broken, 422, "malformed").await;
    let request = service.request(Method::PUT, "/v1/blobs/secret-plans/2").header("x-request-id", "told-by-the-client");
    json(request.body("meow").send().await.expect("an answer"), 201).await;
    assert_eq!(service.get("/v1/tables/absent/rows").await.status(), 404);
    let ended = service.stop().await;

    let lines: Vec<Value> = ended
        .stderr
        .lines()
        .filter(|line| !line.starts_with("larder: "))
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("this is no JSON: {line}")))
        .collect();
    let answered: Vec<&Value> = lines.iter().filter(|line| line["message"] == "answered").collect();
    let of = |method: &str, path: &str, status: u16| {
        let is = |line: &&&Value| {
            line["span"]["method"] == method && line["span"]["path"] == path && line["status"] == status
        };
        answered.iter().filter(is).count()
    };
    for (method, path, status, times) in [
        ("PUT", "/{*path}", 201, 2),
        ("PUT", "/{*path}", 422, 1),
        ("PUT", "/v1/documents/{collection}/{id}", 201, 1),
        ("PUT", "/v1/documents/{collection}/{id}", 422, 1),
        ("PUT", "/v1/blobs/{*key}", 201, 1),
        ("GET", "/s/{token}", 307, 1),
        ("GET", "/s/{token}", 200, 2),
        ("GET", "/s/{token}", 404, 1),
        ("GET", "/v1/shares", 401, 2),
        ("GET", "/larder-objects/{*key}", 200, 1),
        ("GET", "/larder-objects/{*key}", 403, 1),
        ("GET", "/v1/tables/{name}/rows", 404, 1),
    ] {
        assert_eq!(of(method, path, status), times, "{method} {path} {status}: {}", ended.stderr);
    }
    let mut ids: Vec<&str> = answered.iter().filter_map(|line| line["span"]["request_id"].as_str()).collect();
    assert_eq!(ids.len(), answered.len());
    assert!(ids.contains(&"told-by-the-client"));
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), answered.len(), "a line for each request, an id for each line");
    assert!(answered.iter().all(|line| line["duration_ms"].is_u64()), "{answered:?}");
    for secret in &secrets {
        // The banner of a first start shows the token, once; the log never does.
        let banner = ended.stdout.replacen(&secrets[0], "", 1);
        let told = format!("{banner}{}", ended.stderr);
        let line = told.lines().find(|line| line.contains(secret.as_str()));
        assert_eq!(line, None, "`{secret}` is in the output");
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_has_a_line_that_says_why_and_of_which_request() {
    let folder = Folder::new();
    let data = folder.data();
    let mut service = Larder::start_with(larder(&data, &[])).await;
    service.data_dir.clone_from(&data);
    service.token = read_trimmed(&data.join("admin-token"));
    // More than the buffers between a client and us hold.
    let rows: String =
        (0..300_000).map(|n| format!("{n},a-private-cell-of-some-length-{n}-and-{n}-and-{n}-and-{n}\n")).collect();
    json(service.put("/v1/tables/long", format!("n,text\n{rows}")).await, 201).await;
    let request = service.request(Method::GET, "/v1/tables/long/rows.csv").header("x-request-id", "broken-off");
    let mut body = request.send().await.unwrap().bytes_stream();
    assert!(body.next().await.unwrap().is_ok());
    let end = "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and datname = current_database() and xact_start is not null";
    sqlx::raw_sql(end).execute(&mut service.database().await).await.unwrap();
    let mut broken = false;
    while let Some(chunk) = body.next().await {
        broken |= chunk.is_err();
    }
    assert!(broken, "all of it came");
    let ended = service.stop().await;
    let lines = ended.stderr.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let told: Vec<Value> = lines.filter(|line| line["message"] == "an answer broke off").collect();
    assert_eq!(told.len(), 1, "{}", ended.stderr);
    assert_eq!((&told[0]["level"], &told[0]["span"]["request_id"]), (&json!("WARN"), &json!("broken-off")));
    assert!(told[0]["error"].as_str().unwrap().len() > 10, "{told:?}");
    assert!(!ended.stderr.contains("a-private-cell"), "{}", ended.stderr);
}
