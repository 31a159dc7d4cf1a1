//! Calls of S3 and DynamoDB, counted where the SDK itself retries them.

use super::{Direction, called, moved};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{
            Intercept,
            context::{
                BeforeSerializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
                FinalizerInterceptorContextRef,
            },
        },
        orchestrator::Metadata,
        runtime_components::RuntimeComponents,
    },
    http::Response,
};
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};
use std::time::Instant;

/// An interceptor of the SDK; `store` is the label.
#[derive(Debug)]
pub struct Calls {
    store: &'static str,
}

/// One call under way.
#[derive(Debug)]
struct Call {
    began: Instant,
    attempts: u32,
}

impl Storable for Call {
    type Storer = StoreReplace<Self>;
}

impl Calls {
    pub fn of(store: &'static str) -> Self {
        Self { store }
    }
}

impl Intercept for Calls {
    fn name(&self) -> &'static str {
        "larder::metrics::Calls"
    }

    fn read_before_execution(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        bag.interceptor_state().store_put(Call { began: Instant::now(), attempts: 0 });
        Ok(())
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        moved(self.store, Direction::In, context.request().body().content_length().unwrap_or(0));
        if let Some(Call { began, attempts }) = bag.load::<Call>() {
            let next = Call { began: *began, attempts: attempts + 1 };
            bag.interceptor_state().store_put(next);
        }
        Ok(())
    }

    fn read_after_execution(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let (Some(call), Some(metadata)) = (bag.load::<Call>(), bag.load::<Metadata>()) else { return Ok(()) };
        let answer = context.response();
        let outcome = match (context.output_or_error(), answer.map(Response::status)) {
            (Some(Ok(_)), _) => "ok",
            (_, Some(status)) if status.is_client_error() => "refused",
            _ => "failed",
        };
        called(self.store, metadata.name(), outcome, call.attempts.saturating_sub(1), call.began.elapsed());
        // Those of an object are counted as they come.
        if metadata.name() != "GetObject" {
            let length = answer.and_then(|answer| answer.headers().get("content-length")?.parse().ok());
            moved(self.store, Direction::Out, length.unwrap_or(0));
        }
        Ok(())
    }
}
