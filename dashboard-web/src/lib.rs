//! The web dashboard: the same picture as the terminal's, rendered in the browser and live by push.
//!
//! One WebSocket feeds one [`sagascope_api::live::Picture`]; pages read it through signals. Everything shown is in the URL.

#![cfg_attr(
    not(target_arch = "wasm32"),
    allow(dead_code, reason = "off the browser only the tests use these")
)]

#[cfg(any(test, target_arch = "wasm32"))]
mod filter;
#[cfg(any(test, target_arch = "wasm32"))]
mod geometry;
#[cfg(any(test, target_arch = "wasm32"))]
mod route;

#[cfg(target_arch = "wasm32")]
mod api;
#[cfg(target_arch = "wasm32")]
mod app;
#[cfg(target_arch = "wasm32")]
mod clock;
#[cfg(target_arch = "wasm32")]
mod components;
#[cfg(target_arch = "wasm32")]
mod connection;
#[cfg(target_arch = "wasm32")]
mod dom;
#[cfg(target_arch = "wasm32")]
mod keyboard;
#[cfg(target_arch = "wasm32")]
mod pages;
#[cfg(target_arch = "wasm32")]
mod remote;
#[cfg(target_arch = "wasm32")]
mod router;
#[cfg(target_arch = "wasm32")]
mod theme;

#[cfg(target_arch = "wasm32")]
pub mod entry {
    //! Where the browser comes in.

    use wasm_bindgen::prelude::wasm_bindgen;

    /// Called by the glue once the program is loaded.
    #[wasm_bindgen(start)]
    pub fn start() {
        crate::dom::report_panics();
        leptos::mount::mount_to_body(crate::app::app);
        crate::dom::remove("boot");
    }
}
