//! The process's own log: lines on standard error, as text or JSON, and rows for the table `logs`.
//!
//! One layer takes every event, adds whose request it belongs to, and takes secrets out before anything is written. The
//! request is known by its span, which `http::envelope` and `web::session` open; nobody else's spans are kept.

mod line;
mod queue;
mod redact;
#[cfg(test)]
mod tests;

use std::{
    io::Write,
    sync::{Arc, OnceLock},
};

use tracing::{
    Event, Level, Metadata, Span, Subscriber,
    field::Empty,
    level_filters::LevelFilter,
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    Layer,
    filter::Targets,
    layer::{Context, SubscriberExt},
    registry::LookupSpan,
    util::SubscriberInitExt,
};

use self::line::{Line, Origin};
use crate::settings::{Log, LogFormat};

pub use queue::{BATCH, Queue, Queued, Watch};
pub use redact::redact;

/// The rows of this process.
static ROWS: OnceLock<Arc<Queue>> = OnceLock::new();

/// Lines that are for standard error only: the database's own, and those about the table `logs`, which would feed on
/// themselves.
const NOT_FOR_THE_TABLE: &[&str] = &["sqlx", "server::services::logs", "server::store::logs"];

/// Starts logging. Called once, by `main`; a second call does nothing.
pub fn start(log: &Log) {
    let queue = Arc::new(Queue::new(log.queue));
    let lines = Lines::new(log, queue.clone());
    if tracing_subscriber::registry().with(lines).try_init().is_ok() {
        let _ = ROWS.set(queue);
    }
}

/// Rows that wait to be written; `None` where logging was not started, in most tests.
pub fn queue() -> Option<Arc<Queue>> {
    ROWS.get().cloned()
}

/// The span of a request: every line that is written within it tells the request's id. It has the level of errors, so that
/// it is there as soon as any line is; where nothing is logged it costs a comparison.
pub fn request_span(request_id: &str) -> Span {
    tracing::error_span!("request", request_id, org_id = Empty, instance_id = Empty, user_id = Empty)
}

/// Tells the span of the request that runs now who is calling.
pub fn caller_is(org_id: &str, instance_id: &str, user_id: Option<&str>) {
    let span = Span::current();
    if span.is_disabled() {
        return;
    }
    span.record("org_id", org_id).record("instance_id", instance_id);
    if let Some(user_id) = user_id {
        span.record("user_id", user_id);
    }
}

/// The layer.
struct Lines {
    /// What goes to standard error.
    stderr: Targets,
    format: LogFormat,
    /// What goes into the table.
    table: LevelFilter,
    queue: Arc<Queue>,
}

impl Lines {
    fn new(log: &Log, queue: Arc<Queue>) -> Self {
        // Both were checked when the settings were read.
        let stderr = log.level.parse().unwrap_or_else(|_| Targets::new().with_default(LevelFilter::INFO));
        Self { stderr, format: log.format, table: log.table_level.into(), queue }
    }

    fn for_stderr(&self, metadata: &Metadata<'_>) -> bool {
        self.stderr.would_enable(metadata.target(), metadata.level())
    }

    fn for_table(&self, metadata: &Metadata<'_>) -> bool {
        let (target, level) = (metadata.target(), *metadata.level());
        // Libraries are heard when something is wrong.
        level <= self.table
            && (level <= Level::WARN || target.starts_with("server"))
            && !NOT_FOR_THE_TABLE.iter().any(|silent| target.starts_with(silent))
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lines {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        if metadata.is_span() {
            return metadata.target() == module_path!();
        }
        self.for_stderr(metadata) || self.for_table(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        let targets = self.stderr.iter().map(|(_, level)| level).chain(self.stderr.default_level());
        targets.chain([self.table]).max()
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut origin = Origin::default();
        attributes.record(&mut origin);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(origin);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(origin) = span.extensions_mut().get_mut::<Origin>()
        {
            values.record(origin);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let origin = context.event_span(event).and_then(|span| span.extensions().get::<Origin>().cloned());
        let line = Line::new(event, origin.unwrap_or_default());
        if self.for_stderr(event.metadata()) {
            let text = match self.format {
                LogFormat::Text => line.text(),
                LogFormat::Json => line.json(),
            };
            let _ = std::io::stderr().lock().write_all(text.as_bytes());
        }
        if self.for_table(event.metadata()) {
            self.queue.push(line.into_row());
        }
    }
}
