//! The DynamoDB table itself: what it must look like, whose it is, and making it for the embedded engine.

use super::{
    item::{PK, SK, TTL},
    store::{Documents, unavailable},
};
use crate::error::{Error, Result};
use aws_sdk_dynamodb::{
    error::{DisplayErrorContext, ProvideErrorMetadata, SdkError},
    types::{
        AttributeDefinition, AttributeValue, BillingMode, DeleteRequest, GlobalSecondaryIndex, KeySchemaElement,
        KeyType, Projection, ProjectionType, ScalarAttributeType, TableDescription, TableStatus,
        TimeToLiveSpecification, WriteRequest,
    },
};
use std::time::Duration;
use uuid::Uuid;

/// Global secondary indexes `ix1`…`ix8` (DynamoDB wants three characters), the keys of the first `i1p` (string) and `i1s` (binary), and so on.
const INDEXES: std::ops::RangeInclusive<u32> = 1..=8;
/// An item of no collection: a collection's partition keys begin with a UUID.
const INSTALLATION_PK: &str = "_installation";
/// Beside the mark; nothing is ever there.
const PROBE_SK: &str = "probe";
const INSTALLATION_SK: &str = "_";
const INSTALLATION_ID: &str = "id";
const SETTING: &str = "LARDER_DYNAMODB_TABLE";
const POLL: Duration = Duration::from_millis(200);
const POLLS_MAX: u32 = 300;

impl Documents {
    /// Whether the table answers.
    pub async fn check(&self) -> Result<()> {
        self.installation_item().send().await.map_err(unavailable)?;
        Ok(())
    }

    /// At start: the table must be there, with the keys and indexes that we use; the sentence says what is missing.
    pub async fn check_at_start(&self) -> Result<()> {
        let table = &self.table;
        let description = match self.unleased.describe_table().table_name(table).send().await {
            Ok(answer) => answer.table,
            Err(error) if error.code() == Some("ResourceNotFoundException") => {
                let hint = "README.md says what it must look like.";
                return Err(Error::startup(format!(
                    "The DynamoDB table `{table}` of {SETTING} does not exist; {hint}"
                )));
            }
            Err(error) => return Err(self.not_permitted("dynamodb:DescribeTable", &error)),
        };
        let description = description.ok_or_else(|| Error::internal("DescribeTable describes no table"))?;
        match shortcoming(&description) {
            Some(shortcoming) => {
                Err(Error::startup(format!("The DynamoDB table `{table}` of {SETTING} cannot be used: {shortcoming}.")))
            }
            None => self.check_permissions().await,
        }
    }

    /// What only a later request would find missing: asked of an item that is not there, and never is.
    async fn check_permissions(&self) -> Result<()> {
        let (pk, sk) = (AttributeValue::S(INSTALLATION_PK.to_owned()), AttributeValue::S(PROBE_SK.to_owned()));
        let query = self.unleased.query().table_name(&self.table).key_condition_expression("#key = :key").limit(1);
        let query = query.expression_attribute_names("#key", PK).expression_attribute_values(":key", pk.clone());
        query.send().await.map_err(|error| self.not_permitted("dynamodb:Query", &error))?;
        let update = self.unleased.update_item().table_name(&self.table).key(PK, pk.clone()).key(SK, sk.clone());
        let update = update.condition_expression("attribute_exists(#key)").update_expression("remove #key2");
        let update = update.expression_attribute_names("#key", PK).expression_attribute_names("#key2", TTL);
        match update.send().await {
            Err(error) if error.code() != Some("ConditionalCheckFailedException") => {
                return Err(self.not_permitted("dynamodb:UpdateItem", &error));
            }
            _ => {}
        }
        let delete = DeleteRequest::builder().key(PK, pk).key(SK, sk).build().map_err(Error::internal)?;
        let delete = WriteRequest::builder().delete_request(delete).build();
        let batch = self.unleased.batch_write_item().request_items(&self.table, vec![delete]);
        batch.send().await.map_err(|error| self.not_permitted("dynamodb:BatchWriteItem", &error))?;
        Ok(())
    }

    /// The installation id that the table is marked with.
    pub async fn installation(&self) -> Result<Option<Uuid>> {
        let answer = self.installation_item().consistent_read(true).send().await;
        let item = answer.map_err(|error| self.not_permitted("dynamodb:GetItem", &error))?.item;
        let Some(item) = item else { return Ok(None) };
        let id = item.get(INSTALLATION_ID).and_then(|id| Uuid::parse_str(id.as_s().ok()?).ok());
        id.map(Some).ok_or_else(|| {
            let table = &self.table;
            Error::startup(format!("The item `{INSTALLATION_PK}` in the DynamoDB table `{table}` holds no id."))
        })
    }

    /// Marks the table as this installation's, unless it is marked already; the caller reads the mark again to see whose it is.
    pub async fn mark(&self, installation: Uuid) -> Result<()> {
        let request = self
            .unleased
            .put_item()
            .table_name(&self.table)
            .item(PK, AttributeValue::S(INSTALLATION_PK.to_owned()))
            .item(SK, AttributeValue::S(INSTALLATION_SK.to_owned()))
            .item(INSTALLATION_ID, AttributeValue::S(installation.to_string()))
            .condition_expression("attribute_not_exists(#key)")
            .expression_attribute_names("#key", PK);
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("ConditionalCheckFailedException") => Ok(()),
            Err(error) => Err(self.not_permitted("dynamodb:PutItem", &error)),
        }
    }

    /// Makes the table if it is not there, and waits until it can be used. For the embedded engine: in production the deployment makes it.
    pub async fn ensure_table(&self) -> Result<()> {
        let table = &self.table;
        let failed = |error: String| Error::startup(format!("The table `{table}` could not be made: {error}"));
        match self.create_table()?.send().await {
            Err(error) if error.code() != Some("ResourceInUseException") => {
                return Err(failed(DisplayErrorContext(error).to_string()));
            }
            _ => self.wait_until_active().await?,
        }
        let ttl = TimeToLiveSpecification::builder().enabled(true).attribute_name(TTL).build();
        let ttl = ttl.map_err(Error::internal)?;
        let request = self.unleased.update_time_to_live().table_name(table).time_to_live_specification(ttl);
        match request.send().await {
            // It is enabled already.
            Err(error) if error.code() == Some("ValidationException") => Ok(()),
            Err(error) => Err(failed(DisplayErrorContext(error).to_string())),
            Ok(_) => Ok(()),
        }
    }

    fn create_table(&self) -> Result<aws_sdk_dynamodb::operation::create_table::builders::CreateTableFluentBuilder> {
        let mut request = self
            .unleased
            .create_table()
            .table_name(&self.table)
            .billing_mode(BillingMode::PayPerRequest)
            .set_key_schema(Some(key_schema(PK, SK)?))
            .attribute_definitions(attribute(PK, ScalarAttributeType::S)?)
            .attribute_definitions(attribute(SK, ScalarAttributeType::S)?);
        for n in INDEXES {
            let (partition, sort) = index_keys(n);
            let index = GlobalSecondaryIndex::builder()
                .index_name(index_name(n))
                .set_key_schema(Some(key_schema(&partition, &sort)?))
                .projection(Projection::builder().projection_type(ProjectionType::All).build());
            request = request
                .attribute_definitions(attribute(&partition, ScalarAttributeType::S)?)
                .attribute_definitions(attribute(&sort, ScalarAttributeType::B)?)
                .global_secondary_indexes(index.build().map_err(Error::internal)?);
        }
        Ok(request)
    }

    async fn wait_until_active(&self) -> Result<()> {
        for _ in 0..POLLS_MAX {
            let answer = self.unleased.describe_table().table_name(&self.table).send().await.map_err(unavailable)?;
            if answer.table.and_then(|table| table.table_status) == Some(TableStatus::Active) {
                return Ok(());
            }
            tokio::time::sleep(POLL).await;
        }
        Err(Error::startup(format!("The table `{}` does not become active.", self.table)))
    }

    fn installation_item(&self) -> aws_sdk_dynamodb::operation::get_item::builders::GetItemFluentBuilder {
        self.unleased
            .get_item()
            .table_name(&self.table)
            .key(PK, AttributeValue::S(INSTALLATION_PK.to_owned()))
            .key(SK, AttributeValue::S(INSTALLATION_SK.to_owned()))
    }

    fn not_permitted<E>(&self, action: &str, error: &SdkError<E>) -> Error
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
    {
        let table = format!("the table `{}` of {SETTING}", self.table);
        Error::startup(match error.code() {
            Some("AccessDeniedException") => format!("The role may not use {table}: it lacks {action} on it."),
            Some(code) => {
                format!("DynamoDB refuses {table}: {code}: {}", error.message().unwrap_or("it does not say why"))
            }
            None => format!("DynamoDB does not answer for {table}: {}", DisplayErrorContext(error)),
        })
    }
}

/// What keeps us from using a table, if anything does.
fn shortcoming(table: &TableDescription) -> Option<String> {
    use ScalarAttributeType::{B, S};
    if !matches!(table.table_status, Some(TableStatus::Active | TableStatus::Updating)) {
        let status = table.table_status.as_ref().map_or("unknown", TableStatus::as_str);
        return Some(format!("its status is {status}"));
    }
    if !has_keys(table, table.key_schema(), (PK, &S), (SK, &S)) {
        return Some(format!("its partition key must be `{PK}` and its sort key `{SK}`, both strings"));
    }
    INDEXES.into_iter().find_map(|n| {
        let (partition, sort) = index_keys(n);
        let index = table.global_secondary_indexes().iter().find(|index| index.index_name() == Some(&index_name(n)));
        let Some(index) = index else { return Some(format!("it has no global secondary index `ix{n}`")) };
        if !has_keys(table, index.key_schema(), (&partition, &S), (&sort, &B)) {
            return Some(format!("its index `ix{n}` must have the keys `{partition}` (string) and `{sort}` (binary)"));
        }
        let projection = index.projection().and_then(|projection| projection.projection_type());
        (projection != Some(&ProjectionType::All)).then(|| format!("its index `ix{n}` must project all attributes"))
    })
}

type Key<'a> = (&'a str, &'a ScalarAttributeType);

fn has_keys(table: &TableDescription, schema: &[KeySchemaElement], partition: Key<'_>, sort: Key<'_>) -> bool {
    let is = |(name, key_type): Key<'_>, element: &KeySchemaElement, role: &KeyType| {
        let definition = table.attribute_definitions().iter().find(|definition| definition.attribute_name() == name);
        let typed = definition.is_some_and(|definition| definition.attribute_type() == key_type);
        element.attribute_name() == name && element.key_type() == role && typed
    };
    matches!(schema, [first, second] if is(partition, first, &KeyType::Hash) && is(sort, second, &KeyType::Range))
}

fn index_name(n: u32) -> String {
    format!("ix{n}")
}

fn index_keys(n: u32) -> (String, String) {
    (format!("i{n}p"), format!("i{n}s"))
}

fn attribute(name: &str, key_type: ScalarAttributeType) -> Result<AttributeDefinition> {
    let definition = AttributeDefinition::builder().attribute_name(name).attribute_type(key_type);
    definition.build().map_err(Error::internal)
}

fn key_schema(partition: &str, sort: &str) -> Result<Vec<KeySchemaElement>> {
    [(partition, KeyType::Hash), (sort, KeyType::Range)]
        .into_iter()
        .map(|(name, role)| {
            KeySchemaElement::builder().attribute_name(name).key_type(role).build().map_err(Error::internal)
        })
        .collect()
}
