//! The frame around every page, and the keys that work everywhere.

use leptos::prelude::*;

use crate::clock::Clock;
use crate::components::{help, palette, top};
use crate::connection::Live;
use crate::dom;
use crate::keyboard::Keyboard;
use crate::pages;
use crate::route::{NAVIGATION, Route};
use crate::router::Router;
use crate::theme::Theme;

/// The whole page.
pub(crate) fn app() -> AnyView {
    let router = Router::install();
    let clock = Clock::install();
    let keyboard = Keyboard::install();
    Live::install(clock);

    let palette_open = RwSignal::new(false);
    let help_open = RwSignal::new(false);
    let theme = RwSignal::new(Theme::kept());
    keyboard.listen(move |key| {
        match key {
            "Ctrl+k" => palette_open.set(true),
            "?" => help_open.set(true),
            "/" => dom::focus_field("filter"),
            "t" => {
                theme.update(|theme| *theme = theme.next());
                theme.get_untracked().apply();
            }
            "y" => dom::copy(&window().location().href().unwrap_or_default()),
            key => match NAVIGATION
                .iter()
                .find(|(number, ..)| key.len() == 1 && key.starts_with(*number))
            {
                Some((_, path, _)) => router.go(path),
                None => return false,
            },
        }
        true
    });

    // The page is rebuilt when its kind changes, not when what it shows does: a list keeps its place as details open.
    let route = router.route();
    let page = Memo::new(move |_| Page::of(&route.read()));
    view! {
        <a class="skip" href="#main">"To the content"</a>
        <div class="frame">
            {top::top_bar(theme, palette_open, help_open)}
            {top::navigation()}
            <main class="main" id="main" tabindex="-1">
                {move || page.get().view()}
            </main>
        </div>
        {move || palette_open.get().then(|| palette::palette(palette_open))}
        {move || help_open.get().then(|| help::help(help_open))}
    }
    .into_any()
}

/// What makes a page another one.
#[derive(Clone, PartialEq)]
enum Page {
    Overview,
    Sagas,
    SagaType(String),
    Traces,
    Trace(String),
    Breakers,
    ReadModels,
    Chaos,
    Lab,
    Correlation(String),
    Login,
    Unknown,
}

impl Page {
    fn of(route: &Route) -> Self {
        match route {
            Route::Overview => Self::Overview,
            Route::Sagas(_) => Self::Sagas,
            Route::SagaType(name) => Self::SagaType(name.clone()),
            Route::Traces(None) => Self::Traces,
            Route::Traces(Some(id)) => Self::Trace(id.clone()),
            Route::Breakers(_) => Self::Breakers,
            Route::ReadModels => Self::ReadModels,
            Route::Chaos => Self::Chaos,
            Route::Lab => Self::Lab,
            Route::Correlation(id) => Self::Correlation(id.clone()),
            Route::Login => Self::Login,
            Route::Unknown => Self::Unknown,
        }
    }

    fn view(self) -> AnyView {
        match self {
            Self::Overview => pages::overview::overview(),
            Self::Sagas => pages::sagas::sagas(),
            Self::SagaType(name) => pages::saga_type::saga_type(&name),
            Self::Traces => pages::traces::traces(),
            Self::Trace(id) => pages::trace::trace(&id),
            Self::Breakers => pages::breakers::breakers(),
            Self::ReadModels => pages::read_models::read_models(),
            Self::Chaos => pages::chaos::chaos(),
            Self::Lab => pages::lab::lab(),
            Self::Correlation(id) => pages::correlation::correlation(&id),
            Self::Login => pages::login::login(),
            Self::Unknown => pages::unknown(),
        }
    }
}
