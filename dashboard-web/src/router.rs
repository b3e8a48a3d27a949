//! The address bar as a signal: links inside the page change it without a load.
//!
//! Navigation pushes history, adjustment (a filter, a selection) replaces it.

use leptos::ev;
use leptos::prelude::*;
use wasm_bindgen::{JsCast as _, JsValue};

use crate::route::{Route, query_get, query_set};

/// Where the page is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Location {
    path: String,
    query: String,
}

/// The address bar.
#[derive(Clone, Copy)]
pub(crate) struct Router {
    location: RwSignal<Location>,
    route: Memo<Route>,
}

impl Router {
    /// Listens to links and to back and forward; once per page.
    pub(crate) fn install() -> Self {
        let location = RwSignal::new(read());
        let route = Memo::new(move |_| location.with(|location| Route::parse(&location.path)));
        let router = Self { location, route };
        provide_context(router);
        // For the page's whole life: the handles are dropped without removing the listeners.
        drop(window_event_listener(ev::popstate, move |_| {
            router.location.set(read())
        }));
        drop(window_event_listener(ev::click, move |event| router.follow(&event)));
        Effect::new(move |_| document().set_title(&format!("{} · Sagascope", router.route.read().title())));
        router
    }

    /// The page named by the address.
    pub(crate) fn route(self) -> Memo<Route> {
        self.route
    }

    /// One value of the query, empty when absent.
    pub(crate) fn query(self, key: &'static str) -> Memo<String> {
        let location = self.location;
        Memo::new(move |_| location.with(|location| query_get(&location.query, key).unwrap_or_default()))
    }

    /// Path and query as they stand.
    pub(crate) fn here(self) -> String {
        self.location
            .with_untracked(|location| format!("{}{}", location.path, location.query))
    }

    /// Opens another view.
    pub(crate) fn go(self, url: &str) {
        if url != self.here() {
            let _ = history().push_state_with_url(&JsValue::NULL, "", Some(url));
            self.location.set(read());
        }
    }

    /// Adjusts this view.
    pub(crate) fn set_query(self, key: &str, value: &str) {
        let url = self
            .location
            .with_untracked(|location| format!("{}{}", location.path, query_set(&location.query, key, value)));
        if url != self.here() {
            let _ = history().replace_state_with_url(&JsValue::NULL, "", Some(&url));
            self.location.set(read());
        }
    }

    /// A plain click on a link to one of our pages is ours; everything else is the browser's.
    fn follow(self, event: &web_sys::MouseEvent) {
        if event.default_prevented() || event.button() != 0 || event.ctrl_key() || event.meta_key() || event.shift_key()
        {
            return;
        }
        let target = event
            .target()
            .and_then(|target| target.dyn_into::<web_sys::Element>().ok());
        let Some(link) = target.and_then(|target| target.closest("a[href]").ok().flatten()) else {
            return;
        };
        let href = link.get_attribute("href").unwrap_or_default();
        if href.starts_with('/') && !href.starts_with("//") && !link.has_attribute("target") {
            event.prevent_default();
            self.go(&href);
        }
    }
}

/// The router of this page.
pub(crate) fn use_router() -> Router {
    expect_context()
}

fn history() -> web_sys::History {
    // A window without history does not exist outside of detached documents.
    window().history().expect("a window has a history")
}

fn read() -> Location {
    let location = window().location();
    Location {
        path: location.pathname().unwrap_or_default(),
        query: location.search().unwrap_or_default(),
    }
}
