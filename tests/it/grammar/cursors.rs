//! Walks through a table by cursors while its rows come and go.

use super::physical_table;
use crate::{
    support::{json, problem, shared},
    table_properties::runner,
};
use proptest::{collection::vec, prelude::*, strategy::ValueTree};
use reqwest::{Method, Response};
use std::collections::{BTreeMap, BTreeSet};

/// Pages, each by the address that the one before gives.
pub struct Walk {
    next: Option<String>,
}

impl Walk {
    pub fn new(path: String) -> Self {
        Self { next: Some(path) }
    }

    /// The body of the next page; `None` behind the last.
    pub async fn page(&mut self) -> Option<String> {
        let path = self.next.take()?;
        let answer = shared().get(&path).await;
        let link = answer.headers().get("link").map(|link| link.to_str().expect("ASCII").to_owned());
        self.next = link.map(|link| link.split(['<', '>']).nth(1).expect("an address").to_owned());
        let (status, body) = (answer.status(), answer.text().await.expect("a body"));
        assert_eq!(status, 200, "{path}: {body}");
        Some(body)
    }

    /// The same walk with pages of another size.
    fn resize(&mut self, limit: usize) {
        let changed = |next: &String| {
            let (path, query) = next.split_once('?').expect("a query");
            let kept: Vec<_> = query.split('&').filter(|pair| !pair.starts_with("limit=")).collect();
            format!("{path}?{}&limit={limit}", kept.join("&"))
        };
        self.next = self.next.as_ref().map(changed);
    }
}

async fn put(name: &str, body: &str) {
    let response = shared().put(&format!("/v1/tables/{name}"), body.to_owned()).await;
    assert!(response.status().is_success(), "{}", response.text().await.expect("a body"));
}

/// `a,b,c` of a row: few values, so that there are ties, and NULLs among them.
fn cells() -> impl Strategy<Value = String> {
    let a = prop::sample::select(vec!["", "1", "2", "2", "3"]);
    let b = prop::sample::select(vec!["", "\"\"", "x", "y", "\"x,y\""]);
    let c = prop::sample::select(vec!["", "0.5", "-1e300", "0.1", "1e-7"]);
    (a, b, c).prop_map(|(a, b, c)| format!("{a},{b},{c}"))
}

/// What happens behind a page: the size of the next, rows that come, and rows that go.
#[derive(Debug, Clone)]
struct Turn {
    limit: usize,
    come: Vec<String>,
    go: usize,
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let turn = (1..14_usize, vec(cells(), 0..3), 0..3_usize).prop_map(|(limit, come, go)| Turn { limit, come, go });
    vec(turn, 200)
}

/// Rows numbered from 0; a third of them stay to the end of every walk.
const ROWS: usize = 90;

fn stays(id: usize) -> bool {
    id.is_multiple_of(3)
}

/// Makes the table, walks through it in `order` and gives the first fields of all pages' rows, while others come and go.
async fn walk(name: &str, query: &str, seed: u64) -> Vec<Vec<String>> {
    let mut runner = runner(1);
    for _ in 0..seed {
        drop(runner.new_rng());
    }
    let (rows, turns) = (vec(cells(), ROWS), turns()).new_tree(&mut runner).expect("a walk").current();
    let mut file = "id,a,b,c\n1000,1,z,1e5\n".to_owned();
    file.extend(rows.iter().enumerate().map(|(id, cells)| format!("{id},{cells}\n")));
    put(name, &file).await;
    let table = physical_table(name).await;
    let (mut walk, mut pages) = (Walk::new(format!("/v1/tables/{name}/rows.csv?{query}&limit=5")), Vec::new());
    let mut leaving = (0..ROWS).filter(|id| !stays(*id)).rev();
    for (number, turn) in turns.iter().enumerate() {
        let Some(page) = walk.page().await else { return pages };
        pages.push(page.lines().skip(1).map(str::to_owned).collect());
        walk.resize(turn.limit);
        if !turn.come.is_empty() {
            let come = turn.come.iter().enumerate().map(|(at, cells)| format!("{},{cells}\n", 2000 + 10 * number + at));
            let file = format!("id,a,b,c\n{}", come.collect::<String>());
            let appended = shared().request(Method::POST, &format!("/v1/tables/{name}/rows")).body(file).send().await;
            json(appended.expect("an answer"), 201).await;
        }
        for id in leaving.by_ref().take(turn.go) {
            shared().sql(&format!("delete from {table} where c1 = {id}")).await;
        }
    }
    panic!("the walk does not end");
}

#[tokio::test]
async fn no_row_that_stays_is_missed_or_repeated_in_any_order() {
    for (seed, order) in (0..).zip([
        "",
        "id.desc",
        "a",
        "a.desc",
        "a.nullsfirst",
        "a.desc.nullslast",
        "b,a.desc",
        "b.desc.nullslast,c.nullsfirst",
        "c,b.nullsfirst,a.desc.nullslast",
        "c.desc",
        "a.bin(2).desc.nullslast,b::text",
        "a,b,c,id.desc",
    ]) {
        let pages = walk("grammar-walk", &format!("select=id,a,b,c&order={order}"), seed).await;
        let ids: Vec<usize> =
            pages.iter().flatten().map(|row| row.split(',').next().unwrap().parse().unwrap()).collect();
        let mut times: BTreeMap<usize, usize> = BTreeMap::new();
        ids.iter().for_each(|id| *times.entry(*id).or_default() += 1);
        assert!(times.values().all(|times| *times == 1), "order={order}: a row comes twice: {ids:?}");
        let missed: Vec<_> = (0..ROWS).filter(|id| stays(*id) && !times.contains_key(id)).collect();
        assert!(missed.is_empty(), "order={order}: {missed:?} are missed: {ids:?}");
    }
}

#[tokio::test]
async fn no_group_that_stays_is_missed_or_repeated() {
    for (seed, query) in (20..).zip([
        "select=a,b,n:count()",
        "select=a,b,n:count()&order=b.desc.nullslast",
        "select=n:count(),a,b&order=a.nullsfirst,b.desc",
        "select=a,b&distinct=true",
        "select=a,b&distinct=true&order=b.nullsfirst",
        "select=a,b,m:id.min()&having=m.lt.5000&order=a.desc",
    ]) {
        let pages = walk("grammar-groups", query, seed).await;
        let columns: Vec<usize> = if query.starts_with("select=n") { vec![1, 2] } else { vec![0, 1] };
        let groups: Vec<_> = pages
            .iter()
            .flatten()
            .map(|row| {
                // A comma in quotes is one of `b` alone.
                let fields: Vec<_> = row.replace("\"x,y\"", "xy").split(',').map(str::to_owned).collect();
                columns.iter().map(|at| fields[*at].clone()).collect::<Vec<_>>()
            })
            .collect();
        let seen: BTreeSet<_> = groups.iter().cloned().collect();
        assert_eq!(seen.len(), groups.len(), "{query}: a group comes twice: {groups:?}");
        // The rows that stay are those of the walk's end, whatever came.
        let kept = format!("/v1/tables/grammar-groups/rows.csv?select=a,b&distinct=true&id=lt.{ROWS}");
        let kept = shared().text(&kept).await;
        for group in kept.lines().skip(1).map(|row| row.replace("\"x,y\"", "xy")) {
            let group: Vec<_> = group.split(',').map(str::to_owned).collect();
            assert!(seen.contains(&group), "{query}: {group:?} is missed: {groups:?}");
        }
    }
}

async fn page(path: &str) -> (Response, Option<String>) {
    let answer = shared().get(path).await;
    let link = answer.headers().get("link").map(|link| link.to_str().expect("ASCII").to_owned());
    let cursor = link.and_then(|link| Some(link.split("cursor=").nth(1)?.split('>').next()?.to_owned()));
    (answer, cursor)
}

#[tokio::test]
async fn a_cursor_goes_through_its_version_until_that_is_dropped() {
    put("grammar-versions", "a,b\n1,x\n2,y\n3,z\n").await;
    let (first, cursor) = page("/v1/tables/grammar-versions/rows.csv?limit=1&order=a.desc").await;
    assert_eq!(first.text().await.unwrap(), "a,b\n3,z\n");
    let again = format!("/v1/tables/grammar-versions/rows.csv?order=a.desc&limit=2&cursor={}", cursor.unwrap());
    assert_eq!(shared().text(&again).await, "a,b\n2,y\n1,x\n");
    // The version before stays, even with other columns.
    put("grammar-versions", "c\n9\n").await;
    assert_eq!(shared().text(&again).await, "a,b\n2,y\n1,x\n");
    put("grammar-versions", "c\n10\n").await;
    problem(shared().get(&again).await, 410, "cursor-expired").await;

    put("grammar-dropped", "a\n1\n2\n").await;
    let (_, cursor) = page("/v1/tables/grammar-dropped/rows?limit=1").await;
    let again = format!("/v1/tables/grammar-dropped/rows?limit=1&cursor={}", cursor.unwrap());
    assert_eq!(shared().delete("/v1/tables/grammar-dropped").await.status(), 204);
    problem(shared().get(&again).await, 404, "not-found").await;
    put("grammar-dropped", "a\n1\n2\n").await;
    problem(shared().get(&again).await, 410, "cursor-expired").await;
}

#[tokio::test]
async fn a_cursor_of_another_query_or_of_nobody_is_refused() {
    put("grammar-cursors", "a,b\n1,x\n2,y\n3,z\n").await;
    let rows = "/v1/tables/grammar-cursors/rows";
    let (_, cursor) = page(&format!("{rows}?limit=1&a=gt.0")).await;
    let cursor = cursor.expect("a cursor");
    let mut forged = cursor.clone();
    let last = if forged.ends_with('A') { 'B' } else { 'A' };
    forged.replace_range(10..11, if &forged[10..11] == "A" { "B" } else { "A" });
    let mut cut = cursor.clone();
    cut.pop();
    cut.push(last);
    for query in [
        format!("limit=1&cursor={cursor}"),
        format!("limit=1&a=gt.1&cursor={cursor}"),
        format!("limit=1&a=gt.0&order=a&cursor={cursor}"),
        format!("limit=1&a=gt.0&select=a&cursor={cursor}"),
        format!("limit=1&a=gt.0&distinct=true&cursor={cursor}"),
        format!("limit=1&a=gt.0&cursor={forged}"),
        format!("limit=1&a=gt.0&cursor={cut}"),
        format!("limit=1&a=gt.0&cursor={}", &cursor[..cursor.len() / 2]),
        "limit=1&a=gt.0&cursor=".to_owned(),
        "limit=1&a=gt.0&cursor=%00".to_owned(),
        "limit=1&a=gt.0&cursor=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_owned(),
        format!("limit=1&a=gt.0&cursor={cursor}&cursor={cursor}"),
    ] {
        let refused = problem(shared().get(&format!("{rows}?{query}")).await, 400, "bad-request").await;
        assert_eq!(refused["parameter"], "cursor", "{query}: {refused}");
    }
    for (query, parameter) in [("a=gt.0", "limit"), ("a=gt.0&limit=1&offset=1", "offset")] {
        let refused = problem(shared().get(&format!("{rows}?{query}&cursor={cursor}")).await, 400, "bad-request").await;
        assert_eq!(refused["parameter"], parameter, "{query}: {refused}");
    }
    // Of the same query in another format and another size it is good.
    let found = shared().text(&format!("{rows}.csv?limit=9&a=gt.0&cursor={cursor}")).await;
    assert_eq!(found, "a,b\n2,y\n3,z\n");
}
