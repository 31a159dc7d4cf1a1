//! Warm connections: which are used again, and which are not.

use crate::support::{Service, shared};
use larder::database::{Apart, WarmConnection, WarmPool};
use reqwest::Method;
use std::time::{Duration, Instant};
use tokio::{runtime::Handle, time::timeout};

async fn queries(age_max: Duration) -> WarmPool {
    queries_in(&Handle::current(), age_max).await
}

async fn queries_in(runtime: &Handle, age_max: Duration) -> WarmPool {
    let stores = shared().base.stores(&shared().app.config).await.expect("the stores");
    WarmPool::new(runtime, stores.database.options, 1, (Duration::from_secs(60), age_max)).expect("a pool")
}

/// The server's process behind a connection.
async fn process(connection: &mut WarmConnection) -> i32 {
    sqlx::query_scalar("select pg_backend_pid()").fetch_one(&mut **connection).await.expect("an answer")
}

async fn used(queries: &WarmPool) -> i32 {
    let mut connection = queries.acquire().await.expect("a connection");
    let process = process(&mut connection).await;
    connection.give_back();
    process
}

#[tokio::test]
async fn a_connection_is_used_again_until_it_is_old_and_so_is_the_one_after_it() {
    let age = Duration::from_secs(5);
    let queries = queries(age).await;
    let first = used(&queries).await;
    assert_eq!(used(&queries).await, first);
    tokio::time::sleep(age + Duration::from_millis(100)).await;
    let second = used(&queries).await;
    assert_ne!(second, first, "it was too old");
    assert_eq!(used(&queries).await, second, "it is new");
}

#[tokio::test]
async fn a_connection_that_is_not_given_back_is_closed_and_its_place_is_free() {
    let queries = queries(Duration::from_secs(600)).await;
    let mut left = queries.acquire().await.expect("a connection");
    let process = process(&mut left).await;
    drop(left);
    let other = used(&queries).await;
    assert_ne!(other, process);
    assert_eq!(used(&queries).await, other);
}

#[tokio::test]
async fn a_connection_is_woken_by_its_own_thread_whoever_opened_it() {
    let apart = Apart::start("a test").expect("a thread");
    let queries = queries_in(apart.runtime(), Duration::from_secs(600)).await;
    used(&queries).await;
    let mut connection = queries.acquire().await.expect("a connection");
    drop(apart);
    let asked = timeout(Duration::from_secs(20), sqlx::query("select pg_sleep(0.1)").execute(&mut *connection)).await;
    assert!(asked.expect("an end").is_err(), "it went on without its thread");
}

#[tokio::test]
async fn postgres_ends_a_statement_soon_after_its_client_has_gone() {
    let larder = Service::start(&[]).await;
    // An odd number of them is not twice two others, whichever two are tried.
    let rows = format!("{}b\n", "a".repeat(1_001)).repeat(1_000);
    larder.put("/v1/tables/slow", format!("text\n{rows}")).await;
    let at_work =
        "select count(*) from pg_stat_activity where application_name = 'larder queries' and state = 'active'";
    let query = "/v1/tables/slow/rows?text=match.^(a*)(a*)\\1\\2b$&limit=1";
    let asked = tokio::spawn(larder.request(Method::GET, query).send());
    larder.wait_for(at_work, &["1"]).await;
    // It is at work for good.
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(larder.column(at_work).await, ["1"]);
    asked.abort();
    let gone = Instant::now();
    larder.wait_for(at_work, &["0"]).await;
    assert!(gone.elapsed() < Duration::from_secs(5), "{:?}", gone.elapsed());
}
