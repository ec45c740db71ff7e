//! The command line.

mod audit;
mod config;
mod create;
mod health;
mod serve;

use std::{
    collections::HashMap,
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::{
    app::{Core, StartError, connect},
    clock::Clock,
    sandbox::{self, SandboxConfig},
    settings::{self, Settings, SettingsError},
    shutdown, telemetry,
};

/// One self-hosted service in front of every AI provider.
#[derive(Parser)]
#[command(name = "electrons", version, about, long_about = None)]
pub struct Cli {
    /// Settings file; without this option `electrons.toml` is read if it exists.
    #[arg(long, global = true, value_name = "FILE", env = "ELECTRONS_CONFIG")]
    config: Option<PathBuf>,
    /// Without one, `serve`.
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Start the server: API, consoles and, outside production, the simulator.
    ///
    /// The first start makes a database, an administrator and an API key, and prints a sign-in link.
    Serve(ServeArgs),
    /// Bring the database up to date and stop. `serve` does this by itself.
    Migrate,
    /// Run the provider simulator alone, for tests and load tests.
    Sandbox(SandboxArgs),
    /// API keys.
    #[command(subcommand)]
    Key(KeyCommand),
    /// People.
    #[command(subcommand)]
    User(UserCommand),
    /// Settings.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// The audit log.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Ask a running server whether it can do its work; exit code 0 if so.
    Healthcheck(HealthArgs),
}

#[derive(Args)]
struct ServeArgs {
    /// Listen here instead of where the settings say, for example 0.0.0.0:8080. Port 0 takes any free port.
    #[arg(long, value_name = "ADDRESS")]
    address: Option<SocketAddr>,
    /// What this process does; by default both.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "ROLES")]
    roles: Vec<Duty>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Duty {
    /// Answers calls and shows the consoles.
    Http,
    /// Carries out work that was handed over. Health and calls are answered, too.
    Worker,
}

#[derive(Args)]
struct SandboxArgs {
    /// Port on 127.0.0.1; 0 takes any free one.
    #[arg(long, default_value_t = 4010)]
    port: u16,
    /// Wait before the first byte of each answer, in milliseconds.
    #[arg(long, default_value_t = 0, value_name = "MS")]
    first_byte_ms: u64,
    /// Wait before each token of a stream, in milliseconds.
    #[arg(long, default_value_t = 0, value_name = "MS")]
    per_token_ms: u64,
    /// Answer OpenAI chat calls with one prepared text, as fast as possible: for load tests.
    #[arg(long)]
    bare: bool,
}

#[derive(Subcommand)]
enum KeyCommand {
    /// Make an API key and print it. This is the only time it is shown.
    Create {
        /// What the key is for.
        #[arg(long, default_value = "Command line")]
        name: String,
        /// E-mail address of its owner; without it, the first administrator.
        #[arg(long, value_name = "EMAIL")]
        user: Option<String>,
        /// Id or name of the instance it belongs to.
        #[arg(long, default_value = "default")]
        instance: String,
        /// Days until it expires; without it, never.
        #[arg(long, value_name = "DAYS")]
        expires_in_days: Option<u32>,
    },
}

#[derive(Subcommand)]
enum UserCommand {
    /// Add a person and print a one-time sign-in link.
    Create {
        #[arg(long)]
        email: String,
        /// Name to show; without it, the part of the address before the @.
        #[arg(long)]
        name: Option<String>,
        /// user, admin (of the organization) or superadmin.
        #[arg(long, default_value = "user")]
        role: create::RoleArg,
        /// Id of the organization; without it, the first one.
        #[arg(long, value_name = "ID")]
        organization: Option<String>,
    },
    /// Print a new one-time sign-in link for a person.
    Link {
        #[arg(long)]
        email: String,
    },
}

#[derive(Subcommand)]
enum AuditCommand {
    /// Walk the audit log and say whether anything was changed or taken away; exit code 0 if not.
    Verify {
        /// Id of the organization; without it, all of them and the platform's own log.
        #[arg(long, value_name = "ID")]
        org: Option<String>,
    },
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Print the commented default settings; a good start for an `electrons.toml`.
    PrintDefault,
    /// Print the configuration in the database as YAML: organizations, people, providers, models, limits, rules. Secrets
    /// are named, not printed; API keys are left out.
    Export,
    /// Make the configuration in the database what a file says: an export, or a LiteLLM proxy's `model_list`. What is not in
    /// the file stays.
    Apply {
        file: PathBuf,
        /// Only print what would change.
        #[arg(long)]
        dry_run: bool,
    },
    /// Take prices from a table in LiteLLM's format (JSON or YAML). Models whose pricing has `"fixed": true` keep theirs.
    Prices {
        file: PathBuf,
        /// Only print what would change.
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(Args)]
struct HealthArgs {
    /// Address of the server; without it, the one of the settings.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
enum CliError {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("{0}")]
    Said(String),
    #[error("cannot write to the terminal: {0}")]
    Output(#[from] std::io::Error),
}

impl From<crate::services::identity::IdentityError> for CliError {
    fn from(error: crate::services::identity::IdentityError) -> Self {
        Self::Start(error.into())
    }
}

impl Cli {
    /// Runs the command; errors are printed for a person.
    pub async fn run(self) -> ExitCode {
        match self.execute().await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                let _ = writeln!(std::io::stderr(), "error: {error}");
                ExitCode::FAILURE
            }
        }
    }

    async fn execute(self) -> Result<(), CliError> {
        match self.command.unwrap_or(Command::Serve(ServeArgs { address: None, roles: Vec::new() })) {
            Command::Config(ConfigCommand::PrintDefault) => Ok(out().write_all(settings::DEFAULT.as_bytes())?),
            Command::Config(ConfigCommand::Export) => {
                config::export(&open(read_settings(self.config.as_deref())?).await?).await
            }
            Command::Config(ConfigCommand::Apply { file, dry_run }) => {
                let core = open(read_settings(self.config.as_deref())?).await?;
                config::apply(&core, &file, dry_run).await
            }
            Command::Config(ConfigCommand::Prices { file, dry_run }) => {
                let core = open(read_settings(self.config.as_deref())?).await?;
                config::prices(&core, &file, dry_run).await
            }
            Command::Sandbox(args) => run_sandbox(args).await,
            Command::Serve(args) => {
                let mut settings = read_settings(self.config.as_deref())?;
                if let Some(address) = args.address {
                    settings.server.address = address;
                }
                if !args.roles.is_empty() {
                    settings.router.workers = args.roles.contains(&Duty::Worker);
                }
                telemetry::start(&settings.log);
                serve::serve(settings, variables()).await
            }
            Command::Migrate => {
                let settings = read_settings(self.config.as_deref())?;
                telemetry::start(&settings.log);
                let core = open(settings).await?;
                core.db.close().await;
                Ok(writeln!(out(), "The database is up to date.")?)
            }
            Command::Key(KeyCommand::Create { name, user, instance, expires_in_days }) => {
                let core = open(read_settings(self.config.as_deref())?).await?;
                create::key(&core, &name, user.as_deref(), &instance, expires_in_days).await
            }
            Command::User(UserCommand::Create { email, name, role, organization }) => {
                let core = open(read_settings(self.config.as_deref())?).await?;
                create::user(&core, &email, name.as_deref(), role, organization.as_deref()).await
            }
            Command::User(UserCommand::Link { email }) => {
                let core = open(read_settings(self.config.as_deref())?).await?;
                create::link(&core, &email).await
            }
            Command::Audit(AuditCommand::Verify { org }) => {
                let core = open(read_settings(self.config.as_deref())?).await?;
                audit::verify(&core, org).await
            }
            Command::Healthcheck(args) => {
                let url = match args.url {
                    Some(url) => url,
                    None => format!("http://{}", read_settings(self.config.as_deref())?.server.address),
                };
                health::check(&url).await
            }
        }
    }
}

fn out() -> std::io::Stdout {
    std::io::stdout()
}

fn variables() -> HashMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

fn read_settings(file: Option<&Path>) -> Result<Settings, SettingsError> {
    settings::load(file.unwrap_or(Path::new("electrons.toml")), file.is_some(), variables())
}

/// Opens the database beside a server that may be running.
async fn open(settings: Settings) -> Result<Core, StartError> {
    let settings = Arc::new(settings);
    let db = connect(&settings).await?;
    Core::open(db, settings, Clock::system(), variables()).await
}

async fn run_sandbox(args: SandboxArgs) -> Result<(), CliError> {
    let signal = shutdown::signal();
    let address = SocketAddr::from(([127, 0, 0, 1], args.port));
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .map_err(|error| CliError::Said(format!("cannot listen on {address}: {error}")))?;
    let address = listener.local_addr()?;
    let config = SandboxConfig {
        first_byte: Duration::from_millis(args.first_byte_ms),
        per_token: Duration::from_millis(args.per_token_ms),
        bare: args.bare,
    };
    writeln!(out(), "simulator   http://{address}")?;
    for provider in ["openai", "anthropic", "google", "cohere"] {
        if let Some(path) = sandbox::base_path(provider) {
            writeln!(out(), "  {provider:<9} http://{address}{path}")?;
        }
    }
    let stop = tokio_util::sync::CancellationToken::new();
    let serving = sandbox::serve(listener, config, stop.clone());
    tokio::pin!(serving);
    tokio::select! {
        ended = serving.as_mut() => ended?,
        () = signal => {
            stop.cancel();
            serving.await?;
        }
    }
    Ok(())
}
