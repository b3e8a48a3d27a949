//! The terminal dashboard.
//!
//! Events go in, effects come out, and a frame is drawn from the state between them: [`app`] decides, [`view`] draws,
//! [`state`] knows. Only [`run`] and its helpers touch the terminal, the network and the clock.

mod app;
mod effects;
mod event;
mod input;
mod run;
mod state;
mod terminal;
#[cfg(test)]
mod tests;
mod theme;
mod view;

pub use run::run;
pub use terminal::NoTerminal;
pub use theme::Ground;

/// What the dashboard is started with.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Address of the collector, such as `http://127.0.0.1:4319`.
    pub url: String,
    /// Token for control; without it faults cannot be armed from here.
    pub token: Option<String>,
    /// Change nothing, token or not.
    pub read_only: bool,
    /// Plain ASCII instead of the glyphs; also chosen when the terminal is known to lack them.
    pub ascii: bool,
    /// The terminal's ground; guessed when absent.
    pub ground: Option<Ground>,
}
