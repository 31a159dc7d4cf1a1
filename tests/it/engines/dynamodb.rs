//! DynamoDB, by the SDK.

use super::{client, folder, string};
use aws_sdk_dynamodb::{
    Client,
    error::ProvideErrorMetadata,
    primitives::Blob,
    types::{
        AttributeDefinition, AttributeValue, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
        ProjectionType, ScalarAttributeType,
    },
};
use larder::embedded::{EngineKeys, dynamodb::DynamoEngine};

fn attribute(name: &str, kind: ScalarAttributeType) -> AttributeDefinition {
    AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build().unwrap()
}

fn keys(partition: &str, sort: &str) -> Vec<KeySchemaElement> {
    [(partition, KeyType::Hash), (sort, KeyType::Range)]
        .map(|(name, kind)| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap())
        .to_vec()
}

/// The table as the documents keep it: `pk`, `sk` and eight sparse indexes with binary sort keys.
async fn create_table(client: &Client) {
    let mut table = client
        .create_table()
        .table_name("larder")
        .billing_mode(BillingMode::PayPerRequest)
        .set_key_schema(Some(keys("pk", "sk")))
        .attribute_definitions(attribute("pk", ScalarAttributeType::S))
        .attribute_definitions(attribute("sk", ScalarAttributeType::S));
    for i in 1..=8 {
        let (partition, sort) = (format!("i{i}p"), format!("i{i}s"));
        let index = GlobalSecondaryIndex::builder()
            .index_name(format!("index{i}"))
            .set_key_schema(Some(keys(&partition, &sort)))
            .projection(Projection::builder().projection_type(ProjectionType::All).build());
        table = table
            .attribute_definitions(attribute(&partition, ScalarAttributeType::S))
            .attribute_definitions(attribute(&sort, ScalarAttributeType::B))
            .global_secondary_indexes(index.build().unwrap());
    }
    table.send().await.unwrap();
}

#[tokio::test]
async fn dynamodb_has_eight_sparse_indexes_that_can_be_described_and_queried() {
    let dir = folder();
    let engine_keys = EngineKeys::load_or_create(dir.path()).unwrap();
    let engine = DynamoEngine::start(&dir.path().join("dynamodb"), &engine_keys).await.unwrap();
    let client = client(&engine, &engine_keys.access_key_id, &engine_keys.secret_access_key);
    create_table(&client).await;
    let described = client.describe_table().table_name("larder").send().await.unwrap();
    assert_eq!(described.table().unwrap().global_secondary_indexes().len(), 8);

    for (id, indexed) in [("a", Some(&[2, 0][..])), ("b", Some(&[1, 255][..])), ("c", None)] {
        let mut put = client.put_item().table_name("larder").item("pk", string("7#0")).item("sk", string(id));
        if let Some(bytes) = indexed {
            put = put.item("i8p", string("7#0")).item("i8s", AttributeValue::B(Blob::new(bytes)));
        }
        put.send().await.unwrap();
    }
    let found = client
        .query()
        .table_name("larder")
        .index_name("index8")
        .key_condition_expression("i8p = :p and i8s > :s")
        .expression_attribute_values(":p", string("7#0"))
        .expression_attribute_values(":s", AttributeValue::B(Blob::new([1])))
        .send()
        .await
        .unwrap();
    let ids: Vec<_> = found.items().iter().map(|item| item["sk"].as_s().unwrap().as_str()).collect();
    assert_eq!(ids, ["b", "a"]);
    engine.stop().await;
}

#[tokio::test]
async fn dynamodb_keeps_its_data_from_one_start_to_the_next() {
    let dir = folder();
    let engine_keys = EngineKeys::load_or_create(dir.path()).unwrap();
    for start in 0..2 {
        let engine = DynamoEngine::start(&dir.path().join("dynamodb"), &engine_keys).await.unwrap();
        let client = client(&engine, &engine_keys.access_key_id, &engine_keys.secret_access_key);
        if start == 0 {
            create_table(&client).await;
            let put = client.put_item().table_name("larder").item("pk", string("7#0")).item("sk", string("kept"));
            put.send().await.unwrap();
        } else {
            let get = client.get_item().table_name("larder").key("pk", string("7#0")).key("sk", string("kept"));
            assert!(get.send().await.unwrap().item().is_some());
        }
        engine.stop().await;
    }
}

#[tokio::test]
async fn dynamodb_refuses_another_access_key_and_another_secret() {
    let dir = folder();
    let engine_keys = EngineKeys::load_or_create(dir.path()).unwrap();
    let engine = DynamoEngine::start(&dir.path().join("dynamodb"), &engine_keys).await.unwrap();
    let other_key = client(&engine, "LARDEROTHER", &engine_keys.secret_access_key);
    let refused = other_key.list_tables().send().await.unwrap_err();
    assert_eq!(refused.code(), Some("UnrecognizedClientException"));
    let other_secret = client(&engine, &engine_keys.access_key_id, "guessed");
    let refused = other_secret.list_tables().send().await.unwrap_err();
    assert_eq!(refused.code(), Some("InvalidSignatureException"));

    let unsigned = reqwest::Client::new().post(format!("http://{}/", engine.addr()));
    let unsigned = unsigned.header("x-amz-target", "DynamoDB_20120810.ListTables").body("{}").send().await.unwrap();
    assert_eq!(unsigned.status(), 400);
    assert!(unsigned.text().await.unwrap().contains("MissingAuthenticationTokenException"));
    engine.stop().await;
}

#[tokio::test]
async fn dynamodb_words_its_errors_as_the_sdk_expects_them() {
    let dir = folder();
    let engine_keys = EngineKeys::load_or_create(dir.path()).unwrap();
    let engine = DynamoEngine::start(&dir.path().join("dynamodb"), &engine_keys).await.unwrap();
    let client = client(&engine, &engine_keys.access_key_id, &engine_keys.secret_access_key);
    let missing = client.describe_table().table_name("absent").send().await.unwrap_err();
    assert!(missing.into_service_error().is_resource_not_found_exception());

    create_table(&client).await;
    let put = client.put_item().table_name("larder").item("pk", string("7#0")).item("sk", string("x"));
    let put = put.condition_expression("attribute_not_exists(pk)");
    put.clone().send().await.unwrap();
    assert!(put.send().await.unwrap_err().into_service_error().is_conditional_check_failed_exception());

    let unreadable = client.put_item().table_name("larder").item("pk", string("7#0"));
    let unreadable = unreadable.item("sk", AttributeValue::N("not a number".to_owned())).send().await.unwrap_err();
    assert_eq!(unreadable.code(), Some("ValidationException"));
    assert!(!unreadable.message().unwrap().contains("VALIDATION"));
    engine.stop().await;
}

/// What the documentation of `embedded::dynamodb` promises rests on this default, which a build flag of SQLite could change.
#[test]
fn sqlite_syncs_every_commit_of_a_write_ahead_log_by_default() {
    let dir = folder();
    let connection = rusqlite::Connection::open(dir.path().join("x.sqlite")).unwrap();
    connection.pragma_update(None, "journal_mode", "WAL").unwrap();
    let synchronous: i64 = connection.query_row("pragma synchronous", [], |row| row.get(0)).unwrap();
    assert_eq!(synchronous, 2, "FULL");
}
