//! Server functions: public endpoints under `/_fn`, for the consoles only. Each asks the context who is calling.

mod account;
mod api_keys;
mod audit;
mod catalog;
mod credentials;
mod home;
mod limits;
mod models;
mod platform;
mod runs;
mod services;
mod sessions;
mod things;
mod wire;

pub use account::{
    SetPassword, SignIn, SignInByLink, SignOut, issuers, local_path, set_password, sign_in, sign_in_by_link, sign_out,
    who_am_i,
};
pub use api_keys::{CreateApiKey, api_key_usage, create_api_key, revoke_api_key, rotate_api_key};
pub use audit::{audit_log, verify_audit_log};
pub use catalog::models;
pub use credentials::{credentials, delete_credential, set_credential, test_credential};
pub use home::{DismissChecklist, dismiss_checklist, load_overview};
pub use limits::{state_of_limit, states_of_limits};
pub use models::{
    duplicate_model, load_model_version, model_versions, preview_mapping, restore_model_version, try_routing,
};
pub use platform::{delete_logs, load_system, logs};
pub use runs::{run, runs};
pub use services::services;
pub use sessions::{end_other_sessions, end_session, end_sessions_of_user, make_sign_in_link, sessions};
pub use things::{delete_things, find_things, restore_things, save_thing, thing_by_id, thing_dependants, things};
pub(crate) use wire::WireJson;
