//! `electrons serve`.

use std::{collections::HashMap, io::Write};

use super::{CliError, out};
use crate::{
    app::{App, Welcome},
    clock::Clock,
    settings::Settings,
    shutdown,
};

/// Starts the server, says where it is, and runs until a signal comes.
pub async fn serve(settings: Settings, variables: HashMap<String, String>) -> Result<(), CliError> {
    let stop = shutdown::signal();
    tokio::pin!(stop);
    let mut app = tokio::select! {
        started = Box::pin(App::start(settings, Clock::system(), variables)) => started?,
        () = stop.as_mut() => return Ok(()),
    };
    let welcome = app.welcome.take();
    greet(&app, welcome.as_ref())?;
    stop.await;
    tracing::info!("stopping");
    app.stop().await;
    tracing::info!("stopped");
    Ok(())
}

fn greet(app: &App, welcome: Option<&Welcome>) -> Result<(), CliError> {
    let mut out = out();
    let settings = &app.state.settings;
    writeln!(out)?;
    writeln!(out, "Distributed Electrons {} is running.", env!("CARGO_PKG_VERSION"))?;
    writeln!(out)?;
    writeln!(out, "  address   {}", app.public_url)?;
    writeln!(
        out,
        "  mode      {}, {}, {}",
        settings.environment.as_str(),
        app.state.db.kind().as_str(),
        if app.simulator.is_some() { "simulator on" } else { "simulator off" },
    )?;
    if let Some(welcome) = welcome {
        let url = &app.public_url;
        let key = &welcome.api_key.secret;
        writeln!(out, "  sign-in   {}", app.sign_in_url(&welcome.sign_in_token))?;
        writeln!(out, "  api key   {key}")?;
        writeln!(out)?;
        writeln!(
            out,
            "The link works once, within {} minutes; the key is shown only now. Try it:",
            settings.sessions.link_minutes
        )?;
        writeln!(out)?;
        writeln!(out, "  curl {url}/v1/chat/completions \\")?;
        writeln!(out, "    -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' \\")?;
        writeln!(
            out,
            r#"    -d '{{"model": "gpt-4o-mini", "messages": [{{"role": "user", "content": "Say hello."}}]}}'"#
        )?;
    } else {
        writeln!(out)?;
        writeln!(out, "To sign in:  electrons user link --email <address>     A new API key:  electrons key create")?;
    }
    writeln!(out)?;
    out.flush()?;
    Ok(())
}
