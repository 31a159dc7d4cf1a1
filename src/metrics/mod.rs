//! What the process has counted since it began, in OpenMetrics' text; Prometheus reads it.
//!
//! **Invariant.** No label's values grow with what users do: routes, operations and outcomes come from the code, never a name, a key or an address.

mod calls;
pub mod http;

pub use calls::Calls;

use crate::error::{Error, Result, Store};
use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::Registry,
};
use std::{
    sync::{LazyLock, atomic::AtomicU64},
    time::Duration,
};

/// Upper bounds in seconds, from a lookup by key to a long query.
const SECONDS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0];

/// The one set of counters of the process, as there is one log.
static COUNTED: LazyLock<Counted> = LazyLock::new(Counted::new);

/// Which way bytes go, seen from the service.
#[derive(Debug, Clone, Copy)]
pub enum Direction {
    In,
    Out,
}

struct Counted {
    registry: Registry,
    requests: Family<Request, Counter>,
    request_seconds: Family<Route, Histogram>,
    store_bytes: Family<Bytes, Counter>,
    store_calls: Family<Call, Counter>,
    store_retries: Family<Operation, Counter>,
    store_seconds: Family<Operation, Histogram>,
    store_unavailable: Family<[(&'static str, &'static str); 1], Counter>,
    share_hits: Family<[(&'static str, &'static str); 1], Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    method: &'static str,
    route: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Bytes {
    store: &'static str,
    direction: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Operation {
    store: &'static str,
    operation: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Call {
    store: &'static str,
    operation: String,
    outcome: &'static str,
}

fn seconds() -> Histogram {
    Histogram::new(SECONDS)
}

impl Counted {
    fn new() -> Self {
        let mut registry = Registry::with_prefix("larder");
        let (requests, store_bytes, store_calls) = (Family::default(), Family::default(), Family::default());
        let (store_retries, store_unavailable, share_hits) = (Family::default(), Family::default(), Family::default());
        let request_seconds = Family::<Route, Histogram>::new_with_constructor(seconds);
        let store_seconds = Family::<Operation, Histogram>::new_with_constructor(seconds);
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The version that runs", version);
        registry.register("requests", "Requests answered, by matched route", Family::clone(&requests));
        registry.register("request_seconds", "From a request to the beginning of its answer", request_seconds.clone());
        registry.register(
            "store_bytes",
            "Bytes that went to a store (in) and came from it (out); of the database, those of rows",
            Family::clone(&store_bytes),
        );
        let calls = "Calls of a store: ok; refused, where it answered 4xx; failed, after all retries";
        registry.register("store_calls", calls, Family::clone(&store_calls));
        registry.register(
            "store_retries",
            "Attempts of calls of a store beyond the first; of the database, of requests that only read",
            Family::clone(&store_retries),
        );
        let until = "From a call of a store to its answer, retries included";
        registry.register("store_call_seconds", until, store_seconds.clone());
        let without = "Answers that failed for want of a store, and those that were tried again";
        registry.register("store_unavailable", without, Family::clone(&store_unavailable));
        registry.register("share_hits", "Hits of share links", Family::clone(&share_hits));
        Self {
            registry,
            requests,
            request_seconds,
            store_bytes,
            store_calls,
            store_retries,
            store_seconds,
            store_unavailable,
            share_hits,
        }
    }
}

/// A request was answered; `route` is the matched path.
pub fn answered(method: &::http::Method, route: &str, status: u16, took: Duration) {
    let (method, route) = (method_label(method), route.to_owned());
    let labels = Route { method, route: route.clone() };
    COUNTED.request_seconds.get_or_create(&labels).observe(took.as_secs_f64());
    COUNTED.requests.get_or_create(&Request { method, route, status }).inc();
}

/// Bytes went to a store or came from it.
pub fn moved(store: &'static str, direction: Direction, bytes: u64) {
    let direction = match direction {
        Direction::In => "in",
        Direction::Out => "out",
    };
    COUNTED.store_bytes.get_or_create(&Bytes { store, direction }).inc_by(bytes);
}

/// A share link was followed; `outcome` is one of a few words of ours.
pub fn share_hit(outcome: &'static str) {
    COUNTED.share_hits.get_or_create(&[("outcome", outcome)]).inc();
}

/// A request failed for want of a store.
pub fn unavailable(store: Store) {
    let store = match store {
        Store::Database => "database",
        Store::Objects => "objects",
        Store::Documents => "documents",
    };
    COUNTED.store_unavailable.get_or_create(&[("store", store)]).inc();
}

/// A request that only reads is done again, since the database was away.
pub fn read_again() {
    COUNTED.store_retries.get_or_create(&Operation { store: "database", operation: "read".to_owned() }).inc();
}

/// A call of a store has ended.
fn called(store: &'static str, operation: &str, outcome: &'static str, retries: u32, took: Duration) {
    let operation = operation.to_owned();
    COUNTED.store_calls.get_or_create(&Call { store, operation: operation.clone(), outcome }).inc();
    let labels = Operation { store, operation };
    COUNTED.store_seconds.get_or_create(&labels).observe(took.as_secs_f64());
    COUNTED.store_retries.get_or_create(&labels).inc_by(u64::from(retries));
}

/// All that was counted, and the gauges that were just read.
fn encode(gauges: &Registry) -> Result<String> {
    let mut out = String::new();
    text::encode_registry(&mut out, &COUNTED.registry).map_err(Error::internal)?;
    text::encode_registry(&mut out, gauges).map_err(Error::internal)?;
    text::encode_eof(&mut out).map_err(Error::internal)?;
    Ok(out)
}

/// Clients may send any word as a method.
fn method_label(method: &::http::Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

type Gauges<L> = Family<L, Gauge<f64, AtomicU64>>;
