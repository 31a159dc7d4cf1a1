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

#[cfg(test)]
mod tests {
    use super::Line;
    use crate::{
        http::{RequestContext, Trace},
        telemetry::tests::Kept,
    };
    use futures::FutureExt;
    use http::Method;
    use tracing::{info, subscriber::with_default};
    use tracing_subscriber::{fmt::layer, layer::SubscriberExt, registry};

    #[test]
    fn the_request_stands_at_the_end_of_a_line_about_it() {
        let kept = Kept::default();
        let written = kept.clone();
        let layer = layer().with_ansi(false).event_format(Line).with_writer(move || written.clone());
        let trace = Trace { trace_id: "t".to_owned(), span_id: "s".to_owned(), parent_id: None };
        let request = RequestContext { id: "a-1".into(), method: Method::GET, route: None, trace };
        with_default(registry().with(layer), || {
            info!(n = 1, "alone");
            request.scope(async { info!("in a request") }).now_or_never().unwrap();
        });
        let lines = kept.lines();
        assert!(lines[0].ends_with("  INFO alone n=1"), "{lines:?}");
        assert!(lines[1].ends_with("  INFO in a request method=GET path=- request_id=a-1 trace_id=t"), "{lines:?}");
        assert_eq!(lines.len(), 2);
    }
}
