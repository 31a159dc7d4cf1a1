//! The table itself.

use super::{config, fixture, store};
use aws_sdk_dynamodb::types::AttributeValue;
use larder::{catalogue::Precondition, error::Error};
use uuid::Uuid;

#[tokio::test]
async fn the_table_is_marked_once() {
    let f = fixture().await;
    f.documents.check().await.unwrap();
    assert_eq!(f.documents.installation().await.unwrap(), None);
    let (ours, theirs) = (Uuid::new_v4(), Uuid::new_v4());
    f.documents.mark(ours).await.unwrap();
    f.documents.mark(theirs).await.unwrap();
    assert_eq!(f.documents.installation().await.unwrap(), Some(ours));
}

#[tokio::test]
async fn the_start_says_what_is_wrong_with_the_table() {
    let f = fixture().await;
    f.documents.ensure_table().await.expect("a second time changes nothing");
    f.documents.check_at_start().await.unwrap();

    let missing = store(&f.client, "no-such-table", &config(&[]));
    let sentence = missing.check_at_start().await.unwrap_err().to_string();
    assert!(sentence.contains("no-such-table") && sentence.contains("LARDER_DYNAMODB_TABLE"), "{sentence}");
    assert!(matches!(missing.check().await, Err(Error::Store { .. })));

    use aws_sdk_dynamodb::types::{AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType};
    let make = |table: &str, partition: &'static str| {
        let string = |name| AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S);
        let key = |name, role| KeySchemaElement::builder().attribute_name(name).key_type(role).build().unwrap();
        let request = f.client.create_table().table_name(table).billing_mode(BillingMode::PayPerRequest);
        let request = request.attribute_definitions(string(partition).build().unwrap());
        let request = request.attribute_definitions(string("sk").build().unwrap());
        request.key_schema(key(partition, KeyType::Hash)).key_schema(key("sk", KeyType::Range)).send()
    };
    make("bare", "pk").await.unwrap();
    let sentence = store(&f.client, "bare", &config(&[])).check_at_start().await.unwrap_err().to_string();
    assert!(sentence.contains("`ix1`"), "{sentence}");
    make("foreign", "id").await.unwrap();
    let sentence = store(&f.client, "foreign", &config(&[])).check_at_start().await.unwrap_err().to_string();
    assert!(sentence.contains("`pk`"), "{sentence}");
}

#[tokio::test]
async fn the_body_is_a_native_map_for_other_tools() {
    let f = fixture().await;
    f.put("a", r#"{"customer":{"name":"Ada"},"n":1.5}"#, &Precondition::None).await.unwrap();
    let found = f.client.scan().table_name("larder").filter_expression("body.customer.#n = :name");
    let found = found.expression_attribute_names("#n", "name");
    let found = found.expression_attribute_values(":name", AttributeValue::S("Ada".to_owned())).send().await.unwrap();
    assert_eq!(found.items()[0]["body"].as_m().unwrap()["n"].as_n().unwrap(), "1.5");
}
