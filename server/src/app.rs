//! Puts the parts together. `main` and the tests start the product through [`App::start`].

use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Duration};

use app::types::{ApiKeyDraft, NewApiKey, Role};
use tokio::{net::TcpListener, sync::Notify, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    clock::Clock,
    listen,
    providers::transport::Transport,
    sandbox::{self, SandboxConfig},
    services::{
        catalog::{self, Catalog, seed},
        config::Configuration,
        delivery::{Addresses, Delivery, Sender},
        events::Events,
        gateway::{Gateway, Recorder, record, unwritten},
        identity::{Identity, IdentityError},
        limits::Limiter,
        logs::{self, Logs},
        router::{self, CallbackUrl, Router},
        system::System,
        vault::{Vault, VaultError},
    },
    settings::{Settings, Synchronous},
    shutdown::Tasks,
    state::{AppState, Services},
    store::{Db, DbOptions, LockError, ServerLock, StoreError, audit::Actor},
    telemetry, web,
};

/// How long the background tasks have for what is left to write.
const FLUSH_LIMIT: Duration = Duration::from_secs(12);

/// And for the last lines of the log.
const LAST_LINES_LIMIT: Duration = Duration::from_secs(2);

/// A reason not to start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the database {what}: {error}")]
    Database { what: &'static str, error: StoreError },
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error("cannot listen on {address}: {error}")]
    Listen { address: SocketAddr, error: std::io::Error },
    #[error("the pages cannot be served: {0}")]
    Site(String),
    #[error("the HTTP client cannot be set up: {0}")]
    Client(#[from] reqwest::Error),
    #[error("there is no organization; start the server once, it makes one")]
    Empty,
}

/// What a first start made, to be told once.
pub struct Welcome {
    pub sign_in_token: String,
    pub api_key: NewApiKey,
}

/// The parts that every subcommand needs: database, configuration, identity.
pub struct Core {
    pub db: Db,
    pub catalog: Arc<Catalog>,
    pub identity: Identity,
    pub config: Configuration,
    pub vault: Vault,
    pub clock: Clock,
    pub settings: Arc<Settings>,
}

/// A running server.
pub struct App {
    pub address: SocketAddr,
    pub public_url: Arc<str>,
    pub simulator: Option<SocketAddr>,
    pub welcome: Option<Welcome>,
    pub state: AppState,
    stop: CancellationToken,
    serving: JoinHandle<()>,
    tasks: Tasks,
    log_writer: Option<Arc<logs::Writer>>,
    _lock: Option<ServerLock>,
}

/// Opens the database of the settings, without a lock and without a migration.
pub async fn connect(settings: &Settings) -> Result<Db, StartError> {
    let options = DbOptions {
        max_connections: settings.database.max_connections,
        full_sync: settings.database.synchronous == Synchronous::Full,
        ..DbOptions::default()
    };
    Db::connect(&settings.database.url, &options)
        .await
        .map_err(|error| StartError::Database { what: "cannot be opened", error })
}

impl Core {
    /// Migrates, fills an empty database and reads the configuration. `variables` is the process environment.
    pub async fn open(
        db: Db,
        settings: Arc<Settings>,
        clock: Clock,
        variables: HashMap<String, String>,
    ) -> Result<Self, StartError> {
        let failed = |what| move |error| StartError::Database { what, error };
        db.migrate().await.map_err(failed("cannot be migrated"))?;
        let now = clock.now_us();
        let is_new = seed::first_start(&db, now).await.map_err(failed("cannot be filled"))?.is_some();
        if !is_new {
            seed::extend_catalogue(&db, now).await.map_err(failed("cannot be brought up to date"))?;
        }
        let key = &settings.secrets.encryption_key;
        let vault = if key.reveal().is_empty() {
            Vault::with_file(&settings.storage.data_folder.join("secret.key"))?
        } else {
            Vault::with_key(key)?
        };
        let environment = catalog::Environment {
            default_instance: settings.default_instance().to_owned(),
            vault: vault.clone(),
            variables,
            overrides: settings.providers.clone(),
        };
        let catalog = Catalog::load(db.clone(), environment).await.map_err(failed("cannot be read"))?;
        let identity = Identity::new(db.clone(), catalog.clone(), clock.clone(), &settings);
        let config = Configuration::new(db.clone(), catalog.clone(), clock.clone(), vault.clone());
        Ok(Self { db, catalog, identity, config, vault, clock, settings })
    }

    /// The first superadmin with a sign-in link and a key in the default instance, as long as there is nobody. Of servers
    /// that start together, one makes them.
    async fn welcome(&self) -> Result<Option<Welcome>, StartError> {
        let snapshot = self.catalog.snapshot();
        if !snapshot.users.is_empty() {
            return Ok(None);
        }
        let organization = snapshot.organizations.values().min_by_key(|o| o.id.clone()).ok_or(StartError::Empty)?;
        let by = || Actor::system("First start");
        let made = self
            .identity
            .create_user(&organization.id, "admin@localhost", "Administrator", Role::Superadmin, by())
            .await;
        let user_id = match made {
            Err(IdentityError::Store(StoreError::Conflict { .. })) => return Ok(None),
            made => made?,
        };
        let snapshot = self.catalog.snapshot();
        let user = snapshot.users.get(&user_id).ok_or(StartError::Empty)?;
        let caller = self.identity.in_instance(user, Some(&snapshot.default_instance))?;
        let draft = ApiKeyDraft { name: "First key".to_owned(), ..ApiKeyDraft::default() };
        Ok(Some(Welcome {
            sign_in_token: self.identity.make_link(&user_id, by()).await?.0,
            api_key: self.identity.create_key(&caller, draft, by()).await?,
        }))
    }
}

impl App {
    /// Starts everything and returns once requests are answered.
    pub async fn start(
        settings: Settings,
        clock: Clock,
        variables: HashMap<String, String>,
    ) -> Result<Self, StartError> {
        let settings = Arc::new(settings);
        let db = connect(&settings).await?;
        let lock = db.lock_exclusive()?;
        let core = Core::open(db, settings.clone(), clock.clone(), variables).await?;
        let welcome = core.welcome().await?;

        match unwritten::take_in(&core.db, &settings.storage.data_folder).await {
            Ok(0) => {}
            Ok(records) => {
                tracing::info!(records, "records of calls that an earlier process could not write are written")
            }
            Err(error) => {
                tracing::error!(%error, "records of an earlier process cannot be taken in; the next start tries")
            }
        }

        let tasks = Tasks::new(clock.clone());
        let simulator =
            if settings.simulation_is_on() { Some(start_simulator(&settings, &tasks).await?) } else { None };
        let listener = bind(settings.server.address).await?;
        let address =
            listener.local_addr().map_err(|error| StartError::Listen { address: settings.server.address, error })?;
        let public_url: Arc<str> = match settings.server.public_url.trim_end_matches('/') {
            "" => format!("http://{address}").into(),
            url => url.into(),
        };

        let transport = Transport::new((&settings.gateway).into())?;
        let limiter = Limiter::start(core.db.clone(), clock.clone(), &tasks);
        let recorder = Recorder::start(core.db.clone(), clock.clone(), limiter.writing(), &settings, &tasks);
        let gateway =
            Gateway::new(core.catalog.clone(), transport, recorder, limiter, clock.clone(), &settings, simulator);
        tasks.keep("last use of keys", {
            let (identity, tasks) = (core.identity.clone(), tasks.clone());
            move || identity.clone().keep_last_used(tasks.clone())
        });
        tasks.keep("configuration", {
            let (catalog, tasks) = (core.catalog.clone(), tasks.clone());
            move || catalog.clone().keep(tasks.clone())
        });
        tasks.keep("retention", {
            let (db, clock, settings, tasks) = (core.db.clone(), clock.clone(), settings.clone(), tasks.clone());
            move || record::retain(db.clone(), clock.clone(), settings.clone(), tasks.clone())
        });

        let stop = CancellationToken::new();
        let outbox = Arc::new(Notify::new());
        let events = Events::start(core.db.clone(), core.catalog.clone(), clock.clone(), stop.clone(), &tasks);
        let delivery = Delivery::new(
            core.db.clone(),
            core.catalog.clone(),
            clock.clone(),
            core.vault.clone(),
            events.live().clone(),
            outbox.clone(),
        );
        Sender::start(
            core.db.clone(),
            clock.clone(),
            core.vault.clone(),
            Addresses::new(settings.private_ranges()),
            outbox.clone(),
            &tasks,
        )?;
        let callback_url: CallbackUrl = match settings.server.public_url.as_str() {
            // Providers elsewhere cannot reach an address of this machine.
            "" => Arc::new(|_| None),
            _ => {
                let (delivery, public_url) = (delivery.clone(), public_url.clone());
                Arc::new(move |request_id| Some(delivery.callback_url(&public_url, request_id)))
            }
        };
        let router = Router::start(
            router::Parts {
                db: core.db.clone(),
                clock: clock.clone(),
                catalog: core.catalog.clone(),
                gateway: gateway.clone(),
                identity: core.identity.clone(),
                callback_url,
                events: events.clone(),
                outbox,
            },
            &settings,
            &tasks,
        );

        let queue = telemetry::queue();
        let logs = Logs::new(core.db.clone(), core.catalog.clone(), clock.clone(), queue.clone(), stop.clone());
        let log_writer = queue.map(|queue| {
            Arc::new(logs::Writer::new(core.db.clone(), queue, clock.clone(), settings.log.flush_interval))
        });
        if let Some(writer) = log_writer.clone() {
            let owner = tasks.clone();
            tasks.keep("log writer", move || {
                let (writer, tasks) = (writer.clone(), owner.clone());
                async move { writer.run(&tasks).await }
            });
        }

        let system = System::start(
            core.db.clone(),
            core.catalog.clone(),
            gateway.clone(),
            clock.clone(),
            settings.clone(),
            &tasks,
            telemetry::queue(),
            public_url.to_string(),
        );

        let state = AppState::new(Services {
            started_us: clock.now_us(),
            leptos: web::site_options(address, &settings).map_err(StartError::Site)?,
            config: core.config,
            delivery,
            events,
            db: core.db,
            catalog: core.catalog,
            identity: core.identity,
            logs,
            router,
            system,
            gateway,
            clock,
            settings: settings.clone(),
            public_url: public_url.clone(),
        });
        let router = web::router(&state);
        let serving = tokio::spawn({
            let (stop, settings) = (stop.clone(), settings.clone());
            async move { listen::serve(listener, router, stop, &settings.server).await }
        });
        Ok(Self { address, public_url, simulator, welcome, state, stop, serving, tasks, log_writer, _lock: lock })
    }

    /// The address that signs in once.
    pub fn sign_in_url(&self, token: &str) -> String {
        format!("{}/sign-in?token={token}", self.public_url)
    }

    /// Stops accepting, lets running answers finish, writes what is left.
    pub async fn stop(self) {
        self.stop.cancel();
        let _ = self.serving.await;
        let db = self.state.db.clone();
        self.tasks.stop();
        // The recorder's writer ends when nobody can send it anything any more.
        drop(self.state);
        let late = self.tasks.finish(FLUSH_LIMIT).await;
        if !late.is_empty() {
            tracing::error!(tasks = late.join(", "), "some background work did not end in time");
        }
        // What was logged while the others ended.
        if let Some(writer) = self.log_writer {
            let _ = tokio::time::timeout(LAST_LINES_LIMIT, writer.flush()).await;
        }
        // A server that does not answer does not say goodbye either.
        let _ = tokio::time::timeout(LAST_LINES_LIMIT, db.close()).await;
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|error| StartError::Listen { address, error })
}

async fn start_simulator(settings: &Settings, tasks: &Tasks) -> Result<SocketAddr, StartError> {
    let listener = bind(settings.simulation.address).await?;
    let address =
        listener.local_addr().map_err(|error| StartError::Listen { address: settings.simulation.address, error })?;
    let config = SandboxConfig {
        first_byte: settings.simulation.first_byte,
        per_token: settings.simulation.per_token,
        bare: false,
    };
    let stop = tasks.token();
    tasks.once("simulator", async move {
        if let Err(error) = sandbox::serve(listener, config, stop).await {
            tracing::error!(%error, "the simulator ended");
        }
    });
    Ok(address)
}
