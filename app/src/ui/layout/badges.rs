use leptos::prelude::*;

use crate::{
    types::Me,
    ui::kit::{Badge, Glyph, Tone},
};

/// Where one is (production must not be mistaken for anything else) and whether answers are simulated.
#[component]
pub fn SituationBadges(me: Me) -> impl IntoView {
    let production = me.environment == "production";
    view! {
        <Badge tone=if production { Tone::Warn } else { Tone::Neutral } icon=Glyph::Server>
            {if production { "Production" } else { "Development" }}
        </Badge>
        {me
            .simulation
            .then(|| {
                view! {
                    <span class="inline-flex" title="Providers without a credential are answered by the built-in simulator.">
                        <Badge tone=Tone::Accent icon=Glyph::Flask>
                            "Simulated"
                        </Badge>
                    </span>
                }
            })}
    }
}
