//! `electrons healthcheck`, for containers and service managers that have no curl.

use std::{io::Write, time::Duration};

use super::{CliError, out};

pub async fn check(url: &str) -> Result<(), CliError> {
    let url = format!("{}/health/ready", url.trim_end_matches('/'));
    let said = |text: String| CliError::Said(format!("{url}: {text}"));
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client =
        reqwest::Client::builder().timeout(Duration::from_secs(5)).build().map_err(|error| said(error.to_string()))?;
    let answer = client.get(&url).send().await.map_err(|error| said(error.without_url().to_string()))?;
    let status = answer.status();
    let body = answer.text().await.unwrap_or_default();
    if !status.is_success() {
        return Err(said(format!("{status} {body}")));
    }
    Ok(writeln!(out(), "{body}")?)
}
