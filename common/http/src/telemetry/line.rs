//! The format of a log line: a JSON object for machines, `key=value` for people. Both have the
//! time, the level, the instance, the message, the fields and the request id.

use std::fmt::{self, Debug, Write as _};
use std::str::FromStr;

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::redact::redact;
use souk_bus::request_context;
use souk_types::Timestamp;

/// The format of log lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// One JSON object per line.
    #[default]
    Json,
    /// `key=value`, for people.
    Text,
}

impl FromStr for Format {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "json" => Ok(Self::Json),
            "text" => Ok(Self::Text),
            _ => Err("must be json or text"),
        }
    }
}

pub(super) struct Line {
    pub(super) format: Format,
    pub(super) service: &'static str,
    pub(super) instance: &'static str,
}

/// An event that has this field overrides the id of the current request.
const REQUEST_ID: &str = "request_id";

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        // Warnings and errors may quote drivers; lower levels have only our own texts.
        let needs_redaction = *event.metadata().level() <= tracing::Level::WARN;
        let mut fields = Fields { format: self.format, needs_redaction, ..Fields::default() };
        event.record(&mut fields);
        if !fields.request
            && let Some(id) = request_context::current()
        {
            fields.put(REQUEST_ID, &quoted(id.as_str()));
        }
        let (time, level, Fields { message, rest, .. }) = (Timestamp::now(), event.metadata().level(), fields);
        match self.format {
            Format::Json => {
                let (service, instance, message) = (self.service, quoted(self.instance), quoted(&message));
                writeln!(
                    out,
                    r#"{{"time":"{time}","level":"{level}","service":"{service}","instance":{instance},"message":{message}{rest}}}"#
                )
            }
            Format::Text if out.has_ansi_escapes() => {
                let colour = match *level {
                    tracing::Level::ERROR => 31,
                    tracing::Level::WARN => 33,
                    _ => 32,
                };
                writeln!(out, "\x1b[2m{time}\x1b[0m \x1b[{colour}m{level:>5}\x1b[0m {message}{rest}")
            }
            Format::Text => writeln!(out, "{time} {level:>5} {} {message}{rest}", self.instance),
        }
    }
}

#[derive(Default)]
struct Fields {
    format: Format,
    needs_redaction: bool,
    message: String,
    rest: String,
    request: bool,
}

impl Fields {
    fn put_text(&mut self, name: &str, text: &str) {
        if self.needs_redaction && name != REQUEST_ID {
            self.put(name, &quoted(&redact(text)));
        } else {
            self.put(name, &quoted(text));
        }
    }

    /// Adds a field. `value` is JSON.
    fn put(&mut self, name: &str, value: &str) {
        self.request |= name == REQUEST_ID;
        // Writing to a `String` cannot fail.
        let _ = match self.format {
            Format::Json => write!(self.rest, r#","{name}":{value}"#),
            Format::Text => {
                let plain = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
                let plain = plain.filter(|plain| !plain.is_empty() && !plain.contains([' ', '"', '\\', '=']));
                write!(self.rest, " {name}={}", plain.unwrap_or(value))
            }
        };
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let text = format!("{value:?}");
        if field.name() == "message" {
            self.message = text;
        } else {
            self.put_text(field.name(), &text);
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put_text(field.name(), value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no infinity.
        self.put(field.name(), &if value.is_finite() { value.to_string() } else { "null".to_owned() });
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field.name(), &value.to_string());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field.name(), &value.to_string());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field.name(), &value.to_string());
    }
}

/// Returns the text as a JSON string, so that a line break cannot start another line.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use souk_types::RequestId;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn written(format: Format, log: impl FnOnce()) -> String {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let lines = tracing_subscriber::fmt::layer()
            .with_writer(move || writer.clone())
            .with_ansi(false)
            .event_format(Line { format, service: "products", instance: "products-1" });
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), log);
        let bytes = buffer.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_json_line_has_the_request_id() {
        let request: RequestId = "r-1".parse().unwrap();
        let line = written(Format::Json, || {
            request_context::sync_scope(Some(request), || {
                tracing::warn!(status = 503, ms = 1.5, ok = true, detail = "two\n\"lines\"", "re{}", "fused");
            });
        });
        let mut object: Value = serde_json::from_str(&line).unwrap();
        assert!(object.as_object_mut().unwrap().remove("time").is_some());
        assert_eq!(
            object,
            json!({
                "level": "WARN", "service": "products", "instance": "products-1", "message": "refused",
                "status": 503, "ms": 1.5, "ok": true, "detail": "two\n\"lines\"", "request_id": "r-1",
            })
        );
        assert_eq!(line.matches('\n').count(), 1, "one line: {line:?}");
    }

    #[test]
    fn an_event_overrides_the_request_id() {
        let other: RequestId = "other".parse().unwrap();
        let line = written(Format::Json, || {
            request_context::sync_scope(Some(other), || tracing::info!(request_id = "own", "request"));
        });
        assert!(line.contains("own") && !line.contains("other"), "{line}");
    }

    #[test]
    fn a_text_line_has_pairs() {
        let line = written(Format::Text, || tracing::error!(route = "/a/<id>", why = "no disk", empty = "", "failed"));
        let (_, line) = line.split_once(' ').unwrap();
        assert_eq!(line, "ERROR products-1 failed route=/a/<id> why=\"no disk\" empty=\"\"\n");
    }
}
