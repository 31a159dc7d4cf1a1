//! Queries of tables as wide as Postgres has them.

use super::cursors::Walk;
use crate::support::{json, shared};

const COLUMNS: usize = 1599;

async fn table(name: &str) {
    let names: Vec<_> = (1..=COLUMNS).map(|n| format!("k{n}")).collect();
    let row = |value: &str| format!("{value}{}\n", ",".repeat(COLUMNS - 1));
    let typed = format!("{}\n", vec!["x"; COLUMNS].join(","));
    let file = format!("{}\n{typed}{}{}{}", names.join(","), row("b"), row("a"), row("b"));
    json(shared().put(&format!("/v1/tables/{name}"), file).await, 201).await;
}

/// The first cell of each row, from pages of two rows.
async fn walk(name: &str, query: &str) -> Vec<String> {
    let mut walk = Walk::new(format!("/v1/tables/{name}/rows.csv?{query}&limit=2"));
    let mut cells = Vec::new();
    while let Some(page) = walk.page().await {
        cells.extend(page.lines().skip(1).map(|row| row.split(',').next().unwrap().to_owned()));
    }
    cells
}

#[tokio::test]
async fn all_columns_are_paged_ordered_and_distinct() {
    table("grammar-wide").await;
    assert_eq!(walk("grammar-wide", "").await, ["x", "b", "a", "b"]);
    assert_eq!(walk("grammar-wide", "order=k1.desc").await, ["x", "b", "b", "a"]);
    // Postgres' planner takes some seconds for all of them.
    assert_eq!(shared().text("/v1/tables/grammar-wide/rows.csv?distinct=true").await.lines().count(), 4);
    let select = (1..=400).map(|n| format!("k{n}")).collect::<Vec<_>>().join(",");
    assert_eq!(walk("grammar-wide", &format!("distinct=true&select={select}")).await, ["a", "b", "x"]);
    let order: Vec<_> = (1..=COLUMNS).rev().map(|n| format!("k{n}")).collect();
    assert_eq!(walk("grammar-wide", &format!("order={}", order.join(","))).await, ["x", "a", "b", "b"]);
    let select = (1..=400).map(|n| format!("a{n}:k{n}.max()")).collect::<Vec<_>>().join(",");
    assert_eq!(walk("grammar-wide", &format!("select={select}")).await, ["x"]);
}
