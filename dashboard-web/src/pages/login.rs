//! Asks for the token when control was refused for want of a session.

use leptos::prelude::*;
use sagascope_api::Problem;

use crate::api;
use crate::components::marks::trouble;
use crate::router::use_router;

/// The page.
pub(crate) fn login() -> AnyView {
    let router = use_router();
    let next = router.query("next");
    let token = RwSignal::new(String::new());
    let busy = RwSignal::new(false);
    let refused = RwSignal::new(None::<Problem>);
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        busy.set(true);
        leptos::task::spawn_local(async move {
            let answer = api::log_in(token.get_untracked().trim()).await;
            busy.set(false);
            match answer {
                Ok(()) => router.go(&inside(&next.get_untracked())),
                Err(problem) => refused.set(Some(problem)),
            }
        });
    };
    let field = NodeRef::<leptos::html::Input>::new();
    field.on_load(|_| crate::dom::focus_field("token"));
    view! {
        <section class="card login">
            <header><h1>"Log in"</h1></header>
            <form class="body" on:submit=submit>
                <p>
                    "Looking is open here; arming faults and other control needs the token. It was printed when the collector started and is kept in "
                    <span class="mono">".sagascope/token"</span>
                    "."
                </p>
                <label>
                    "Token"
                    <input
                        node_ref=field
                        id="token"
                        type="password"
                        autocomplete="current-password"
                        required=true
                        on:input:target=move |event| token.set(event.target().value())
                    />
                </label>
                {move || refused.get().map(|problem| trouble(&problem))}
                <button class="primary" type="submit" disabled=move || busy.get()>"Log in"</button>
            </form>
        </section>
    }
    .into_any()
}

/// Only a path of this page is gone to.
fn inside(next: &str) -> String {
    if next.starts_with('/') && !next.starts_with("//") && !next.contains('\\') {
        next.to_owned()
    } else {
        "/".into()
    }
}
