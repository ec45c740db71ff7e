//! What reaches the table, and what never does.

use std::time::Duration;

use tracing_subscriber::layer::SubscriberExt;

use super::*;
use crate::{
    providers::Secret,
    settings::LogLevel,
    store::{Hidden, logs::LogRow},
};

fn settings(level: &str, table_level: LogLevel) -> Log {
    Log {
        level: level.to_owned(),
        format: LogFormat::Text,
        table_level,
        retention_days: 1,
        queue: 1_000,
        flush_interval: Duration::from_secs(1),
    }
}

/// The rows of what `run` logs.
fn rows(settings: &Log, run: impl FnOnce()) -> Vec<LogRow> {
    let queue = Arc::new(Queue::new(settings.queue));
    let subscriber = tracing_subscriber::registry().with(Lines::new(settings, queue.clone()));
    tracing::subscriber::with_default(subscriber, run);
    queue.take(1_000).into_iter().map(|(_, row)| row).collect()
}

#[test]
fn a_line_tells_whose_request_it_belongs_to() {
    let rows = rows(&settings("off", LogLevel::Info), || {
        request_span("r-1").in_scope(|| {
            tracing::warn!("before the caller is known");
            caller_is("org", "lab", Some("ann"));
            tracing::info!(attempt = 2, provider = "openai", "after");
            // A span of somebody else does not come between.
            tracing::info_span!("theirs", request_id = "wrong").in_scope(|| tracing::error!("within"));
            tracing::info!(request_id = "r-2", "of another request");
        });
        tracing::info!("outside");
    });
    let told: Vec<_> = rows
        .iter()
        .map(|row| {
            let origin = [&row.request_id, &row.org_id, &row.instance_id, &row.user_id];
            (row.level.as_str(), row.message.as_str(), origin.map(|value| value.as_deref().unwrap_or("-")))
        })
        .collect();
    assert_eq!(
        told,
        [
            ("WARN", "before the caller is known", ["r-1", "-", "-", "-"]),
            ("INFO", "after", ["r-1", "org", "lab", "ann"]),
            ("ERROR", "within", ["r-1", "org", "lab", "ann"]),
            ("INFO", "of another request", ["r-2", "org", "lab", "ann"]),
            ("INFO", "outside", ["-", "-", "-", "-"]),
        ]
    );
    assert_eq!(rows[1].component, "telemetry");
    assert_eq!(rows[1].metadata["attempt"], 2);
    assert_eq!(rows[1].metadata["provider"], "openai");
}

#[test]
fn levels_are_kept_apart() {
    let log = || {
        tracing::error!("1");
        tracing::warn!("2");
        tracing::info!("3");
        tracing::debug!("4");
        tracing::trace!("5");
        tracing::info!(target: "hyper", "what a library does");
        tracing::warn!(target: "sqlx::query", "a slow statement");
        tracing::warn!(target: "server::services::logs::writer", "log lines cannot be written");
    };
    for (level, kept) in [(LogLevel::Off, 0), (LogLevel::Error, 1), (LogLevel::Info, 3), (LogLevel::Debug, 4)] {
        assert_eq!(rows(&settings("off", level), log).len(), kept, "{level:?}");
    }
    // What standard error shows is another matter.
    assert_eq!(rows(&settings("error,server=trace", LogLevel::Warn), log).len(), 2);
}

#[test]
fn where_nothing_is_logged_there_is_no_span() {
    rows(&settings("off", LogLevel::Off), || {
        let span = request_span("r");
        assert!(span.is_disabled());
        span.in_scope(|| caller_is("o", "i", None));
    });
    rows(&settings("off", LogLevel::Error), || assert!(!request_span("r").is_disabled()));
}

#[test]
fn nothing_leaks() {
    let key = format!("sk_test_{}", "c0ffee42".repeat(8));
    let secrets = ["hunter2-secret", "sk-proj-abcdefghijklmnop", "AbCdEfToken123", key.as_str(), "s3ssion-c00kie"];
    let error =
        format!("https://x.example/v1?alt=sse&key={} answered 401: Incorrect API key {}", secrets[2], secrets[1]);
    let rows = rows(&settings("trace", LogLevel::Debug), || {
        request_span("r").in_scope(|| {
            tracing::warn!(error = %error, "the provider refused Bearer {}", secrets[2]);
            tracing::info!(?key, "a key");
            tracing::info!(password = secrets[0], Authorization = secrets[2], cookie = secrets[4], "by name");
            tracing::info!("cookie: de_session={}; theme=dark", secrets[4]);
            tracing::info!(headers = ?[("x-api-key", secrets[1])], url = "/v1/models?key=AbCdEfToken123", "request");
            tracing::error!(secret = ?Secret::new(secrets[0]), hidden = ?Hidden::new(secrets[0]), "by type");
            tracing::debug!(value = ?Some(Secret::new(secrets[0])), "nested");
            tracing::info!("{} {} {}", "padding ".repeat(2_000), secrets[1], secrets[3]);
        });
    });
    assert_eq!(rows.len(), 8);
    for row in &rows {
        let line = Line {
            time_us: 0,
            level: "INFO",
            target: "server::http",
            message: row.message.clone(),
            origin: Origin { request_id: row.request_id.clone(), ..Origin::default() },
            fields: row.metadata.as_object().unwrap().clone(),
        };
        for written in [format!("{row:?}"), line.text(), line.json()] {
            for secret in secrets {
                assert!(!written.contains(secret), "{secret} in {written}");
            }
        }
        assert!(row.message.len() <= 8_192);
    }
    assert_eq!(rows[1].metadata["key"], "***");
}

#[test]
fn a_line_is_one_line() {
    let line = Line {
        time_us: 1_763_600_000_120_000,
        level: "WARN",
        target: "server::services::gateway::attempt",
        message: "first\nsecond \u{1b}[31mred".to_owned(),
        origin: Origin { request_id: Some("r".to_owned()), ..Origin::default() },
        fields: serde_json::from_str(r#"{"provider": "openai", "said": "two words", "tries": 2}"#).unwrap(),
    };
    assert_eq!(
        line.text(),
        "2025-11-20T00:53:20.120000Z  WARN server::services::gateway::attempt: first\\nsecond \\u{1b}[31mred \
         provider=openai said=\"two words\" tries=2 request_id=r\n"
    );
    let json: serde_json::Value = serde_json::from_str(&line.json()).unwrap();
    assert_eq!(
        (&json["component"], &json["message"], &json["tries"], &json["request_id"]),
        (&"gateway".into(), &"first\nsecond \u{1b}[31mred".into(), &2.into(), &"r".into())
    );
}
