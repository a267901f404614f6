//! Reports to Sentry: every error in the log, panics included, with release, environment, service,
//! instance and request id. A report has no headers, bodies, addresses or users; its texts are
//! redacted.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::str::FromStr;
use std::time::Duration;

use sentry::protocol::{Event as Report, Value};
use sentry::{ClientInitGuard, ClientOptions, Level};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::redact::redact;
use souk_bus::request_context;

/// Time limit for sending the remaining reports when the process ends.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// The DSN of a Sentry project.
#[derive(Clone)]
pub struct Dsn(sentry::types::Dsn);

impl FromStr for Dsn {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self).map_err(|_| "is not a Sentry DSN (https://KEY@HOST/PROJECT)")
    }
}

/// The settings of error reporting.
#[derive(Clone)]
pub struct Reporting {
    /// The Sentry project.
    pub dsn: Dsn,
    /// The environment, such as `production`.
    pub environment: String,
    /// The release: a version or a commit.
    pub release: String,
}

impl Reporting {
    pub(super) fn start(self, service: &'static str, instance: &'static str) -> ClientInitGuard {
        let options = ClientOptions::new()
            .release(self.release)
            .environment(self.environment)
            .server_name(instance)
            .send_default_pii(false)
            .max_breadcrumbs(0)
            .attach_stacktrace(true)
            .shutdown_timeout(FLUSH_TIMEOUT)
            .before_send(move |mut report| {
                report.tags.insert("service".to_owned(), service.to_owned());
                report.tags.insert("instance".to_owned(), instance.to_owned());
                Some(redacted(report))
            });
        sentry::init((self.dsn.0, options))
    }
}

pub(super) struct SentryLayer;

impl<S: Subscriber> Layer<S> for SentryLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() != tracing::Level::ERROR {
            return;
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut tags = BTreeMap::new();
        if let Some(id) = fields.0.remove("request_id").or_else(|| request_context::current().map(|id| id.to_string()))
        {
            tags.insert("request_id".to_owned(), id);
        }
        let message = fields.0.remove("message");
        let extra = fields.0.into_iter().map(|(name, value)| (name.to_owned(), Value::from(value))).collect();
        sentry::capture_event(Report {
            level: Level::Error,
            logger: Some(event.metadata().target().to_owned()),
            message,
            tags,
            extra,
            ..Report::default()
        });
    }
}

#[derive(Default)]
struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}

/// Removes data that the SDK or an integration may have added, and redacts texts.
fn redacted(mut report: Report<'static>) -> Report<'static> {
    (report.user, report.request) = (None, None);
    report.breadcrumbs.values.clear();
    report.message = report.message.map(|message| redact(&message));
    for exception in &mut report.exception.values {
        exception.value = exception.value.take().map(|value| redact(&value));
    }
    for value in report.extra.values_mut() {
        if let Value::String(text) = value {
            *text = redact(text);
        }
    }
    report
}
