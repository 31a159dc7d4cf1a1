//! Stores that are configured: the binary finds them by environment alone, and says which of them it cannot use, and why.

use crate::support::{
    deployment::{Deployment, SECRET_KEY, Shape, TOKEN, create_table, servers},
    json,
    process::{Folder, Larder, larder, run},
};
use aws_sdk_dynamodb::types::{AttributeValue, ProjectionType, ScalarAttributeType};
use larder::embedded::{EngineKeys, dynamodb::DynamoEngine};
use reqwest::Method;

/// One of each structure goes in, each to its store, and comes out again.
pub async fn put_one_of_each(service: &Larder, mark: &str) {
    for (path, body, read) in [
        (format!("/{mark}.bin"), format!("\u{89}{mark}"), format!("/v1/blobs/{mark}.bin")),
        (format!("/{mark}.csv"), format!("word\n{mark}\n"), format!("/v1/tables/{mark}/rows.csv")),
        (format!("/{mark}.json"), format!("{{\"word\":\"{mark}\"}}"), format!("/v1/documents/inbox/{mark}")),
    ] {
        json(service.put(&path, body.clone()).await, 201).await;
        assert_eq!(service.text(&read).await, body);
    }
}

#[tokio::test]
async fn with_every_store_elsewhere_it_starts_serves_and_starts_again_without_the_token() {
    let deployment = Deployment::new().await;
    let said = deployment.without("LARDER_ADMIN_TOKEN").refused().await;
    assert!(said.contains("LARDER_ADMIN_TOKEN must be set at the first start"), "{said}");

    let service = deployment.start().await;
    put_one_of_each(&service, "first").await;
    let blob = json(service.put("/more.bin?share=1h", "more").await, 201).await;
    assert!(blob["links"]["share"].as_str().is_some_and(|link| link.starts_with("https://data.example.org/s/")));
    // Signed for the store itself: the service is not between.
    let presigned = blob["presigned"]["url"].as_str().expect("a link");
    assert!(presigned.starts_with(&format!("http://{}/{}/", servers().s3.addr(), deployment.name)), "{presigned}");
    let direct = service.anonymous(Method::GET, presigned).send().await.expect("an answer");
    assert_eq!(direct.text().await.expect("a body"), "more");
    assert_eq!(service.stdout(), "", "the banner is for those who have no stores");
    let ended = service.stop().await;
    assert!(!ended.stderr.contains(TOKEN) && !ended.stderr.contains(SECRET_KEY));

    let mut service = deployment.without("LARDER_ADMIN_TOKEN").start().await;
    service.token = TOKEN.to_owned();
    assert_eq!(service.text("/v1/tables/first/rows.csv").await, "word\nfirst\n");
    service.stop().await;

    let made = {
        let folder = Folder::new();
        let mut command = deployment.without("LARDER_ADMIN_TOKEN").command(&folder);
        command.args(["token", "create", "--admin"]);
        run(command).await
    };
    assert!(made.status.success() && made.stdout.starts_with("larder_"), "{made:?}");
}

#[tokio::test]
async fn each_store_elsewhere_by_itself_works_with_the_others_embedded() {
    for elsewhere in ["LARDER_S3_BUCKET", "LARDER_DYNAMODB_TABLE", "DATABASE_URL"] {
        let deployment = Deployment::new().await;
        let folder = Folder::new();
        let mut command = larder(&folder.data(), &[]);
        let needed = |name: &str| name == elsewhere || name.starts_with("AWS_") || name == "LARDER_ADMIN_TOKEN";
        let environment = deployment.environment.iter().filter(|(name, _)| needed(name));
        command.envs(environment.map(|(name, value)| (name, value)));
        let mut service = Larder::start_with(command).await;
        service.token = TOKEN.to_owned();
        service.data_dir = folder.data();
        put_one_of_each(&service, "mixed").await;
        let banner = service.stdout();
        for (variable, engine) in
            [("LARDER_S3_BUCKET", "S3  "), ("LARDER_DYNAMODB_TABLE", "DynamoDB"), ("DATABASE_URL", "Postgres")]
        {
            let shown = banner.lines().any(|line| line.trim().starts_with(engine));
            assert_eq!(shown, variable != elsewhere, "{elsewhere}: {banner}");
        }
        assert_eq!(service.postgres().is_some(), elsewhere != "DATABASE_URL");
        service.stop().await;

        let objects = servers().s3().list_objects_v2().bucket(&deployment.name).prefix("objects/").send().await;
        assert_eq!(objects.expect("a page").contents().len(), if elsewhere == "LARDER_S3_BUCKET" { 2 } else { 0 });
        let items = servers().dynamodb().scan().table_name(&deployment.name).send().await.expect("a page");
        assert_eq!(items.items().len(), if elsewhere == "LARDER_DYNAMODB_TABLE" { 2 } else { 0 });
    }
}

#[tokio::test]
async fn a_store_that_is_not_there_is_named() {
    let deployment = Deployment::new().await;
    for (setting, value, said) in [
        (
            "LARDER_S3_BUCKET",
            "no-such-bucket".to_owned(),
            "The bucket `no-such-bucket` of LARDER_S3_BUCKET does not exist",
        ),
        (
            "LARDER_DYNAMODB_TABLE",
            "no-such-table".to_owned(),
            "The DynamoDB table `no-such-table` of LARDER_DYNAMODB_TABLE does not exist",
        ),
        ("DATABASE_URL", servers().database_url("larder", "nowhere"), "database \"nowhere\" does not exist"),
        ("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1".to_owned(), "S3 does not answer"),
        ("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:1".to_owned(), "DynamoDB does not answer"),
    ] {
        let refusal = deployment.with(setting, value).refused().await;
        assert!(refusal.contains(said), "{setting}: {refusal}");
    }
    // None of these has spoilt anything.
    deployment.start().await.stop().await;
}

#[tokio::test]
async fn a_table_of_another_shape_is_refused_with_what_it_lacks() {
    let deployment = Deployment::new().await;
    for (what, shape, said) in [
        ("key", Shape { partition: "id", ..Shape::default() }, "partition key must be `pk`"),
        ("type", Shape { partition_type: ScalarAttributeType::N, ..Shape::default() }, "both strings"),
        ("seven", Shape { indexes: 7, ..Shape::default() }, "no global secondary index `ix8`"),
        ("sort", Shape { index_sort_type: ScalarAttributeType::S, ..Shape::default() }, "`i1s` (binary)"),
        ("projection", Shape { projection: ProjectionType::KeysOnly, ..Shape::default() }, "project all attributes"),
    ] {
        let table = format!("{}-{what}", deployment.name);
        create_table(&table, &shape).await;
        let refusal = deployment.with("LARDER_DYNAMODB_TABLE", &table).refused().await;
        assert!(refusal.contains(&table) && refusal.contains(said), "{refusal}");
    }
}

#[tokio::test]
async fn stores_of_another_installation_and_emptied_ones_are_refused_and_not_touched() {
    let (one, other) = (Deployment::new().await, Deployment::new().await);
    for deployment in [&one, &other] {
        deployment.start().await.stop().await;
    }
    let fresh = Deployment::new().await;
    for deployment in [&one, &fresh] {
        for (setting, store) in [("LARDER_S3_BUCKET", "the bucket"), ("LARDER_DYNAMODB_TABLE", "the DynamoDB table")] {
            let refusal = deployment.with(setting, &other.name).refused().await;
            let named = format!("{store} `{}`", other.name);
            assert!(refusal.contains(&named) && refusal.contains("different installations"), "{refusal}");
        }
    }
    other.start().await.stop().await;

    let bucket = servers().s3().delete_object().bucket(&one.name).key("larder/installation").send();
    bucket.await.expect("it is deleted");
    let refusal = one.refused().await;
    assert!(refusal.contains(&format!("the bucket `{}` carries no mark", one.name)), "{refusal}");
    let table = servers().dynamodb().delete_item().table_name(&other.name);
    let key = |text: &str| AttributeValue::S(text.to_owned());
    table.key("pk", key("_installation")).key("sk", key("_")).send().await.expect("it is deleted");
    let refusal = other.refused().await;
    assert!(refusal.contains(&format!("the DynamoDB table `{}` carries no mark", other.name)), "{refusal}");

    let left = servers().s3().list_objects_v2().bucket(&one.name).send().await.expect("a page");
    assert_eq!(left.contents().len(), 0, "an emptied bucket was marked again");
    fresh.start().await.stop().await;
}

#[tokio::test]
async fn refused_credentials_and_roles_are_told_apart_from_missing_stores() {
    let deployment = Deployment::new().await;
    for (setting, value, code) in [
        ("AWS_SECRET_ACCESS_KEY", "not-the-secret-not-the-secret", "SignatureDoesNotMatch"),
        // As `s3s` words it; S3 itself says `InvalidAccessKeyId`.
        ("AWS_ACCESS_KEY_ID", "LARDERNOTTHEKEY", "NotSignedUp"),
    ] {
        let refusal = deployment.with(setting, value).refused().await;
        assert!(refusal.contains("S3 refuses the bucket") && refusal.contains(code), "{refusal}");
    }

    // A DynamoDB that does not know the keys that S3 knows.
    let folder = Folder::new();
    let keys = EngineKeys::load_or_create(folder.path()).expect("keys");
    let engine = DynamoEngine::start(&folder.path().join("dynamodb"), &keys).await.expect("DynamoDB");
    let endpoint = format!("http://{}", engine.addr());
    let refusal = deployment.with("AWS_ENDPOINT_URL_DYNAMODB", endpoint).refused().await;
    assert!(refusal.contains("DynamoDB refuses the table"), "{refusal}");
    assert!(refusal.contains("UnrecognizedClientException"), "{refusal}");
    engine.stop().await;

    let fresh = Deployment::new().await;
    servers().sql(format!("create role {} login", fresh.name)).await;
    let url = servers().database_url(&fresh.name, &fresh.name);
    let refusal = fresh.with("DATABASE_URL", url).refused().await;
    assert!(refusal.contains("lacks the migrations [1, "), "{refusal}");

    let nobody =
        ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].iter().fold(deployment.clone(), |one, name| one.without(name));
    let nobody = nobody.with("AWS_EC2_METADATA_DISABLED", "true").with("AWS_CONFIG_FILE", "/dev/null");
    let refusal = nobody.with("AWS_SHARED_CREDENTIALS_FILE", "/dev/null").refused().await;
    assert!(refusal.contains("The AWS SDK found no credentials"), "{refusal}");

    let refusal = deployment.without("AWS_REGION").with("AWS_EC2_METADATA_DISABLED", "true").refused().await;
    assert!(refusal.contains("AWS_REGION"), "{refusal}");
}

#[tokio::test]
async fn two_replicas_that_start_at_the_same_moment_on_empty_stores_serve_the_same() {
    for _ in 0..3 {
        let deployment = Deployment::new().await;
        let (one, other) = tokio::join!(deployment.start(), deployment.start());
        put_one_of_each(&one, "one").await;
        put_one_of_each(&other, "other").await;
        assert_eq!(other.text("/v1/tables/one/rows.csv").await, "word\none\n");
        assert_eq!(one.text("/v1/documents/inbox/other").await, "{\"word\":\"other\"}");
        assert_eq!(one.text("/v1/blobs/other.bin").await, "\u{89}other");
        tokio::join!(one.stop(), other.stop());
    }
}
