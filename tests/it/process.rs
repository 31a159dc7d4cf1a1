//! Start, stop, settings and logs, as an operator meets them.

mod logs;
mod settings;
mod stopping;

use crate::support::{
    json,
    process::{Folder, Larder, bare, larder, read_trimmed, refused, run},
};
use serde_json::Value;
use std::{
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
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
    service.token.clone_from(&made);
    // What was done on the machine is in the audit: the token of the environment, and the one that took its place when it was said no more.
    let lines = service.text("/v1/audit?format=ndjson&principal=operator%20on%20the%20machine").await;
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let done = lines.map(|entry| format!("{} {} {}", entry["action"], entry["kind"], entry["name"]).replace('"', ""));
    let mut done: Vec<_> = done.collect();
    done.reverse();
    assert_eq!(done[0], "create token bootstrap");
    assert_eq!(done.iter().filter(|entry| entry.ends_with("token bootstrap")).count(), 2, "{done:?}");
    assert!(done.contains(&"revoke token gone".to_owned()) && done.contains(&"rotate token ci".to_owned()), "{done:?}");
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
