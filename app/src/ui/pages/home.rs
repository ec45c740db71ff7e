use leptos::prelude::*;

use crate::api;

#[component]
pub fn HomePage() -> impl IntoView {
    let me = Resource::new(|| (), |_| api::who_am_i());
    Effect::new(|_| {
        if let Some(html) = document().document_element() {
            let _ = html.set_attribute("data-hydrated", "true");
        }
    });
    view! {
        <h1>"Distributed Electrons"</h1>
        <Suspense fallback=|| "…">
            {move || Suspend::new(async move {
                match me.await {
                    Ok(Some(me)) => me.name,
                    Ok(None) => "signed out".to_owned(),
                    Err(error) => error.to_string(),
                }
            })}
        </Suspense>
    }
}
