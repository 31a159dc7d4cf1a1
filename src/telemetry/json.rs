//! The log for programs: one JSON object a line, as `tracing_subscriber` writes it with its events flattened. That one parses the fields of a span again at each event, which costs more
//! than all else of a line.

use std::{
    fmt::{self, Debug, Write},
    mem,
};
use time::{OffsetDateTime, format_description::StaticFormatDescription, macros::format_description};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    span::Record,
};
use tracing_subscriber::{
    field::RecordFields,
    fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields, format::Writer},
    registry::LookupSpan,
};

/// RFC 3339, always of the same length, so that lines sort by it as text.
const TIMESTAMP: StaticFormatDescription =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");

/// `{"timestamp":…,"level":…,` then what the event says, `"target":…,"span":{…,"name":…}}`.
pub struct Line;

/// Fields as members of a JSON object, without its braces.
pub struct Members;

impl<S: Subscriber + for<'a> LookupSpan<'a>> FormatEvent<S, Members> for Line {
    fn format_event(
        &self,
        context: &FmtContext<'_, S, Members>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        let now = OffsetDateTime::now_utc().format(TIMESTAMP).map_err(|_| fmt::Error)?;
        for part in ["{\"timestamp\":\"", &now, "\",\"level\":\"", metadata.level().as_str(), "\","] {
            writer.write_str(part)?;
        }
        if write_members(writer.by_ref(), event)? {
            writer.write_char(',')?;
        }
        writer.write_str("\"target\":")?;
        write_text(&mut writer, metadata.target())?;
        let span = event.parent().and_then(|id| context.span(id)).or_else(|| context.lookup_current());
        if let Some(span) = span {
            writer.write_str(",\"span\":{")?;
            let extensions = span.extensions();
            if let Some(fields) = extensions.get::<FormattedFields<Members>>().filter(|fields| !fields.is_empty()) {
                write!(writer, "{fields},")?;
            }
            writer.write_str("\"name\":")?;
            write_text(&mut writer, span.name())?;
            writer.write_char('}')?;
        }
        writer.write_str("}\n")
    }
}

impl<'w> FormatFields<'w> for Members {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'w>, fields: R) -> fmt::Result {
        write_members(writer, fields).map(drop)
    }

    fn add_fields(&self, current: &'w mut FormattedFields<Self>, fields: &Record<'_>) -> fmt::Result {
        let mut added = String::new();
        if write_members(Writer::new(&mut added), fields)? {
            let comma = if current.fields.is_empty() { "" } else { "," };
            write!(current.fields, "{comma}{added}")?;
        }
        Ok(())
    }
}

/// Whether there were any.
fn write_members(writer: Writer<'_>, fields: impl RecordFields) -> Result<bool, fmt::Error> {
    let mut visitor = Visitor { writer, any: false, result: Ok(()) };
    fields.record(&mut visitor);
    visitor.result.map(|()| visitor.any)
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
    use super::{Line, Members};
    use serde_json::{Value, json};
    use std::{
        io::Write,
        sync::{Arc, Mutex},
    };
    use tracing::{Level, field::Empty, info, span, subscriber::with_default};
    use tracing_subscriber::{fmt::layer, layer::SubscriberExt, registry};

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn each_event_is_one_line_of_json_with_the_span_that_it_is_in() {
        let kept = Kept::default();
        let written = kept.clone();
        let layer = layer().fmt_fields(Members).event_format(Line).with_writer(move || written.clone());
        with_default(registry().with(layer), || {
            info!(number = -1, half = 0.5, no = f64::NAN, yes = true, r#type = "a\"\n\u{1}é", "alone {}", 1);
            let outer = span!(Level::INFO, "request", path = "/s/{token}", status = Empty, none = Empty);
            let empty = span!(Level::INFO, "empty").entered();
            info!(parent: &outer, debug = ?Some("x"), display = %"y\\", "in a span");
            outer.record("status", 200_u64);
            drop(empty);
            let _entered = outer.enter();
            info!("again");
            span!(Level::INFO, "inner").in_scope(|| tracing::warn!(target: "other", answer = 42));
        });
        let lines = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        let mut lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        for line in &mut lines {
            let timestamp = line.as_object_mut().unwrap().remove("timestamp").unwrap();
            assert_eq!(timestamp.as_str().unwrap().len(), "2026-01-01T00:00:00.000000Z".len(), "{timestamp}");
            assert!(timestamp.as_str().unwrap().ends_with('Z'), "{timestamp}");
        }
        let (level, target) = ("INFO", module_path!());
        let outer = json!({ "path": "/s/{token}", "status": 200, "name": "request" });
        let expected = [
            json!({ "level": level, "message": "alone 1", "number": -1, "half": 0.5, "no": null, "yes": true, "type": "a\"\n\u{1}é", "target": target }),
            json!({ "level": level, "message": "in a span", "debug": "Some(\"x\")", "display": "y\\", "target": target, "span": { "path": "/s/{token}", "name": "request" } }),
            json!({ "level": level, "message": "again", "target": target, "span": outer }),
            json!({ "level": "WARN", "answer": 42, "target": "other", "span": { "name": "inner" } }),
        ];
        assert_eq!(lines, expected);
    }
}
