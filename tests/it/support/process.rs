//! The service as an operator meets it: the real binary, in a process and a folder of its own.

use super::{client, fresh_folder};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::Value;
use sqlx::{
    Connection, PgConnection,
    postgres::{PgConnectOptions, PgSslMode},
};
use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// Far more than anything here takes, on a machine that does much else.
pub const PATIENCE: Duration = Duration::from_secs(300);
const POLL: Duration = Duration::from_millis(5);

/// A folder that goes when it is dropped.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        Self(fresh_folder())
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A name inside, which the service makes a folder of.
    pub fn data(&self) -> PathBuf {
        self.0.join("data")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap_or_default();
    }
}

/// The binary with nothing of our environment but what programs are found by; it takes a free port.
pub fn larder(data_dir: &Path, arguments: &[&str]) -> Command {
    let mut command = bare();
    command.args(arguments).env("LARDER_LISTEN", "127.0.0.1:0").env("LARDER_DATA_DIR", data_dir);
    command
}

/// The same without any setting.
pub fn bare() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_larder"));
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for name in ["PATH", "HOME"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

/// A started process; dropping it kills it, and waits until its Postgres has gone too.
pub struct Process {
    child: Child,
    stdout: Output,
    stderr: Output,
}

/// How a process ended, and all it said.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

struct Output {
    text: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Output {
    fn of(pipe: impl Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(String::new()));
        let kept = text.clone();
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines() {
                let line = line.expect("UTF-8");
                let mut kept = kept.lock().expect("no panic");
                kept.push_str(&line);
                kept.push('\n');
            }
        });
        Self { text, reader: Some(reader) }
    }

    fn so_far(&self) -> String {
        self.text.lock().expect("no panic").clone()
    }

    fn all(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("no panic");
        }
        self.so_far()
    }
}

impl Process {
    pub fn spawn(mut command: Command) -> Self {
        let mut child = command.spawn().expect("the binary runs");
        let stdout = Output::of(child.stdout.take().expect("a pipe"));
        let stderr = Output::of(child.stderr.take().expect("a pipe"));
        Self { child, stdout, stderr }
    }

    /// What it has logged so far.
    pub fn stderr(&self) -> String {
        self.stderr.so_far()
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the end of the process by itself.
    pub async fn end(&mut self) -> Ended {
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                break status;
            }
            assert!(began.elapsed() < PATIENCE, "it does not end: {}{}", self.stdout.so_far(), self.stderr.so_far());
            tokio::time::sleep(POLL).await;
        };
        Ended { status, stdout: self.stdout.all(), stderr: self.stderr.all() }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().unwrap_or_default();
        self.child.wait().map(|_| ()).unwrap_or_default();
    }
}

/// Runs a command to its end.
pub async fn run(command: Command) -> Ended {
    Process::spawn(command).end().await
}

/// Runs a command that must refuse to start, and answers what it says about it.
pub async fn refused(command: Command) -> String {
    let ended = run(command).await;
    assert!(!ended.status.success(), "it was not refused: {ended:?}");
    assert_eq!(ended.stdout, "", "a refusal has no banner");
    ended.stderr
}

/// The running service.
pub struct Larder {
    pub process: Process,
    /// From the spawn to the first 200 of `/health/ready`.
    pub start_time: Duration,
    pub url: String,
    pub token: String,
    pub data_dir: PathBuf,
    client: reqwest::Client,
}

impl Larder {
    /// Starts the service with embedded engines over `data_dir`, and waits until it is ready.
    pub async fn start(data_dir: &Path, arguments: &[&str]) -> Self {
        let mut service = Self::start_with(larder(data_dir, arguments)).await;
        service.token = read_trimmed(&data_dir.join("admin-token"));
        service.data_dir = data_dir.to_owned();
        service
    }

    /// Starts the service as told, and waits until it is ready.
    pub async fn start_with(command: Command) -> Self {
        let began = Instant::now();
        let client = client();
        let mut process = Process::spawn(command);
        let url = loop {
            process.must_run();
            assert!(began.elapsed() < PATIENCE, "it does not listen: {}", process.stderr.so_far());
            if let Some(address) = listening(&process.stderr.so_far()) {
                break format!("http://{address}");
            }
            tokio::time::sleep(POLL).await;
        };
        while !ready(&client, &url).await {
            process.must_run();
            assert!(began.elapsed() < PATIENCE, "it is not ready: {}", process.stderr.so_far());
            tokio::time::sleep(POLL).await;
        }
        let start_time = began.elapsed();
        Self { process, start_time, url, token: String::new(), data_dir: PathBuf::new(), client }
    }

    /// A request with the admin's token.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.anonymous(method, path).bearer_auth(&self.token)
    }

    pub fn anonymous(&self, method: Method, path: &str) -> RequestBuilder {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.url) };
        self.client.request(method, url)
    }

    pub async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.expect("an answer")
    }

    pub async fn put(&self, path: &str, body: impl Into<reqwest::Body>) -> Response {
        self.request(Method::PUT, path).body(body).send().await.expect("an answer")
    }

    /// The body of a GET that succeeds.
    pub async fn text(&self, path: &str) -> String {
        let response = self.get(path).await;
        assert!(response.status().is_success(), "{path}: {}", response.status());
        response.text().await.expect("a body")
    }

    pub fn stdout(&self) -> String {
        self.process.stdout.so_far()
    }

    /// A session in the embedded database.
    pub async fn database(&self) -> PgConnection {
        let options = PgConnectOptions::new_without_pgpass()
            .socket(self.data_dir.join("postgres/run"))
            .ssl_mode(PgSslMode::Disable)
            .username("larder")
            .database("larder");
        PgConnection::connect_with(&options).await.expect("a connection")
    }

    /// The keys and endpoints of `aws.env`.
    pub fn aws(&self) -> HashMap<String, String> {
        let text = read_trimmed(&self.data_dir.join("aws.env"));
        text.lines().filter_map(|line| line.split_once('=')).map(|(name, value)| (name.into(), value.into())).collect()
    }

    /// A new connection's view of `/health/ready`; `None` if nobody listens any more.
    pub async fn readiness(&self) -> Option<u16> {
        let answer = client().get(format!("{}/health/ready", self.url)).send().await;
        answer.ok().map(|answer| answer.status().as_u16())
    }

    /// Waits until `/health/ready` answers so.
    pub async fn wait_for_readiness(&self, wanted: u16) {
        let turns = async {
            while self.readiness().await != Some(wanted) {
                tokio::time::sleep(POLL).await;
            }
        };
        within("readiness", turns).await;
    }

    /// SIGTERM.
    pub fn terminate(&self) {
        signal("TERM", self.process.id());
    }

    /// SIGTERM, and the end: with success, and without its Postgres.
    pub async fn stop(mut self) -> Ended {
        self.terminate();
        let ended = self.process.end().await;
        assert!(ended.status.success(), "{ended:?}");
        assert_eq!(self.postgres(), None, "Postgres runs on");
        ended
    }

    /// kill -9, and the end of the Postgres that goes with it.
    pub fn kill(mut self) -> Ended {
        self.process.child.kill().expect("it runs");
        let status = self.process.child.wait().expect("a child");
        self.wait_for_the_end_of_postgres();
        Ended { status, stdout: self.process.stdout.all(), stderr: self.process.stderr.all() }
    }

    /// The process of the embedded Postgres.
    pub fn postgres(&self) -> Option<u32> {
        let file = std::fs::read_to_string(self.data_dir.join("postgres/data/postmaster.pid")).ok()?;
        file.lines().next()?.trim().parse().ok()
    }

    /// On Linux the kernel takes it down with us; elsewhere the next start does.
    fn wait_for_the_end_of_postgres(&self) {
        let began = Instant::now();
        while cfg!(target_os = "linux") && self.postgres().is_some() && began.elapsed() < PATIENCE {
            std::thread::sleep(POLL);
        }
    }
}

impl Drop for Larder {
    fn drop(&mut self) {
        self.process.child.kill().unwrap_or_default();
        self.process.child.wait().map(|_| ()).unwrap_or_default();
        self.wait_for_the_end_of_postgres();
    }
}

impl Process {
    fn must_run(&mut self) {
        if let Some(status) = self.child.try_wait().expect("a child") {
            panic!("it ended with {status}: {}{}", self.stdout.all(), self.stderr.all());
        }
    }
}

pub fn signal(name: &str, process: u32) {
    let sent = Command::new("bash").args(["-c", &format!("kill -{name} {process}")]).status().expect("bash");
    assert!(sent.success());
}

/// What happens in far less time than our patience, or else never.
pub async fn within<T>(what: &str, happens: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(PATIENCE, happens).await;
    waited.unwrap_or_else(|_| panic!("{what} does not come"))
}

pub fn read_trimmed(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).trim().to_owned()
}

/// The address that the log says.
fn listening(log: &str) -> Option<String> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let line = lines.into_iter().find(|line| line["message"] == "listening")?;
    line["address"].as_str().map(str::to_owned)
}

async fn ready(client: &reqwest::Client, url: &str) -> bool {
    let answer = client.get(format!("{url}/health/ready")).send().await;
    answer.is_ok_and(|answer| answer.status() == 200)
}
