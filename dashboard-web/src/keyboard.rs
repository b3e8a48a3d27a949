//! One listener for all keys: the view in front gets a key first, then the views behind it.

use std::rc::Rc;

use leptos::ev;
use leptos::prelude::*;
use wasm_bindgen::JsCast as _;

/// A view's answer to a key: true when it used it.
type Handler = Rc<dyn Fn(&str) -> bool>;

/// Who listens, the front one last.
#[derive(Clone, Copy)]
pub(crate) struct Keyboard {
    handlers: StoredValue<Vec<(u64, Handler)>, LocalStorage>,
    next: StoredValue<u64>,
}

impl Keyboard {
    /// Listens; once per page.
    pub(crate) fn install() -> Self {
        let keyboard = Self {
            handlers: StoredValue::new_local(Vec::new()),
            next: StoredValue::new(0),
        };
        provide_context(keyboard);
        // For the page's whole life.
        drop(window_event_listener(ev::keydown, move |event| {
            keyboard.pressed(&event)
        }));
        keyboard
    }

    /// Hands keys to `handler` for as long as the calling view lives. Keys are named as the browser names them, with
    /// `Ctrl+` in front where held (⌘ counts as Ctrl).
    pub(crate) fn listen(self, handler: impl Fn(&str) -> bool + 'static) {
        let id = self.next.get_value();
        self.next.set_value(id + 1);
        self.handlers
            .update_value(|handlers| handlers.push((id, Rc::new(handler))));
        on_cleanup(move || {
            self.handlers
                .try_update_value(|handlers| handlers.retain(|(known, _)| *known != id));
        });
    }

    fn pressed(self, event: &web_sys::KeyboardEvent) {
        if event.default_prevented() || event.is_composing() || event.alt_key() {
            return;
        }
        let held = event.ctrl_key() || event.meta_key();
        let key = if held {
            format!("Ctrl+{}", event.key().to_lowercase())
        } else {
            event.key()
        };
        // In a field only these keys mean something to us.
        if in_field(event) && !matches!(key.as_str(), "Escape" | "Ctrl+k" | "ArrowDown" | "ArrowUp" | "Enter") {
            return;
        }
        if in_field(event) && key == "Escape" {
            blur(event);
        }
        // Enter on a link or a button is the browser's.
        if key == "Enter" && on_control(event) {
            return;
        }
        let handlers = self.handlers.get_value();
        if handlers.iter().rev().any(|(_, handler)| handler(&key)) {
            event.prevent_default();
        }
    }
}

/// The keyboard of this page.
pub(crate) fn use_keyboard() -> Keyboard {
    expect_context()
}

fn element(event: &web_sys::KeyboardEvent) -> Option<web_sys::HtmlElement> {
    event.target().and_then(|target| target.dyn_into().ok())
}

fn in_field(event: &web_sys::KeyboardEvent) -> bool {
    element(event).is_some_and(|element| matches!(element.tag_name().as_str(), "INPUT" | "SELECT" | "TEXTAREA"))
}

fn on_control(event: &web_sys::KeyboardEvent) -> bool {
    element(event).is_some_and(|element| matches!(element.tag_name().as_str(), "A" | "BUTTON" | "SELECT" | "SUMMARY"))
}

fn blur(event: &web_sys::KeyboardEvent) {
    if let Some(element) = element(event) {
        let _ = element.blur();
    }
}
