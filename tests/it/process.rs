//! Start, stop, settings and logs, as an operator meets them.

use crate::support::{
    json,
    process::{Folder, Larder, bare, larder, read_trimmed, refused, run, within},
};
use clap::Args;
use larder::config::Config;
use reqwest::{Body, Method};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::mpsc,
};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("a file").permissions().mode() & 0o777
}

/// What follows `word` on its line of the banner.
fn line<'a>(banner: &'a str, word: &str) -> &'a str {
    let mut lines = banner.lines().map(str::trim);
    let line = lines.find_map(|line| line.strip_prefix(word)).unwrap_or_else(|| panic!("no {word} in {banner}"));
    line.trim()
}

fn bash(line: &str) -> (i32, String, String) {
    let output = Command::new("bash").args(["-c", line]).stdin(Stdio::null()).output().expect("bash");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

#[tokio::test]
async fn the_banner_says_where_everything_is_and_its_lines_work_when_pasted() {
    let folder = Folder::new();
    // What a shell would take apart if it were not quoted.
    let data = folder.path().join("Ann's $HOME data");
    let service = Larder::start(&data, &[]).await;
    println!("cold start: {:?}", service.start_time);
    let banner = service.stdout();
    assert_eq!(line(&banner, "Larder listens on"), service.url);
    let shown = data.canonicalize().expect("a folder").display().to_string();
    assert_eq!(line(&banner, "data"), format!("{shown}  (0 datasets)"));
    let token = format!("{}  (shown this once; kept in {shown}/admin-token)", service.token);
    assert_eq!(line(&banner, "token"), token);
    assert_eq!(mode(&data.join("admin-token")), 0o600);
    json(service.get("/v1/shares").await, 200).await;

    for (engine, variable) in [("S3  ", "AWS_ENDPOINT_URL_S3"), ("DynamoDB", "AWS_ENDPOINT_URL_DYNAMODB")] {
        let address = line(&banner, engine).split(' ').next().expect("an address").to_owned();
        assert!(address.starts_with("http://127.0.0.1:"), "{address}");
        let env = read_trimmed(&data.join("aws.env"));
        assert!(env.contains(&format!("{variable}={address}")), "{env}");
    }
    assert_eq!(mode(&data.join("aws.env")), 0o600);
    let env = banner.split('`').nth(1).expect("a command");
    let (code, out, err) = bash(&format!("{env}; printenv AWS_ACCESS_KEY_ID"));
    assert_eq!((code, out.starts_with("LARDER")), (0, true), "{env}: {err}");
    assert!(line(&banner, "Postgres").starts_with("psql -h "), "{banner}");

    let lines: Vec<&str> = banner.lines().filter(|line| line.starts_with("curl ")).collect();
    assert_eq!(lines.len(), 3, "{banner}");
    for (line, kind) in lines.iter().zip(["blob", "table", "document"]) {
        assert!(line.starts_with("curl --fail-with-body "), "{line}");
        // `-w` comes from outside, so that the line runs exactly as printed.
        let settings = folder.path().join(".curlrc");
        fs::write(&settings, "silent\nwrite-out = \"\\n%{http_code}\"\n").expect("a file");
        let (code, out, err) = bash(&format!("export CURL_HOME='{}'; {line}", folder.path().display()));
        let (body, status) = out.rsplit_once('\n').unwrap_or_default();
        assert_eq!((code, status), (0, "201"), "{line}: {out}{err}");
        let descriptor: Value = serde_json::from_str(body).expect("JSON");
        assert_eq!(descriptor["kind"], kind, "{body}");
    }
    let token = service.token.clone();
    let cities = service.text("/v1/tables/cities/raw").await;
    service.stop().await;

    let again = Larder::start(&data, &[]).await;
    println!("warm start: {:?}", again.start_time);
    assert!(line(&again.stdout(), "data").ends_with("(3 datasets)"), "{}", again.stdout());
    assert_eq!(again.token, token);
    assert_eq!(again.text("/v1/tables/cities/raw").await, cities);
    again.stop().await;
}

#[tokio::test]
async fn a_second_process_on_the_data_folder_is_refused_and_so_is_a_port_in_use() {
    let folder = Folder::new();
    let data = folder.data();
    let service = Larder::start(&data, &[]).await;
    let shown = data.canonicalize().expect("a folder").display().to_string();
    for arguments in [&[][..], &["token", "create", "--admin"]] {
        let said = refused(larder(&data, arguments)).await;
        assert!(said.contains(&shown) && said.contains("LARDER_DATA_DIR"), "{said}");
        assert!(said.contains(&format!("process {}", service.process.id())), "{said}");
    }
    json(service.get("/v1/shares").await, 200).await;

    let held = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = held.local_addr().expect("an address").to_string();
    let mut command = larder(&folder.path().join("other"), &[]);
    command.env("LARDER_LISTEN", &address);
    let said = refused(command).await;
    assert!(said.contains("LARDER_LISTEN") && said.contains(&address), "{said}");
    assert!(!folder.path().join("other").exists());
}

#[tokio::test]
async fn a_wrong_setting_is_refused_by_name_and_before_anything_is_made() {
    let folder = Folder::new();
    let data = folder.data();
    let key = "k".repeat(32);
    let three_keys = format!("{key},{key},{key}");
    for (variable, value, words) in [
        ("LARDER_LISTEN", "nonsense", "socket address"),
        ("LARDER_TYPO", "1", "larder --help"),
        ("LARDER_PUBLIC_URL", "data.example.org", "http://"),
        ("LARDER_PUBLIC_URL", "https://data.example.org/larder", "without a path"),
        ("LARDER_SECRET_KEYS", "short", "32 characters"),
        ("LARDER_SECRET_KEYS", &three_keys, "one or two"),
        ("LARDER_SECRET_KEYS", "", "32 characters"),
        ("LARDER_ADMIN_TOKEN", "short", "16 characters"),
        ("LARDER_ADMIN_TOKEN", "", "16 characters"),
        ("LARDER_EMBEDDED", "sometimes", "never"),
        ("LARDER_S3_BUCKET", "", "value"),
        ("LARDER_DYNAMODB_TABLE", "", "value"),
        ("DATABASE_URL", "mysql-on-a-host", "postgres://"),
        ("DATABASE_URL", "", "postgres://"),
        ("LARDER_PAGE_ROWS_MAX", "0", "1.."),
        ("LARDER_SWEEP_SECONDS", "soon", "soon"),
        ("LARDER_LOG", "larder=[", "LARDER_LOG"),
        ("LARDER_CORS_ORIGINS", "dash.example.org", "http://"),
    ] {
        let mut command = larder(&data, &[]);
        command.env(variable, value);
        let said = refused(command).await;
        assert!(said.contains(variable) && said.contains(words), "{variable}={value}: {said}");
        assert!(!data.exists(), "{variable}={value} made a folder");
    }
    let said = refused(larder(&data, &["--typo"])).await;
    assert!(said.contains("--typo"), "{said}");

    // Refused before it listens.
    let mut command = larder(&data, &[]);
    command.env("LARDER_LISTEN", "0.0.0.0:0");
    let said = refused(command).await;
    assert!(said.contains("LARDER_PUBLIC_URL") && said.contains("0.0.0.0"), "{said}");
    assert!(!data.exists());
}

#[tokio::test]
async fn without_embedded_engines_exactly_what_is_missing_is_listed_and_no_folder_is_made() {
    let folder = Folder::new();
    let all = [
        ("LARDER_S3_BUCKET", "bucket"),
        ("LARDER_DYNAMODB_TABLE", "table"),
        ("DATABASE_URL", "postgres://user@127.0.0.1:1/larder"),
        ("LARDER_SECRET_KEYS", "0123456789abcdef0123456789abcdef"),
        ("LARDER_PUBLIC_URL", "https://data.example.org"),
    ];
    for given in 0..(1 << all.len()) - 1 {
        let mut command = larder(&folder.data(), &[]);
        command.env("LARDER_EMBEDDED", "never").current_dir(folder.path());
        let is_given = |position: usize| given & (1 << position) != 0;
        command.envs(all.iter().enumerate().filter(|(position, _)| is_given(*position)).map(|(_, setting)| *setting));
        let missing: Vec<&str> =
            all.iter().enumerate().filter(|(n, _)| !is_given(*n)).map(|(_, setting)| setting.0).collect();
        let said = refused(command).await;
        let expected = format!("LARDER_EMBEDDED=never, so these must be set: {}.", missing.join(", "));
        assert!(said.contains(&expected), "{expected} {said}");
    }
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
}

#[tokio::test]
async fn a_database_that_cannot_be_reached_is_named_and_its_password_never_shown() {
    let folder = Folder::new();
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let silent = format!("postgres://larder:hunter2secret@{}/larder", silent.local_addr().expect("an address"));
    for url in [
        "postgres://larder:hunter2secret@127.0.0.1:1/larder",
        "postgres://larder:hunter2secret@no-such-host.invalid/larder",
        "postgres://larder:hunter2secret@127.0.0.1:99999/larder",
        "postgres://larder:hunter2secret@/larder?host=/nonexistent",
        "postgres://larder@127.0.0.1:1/larder?password=hunter2secret&sslmode=whatever",
        "hunter2secret",
        &silent,
    ] {
        let mut command = larder(&folder.data(), &["--request-seconds", "1"]);
        command.env("DATABASE_URL", url).env("LARDER_LOG", "trace,larder=trace,sqlx=trace");
        let said = refused(command).await;
        assert!(said.contains("DATABASE_URL"), "{url}: {said}");
        assert!(!said.contains("hunter2"), "{url}: {said}");
    }
}

#[tokio::test]
async fn help_documents_every_setting_with_its_default() {
    let mut command = bare();
    command.arg("--help");
    let help = run(command).await;
    assert!(help.status.success());
    let text = help.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    let names = Config::environment_names();
    let definition = Config::augment_args(clap::Command::new("larder"));
    let mut documented = 0;
    for setting in definition.get_arguments() {
        let Some(name) = setting.get_env().and_then(|name| name.to_str()) else { continue };
        assert!(names.iter().any(|known| known == name));
        let defaults: Vec<_> = setting.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
        let shown = match defaults.join(",") {
            none if none.is_empty() => format!("[env: {name}"),
            default => format!("[env: {name}=] [default: {default}]"),
        };
        assert!(text.contains(&shown), "{shown} is not in {}", help.stdout);
        assert!(setting.get_help().is_some(), "{name} is not explained");
        documented += 1;
    }
    assert_eq!(documented, names.len());
    assert!(text.contains("larder token create --admin"));

    let mut command = bare();
    command.arg("--version");
    assert_eq!(run(command).await.stdout, format!("larder {}\n", env!("CARGO_PKG_VERSION")));
}

#[tokio::test]
async fn help_shows_no_secret_of_the_environment() {
    let mut command = larder(Path::new("unused"), &["--help"]);
    for name in ["LARDER_ADMIN_TOKEN", "LARDER_SECRET_KEYS", "DATABASE_URL"] {
        command.env(name, "hunter2-hunter2-hunter2-hunter2-hunter2");
    }
    let help = run(command).await;
    assert!(help.status.success() && !help.stdout.contains("hunter2"), "{}", help.stdout);
}

#[tokio::test]
async fn admin_tokens_come_from_the_environment_the_first_start_or_the_command_line() {
    let folder = Folder::new();
    let data = folder.data();
    let given = "a-token-of-the-operators-choice";
    let mut command = larder(&data, &[]);
    command.env("LARDER_ADMIN_TOKEN", given);
    let mut service = Larder::start_with(command).await;
    service.data_dir.clone_from(&data);
    service.token = given.to_owned();
    json(service.get("/v1/shares").await, 200).await;
    let banner = service.stdout();
    assert!(!data.join("admin-token").exists());
    assert!(banner.contains("LARDER_ADMIN_TOKEN") && !banner.contains("admin-token"), "{banner}");
    let curl = banner.lines().find(|line| line.starts_with("curl ")).expect("a line to paste");
    let (code, out, err) = bash(&format!("export LARDER_ADMIN_TOKEN={given}; {curl}"));
    assert_eq!(code, 0, "{out}{err}");
    service.stop().await;
    let (_, found, _) = bash(&format!("grep -rlF {given} '{}'", data.display()));
    assert_eq!(found, "", "the token is on the disk");

    let made = run(larder(&data, &["token", "create", "--admin"])).await;
    assert!(made.status.success(), "{made:?}");
    let made = made.stdout.trim().to_owned();
    assert!(made.starts_with("larder_") && made.len() > 40 && !made.contains(char::is_whitespace), "{made}");

    // Of a principal only once there is one; whose the token is must be said.
    let said = refused(larder(&data, &["token", "create", "--principal", "ada"])).await;
    assert!(said.contains("principal"), "{said}");
    refused(larder(&data, &["token", "create"])).await;
    refused(larder(&data, &["token", "create", "--admin", "--scope", "read:views/x"])).await;
    let line = |out: String| out.trim().to_owned();
    let scoped =
        ["token", "create", "--principal", "admin", "--scope", "read:tables/*", "--expires-in", "1h", "--name", "ci"];
    let scoped = line(run(larder(&data, &scoped)).await.stdout);
    let listed = async || run(larder(&data, &["token", "list", "--principal", "admin"])).await.stdout;
    let id = async |name: &str| {
        let listed = listed().await;
        let found = listed.lines().find(|line| line.contains(name)).unwrap_or_else(|| panic!("{name}: {listed}"));
        found.split('\t').next().expect("an id").to_owned()
    };
    assert!(listed().await.contains("\tadmin\tci\tlarder_"), "{}", listed().await);
    let rotated = line(run(larder(&data, &["token", "rotate", &id("\tci\t").await, "--overlap", "0"])).await.stdout);
    let revoked = line(run(larder(&data, &["token", "create", "--admin", "--name", "gone"])).await.stdout);
    assert!(run(larder(&data, &["token", "revoke", &id("\tgone\t").await])).await.status.success());
    assert!(!listed().await.contains("\tgone\t"));

    let mut service = Larder::start(&data, &[]).await;
    for (token, status) in [(&scoped, 401), (&rotated, 404), (&revoked, 401)] {
        service.token.clone_from(token);
        assert_eq!(service.get("/v1/tables/none").await.status(), status);
    }
    service.token = read_trimmed(&data.join("admin-token"));
    for token in [made, service.token.clone()] {
        service.token = token;
        json(service.get("/v1/shares").await, 200).await;
    }
    // The bootstrap token is another one now, which ends the one before.
    for token in [given, "larder_unknown"] {
        service.token = token.to_owned();
        assert_eq!(service.get("/v1/shares").await.status(), 401);
    }
    service.token = read_trimmed(&data.join("admin-token"));
    service.stop().await;
}

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
async fn health_asks_the_service_that_listens_here() {
    let folder = Folder::new();
    let service = Larder::start(&folder.path().join("data"), &[]).await;
    let listen = service.url.trim_start_matches("http://").to_owned();
    let port = listen.rsplit(':').next().expect("a port");
    let health = |listen: &str| {
        let mut command = bare();
        command.arg("health").env("LARDER_LISTEN", listen);
        command
    };
    for address in [&listen, &format!("0.0.0.0:{port}")] {
        let ended = run(health(address)).await;
        assert!(ended.status.success(), "{ended:?}");
    }
    service.stop().await;
    let error = refused(health(&listen)).await;
    assert!(error.contains(&format!("Nothing answers on {listen}")), "{error}");
}
