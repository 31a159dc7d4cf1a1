//! The log for programs: one JSON object a line, as `tracing_subscriber` writes it with its events flattened, and as its one span the request.

use crate::http::RequestContext;
use std::{
    fmt::{self, Debug, Write},
    mem,
};
use time::{OffsetDateTime, format_description::StaticFormatDescription, macros::format_description};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    registry::LookupSpan,
};

/// RFC 3339, always of the same length, so that lines sort by it as text.
const TIMESTAMP: StaticFormatDescription =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");

/// `{"timestamp":…,"level":…,` then what the event says, `"target":…,"span":{…,"name":…}}`.
pub struct Line;

impl<S: Subscriber + for<'a> LookupSpan<'a>, N: for<'a> FormatFields<'a> + 'static> FormatEvent<S, N> for Line {
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let metadata = event.metadata();
        let now = OffsetDateTime::now_utc().format(TIMESTAMP).map_err(|_| fmt::Error)?;
        for part in ["{\"timestamp\":\"", &now, "\",\"level\":\"", metadata.level().as_str(), "\","] {
            writer.write_str(part)?;
        }
        let mut visitor = Visitor { writer: writer.by_ref(), any: false, result: Ok(()) };
        event.record(&mut visitor);
        let (any, result) = (visitor.any, visitor.result);
        result?;
        writer.write_str(if any { ",\"target\":" } else { "\"target\":" })?;
        write_text(&mut writer, metadata.target())?;
        RequestContext::with(|request| write_span(&mut writer, request)).unwrap_or(Ok(()))?;
        writer.write_str("}\n")
    }
}

/// Nothing of it has to be escaped: methods and ids have no such characters, and routes are our own.
fn write_span(writer: &mut Writer<'_>, request: &RequestContext) -> fmt::Result {
    let trace = &request.trace;
    for (name, value) in [
        (",\"span\":{\"method\":\"", request.method.as_str()),
        ("\",\"path\":\"", request.path()),
        ("\",\"request_id\":\"", &request.id),
        ("\",\"trace_id\":\"", &trace.trace_id),
        ("\",\"span_id\":\"", &trace.span_id),
    ] {
        writer.write_str(name)?;
        writer.write_str(value)?;
    }
    if let Some(parent_id) = &trace.parent_id {
        writer.write_str("\",\"parent_id\":\"")?;
        writer.write_str(parent_id)?;
    }
    writer.write_str("\",\"name\":\"request\"}")
}

fn write_text(writer: &mut Writer<'_>, text: &str) -> fmt::Result {
    write_quoted(writer, |writer| writer.write_str(text))
}

fn write_quoted(writer: &mut Writer<'_>, text: impl FnOnce(&mut Escaped<'_>) -> fmt::Result) -> fmt::Result {
    writer.write_char('"')?;
    text(&mut Escaped(writer.by_ref()))?;
    writer.write_char('"')
}

/// What stands between the quotes of a string (RFC 8259, section 7).
struct Escaped<'w>(Writer<'w>);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        // All of these are ASCII, so that each of them is a whole character.
        while let Some(plain) = rest.bytes().position(|byte| byte < b' ' || byte == b'"' || byte == b'\\') {
            let (before, special) = rest.split_at(plain);
            self.0.write_str(before)?;
            let (special, behind) = special.split_at(1);
            match special {
                "\"" | "\\" => write!(self.0, "\\{special}")?,
                _ => special.bytes().try_for_each(|byte| write!(self.0, "\\u{byte:04x}"))?,
            }
            rest = behind;
        }
        self.0.write_str(rest)
    }
}

struct Visitor<'w> {
    writer: Writer<'w>,
    any: bool,
    result: fmt::Result,
}

impl Visitor<'_> {
    fn member(&mut self, field: &Field, value: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        if self.result.is_ok() {
            self.result = self.write_name(field.name()).and_then(|()| value(&mut self.writer));
        }
    }

    fn write_name(&mut self, name: &str) -> fmt::Result {
        self.writer.write_str(if mem::replace(&mut self.any, true) { ",\"" } else { "\"" })?;
        self.writer.write_str(name.strip_prefix("r#").unwrap_or(name))?;
        self.writer.write_str("\":")
    }
}

impl Visit for Visitor<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.member(field, |writer| write_quoted(writer, |writer| write!(writer, "{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.member(field, |writer| write_text(writer, value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.member(field, |writer| write!(writer, "{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.member(field, |writer| write!(writer, "{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.member(field, |writer| write!(writer, "{value}"));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no infinities.
        self.member(field, |writer| match value.is_finite() {
            true => write!(writer, "{value}"),
            false => writer.write_str("null"),
        });
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
    use serde_json::{Value, json};
    use tracing::{info, subscriber::with_default};
    use tracing_subscriber::{fmt::layer, layer::SubscriberExt, registry};

    #[test]
    fn each_event_is_one_line_of_json_with_the_request_that_it_belongs_to() {
        let kept = Kept::default();
        let written = kept.clone();
        let layer = layer().event_format(Line).with_writer(move || written.clone());
        let (trace_id, span_id) = ("4bf92f3577b34da6a3ce929d0e0e4736".to_owned(), "00f067aa0ba902b7".to_owned());
        let mut request = RequestContext {
            id: "a-1".into(),
            method: Method::GET,
            route: None,
            trace: Trace { trace_id: trace_id.clone(), span_id: span_id.clone(), parent_id: None },
        };
        with_default(registry().with(layer), || {
            info!(number = -1, half = 0.5, no = f64::NAN, yes = true, r#type = "a\"\n\u{1}é", "alone {}", 1);
            let in_request = async { info!(debug = ?Some("x"), display = %"y\\", "in a request") };
            request.clone().scope(in_request).now_or_never().unwrap();
            request.trace.parent_id = Some(span_id.clone());
            request.scope(async { tracing::warn!(target: "other", answer = 42) }).now_or_never().unwrap();
        });
        let mut lines: Vec<Value> = kept.lines().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        for line in &mut lines {
            let timestamp = line.as_object_mut().unwrap().remove("timestamp").unwrap();
            assert_eq!(timestamp.as_str().unwrap().len(), "2026-01-01T00:00:00.000000Z".len(), "{timestamp}");
            assert!(timestamp.as_str().unwrap().ends_with('Z'), "{timestamp}");
        }
        let (level, target) = ("INFO", module_path!());
        let mut span = json!({ "method": "GET", "path": "-", "request_id": "a-1", "trace_id": trace_id, "span_id": span_id, "name": "request" });
        let mut expected = vec![
            json!({ "level": level, "message": "alone 1", "number": -1, "half": 0.5, "no": null, "yes": true, "type": "a\"\n\u{1}é", "target": target }),
            json!({ "level": level, "message": "in a request", "debug": "Some(\"x\")", "display": "y\\", "target": target, "span": span }),
        ];
        span["parent_id"] = json!(span_id);
        expected.push(json!({ "level": "WARN", "answer": 42, "target": "other", "span": span }));
        assert_eq!(lines, expected);
    }
}
