use leptos::prelude::*;

use crate::{
    types::{Overview, ProviderState},
    ui::kit::{Badge, Card, EmptyState, Glyph, Tone},
};

/// Words, picture and tone of a state.
pub(super) const fn look(state: ProviderState) -> (&'static str, Glyph, Tone) {
    match state {
        ProviderState::Credential => ("Connected", Glyph::Key, Tone::Good),
        ProviderState::Local => ("Local", Glyph::Server, Tone::Good),
        ProviderState::Simulated => ("Simulated", Glyph::Flask, Tone::Accent),
        ProviderState::Missing => ("No credential", Glyph::Plug, Tone::Neutral),
    }
}

/// What would answer for each provider.
#[component]
pub fn Providers(overview: RwSignal<Overview>) -> impl IntoView {
    let providers = Memo::new(move |_| overview.with(|overview| overview.providers.clone()));
    let lead =
        move || overview.with_untracked(|overview| format!("{} text models in the catalogue.", overview.text_models));
    view! {
        <Card title="Providers" lead=lead() flush=true>
            {move || {
                let providers = providers.get();
                if providers.is_empty() {
                    return view! { <EmptyState icon=Glyph::Plug title="No providers" text="The catalogue is empty." /> }.into_any();
                }
                view! {
                    <ul class="grid gap-x-6 px-4 py-2 sm:grid-cols-2 xl:grid-cols-3">
                        {providers
                            .into_iter()
                            .map(|provider| {
                                let (word, icon, tone) = look(provider.state);
                                let models = match provider.models {
                                    0 => String::new(),
                                    1 => "1 model".to_owned(),
                                    models => format!("{models} models"),
                                };
                                view! {
                                    <li class="flex min-h-9 min-w-0 items-center gap-2 py-1">
                                        <span class="truncate">{provider.name}</span>
                                        <span class="min-w-0 flex-1 text-xs whitespace-nowrap text-muted">{models}</span>
                                        <Badge tone=tone icon=icon>
                                            {word}
                                        </Badge>
                                    </li>
                                }
                            })
                            .collect_view()}
                    </ul>
                }
                    .into_any()
            }}
        </Card>
    }
}
