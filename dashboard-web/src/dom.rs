//! Small doors to the browser.

use std::panic;

use leptos::prelude::{document, window};
use wasm_bindgen::JsCast as _;
use wasm_bindgen::closure::Closure;

/// Shows a panic instead of leaving a dead screen that looks alive. The panel is in `index.html`, out of our hands.
pub(crate) fn report_panics() {
    panic::set_hook(Box::new(|panic| {
        let document = document();
        if let Some(text) = document.get_element_by_id("crash-text") {
            text.set_text_content(Some(&sagascope_api::text::scrub(&panic.to_string(), 500)));
        }
        if let Some(panel) = document.get_element_by_id("crash") {
            let _ = panel.remove_attribute("hidden");
        }
    }));
}

/// Takes an element away.
pub(crate) fn remove(id: &str) {
    if let Some(element) = document().get_element_by_id(id) {
        element.remove();
    }
}

/// Puts the cursor into a field and selects what is in it.
pub(crate) fn focus_field(id: &str) {
    let element = document().get_element_by_id(id);
    if let Some(field) = element.and_then(|element| element.dyn_into::<web_sys::HtmlInputElement>().ok()) {
        let _ = field.focus();
        field.select();
    }
}

/// Puts the keyboard on a control.
pub(crate) fn focus(id: &str) {
    let element = document().get_element_by_id(id);
    if let Some(control) = element.and_then(|element| element.dyn_into::<web_sys::HtmlElement>().ok()) {
        let _ = control.focus();
    }
}

/// Runs `act` once the browser has drawn what was just changed.
pub(crate) fn after_paint(act: impl FnOnce() + 'static) {
    let act = Closure::once_into_js(act);
    let _ = window().request_animation_frame(act.unchecked_ref());
}

/// Milliseconds since the epoch by this machine's clock.
pub(crate) fn now_ms() -> f64 {
    js_sys::Date::now()
}

/// Puts a text on the clipboard, if the browser lets us.
pub(crate) fn copy(text: &str) {
    // The promise is not awaited: there is nothing to do when the browser refuses.
    let _ = window().navigator().clipboard().write_text(text);
}
