//! Principals other than the admin.

use super::Service;
use larder::auth::NewToken;
use reqwest::{Method, RequestBuilder, Response};
use sha2::{Digest, Sha256};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

/// Somebody with a token that may not do everything.
pub struct Person<'a> {
    service: &'a Service,
    token: String,
}

impl Service {
    pub async fn person(&self) -> Person<'_> {
        let token = NewToken::random().expect("random bytes").0.expose().to_owned();
        let stores = self.base.stores(&self.app.config).await.expect("the stores");
        let mut database = PgConnection::connect_with(&stores.database.options).await.expect("the database");
        sqlx::query(
            "with principal as (insert into larder.principals (id, name, kind) values ($1, $2, 'person') returning id)
             insert into larder.tokens (id, principal_id, name, hash, prefix) select id, id, 'test', $3, '' from principal",
        )
        .bind(Uuid::now_v7())
        .bind(format!("person {}", Uuid::now_v7()))
        .bind(Sha256::digest(&token).to_vec())
        .execute(&mut database)
        .await
        .expect("a principal");
        Person { service: self, token }
    }
}

impl Person<'_> {
    /// The same on another replica.
    pub fn on<'a>(&self, service: &'a Service) -> Person<'a> {
        Person { service, token: self.token.clone() }
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.service.anonymous(method, path).bearer_auth(&self.token)
    }

    pub async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.expect("an answer")
    }

    pub async fn put(&self, path: &str, body: &str) -> Response {
        self.request(Method::PUT, path).body(body.to_owned()).send().await.expect("an answer")
    }
}
