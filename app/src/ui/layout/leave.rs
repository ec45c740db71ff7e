use leptos::{ev, prelude::*};
use leptos_router::{NavigateOptions, hooks::use_navigate};
use wasm_bindgen::{JsCast, prelude::Closure};

use super::use_frame;
use crate::ui::kit::{Button, ButtonVariant, Dialog, DialogSize};

/// Asks before unsaved changes are left behind: by a link, by a key or the palette, or by closing the tab.
#[component]
pub fn LeaveGuard() -> impl IntoView {
    let frame = use_frame();
    let navigate = use_navigate();
    let open = RwSignal::new(false);
    Effect::new(move |_| open.set(frame.leave_to.with(Option::is_some)));
    Effect::new(move |_| {
        if !open.get() && frame.leave_to.with_untracked(Option::is_some) {
            frame.leave_to.set(None);
        }
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
                frame.leave_to.set(Some(href));
            }
        });
        let place = document();
        let _ = place.add_event_listener_with_callback_and_bool("click", press.as_ref().unchecked_ref(), true);
        let press = StoredValue::new_local(press);
        on_cleanup(move || {
            unload.remove();
            let _ = press.try_with_value(|press| {
                document().remove_event_listener_with_callback_and_bool("click", press.as_ref().unchecked_ref(), true)
            });
        });
    });
    let leave = Callback::new(move |()| {
        if let Some(path) = frame.leave_to.get_untracked() {
            open.set(false);
            navigate(&path, NavigateOptions::default());
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
