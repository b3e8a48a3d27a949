//! States as shape, colour and word; text from outside; refusals.

use leptos::prelude::*;
use sagascope_api::Problem;
use sagascope_api::text::{self, Mark, Tone};

/// Class that colours a text.
pub(crate) const fn tone(tone: Tone) -> &'static str {
    match tone {
        Tone::Info => "tone-info",
        Tone::Good => "tone-good",
        Tone::Notice => "tone-notice",
        Tone::Undo => "tone-undo",
        Tone::Bad => "tone-bad",
        Tone::Practice => "tone-practice",
        Tone::Dim => "tone-dim",
    }
}

/// Class that fills a shape.
pub(crate) const fn fill(tone: Tone) -> &'static str {
    match tone {
        Tone::Info => "fill-info",
        Tone::Good => "fill-good",
        Tone::Notice => "fill-notice",
        Tone::Undo => "fill-undo",
        Tone::Bad => "fill-bad",
        Tone::Practice => "fill-practice",
        Tone::Dim => "fill-dim",
    }
}

/// A state's shape alone; `word` is for those who do not see it.
pub(crate) fn glyph(mark: Mark, word: &str) -> AnyView {
    let stuck = if mark == text::STUCK { " stuck" } else { "" };
    view! {
        <span class=format!("glyph {}{stuck}", tone(mark.tone)) role="img" aria-label=word.to_owned() title=word.to_owned()>
            {mark.glyph}
        </span>
    }
    .into_any()
}

/// A state's shape and word.
pub(crate) fn state(mark: Mark, word: &str) -> AnyView {
    view! {
        <span class=format!("nowrap {}", tone(mark.tone))>
            <span class="glyph" aria-hidden="true">{mark.glyph}</span>
            {word.to_owned()}
        </span>
    }
    .into_any()
}

/// A short text from outside, made safe and cut before it reaches the document.
pub(crate) fn clean(outside: &str) -> String {
    text::scrub(outside, 120)
}

/// The same for a value that may be unknown.
pub(crate) fn known(outside: Option<&str>) -> String {
    outside
        .filter(|value| !value.is_empty())
        .map_or_else(|| text::UNKNOWN.to_owned(), clean)
}

/// A sentence from outside.
pub(crate) fn sentence(outside: &str) -> String {
    text::scrub(outside, 600)
}

/// Why something is not shown.
pub(crate) fn trouble(problem: &Problem) -> AnyView {
    let field = problem.field.as_deref().map(|field| format!(" ({})", clean(field)));
    view! {
        <p class="trouble" role="alert">
            <strong>{clean(&problem.title)}{field}</strong>
            ": "
            {sentence(&problem.detail)}
        </p>
    }
    .into_any()
}
