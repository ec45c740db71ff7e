use leptos::prelude::*;

use super::wire::Wire;
use crate::{
    error::AppError,
    types::{Me, SignInIssuer},
};

/// Who is signed in; `None` when nobody is.
#[server(endpoint = "account/who_am_i", input = Wire, output = Wire)]
pub async fn who_am_i() -> Result<Option<Me>, AppError> {
    use crate::ports::{caller, ports, with_status};
    with_status(
        async {
            match caller() {
                Ok(caller) => ports()?.account.me(&caller).await.map(Some),
                Err(AppError::Unauthorized) => Ok(None),
                Err(error) => Err(error),
            }
        }
        .await,
    )
}

/// Signs in by e-mail and password; works as a plain form, too.
#[server(endpoint = "account/sign_in", output = Wire)]
pub async fn sign_in(email: String, password: String, next: Option<String>) -> Result<(), AppError> {
    use crate::ports::{origin, ports, set_cookie, with_status};
    let cookie = with_status(ports()?.account.sign_in(&email, &password, origin()).await)?;
    set_cookie(&cookie);
    leptos_axum::redirect(local_path(next.as_deref()));
    Ok(())
}

/// Signs in by a one-time link; works as a plain form, too. A form and not a mere address: mail programs open links to
/// look at them, and that must not use them up.
#[server(endpoint = "account/sign_in_by_link", output = Wire)]
pub async fn sign_in_by_link(token: String, next: Option<String>) -> Result<(), AppError> {
    use crate::ports::{origin, ports, set_cookie, with_status};
    let cookie = with_status(ports()?.account.sign_in_by_link(&token, origin()).await)?;
    set_cookie(&cookie);
    leptos_axum::redirect(local_path(next.as_deref()));
    Ok(())
}

/// Ends the session; works as a plain form, too.
#[server(endpoint = "account/sign_out", output = Wire)]
pub async fn sign_out() -> Result<(), AppError> {
    use crate::ports::{origin, ports, set_cookie, with_status};
    let cookies = use_context::<http::request::Parts>()
        .and_then(|parts| parts.headers.get(http::header::COOKIE)?.to_str().map(str::to_owned).ok())
        .unwrap_or_default();
    let cookie = with_status(ports()?.account.sign_out(&cookies, origin()).await)?;
    set_cookie(&cookie);
    leptos_axum::redirect("/sign-in");
    Ok(())
}

/// Sets the own password; every other browser is signed out. `present` is the one before, where there is one.
#[server(endpoint = "account/set_password", input = Wire, output = Wire)]
pub async fn set_password(password: String, present: Option<String>) -> Result<(), AppError> {
    use crate::ports::{caller, origin, ports, set_cookie, with_status};
    let set = async { ports()?.account.set_password(&caller()?, &password, present.as_deref(), origin()).await };
    let cookie = with_status(set.await)?;
    set_cookie(&cookie);
    Ok(())
}

/// Who else can sign people in: a button each on the sign-in page.
#[server(endpoint = "account/issuers", input = Wire, output = Wire)]
pub async fn issuers() -> Result<Vec<SignInIssuer>, AppError> {
    use crate::ports::{ports, with_status};
    with_status(async { ports()?.account.issuers().await }.await)
}

/// Only a path of this site may be gone to after signing in.
pub fn local_path(next: Option<&str>) -> &str {
    next.filter(|path| path.starts_with('/') && !path.starts_with("//") && !path.contains(['\\', '\r', '\n']))
        .unwrap_or("/")
}

#[cfg(test)]
mod tests {
    use super::local_path;

    #[test]
    fn only_own_paths_are_followed() {
        assert_eq!(local_path(Some("/test/text?run=1")), "/test/text?run=1");
        for elsewhere in ["https://x.example", "//x.example", "/\\x.example", "x", ""] {
            assert_eq!(local_path(Some(elsewhere)), "/", "{elsewhere}");
        }
        assert_eq!(local_path(None), "/");
    }
}
