use leptos::{ev, prelude::*};
use leptos_router::{
    NavigateOptions,
    hooks::{use_location, use_navigate},
};
use wasm_bindgen::{JsCast, JsValue, prelude::Closure};

use super::{state::Leave, use_frame};
use crate::ui::kit::{Button, ButtonVariant, Dialog, DialogSize, open_for};

/// Stops Back and Forward on a page with unsaved changes, and asks. To be called before there is a router: a window tells its
/// listeners in the order in which they came, and the router must not hear of a step that is not taken.
pub fn guard_history() {
    if cfg!(feature = "ssr") {
        return;
    }
    let frame = use_frame();
    let _ = window_event_listener(ev::popstate, move |event| {
        let agreed = frame.agreed.try_update_value(std::mem::take).unwrap_or_default();
        let here = frame.here.get_value();
        let stays = here.split(['?', '#']).next() == window().location().pathname().ok().as_deref();
        if agreed || stays || !frame.is_dirty() {
            return;
        }
        // The address is another one already. One step back from this one is where the person wanted to go.
        event.stop_immediate_propagation();
        if let Ok(history) = window().history()
            && history.push_state_with_url(&JsValue::NULL, "", Some(&here)).is_ok()
        {
            frame.leave_to.set(Some(Leave::History));
        }
    });
}

/// Asks before unsaved changes are left behind: by a link, by a key or the palette, by Back or Forward, or by closing the tab.
#[component]
pub fn LeaveGuard() -> impl IntoView {
    let frame = use_frame();
    let navigate = use_navigate();
    let place = use_location();
    let open = open_for(frame.leave_to, || ());
    Effect::new(move |_| {
        let (path, query, hash) = (place.pathname.get(), place.search.get(), place.hash.get());
        let mark = if query.is_empty() || query.starts_with('?') { "" } else { "?" };
        frame.here.set_value(format!("{path}{mark}{query}{hash}"));
    });
    Effect::new(move |_| {
        let unload = window_event_listener(ev::beforeunload, move |event| {
            if frame.is_dirty() {
                event.prevent_default();
                event.set_return_value("unsaved");
            }
        });
        // Before the router hears of it.
        let press = Closure::<dyn FnMut(web_sys::MouseEvent)>::new(move |event: web_sys::MouseEvent| {
            let modified = event.ctrl_key() || event.meta_key() || event.shift_key() || event.button() != 0;
            let target = event.target().and_then(|target| target.dyn_into::<web_sys::Element>().ok());
            let link = target.and_then(|target| target.closest("a[href]").ok().flatten());
            let Some(link) = link.filter(|_| !modified && frame.is_dirty()) else { return };
            let href = link.get_attribute("href").unwrap_or_default();
            let here = window().location().pathname().unwrap_or_default();
            let stays = href.starts_with('#') || href.split(['?', '#']).next() == Some(here.as_str());
            if !stays && href.starts_with('/') && link.get_attribute("target").is_none() {
                event.prevent_default();
                event.stop_propagation();
                frame.leave_to.set(Some(Leave::To(href)));
            }
        });
        let _ = document().add_event_listener_with_callback_and_bool("click", press.as_ref().unchecked_ref(), true);
        let press = StoredValue::new_local(press);
        on_cleanup(move || {
            unload.remove();
            let _ = press.try_with_value(|press| {
                document().remove_event_listener_with_callback_and_bool("click", press.as_ref().unchecked_ref(), true)
            });
        });
    });
    let leave = Callback::new(move |()| {
        let Some(way) = frame.leave_to.get_untracked() else { return };
        open.set(false);
        match way {
            Leave::To(path) => navigate(&path, NavigateOptions::default()),
            Leave::History => {
                frame.agreed.set_value(true);
                let _ = window().history().and_then(|history| history.back());
            }
        }
    });
    view! {
        <Dialog
            id="leave"
            open
            title="Leave without saving?"
            size=DialogSize::Small
            footer=ViewFn::from(move || {
                view! {
                    <Button on_click=move |_| open.set(false)>"Stay here"</Button>
                    <Button variant=ButtonVariant::Danger on_click=move |_| leave.run(())>
                        "Discard changes"
                    </Button>
                }
            })
        >
            <p>"This page has changes that are not saved. They are lost when you leave."</p>
        </Dialog>
    }
}
