//! Every route × every kind of caller: the exact status, and a body that tells nothing more.
//!
//! A route that `openapi.json` has and this table lacks fails the test, and so does the other way round: whoever adds a route adds its row.

use super::people::{Holder, principal, text};
use crate::support::{Service, json};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What there is before a row's requests, called `{}` in its path; of what has an id, that.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Thing {
    Nothing,
    Blob,
    Table,
    /// The document `a` of a collection.
    Document,
    DeletedBlob,
    DeletedTable,
    DeletedDocument,
    DeletedCollection,
    Dataset,
    Index,
    Change,
    Job,
    Share,
    Token,
    Principal,
}

/// What is sent.
#[derive(Clone, Copy)]
enum Body {
    None,
    Bytes(&'static str),
    /// `{}` in it is the name.
    Json(&'static str),
    Form,
}

/// Statuses for the kinds of callers that have a valid token.
struct Expected {
    /// The owner, by a token whose scopes reach something else.
    narrower: u16,
    /// Another principal, while what there is is private.
    stranger: u16,
    /// The owner, by a token that may only read.
    reader: u16,
    owner: u16,
    admin: u16,
}

struct Row {
    method: &'static str,
    /// As `openapi.json` has it.
    route: &'static str,
    path: &'static str,
    thing: Thing,
    body: Body,
    expected: Expected,
}

const fn row(
    method: &'static str,
    route: &'static str,
    path: &'static str,
    thing: Thing,
    body: Body,
    [narrower, stranger, reader, owner, admin]: [u16; 5],
) -> Row {
    Row { method, route, path, thing, body, expected: Expected { narrower, stranger, reader, owner, admin } }
}

use Body::{Bytes, Form, Json, None as Empty};
use Thing::{
    Blob, Change, Dataset, DeletedBlob, DeletedCollection, DeletedDocument, DeletedTable, Document, Index, Job,
    Nothing, Principal, Share, Table, Token,
};

const CSV: Body = Bytes("a\n2\n");
/// What is read: not there for whom it is not for.
const READ: [u16; 5] = [404, 404, 200, 200, 200];
const CHANGE: [u16; 5] = [404, 404, 403, 200, 200];
const CREATE: [u16; 5] = [404, 404, 403, 201, 201];
const HIDE: [u16; 5] = [404, 404, 403, 204, 204];
/// A name that is written: by the name alone for whose scopes do not reach it; taken, for whom it is hidden from.
const REPLACE: [u16; 5] = [403, 409, 403, 200, 200];
const LIST: [u16; 5] = [200; 5];

/// Without a token.
const OPEN: [(&str, &str); 14] = [
    ("get", "/"),
    ("get", "/login"),
    ("post", "/login"),
    ("post", "/logout"),
    ("get", "/s/{token}"),
    ("post", "/s/{token}"),
    ("get", "/s/{token}/{path}"),
    ("put", "/s/{token}/{path}"),
    ("get", "/health/live"),
    ("get", "/health/ready"),
    ("get", "/openapi.json"),
    ("get", "/assets/{name}"),
    ("get", "/problems"),
    ("get", "/problems/{slug}"),
];

#[rustfmt::skip]
const ROWS: &[Row] = &[
    row("put", "/", "/?name={}.bin&replace=true", Blob, Bytes("y"), REPLACE),
    row("put", "/{path}", "/{}.csv?name={}&replace=true", Table, CSV, REPLACE),
    row("get", "/{path}", "/{}", Nothing, Empty, [404; 5]),
    row("post", "/", "/?replace=true", Blob, Form, [403, 409, 403, 201, 201]),

    row("get", "/v1/blobs", "/v1/blobs", Blob, Empty, LIST),
    row("get", "/v1/blobs/{key}", "/v1/blobs/{}", Blob, Empty, READ),
    row("put", "/v1/blobs/{key}", "/v1/blobs/{}", Blob, Bytes("y"), REPLACE),
    row("patch", "/v1/blobs/{key}", "/v1/blobs/{}", Blob, Json("{\"visibility\":\"team\"}"), CHANGE),
    row("delete", "/v1/blobs/{key}", "/v1/blobs/{}", Blob, Empty, HIDE),
    row("post", "/v1/blobs/{key}", "/v1/blobs/{}/restore", DeletedBlob, Empty, CHANGE),

    row("get", "/v1/tables/{name}", "/v1/tables/{}", Table, Empty, READ),
    row("put", "/v1/tables/{name}", "/v1/tables/{}", Table, CSV, REPLACE),
    row("patch", "/v1/tables/{name}", "/v1/tables/{}", Table, Json("{\"title\":\"t\",\"visibility\":\"team\"}"), CHANGE),
    row("delete", "/v1/tables/{name}", "/v1/tables/{}", Table, Empty, HIDE),
    row("post", "/v1/tables/{name}/restore", "/v1/tables/{}/restore", DeletedTable, Empty, CHANGE),
    row("get", "/v1/tables/{name}/raw", "/v1/tables/{}/raw", Table, Empty, READ),
    row("get", "/v1/tables/{name}/versions", "/v1/tables/{}/versions", Table, Empty, READ),
    row("get", "/v1/tables/{name}/stats", "/v1/tables/{}/stats", Table, Empty, READ),
    row("get", "/v1/tables/{name}/changes", "/v1/tables/{}/changes", Table, Empty, READ),
    row("post", "/v1/tables/{name}/changes/{id}/undo", "/v1/tables/{}/changes/{id}/undo", Change, Empty, CHANGE),
    row("get", "/v1/tables/{name}/indexes", "/v1/tables/{}/indexes", Table, Empty, READ),
    row("post", "/v1/tables/{name}/indexes", "/v1/tables/{}/indexes", Table, Json("{\"columns\":[\"a\"]}"), CREATE),
    row("delete", "/v1/tables/{name}/indexes/{id}", "/v1/tables/{}/indexes/{id}", Index, Empty, HIDE),
    row("get", "/v1/tables/{name}/rows", "/v1/tables/{}/rows", Table, Empty, READ),
    row("get", "/v1/tables/{name}/rows.{format}", "/v1/tables/{}/rows.csv", Table, Empty, READ),
    row("post", "/v1/tables/{name}/rows", "/v1/tables/{}/rows", Table, CSV, CREATE),
    row("patch", "/v1/tables/{name}/rows", "/v1/tables/{}/rows?a=eq.1", Table, Json("{\"a\":2}"), HIDE),
    row("delete", "/v1/tables/{name}/rows", "/v1/tables/{}/rows?a=eq.1", Table, Empty, HIDE),

    row("get", "/v1/documents/{collection}", "/v1/documents/{}", Document, Empty, READ),
    row("get", "/v1/documents/{collection}/{id}", "/v1/documents/{}/a", Document, Empty, READ),
    row("put", "/v1/documents/{collection}/{id}", "/v1/documents/{}/a", Document, Bytes("{\"a\":2}"), REPLACE),
    row("delete", "/v1/documents/{collection}/{id}", "/v1/documents/{}/a", Document, Empty, HIDE),
    row("post", "/v1/documents/{collection}/{id}/restore", "/v1/documents/{}/a/restore", DeletedDocument, Empty, CHANGE),
    row("get", "/v1/collections/{name}", "/v1/collections/{}", Document, Empty, READ),
    row("patch", "/v1/collections/{name}", "/v1/collections/{}", Document, Json("{\"visibility\":\"team\"}"), CHANGE),
    row("delete", "/v1/collections/{name}", "/v1/collections/{}", Document, Empty, HIDE),
    row("post", "/v1/collections/{name}/restore", "/v1/collections/{}/restore", DeletedCollection, Empty, CHANGE),

    row("get", "/v1/datasets", "/v1/datasets", Table, Empty, LIST),
    row("get", "/v1/datasets/{id}", "/v1/datasets/{id}", Dataset, Empty, READ),
    row("get", "/v1/datasets/{id}/log", "/v1/datasets/{id}/log", Dataset, Empty, READ),
    row("get", "/v1/audit", "/v1/audit", Nothing, Empty, [403, 403, 403, 403, 200]),
    row("get", "/metrics", "/metrics", Nothing, Empty, [403, 403, 403, 403, 200]),

    row("get", "/v1/jobs", "/v1/jobs", Job, Empty, LIST),
    row("get", "/v1/jobs/{id}", "/v1/jobs/{id}", Job, Empty, READ),
    // It has ended already.
    row("delete", "/v1/jobs/{id}", "/v1/jobs/{id}", Job, Empty, [404, 404, 403, 409, 409]),

    row("get", "/v1/shares", "/v1/shares", Share, Empty, LIST),
    row("post", "/v1/shares", "/v1/shares", Table, Json("{\"target\":\"/v1/tables/{}\"}"), CREATE),
    row("delete", "/v1/shares", "/v1/shares?target=/v1/tables/{}", Share, Empty, CHANGE),
    // Who sees a link can follow it, so it takes the right to share.
    row("get", "/v1/shares/{id}", "/v1/shares/{id}", Share, Empty, [404, 404, 404, 200, 200]),
    row("patch", "/v1/shares/{id}", "/v1/shares/{id}", Share, Json("{\"label\":\"x\"}"), [404, 404, 404, 200, 200]),
    row("delete", "/v1/shares/{id}", "/v1/shares/{id}", Share, Empty, [404, 404, 404, 204, 204]),
    row("get", "/v1/shares/{id}/log", "/v1/shares/{id}/log", Share, Empty, [404, 404, 404, 200, 200]),

    row("get", "/v1/tokens", "/v1/tokens", Token, Empty, LIST),
    row("post", "/v1/tokens", "/v1/tokens", Nothing, Json("{\"name\":\"x\",\"scopes\":[\"write:blobs/x\"]}"), [403, 201, 403, 201, 201]),
    row("get", "/v1/tokens/{id}", "/v1/tokens/{id}", Token, Empty, [404, 404, 404, 200, 200]),
    row("patch", "/v1/tokens/{id}", "/v1/tokens/{id}", Token, Json("{\"name\":\"x\"}"), [404, 404, 404, 200, 200]),
    row("post", "/v1/tokens/{id}/rotate", "/v1/tokens/{id}/rotate", Token, Empty, [404, 404, 404, 201, 201]),
    row("delete", "/v1/tokens/{id}", "/v1/tokens/{id}", Token, Empty, [404, 404, 404, 204, 204]),

    row("get", "/v1/principals", "/v1/principals", Nothing, Empty, LIST),
    row("post", "/v1/principals", "/v1/principals", Nothing, Json("{\"name\":\"p {}\",\"kind\":\"person\"}"), [403, 403, 403, 403, 201]),
    row("get", "/v1/principals/{id}", "/v1/principals/{id}", Principal, Empty, [404, 404, 404, 404, 200]),
    row("patch", "/v1/principals/{id}", "/v1/principals/{id}", Principal, Json("{\"disabled\":true}"), [404, 404, 404, 404, 200]),
    row("delete", "/v1/principals/{id}", "/v1/principals/{id}", Principal, Empty, [404, 404, 404, 404, 204]),
];

#[test]
fn every_route_has_a_row() {
    let reference: Value = serde_json::from_str(include_str!("../../../src/http/openapi.json")).unwrap();
    let mut routes = BTreeSet::new();
    for (path, item) in reference["paths"].as_object().unwrap() {
        let methods = item.as_object().unwrap().keys();
        routes.extend(
            methods
                .filter(|method| !["parameters", "head"].contains(&method.as_str()))
                .map(|method| (method.as_str(), path.as_str())),
        );
    }
    let rows = ROWS.iter().map(|row| (row.method, row.route)).chain(OPEN).collect::<BTreeSet<_>>();
    assert_eq!(routes, rows);
}

/// What stands behind `{}` and `{id}` in a row's path.
struct Made {
    name: String,
    id: String,
}

impl Row {
    fn method(&self) -> Method {
        Method::from_bytes(self.method.to_ascii_uppercase().as_bytes()).unwrap()
    }

    /// The request for what was made, by whoever has the token, if any.
    async fn send(&self, larder: &Service, method: Method, made: &Made, token: Option<&str>) -> Response {
        let path = self.path.replace("{}", &made.name).replace("{id}", &made.id);
        let request = larder.anonymous(method, &path);
        let request = token.into_iter().fold(request, reqwest::RequestBuilder::bearer_auth);
        let request = match self.body {
            Empty => request,
            Bytes(bytes) => request.body(bytes),
            Json(body) => request.header("content-type", "application/json").body(body.replace("{}", &made.name)),
            Form => {
                let file = reqwest::multipart::Part::bytes(b"y").file_name(format!("{}.bin", made.name));
                request.multipart(reqwest::multipart::Form::new().part("file", file))
            }
        };
        request.send().await.expect("an answer")
    }

    /// The answer of a caller with a token. What is not there for it is answered as what is nowhere.
    async fn expect(&self, larder: &Service, made: &Made, who: (&str, &Holder<'_>), status: u16) {
        let (who, holder) = who;
        let what = format!("{} {} as {who}", self.method, self.path);
        let answer = self.send(larder, self.method(), made, Some(holder.secret())).await;
        let found = answer.status().as_u16();
        let body = answer.text().await.unwrap();
        assert_eq!(found, status, "{what}: {body}");
        if self.method == "get" {
            let head = self.send(larder, Method::HEAD, made, Some(holder.secret())).await;
            assert_eq!(head.status(), status, "HEAD of {what}");
        }
        let seen = body.contains(&made.name) || (!made.id.is_empty() && body.contains(&made.id));
        if self.expected.narrower == 200 && self.thing != Nothing {
            // A list: what was made is in it for whom it is for.
            let beyond_reading = matches!(self.thing, Share | Token);
            let hidden = matches!(who, "narrower" | "stranger") || (beyond_reading && who == "reader");
            assert_eq!(seen, !hidden, "{what}: {body}");
        }
        if found == 404 || found == 403 && who == "narrower" {
            let nowhere =
                Made { name: format!("no{}", made.name), id: "01a20733-4ff5-721f-9999-e51ff506ad18".to_owned() };
            let absent = self.send(larder, self.method(), &nowhere, Some(holder.secret())).await;
            assert_eq!(absent.status().as_u16(), found, "{what}, of nothing");
            let absent = plain(&absent.text().await.unwrap()).replace(&nowhere.name, "NAME");
            assert_eq!(plain(&body).replace(&made.name, "NAME"), absent, "{what}");
        }
    }
}

/// A problem without its request's id; of a form, in the answer to its file.
fn plain(body: &str) -> String {
    let mut answer: Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("a problem: {body}"));
    let problem = if answer["files"].is_array() { &mut answer["files"][0]["problem"] } else { &mut answer };
    assert!(problem["request_id"].is_string(), "{body}");
    problem["request_id"] = Value::Null;
    answer.to_string()
}

/// Makes what a row is about, as its owner.
async fn make(owner: &Holder<'_>, thing: Thing, number: usize) -> Made {
    let name = format!("mx{number}-{}", &uuid::Uuid::new_v4().simple().to_string()[..12]);
    let blob = format!("/v1/blobs/{name}");
    let (table, document) = (format!("/v1/tables/{name}"), format!("/v1/documents/{name}/a"));
    let mut id = String::new();
    match thing {
        // A smart upload of the row is called so, too.
        Blob | DeletedBlob => {
            json(owner.put(&blob, "x").await, 201).await;
            json(owner.put(&format!("{blob}.bin"), "x").await, 201).await;
        }
        Document | DeletedDocument | DeletedCollection => _ = json(owner.put(&document, "{\"a\":1}").await, 201).await,
        Nothing | Token | Principal => {}
        _ => id = text(&json(owner.put(&table, "a\n1\n").await, 201).await, "id").to_owned(),
    }
    match thing {
        DeletedBlob => _ = owner.delete(&blob).await,
        DeletedTable => _ = owner.delete(&table).await,
        DeletedDocument => _ = owner.delete(&document).await,
        DeletedCollection => _ = owner.delete(&format!("/v1/collections/{name}")).await,
        Index => {
            let made = owner.post(&format!("{table}/indexes"), &json!({ "columns": ["a"] })).await;
            id = text(&json(made, 201).await, "id").to_owned();
        }
        Change => {
            owner.send(Method::PATCH, &format!("{table}/rows?a=eq.1"), &json!({ "a": 2 })).await;
            let changes = json(owner.get(&format!("{table}/changes")).await, 200).await;
            id = text(&changes["changes"][0], "id").to_owned();
        }
        Job => {
            let request = owner.request(Method::PUT, &table).header("prefer", "respond-async").body("a\n3\n");
            id = text(&json(request.send().await.unwrap(), 202).await, "id").to_owned();
            let finished = format!("select state = 'running' from larder.jobs where id = '{id}'");
            owner.larder.wait_for(&finished, &["false"]).await;
        }
        Share => {
            let made = owner.post("/v1/shares", &json!({ "target": table })).await;
            id = text(&json(made, 201).await, "id").to_owned();
        }
        Token => {
            let made = owner.post("/v1/tokens", &json!({ "name": name, "scopes": ["write:blobs/x"] })).await;
            id = text(&json(made, 201).await, "id").to_owned();
        }
        Principal => {
            let made = owner.larder.post("/v1/principals", &json!({ "name": name, "kind": "program" })).await;
            id = text(&json(made, 201).await, "id").to_owned();
        }
        _ => {}
    }
    Made { name, id }
}

#[tokio::test]
async fn every_caller_gets_of_every_route_what_it_may_and_learns_no_more() {
    let larder =
        Service::start(&["--token-cache-seconds", "0", "--visibility", "private", "--tokens-max", "100000"]).await;
    let owner = principal(&larder, "owner").await;
    let stranger = principal(&larder, "stranger").await;
    let (narrower, reader) =
        (owner.scoped(&["write:tables/elsewhere", "share:blobs/elsewhere/**"]).await, owner.scoped(&["read:**"]).await);
    let admin = Holder { larder: &larder, principal: Value::Null, token: json!({ "token": larder.token }) };
    let invalid = invalid_tokens(&owner).await;
    let nothing = larder.anonymous(Method::GET, "/v1/nothing").send().await.unwrap();
    let unauthenticated = plain(&nothing.text().await.unwrap());
    for (number, row) in ROWS.iter().enumerate() {
        let made = make(&owner, row.thing, number).await;
        for token in &invalid {
            let answer = row.send(&larder, row.method(), &made, token.as_deref()).await;
            let what = format!("{} {} by {token:?}", row.method, row.path);
            assert_eq!(answer.status(), 401, "{what}");
            assert_eq!(plain(&answer.text().await.unwrap()), unauthenticated, "{what}");
        }
        let expected = &row.expected;
        row.expect(&larder, &made, ("narrower", &narrower), expected.narrower).await;
        row.expect(&larder, &made, ("stranger", &stranger), expected.stranger).await;
        row.expect(&larder, &made, ("reader", &reader), expected.reader).await;
        row.expect(&larder, &made, ("owner", &owner), expected.owner).await;
        let made = make(&owner, row.thing, number).await;
        row.expect(&larder, &made, ("admin", &admin), expected.admin).await;
    }
}

/// None, and tokens that are none, or none any more.
async fn invalid_tokens(owner: &Holder<'_>) -> Vec<Option<String>> {
    let larder = owner.larder;
    let disabled = principal(larder, "disabled").await;
    let (expired, revoked) = (owner.scoped(&["admin:**"]).await, owner.scoped(&["admin:**"]).await);
    for holder in [&disabled, &expired, &revoked] {
        assert!(holder.works().await);
    }
    let disable = larder.request(Method::PATCH, &disabled.path()).json(&json!({ "disabled": true }));
    json(disable.send().await.unwrap(), 200).await;
    let id = text(&expired.token, "id");
    larder.sql(&format!("update larder.tokens set expires_at = now() where id = '{id}'")).await;
    assert_eq!(owner.delete(&revoked.token_path()).await.status(), 204);
    // The token of a link opens the link alone.
    json(owner.put("/v1/blobs/linked", "x").await, 201).await;
    let share = json(owner.post("/v1/shares", &json!({ "target": "/v1/blobs/linked" })).await, 201).await;
    let link = text(&share, "url").rsplit('/').next().unwrap().to_owned();
    let tokens = [disabled.secret(), expired.secret(), revoked.secret(), "larder_wrong", link.as_str()];
    std::iter::once(None).chain(tokens.map(|token| Some(token.to_owned()))).collect()
}
