//! Links with a password.

use super::{follow, follow_with, hits, share_with, url};
use crate::support::{json, problem, shared};
use reqwest::{Method, Response};
use serde_json::{Value, json};

const PASSWORD: &str = "open sesame, ünd wait";

async fn with_password(share: &Value, password: &str) -> Response {
    shared().anonymous(Method::GET, url(share)).basic_auth("anyone", Some(password)).send().await.unwrap()
}

/// Sends the form of the link's page.
async fn form(share: &Value, fields: &str) -> Response {
    let request = shared().anonymous(Method::POST, url(share));
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    request.body(fields.to_owned()).send().await.unwrap()
}

fn cookie(answer: &Response) -> String {
    answer.headers()["set-cookie"].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_password_is_asked_for_and_taken_by_basic() {
    shared().put("/v1/blobs/pw/a.txt", "behind a password").await;
    let share = share_with("/v1/blobs/pw/a.txt", json!({ "password": PASSWORD })).await;
    for method in [Method::GET, Method::HEAD] {
        let answer = follow_with(method, url(&share), &[]).await;
        assert_eq!(answer.status(), 401);
        assert_eq!(answer.headers()["www-authenticate"], "Basic realm=\"link\", charset=\"UTF-8\"");
    }
    problem(follow(&format!("{}/a.txt", url(&share))).await, 401, "password-needed").await;
    problem(with_password(&share, "open sesame").await, 401, "password-needed").await;
    // A token of the service is no password of a link.
    problem(shared().get(url(&share)).await, 401, "password-needed").await;
    assert_eq!(with_password(&share, PASSWORD).await.text().await.unwrap(), "behind a password");
    assert_eq!(hits(&share).await, ["password", "password", "password", "password", "password", "streamed"]);
    let kept = format!("select password from larder.shares where id = '{}'", share["id"].as_str().unwrap());
    assert!(shared().column(&kept).await.join("").starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
}

#[tokio::test]
async fn the_form_of_a_password_opens_the_link_for_that_browser_until_the_password_changes() {
    shared().put("/v1/tables/pw-table", "a\n1\n").await;
    let share = share_with("/v1/tables/pw-table", json!({ "password": PASSWORD })).await;
    let other = share_with("/v1/tables/pw-table", json!({ "password": PASSWORD })).await;
    problem(form(&share, "password=wrong").await, 401, "password-needed").await;
    problem(form(&share, "secret=x").await, 400, "bad-request").await;
    let admitted = form(&share, "password=open+sesame%2C+%C3%BCnd+wait").await;
    assert_eq!((admitted.status().as_u16(), admitted.headers()["cache-control"].to_str().unwrap()), (303, "no-store"));
    let path = url(&share).strip_prefix(&shared().url).unwrap();
    assert_eq!(admitted.headers()["location"], path);
    let told = cookie(&admitted);
    for part in ["HttpOnly", "SameSite=Lax", "Max-Age=14400", &format!("Path={path}")] {
        assert!(told.split("; ").any(|given| given == part), "{told}");
    }
    let cookie = told.split(';').next().unwrap().to_owned();
    let by_cookie =
        async |share: &Value| follow_with(Method::GET, url(share), &[("cookie", &format!("x=y; {cookie}"))]).await;
    assert_eq!(by_cookie(&share).await.text().await.unwrap(), "a\n1\n");
    // It is of this link alone.
    problem(by_cookie(&other).await, 401, "password-needed").await;
    let path = format!("/v1/shares/{}", share["id"].as_str().unwrap());
    let changed =
        shared().request(Method::PATCH, &path).json(&json!({ "password": "another one" })).send().await.unwrap();
    json(changed, 200).await;
    problem(by_cookie(&share).await, 401, "password-needed").await;
    problem(with_password(&share, PASSWORD).await, 401, "password-needed").await;
    assert_eq!(with_password(&share, "another one").await.status(), 200);
}

#[tokio::test]
async fn a_link_without_a_password_takes_no_form_of_one() {
    shared().put("/v1/blobs/pw/open.txt", "open").await;
    let share = share_with("/v1/blobs/pw/open.txt", json!({})).await;
    problem(form(&share, "password=x").await, 403, "not-shared").await;
}
