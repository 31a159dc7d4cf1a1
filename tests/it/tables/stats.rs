//! Statistics: what columns hold, of all rows or of a sample.

use super::put;
use crate::support::{Service, json, problem, shared};
use reqwest::Method;
use serde_json::{Value, json};

async fn stats(name: &str) -> Value {
    json(shared().get(&format!("/v1/tables/{name}/stats")).await, 200).await
}

#[tokio::test]
async fn explore() {
    put("st-types", super::ALL_TYPES).await;
    println!("{}", shared().text("/v1/tables/st-types/stats").await);
    put("st-num", "i,n,d,t,u,k\n1,0.10,1.5e0,a,6f9619ff-8b86-d011-b42d-00c04fc964ff,10:00\n2,0.10,2.5e0,bb,6f9619ff-8b86-d011-b42d-00c04fc964fe,11:30:00.5\n3,12345678901234567890.5,-3.0e0,a,,12:00\n10,,1e-320,ccc,,\n").await;
    println!("{}", shared().text("/v1/tables/st-num/stats").await);
}
