//! What a page of another origin may do.

use super::{Bucket, minutes};

#[tokio::test]
async fn a_preflight_is_answered_without_a_signature() {
    let b = Bucket::new().await;
    let ask =
        reqwest::Client::new().request(reqwest::Method::OPTIONS, b.url("k")).header("origin", "https://app.example");
    let ask = ask
        .header("access-control-request-method", "PUT")
        .header("access-control-request-headers", "content-type,x-amz-meta-a,authorization");
    let answer = ask.send().await.unwrap();
    assert!(answer.status().is_success());
    let header = |name: &str| answer.headers()[name].to_str().unwrap().to_ascii_lowercase();
    assert!(["*", "https://app.example"].contains(&&*header("access-control-allow-origin")));
    assert!(header("access-control-allow-methods").contains("put"));
    assert!(
        ["content-type", "x-amz-meta-a", "authorization"]
            .iter()
            .all(|name| header("access-control-allow-headers").contains(name))
    );
    assert!(!answer.headers().contains_key("access-control-allow-credentials"));
}

#[tokio::test]
async fn a_page_may_read_the_etag_and_the_range_of_a_presigned_answer() {
    let b = Bucket::new().await;
    b.put("k", "value").await;
    let url = b.client.get_object().bucket(&b.name).key("k").presigned(minutes(10)).await.unwrap();
    let get =
        reqwest::Client::new().get(url.uri()).header("origin", "https://app.example").header("range", "bytes=0-1");
    let answer = get.send().await.unwrap();
    assert_eq!(answer.headers()["access-control-allow-origin"], "*");
    assert_eq!(answer.headers()["access-control-expose-headers"], "*");
    assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
    assert_eq!(answer.headers()["content-security-policy"], "sandbox");
}

#[tokio::test]
async fn a_refusal_can_be_read_by_the_page_too() {
    let b = Bucket::new().await;
    let answer = reqwest::Client::new().get(b.url("k")).header("origin", "https://app.example").send().await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), answer.headers()["access-control-allow-origin"].to_str().unwrap()),
        (403, "*")
    );
}

#[tokio::test]
async fn the_rules_of_a_bucket_are_kept() {
    use aws_sdk_s3::types::{CorsConfiguration, CorsRule};
    let b = Bucket::new().await;
    let get = || b.client.get_bucket_cors().bucket(&b.name).send();
    assert_eq!(super::code(get().await), "NoSuchCORSConfiguration");
    let rule = CorsRule::builder().allowed_methods("PUT").allowed_origins("*").build().unwrap();
    let rules = CorsConfiguration::builder().cors_rules(rule.clone()).build().unwrap();
    b.client.put_bucket_cors().bucket(&b.name).cors_configuration(rules).send().await.unwrap();
    assert_eq!(get().await.unwrap().cors_rules(), [rule]);
    b.client.delete_bucket_cors().bucket(&b.name).send().await.unwrap();
    assert_eq!(super::code(get().await), "NoSuchCORSConfiguration");
}
