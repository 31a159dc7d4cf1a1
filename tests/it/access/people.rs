//! Principals and tokens, made as an admin makes them.

use crate::support::{Service, json, problem};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use uuid::Uuid;

/// Somebody with a token.
pub struct Holder<'a> {
    pub larder: &'a Service,
    pub principal: Value,
    pub token: Value,
}

/// A principal of a name that nobody else has, with a token for all that it may do.
pub async fn principal<'a>(larder: &'a Service, name: &str) -> Holder<'a> {
    let name = format!("{name} {}", Uuid::now_v7().simple());
    let made = larder.post("/v1/principals", &json!({ "name": name, "kind": "person" })).await;
    let principal = json(made, 201).await;
    let token = larder.post("/v1/tokens", &json!({ "name": "first", "principal": name })).await;
    Holder { larder, principal, token: json(token, 201).await }
}

impl<'a> Holder<'a> {
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.larder.anonymous(method, path).bearer_auth(self.secret())
    }

    pub async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.expect("an answer")
    }

    pub async fn put(&self, path: &str, body: &str) -> Response {
        self.request(Method::PUT, path).body(body.to_owned()).send().await.expect("an answer")
    }

    pub async fn send(&self, method: Method, path: &str, body: &Value) -> Response {
        self.request(method, path).json(body).send().await.expect("an answer")
    }

    pub async fn post(&self, path: &str, body: &Value) -> Response {
        self.send(Method::POST, path, body).await
    }

    pub async fn delete(&self, path: &str) -> Response {
        self.request(Method::DELETE, path).send().await.expect("an answer")
    }

    /// The same principal by a token with these scopes, which this one makes.
    pub async fn scoped(&self, scopes: &[&str]) -> Holder<'a> {
        let made = self.post("/v1/tokens", &json!({ "name": "scoped", "scopes": scopes })).await;
        Holder { larder: self.larder, principal: self.principal.clone(), token: json(made, 201).await }
    }

    pub fn secret(&self) -> &str {
        text(&self.token, "token")
    }

    pub fn name(&self) -> &str {
        text(&self.principal, "name")
    }

    /// The address of its principal.
    pub fn path(&self) -> String {
        format!("/v1/principals/{}", text(&self.principal, "id"))
    }

    /// The address of its token.
    pub fn token_path(&self) -> String {
        format!("/v1/tokens/{}", text(&self.token, "id"))
    }

    pub async fn works(&self) -> bool {
        self.works_at(self.larder).await
    }

    /// Whether another replica takes the token.
    pub async fn works_at(&self, larder: &Service) -> bool {
        let answer = larder.anonymous(Method::GET, "/v1/tokens").bearer_auth(self.secret()).send().await;
        let answer = answer.expect("an answer");
        if answer.status() == 200 {
            return true;
        }
        problem(answer, 401, "unauthenticated").await;
        false
    }
}

pub fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value[field].as_str().unwrap_or_else(|| panic!("{field} in {value}"))
}
