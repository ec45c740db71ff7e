use leptos::{prelude::*, task::spawn_local};

use crate::{
    api::{self, SignOut},
    error::AppError,
    types::SessionInfo,
    ui::kit::{Badge, Button, ButtonSize, Card, Glyph, Load, Time, Tone, use_toasts},
};

/// Where one is signed in, and signing out here or elsewhere.
#[component]
pub fn Sessions() -> impl IntoView {
    use leptos::server_fn::ServerFn;
    let sessions = Resource::new(|| (), |()| api::sessions());
    let busy = RwSignal::new(false);
    let toasts = use_toasts();
    let end_others = move |_| {
        busy.set(true);
        spawn_local(async move {
            match api::end_other_sessions().await {
                Ok(1) => toasts.good("One other session was ended."),
                Ok(ended) => toasts.good(format!("{ended} other sessions were ended.")),
                Err(failure) => toasts.bad(failure.to_string()),
            }
            sessions.refetch();
            let _ = busy.try_set(false);
        });
    };
    let list = move |list: Vec<SessionInfo>| {
        view! {
            <ul class="divide-y divide-line border-y border-line">
                {list.into_iter().map(|session| view! { <Line session sessions /> }).collect_view()}
            </ul>
        }
    };
    view! {
        <Card title="Sessions">
            <div class="flex flex-col gap-4">
                <p class="text-muted">"The browsers in which you are signed in. End what you do not know."</p>
                <Load resource=sessions view=list />
                <div class="flex flex-wrap gap-2">
                    <form method="post" action=SignOut::url()>
                        <Button submit=true icon=Glyph::SignOut>
                            "Sign out here"
                        </Button>
                    </form>
                    <Button on_click=end_others busy=busy>
                        "End all others"
                    </Button>
                </div>
            </div>
        </Card>
    }
}

#[component]
fn Line(session: SessionInfo, sessions: Resource<Result<Vec<SessionInfo>, AppError>>) -> impl IntoView {
    let SessionInfo { session_id, ip, user_agent, method, created_us, last_seen_us, is_current, .. } = session;
    let name = user_agent.as_deref().map_or_else(|| "A browser".to_owned(), browser);
    let way = match method.as_str() {
        "password" => "by password".to_owned(),
        "link" => "by a one-time link".to_owned(),
        issuer => format!("by {issuer}"),
    };
    let busy = RwSignal::new(false);
    let toasts = use_toasts();
    let label = format!("End the session of {name}");
    let end = move |_| {
        let session_id = session_id.clone();
        busy.set(true);
        spawn_local(async move {
            match api::end_session(session_id).await {
                Ok(()) => toasts.good("The session was ended."),
                Err(failure) => toasts.bad(failure.to_string()),
            }
            sessions.refetch();
            let _ = busy.try_set(false);
        });
    };
    view! {
        <li class="flex flex-wrap items-center justify-between gap-x-4 gap-y-2 py-3">
            <div class="min-w-0">
                <p class="flex flex-wrap items-center gap-2 font-medium" title=user_agent>
                    {name}
                    {is_current.then(|| view! { <Badge tone=Tone::Good>"this browser"</Badge> })}
                </p>
                <p class="text-sm text-muted">
                    "Seen " <Time at_us=last_seen_us /> {ip.map(|ip| format!(" from {ip}"))} "; signed in " {way} " "
                    <Time at_us=created_us /> "."
                </p>
            </div>
            {(!is_current)
                .then(|| {
                    view! {
                        <Button size=ButtonSize::Small busy=busy on_click=end>
                            "End"
                            <span class="sr-only">{label.trim_start_matches("End").to_owned()}</span>
                        </Button>
                    }
                })}
        </li>
    }
}

/// What a browser says it is, in two words.
fn browser(user_agent: &str) -> String {
    let first = |marks: &[(&str, &'static str)]| {
        marks.iter().find(|(mark, _)| user_agent.contains(mark)).map(|(_, name)| *name)
    };
    // Browsers name those they want to be taken for, so the rarer marks come first.
    let name = first(&[
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
        ("curl/", "curl"),
    ]);
    let system = first(&[
        ("Android", "Android"),
        ("iPhone", "iOS"),
        ("iPad", "iOS"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("Linux", "Linux"),
    ]);
    match (name, system) {
        (Some(name), Some(system)) => format!("{name} on {system}"),
        (Some(name), None) => name.to_owned(),
        (None, Some(system)) => format!("A browser on {system}"),
        (None, None) => "A browser".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::browser;

    #[test]
    fn browsers_are_told_apart() {
        let chrome = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Safari/537.36";
        assert_eq!(browser(chrome), "Chrome on Windows");
        assert_eq!(browser(&format!("{chrome} Edg/142.0")), "Edge on Windows");
        assert_eq!(
            browser("Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"),
            "Firefox on Linux"
        );
        assert_eq!(browser("curl/8.5"), "curl");
        assert_eq!(browser("<script>"), "A browser");
    }
}
