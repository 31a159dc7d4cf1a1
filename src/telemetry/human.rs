//! The log for people: lines of `tracing_subscriber`, with the request at their end.

use crate::http::RequestContext;
use std::fmt;
use tracing::{Event, Subscriber};
use tracing_subscriber::{
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::{Format, Writer},
    },
    registry::LookupSpan,
};

/// `2026-01-31T12:00:00.000000Z  INFO answered status=200 … method=GET path=/s/{token} request_id=…`
pub struct Line;

impl<S: Subscriber + for<'a> LookupSpan<'a>, N: for<'a> FormatFields<'a> + 'static> FormatEvent<S, N> for Line {
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut line = String::new();
        let format = Format::default().with_target(false).with_ansi(writer.has_ansi_escapes());
        format.format_event(context, Writer::new(&mut line), event)?;
        writer.write_str(line.trim_end_matches('\n'))?;
        let told = RequestContext::with(|request| {
            let (method, path, trace) = (&request.method, request.path(), &request.trace);
            write!(writer, " method={method} path={path} request_id={} trace_id={}", request.id, trace.trace_id)
        });
        told.unwrap_or(Ok(()))?;
        writer.write_char('\n')
    }
}
