//! The sheet of keys.

use leptos::prelude::*;

use crate::keyboard::use_keyboard;

const KEYS: &[(&str, &str)] = &[
    (
        "1 2 3 5 6 9 0",
        "overview, sagas, traces, breakers, read models, chaos, lab",
    ),
    ("j k  ↓ ↑", "next, previous row"),
    ("g G", "first, last row"),
    ("Enter", "open the marked row"),
    ("Esc", "close panel, sheet or palette; leave a field"),
    ("/", "filter or search in this view"),
    ("f", "let the list follow, or hold it"),
    ("e", "next failed span, in a trace"),
    ("r C", "run an experiment, end the one that runs, in the lab"),
    ("y", "copy the id or the address of what is open"),
    ("Ctrl-K", "go anywhere: pages, services, breakers, any pasted id"),
    ("t", "theme: system, light, dark"),
    ("?", "this sheet"),
];

/// The sheet; `open` is cleared to close it.
pub(crate) fn help(open: RwSignal<bool>) -> AnyView {
    use_keyboard().listen(move |key| {
        if matches!(key, "Escape" | "?") {
            open.set(false);
        }
        // Nothing behind the sheet hears a key.
        true
    });
    view! {
        <div class="over" on:click=move |_| open.set(false)>
            <div class="sheet" role="dialog" aria-modal="true" aria-label="Keys" id="help" on:click=|event| event.stop_propagation()>
                <dl class="keys">
                    {KEYS
                        .iter()
                        .map(|(keys, what)| view! { <dt><kbd>{*keys}</kbd></dt><dd>{*what}</dd> })
                        .collect_view()}
                </dl>
            </div>
        </div>
    }
    .into_any()
}
