//! A long list below a header of its card: only the rows in view are in the document, and none moves under the pointer.
//!
//! While the pointer is over it, it is scrolled, or a row is marked, the order is held and newcomers are counted; rows
//! change in place meanwhile. `follow` lets it move regardless.

use leptos::html;
use leptos::prelude::*;

use crate::geometry::in_view;
use crate::keyboard::use_keyboard;

/// What a list shows and how.
#[derive(Clone, Copy)]
pub(crate) struct List {
    /// Keys in the order they should have now.
    pub wanted: Memo<Vec<String>>,
    /// Height of a row.
    pub row_px: f64,
    /// Move even under the pointer.
    pub follow: RwSignal<bool>,
    /// Keep the order: a row is open beside the list.
    pub hold: Signal<bool>,
    /// The order belongs to this question; another one is shown at once.
    pub question: Signal<String>,
    /// Class of the rows' container.
    pub class: &'static str,
    /// Draws one row: key, place from the top in pixels, and whether the keyboard is on it.
    pub row: Callback<(String, f64, Signal<bool>), AnyView>,
    /// Enter on a row.
    pub open: Callback<String>,
    /// Said when there is nothing.
    pub empty: Signal<String>,
}

/// Draws the list and binds its keys: `j` `k` arrows, `g` `G`, Enter.
pub(crate) fn list(list: List) -> AnyView {
    let shown = RwSignal::new(Vec::<String>::new());
    let over = RwSignal::new(false);
    let marked = RwSignal::new(None::<String>);
    let scroll = RwSignal::new(0.0_f64);
    let height = RwSignal::new(600.0_f64);
    let node = NodeRef::<html::Div>::new();

    let question = Memo::new(move |_| list.question.get());
    let held = Memo::new(move |_| {
        !list.follow.get()
            && (list.hold.get() || over.get() || scroll.get() > list.row_px / 2.0 || marked.read().is_some())
    });
    Effect::new(move |asked: Option<String>| {
        let question = question.get();
        let wanted = list.wanted.read();
        let another = asked.as_ref() != Some(&question);
        if another || !held.get() || shown.read_untracked().is_empty() {
            shown.set(wanted.clone());
        }
        question
    });
    let newer = Memo::new(move |_| {
        if !held.get() {
            return 0;
        }
        let shown = shown.read();
        let known: std::collections::HashSet<&String> = shown.iter().collect();
        list.wanted.read().iter().filter(|key| !known.contains(key)).count()
    });

    let measure = move || {
        if let Some(element) = node.get_untracked() {
            scroll.set(f64::from(element.scroll_top()));
            height.set(f64::from(element.client_height()));
        }
    };
    node.on_load(move |_| crate::dom::after_paint(measure));
    let resized = window_event_listener(leptos::ev::resize, move |_| measure());
    on_cleanup(move || resized.remove());

    let renew = move |_| {
        shown.set(list.wanted.get_untracked());
        marked.set(None);
        if let Some(element) = node.get_untracked() {
            element.set_scroll_top(0);
        }
    };
    let reveal = move |place: usize| {
        let Some(element) = node.get_untracked() else { return };
        let top = place as f64 * list.row_px;
        let seen = f64::from(element.scroll_top());
        let inside = f64::from(element.client_height()) - list.row_px;
        if top < seen {
            element.set_scroll_top(top as i32);
        } else if top > seen + inside {
            element.set_scroll_top((top - inside) as i32);
        }
    };
    let step = move |by: isize| {
        let keys = shown.read_untracked();
        let Some(last) = keys.len().checked_sub(1) else { return };
        let at = marked.with_untracked(|marked| {
            marked
                .as_ref()
                .and_then(|key| keys.iter().position(|known| known == key))
        });
        let place = at.map_or(0, |at| at.saturating_add_signed(by)).min(last);
        let key = keys[place].clone();
        drop(keys);
        marked.set(Some(key));
        reveal(place);
    };
    use_keyboard().listen(move |key| {
        match key {
            "j" | "ArrowDown" => step(1),
            "k" | "ArrowUp" => step(-1),
            "PageDown" => step(15),
            "PageUp" => step(-15),
            "g" | "Home" => step(isize::MIN),
            "G" | "End" => step(isize::MAX),
            "Enter" => match marked.get_untracked() {
                Some(key) => list.open.run(key),
                None => return false,
            },
            "Escape" if !list.hold.get_untracked() && marked.with_untracked(Option::is_some) => marked.set(None),
            _ => return false,
        }
        true
    });

    let visible = Memo::new(move |_| {
        let shown = shown.read();
        let range = in_view(scroll.get(), height.get(), list.row_px, shown.len());
        shown[range.clone()].iter().cloned().zip(range).collect::<Vec<_>>()
    });
    view! {
        <div class="list-frame" on:pointerenter=move |_| over.set(true) on:pointerleave=move |_| over.set(false)>
            <Show when=move || { newer.get() > 0 }>
                <div class="newer">
                    <button class="tone-info" on:click=renew>
                        {move || format!("{} new · show", newer.get())}
                    </button>
                </div>
            </Show>
            <div class=format!("list {}", list.class) role="list" node_ref=node on:scroll=move |_| measure()>
                <div class="list-space" style:height=move || format!("{}px", shown.read().len() as f64 * list.row_px)>
                    <For each=move || visible.get() key=|(key, place)| (key.clone(), *place) let((key, place))>
                        {
                            let mine = key.clone();
                            let on = Memo::new(move |_| marked.read().as_ref() == Some(&mine));
                            list.row.run((key, place as f64 * list.row_px, on.into()))
                        }
                    </For>
                </div>
                <Show when=move || shown.read().is_empty()>
                    <p class="empty">{move || list.empty.get()}</p>
                </Show>
            </div>
        </div>
    }
    .into_any()
}
