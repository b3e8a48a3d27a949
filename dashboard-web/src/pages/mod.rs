//! One module a page.

pub(crate) mod breakers;
pub(crate) mod chaos;
pub(crate) mod correlation;
pub(crate) mod lab;
pub(crate) mod login;
pub(crate) mod overview;
pub(crate) mod read_models;
pub(crate) mod saga;
pub(crate) mod saga_type;
pub(crate) mod sagas;
pub(crate) mod trace;
pub(crate) mod traces;

use leptos::prelude::*;

/// A path that names nothing.
pub(crate) fn unknown() -> AnyView {
    view! {
        <div class="card login">
            <header><h1>"No such page"</h1></header>
            <div class="body">
                <p>"The address names nothing here. An id pasted into the palette ("<kbd>"Ctrl-K"</kbd>") finds what it belongs to."</p>
                <a class="button" href="/">"To the overview"</a>
            </div>
        </div>
    }
    .into_any()
}
