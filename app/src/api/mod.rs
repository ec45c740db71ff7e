//! Server functions: public endpoints under `/_fn`, for the consoles only. Each asks the context who is calling.

mod account;
mod api_keys;
mod catalog;
mod credentials;
mod home;
mod models;
mod platform;
mod runs;
mod things;
mod wire;

pub use account::{
    SetPassword, SignIn, SignInByLink, SignOut, local_path, set_password, sign_in, sign_in_by_link, sign_out, who_am_i,
};
pub use api_keys::{CreateApiKey, create_api_key};
pub use catalog::models;
pub use credentials::{credentials, delete_credential, set_credential, test_credential};
pub use home::{DismissChecklist, dismiss_checklist, load_overview};
pub use models::{duplicate_model, load_model_version, model_versions, preview_mapping, restore_model_version};
pub use platform::{delete_logs, logs};
pub use runs::{run, runs};
pub use things::{delete_things, restore_things, save_thing, thing_by_id, thing_dependants, things};
pub(crate) use wire::WireJson;
