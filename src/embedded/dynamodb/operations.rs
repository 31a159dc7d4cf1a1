//! From an `X-Amz-Target` to dynoxide's method of that name.

use dynoxide::{Database, DynoxideError};
use hyper::header::HeaderValue;
use serde::{Serialize, de::DeserializeOwned};

use super::fault;

/// What dynoxide's decoders put before a message to say which error it is; none of them may reach a client.
const VALIDATION_MARKERS: [&str; 3] = ["VALIDATION_REQUEST:", "VALIDATION_AS_READ:", "VALIDATION:"];
const SERIALIZATION_MARKERS: [&str; 2] = ["SERIALIZATION_AS_READ:", "SERIALIZATION:"];

/// An error response, body and status.
pub(super) struct Refusal {
    pub status: u16,
    pub json: String,
}

impl From<DynoxideError> for Refusal {
    fn from(error: DynoxideError) -> Self {
        let status = error.status_code();
        if status >= 500 {
            tracing::error!(%error, "the embedded DynamoDB failed");
        }
        Self { status, json: error.to_json() }
    }
}

/// Runs one operation to its end on this thread and gives the JSON of its answer.
pub(super) fn run(db: &Database, target: Option<&HeaderValue>, body: &[u8]) -> Result<String, Refusal> {
    let operation = target
        .and_then(|target| target.to_str().ok())
        .and_then(|target| target.split_once('.'))
        .and_then(|(service, operation)| service.starts_with("DynamoDB").then_some(operation))
        .unwrap_or_default();
    match operation {
        "BatchExecuteStatement" => call(body, |request| db.batch_execute_statement(request)),
        "BatchGetItem" => call(body, |request| db.batch_get_item(request)),
        "BatchWriteItem" => call(body, |request| db.batch_write_item(request)),
        "CreateTable" => call(body, |request| db.create_table(request)),
        "DeleteItem" => call(body, |request| db.delete_item(request)),
        "DeleteTable" => call(body, |request| db.delete_table(request)),
        "DescribeStream" => call(body, |request| db.describe_stream(request)),
        "DescribeTable" => call(body, |request| db.describe_table(request)),
        "DescribeTimeToLive" => call(body, |request| db.describe_time_to_live(request)),
        "ExecuteStatement" => call(body, |request| db.execute_statement(request)),
        "ExecuteTransaction" => call(body, |request| db.execute_transaction(request)),
        "GetItem" => call(body, |request| db.get_item(request)),
        "GetRecords" => call(body, |request| db.get_records(request)),
        "GetShardIterator" => call(body, |request| db.get_shard_iterator(request)),
        "ListStreams" => call(body, |request| db.list_streams(request)),
        "ListTables" => call(body, |request| db.list_tables(request)),
        "ListTagsOfResource" => call(body, |request| db.list_tags_of_resource(request)),
        "PutItem" => call(body, |request| db.put_item(request)),
        "Query" => call(body, |request| db.query(request)),
        "Scan" => call(body, |request| db.scan(request)),
        "TagResource" => call(body, |request| db.tag_resource(request)),
        "TransactGetItems" => call(body, |request| db.transact_get_items(request)),
        "TransactWriteItems" => call(body, |request| db.transact_write_items(request)),
        "UntagResource" => call(body, |request| db.untag_resource(request)),
        "UpdateItem" => call(body, |request| db.update_item(request)),
        "UpdateTable" => call(body, |request| db.update_table(request)),
        "UpdateTimeToLive" => call(body, |request| db.update_time_to_live(request)),
        _ => Err(Refusal {
            status: 400,
            json: fault("UnknownOperationException", "The embedded DynamoDB does not know this operation."),
        }),
    }
}

fn call<Q: DeserializeOwned, A: Serialize>(
    body: &[u8],
    operation: impl FnOnce(Q) -> dynoxide::Result<A>,
) -> Result<String, Refusal> {
    let request = serde_json::from_slice(body).map_err(|error| unreadable(&error))?;
    let answer = operation(request)?;
    serde_json::to_string(&answer)
        .map_err(|error| DynoxideError::InternalServerError(error.to_string()))
        .map_err(Refusal::from)
}

/// The error that DynamoDB gives for a request of the wrong shape: `ValidationException` for one that lacks something or holds a bad value,
/// `SerializationException` for one that is not JSON of the right types.
fn unreadable(error: &serde_json::Error) -> DynoxideError {
    let text = error.to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _position)| message);
    let after = |markers: &[&str]| markers.iter().find_map(|marker| text.strip_prefix(marker)).map(str::to_owned);
    if let Some(message) = after(&VALIDATION_MARKERS) {
        return DynoxideError::ValidationException(message);
    }
    if let Some(message) = after(&SERIALIZATION_MARKERS) {
        return DynoxideError::SerializationException(message);
    }
    if text.starts_with("recursion limit exceeded") {
        return DynoxideError::ValidationException("Nesting Levels have exceeded supported limits".to_owned());
    }
    let lacking = ["missing field", "unknown variant", "invalid type: null", "Supplied AttributeValue"];
    if lacking.iter().any(|sign| text.contains(sign)) {
        DynoxideError::ValidationException(text.to_owned())
    } else {
        DynoxideError::SerializationException(text.to_owned())
    }
}
