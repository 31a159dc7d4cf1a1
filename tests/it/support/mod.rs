//! The service as its users meet it: the real router on the embedded engines, behind a real socket.

pub mod copy;
pub mod cpu;
pub mod deployment;
mod people;
mod raw;
mod stores;

pub use raw::Raw;
pub use stores::{bzip2, gzip, xz, zstd};
pub mod process;

use bytes::Bytes;
use clap::Parser;
use larder::{
    app::App,
    base::Base,
    config::{Cli, Command, Config},
    router::router,
    serve::serve,
};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
};
use tokio::{
    net::TcpListener,
    runtime::Runtime,
    sync::{
        mpsc::{Sender, channel},
        oneshot,
    },
    task::JoinHandle,
};

/// One running service with stores of its own; several replicas may stand on the same stores.
pub struct Service {
    pub url: String,
    pub token: String,
    pub app: App,
    pub base: std::sync::Arc<Base>,
    pub data_dir: PathBuf,
    client: reqwest::Client,
    /// Dropping it ends the replica.
    _stop: oneshot::Sender<()>,
}

/// The service that most tests share; each uses names of its own. It lives in a runtime of its own, since every test has another.
pub fn shared() -> &'static Service {
    static SHARED: OnceLock<(Service, Runtime)> = OnceLock::new();
    let (service, _) = SHARED.get_or_init(|| {
        std::thread::spawn(|| {
            let runtime = Runtime::new().expect("a runtime");
            let service = runtime.block_on(Service::start(&[]));
            (service, runtime)
        })
        .join()
        .expect("the shared service")
    });
    service
}

impl Service {
    /// A service of its own, with settings such as `["--lease-seconds", "1"]`.
    pub async fn start(settings: &[&str]) -> Self {
        let data_dir = fresh_folder();
        let config = config(&data_dir, settings);
        let listener = TcpListener::bind(config.listen).await.expect("a port");
        let base = Base::start(&config, listener.local_addr().expect("an address")).await.expect("engines");
        Self::serve(base.into(), config, listener, data_dir).await
    }

    /// Another replica on the same stores, with settings of its own.
    pub async fn replica(&self, settings: &[&str]) -> Self {
        let config = config(&self.data_dir, settings);
        let listener = TcpListener::bind(config.listen).await.expect("a port");
        Self::serve(self.base.clone(), config, listener, self.data_dir.clone()).await
    }

    async fn serve(base: std::sync::Arc<Base>, config: Config, listener: TcpListener, data_dir: PathBuf) -> Self {
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let token = std::fs::read_to_string(data_dir.join("admin-token")).unwrap_or_default();
        let app = base.connect(config).await.expect("the stores");
        let token = if token.is_empty() {
            std::fs::read_to_string(data_dir.join("admin-token")).expect("the admin token")
        } else {
            token
        };
        let routes = base.routes(router(&app));
        let (stop, stopped) = oneshot::channel::<()>();
        let times = app.config.times.clone();
        tokio::spawn(async move { serve(listener, routes, &times, async { drop(stopped.await) }).await });
        Self { url, token: token.trim().to_owned(), app, base, data_dir, client: client(), _stop: stop }
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

    pub async fn delete(&self, path: &str) -> Response {
        self.request(Method::DELETE, path).send().await.expect("an answer")
    }

    pub async fn post(&self, path: &str, json: &Value) -> Response {
        self.request(Method::POST, path).json(json).send().await.expect("an answer")
    }

    /// The body of a GET that succeeds.
    pub async fn text(&self, path: &str) -> String {
        let response = self.get(path).await;
        assert!(response.status().is_success(), "{path}: {}", response.status());
        response.text().await.expect("a body")
    }
}

/// A client that follows no redirect: tests look at each answer. It keeps no connection, which would end with the runtime of the test that made it.
pub fn client() -> reqwest::Client {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy();
    client.pool_max_idle_per_host(0).build().expect("a client")
}

/// A request whose body comes through a channel; closing it ends the body, an error breaks it off.
pub fn slow(request: RequestBuilder) -> (Sender<std::io::Result<Bytes>>, JoinHandle<reqwest::Result<Response>>) {
    let (sender, receiver) = channel(1);
    let body =
        futures::stream::unfold(receiver, |mut receiver| async move { Some((receiver.recv().await?, receiver)) });
    (sender, tokio::spawn(request.body(reqwest::Body::wrap_stream(body)).send()))
}

/// The answer's JSON, once its status was as expected.
pub async fn json(response: Response, status: u16) -> Value {
    let found = response.status().as_u16();
    let text = response.text().await.expect("a body");
    assert_eq!(found, status, "{text}");
    serde_json::from_str(&text).expect("JSON")
}

/// The problem of an answer, with everything that all problems have.
pub async fn problem(response: Response, status: u16, slug: &str) -> Value {
    let content_type = response.headers()["content-type"].to_str().expect("ASCII").to_owned();
    let request_id = response.headers()["x-request-id"].to_str().expect("ASCII").to_owned();
    let problem = json(response, status).await;
    assert_eq!(content_type, "application/problem+json");
    assert_eq!(problem["type"], format!("/problems/{slug}"), "{problem}");
    assert_eq!(problem["status"], status);
    assert_eq!(problem["request_id"], request_id);
    assert!(!problem["title"].as_str().expect("a title").is_empty());
    assert!(!problem["detail"].as_str().expect("a detail").is_empty());
    problem
}

pub fn config(data_dir: &Path, settings: &[&str]) -> Config {
    let data_dir = data_dir.to_str().expect("UTF-8");
    let fixed = ["larder", "serve", "--listen", "127.0.0.1:0", "--data-dir", data_dir];
    match Cli::try_parse_from(fixed.iter().chain(settings)).expect("settings").command {
        Command::Serve(config) => config,
        _ => unreachable!("`serve` was asked for"),
    }
}

/// An empty folder below the build's own folder for such things; those of earlier runs are removed.
pub fn fresh_folder() -> PathBuf {
    static CLEANED: OnceLock<()> = OnceLock::new();
    let all = Path::new(env!("CARGO_TARGET_TMPDIR")).join("larder");
    CLEANED.get_or_init(|| {
        for entry in std::fs::read_dir(&all).into_iter().flatten().flatten() {
            let name = entry.file_name().into_string().unwrap_or_default();
            let process = name.split('-').next().unwrap_or_default();
            if !Path::new("/proc").join(process).exists() {
                std::fs::remove_dir_all(entry.path()).unwrap_or_default();
            }
        }
    });
    let name = format!("{}-{}", std::process::id(), &uuid::Uuid::new_v4().simple().to_string()[..8]);
    let folder = all.join(name);
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}
