//! A trace as a waterfall: names left, bars right, only rows in view in the document.

use leptos::html;
use leptos::prelude::*;
use sagascope_api::text;
use sagascope_api::traces::{Span, Trace};

use crate::components::marks::{clean, glyph};
use crate::geometry::{bar, in_view, ticks};
use crate::keyboard::use_keyboard;

const ROW_PX: f64 = 26.0;

/// Draws the rows; `selected` holds the span that is open, by id.
pub(crate) fn waterfall(trace: Memo<Trace>, selected: Memo<String>, select: Callback<String>) -> AnyView {
    let node = NodeRef::<html::Div>::new();
    let scroll = RwSignal::new(0.0_f64);
    let height = RwSignal::new(600.0_f64);
    let measure = move || {
        if let Some(element) = node.get_untracked() {
            scroll.set(f64::from(element.scroll_top()));
            height.set(f64::from(element.client_height()));
        }
    };
    node.on_load(move |_| crate::dom::after_paint(measure));
    let resized = window_event_listener(leptos::ev::resize, move |_| measure());
    on_cleanup(move || resized.remove());

    let go = move |place: usize| {
        let id = trace.with_untracked(|trace| trace.spans.get(place).map(|span| span.span_id.clone()));
        let (Some(id), Some(element)) = (id, node.get_untracked()) else {
            return;
        };
        let (top, seen) = (place as f64 * ROW_PX, f64::from(element.scroll_top()));
        if top < seen || top > seen + f64::from(element.client_height()) - ROW_PX {
            element.set_scroll_top((top - f64::from(element.client_height()) / 3.0) as i32);
        }
        select.run(id);
    };
    use_keyboard().listen(move |key| {
        let (at, last) = trace.with_untracked(|trace| {
            let at = selected.with_untracked(|id| trace.spans.iter().position(|span| span.span_id == *id));
            (at, trace.spans.len().saturating_sub(1))
        });
        match key {
            "j" | "ArrowDown" => go(at.map_or(0, |at| at + 1).min(last)),
            "k" | "ArrowUp" => go(at.map_or(0, |at| at.saturating_sub(1))),
            "g" | "Home" => go(0),
            "G" | "End" => go(last),
            "e" => {
                let place = trace.with_untracked(|trace| next_error(&trace.spans, at));
                place.into_iter().for_each(go);
            }
            "Escape" if selected.with_untracked(|id| !id.is_empty()) => select.run(String::new()),
            _ => return false,
        }
        true
    });

    let visible = Memo::new(move |_| in_view(scroll.get(), height.get(), ROW_PX, trace.read().spans.len()));
    let rows = move || {
        let trace = trace.read();
        visible
            .get()
            .map(|place| row(&trace, place, selected, select))
            .collect_view()
    };
    view! {
        {move || ruler(trace.read().duration_nanos)}
        <div class="list waterfall" id="waterfall" node_ref=node on:scroll=move |_| measure()>
            <div class="list-space" style:height=move || format!("{}px", trace.read().spans.len() as f64 * ROW_PX)>{rows}</div>
        </div>
    }
    .into_any()
}

fn next_error(spans: &[Span], after: Option<usize>) -> Option<usize> {
    let from = after.map_or(0, |at| at + 1);
    let error = |span: &Span| span.status == "error";
    let ahead = spans.iter().skip(from).position(error).map(|at| at + from);
    ahead.or_else(|| spans.iter().position(error))
}

fn ruler(duration_nanos: u64) -> AnyView {
    let marks = ticks(duration_nanos, 5)
        .into_iter()
        .map(|at| {
            let left = format!("{:.2}%", at as f64 / duration_nanos.max(1) as f64 * 100.0);
            let label = if at == 0 {
                "0".to_owned()
            } else {
                text::duration(at as f64 / 1e9)
            };
            view! { <span style:left=left>{label}</span> }
        })
        .collect_view();
    view! { <div class="ruler"><span>"span"</span><div class="lane">{marks}</div></div> }.into_any()
}

fn row(trace: &Trace, place: usize, selected: Memo<String>, select: Callback<String>) -> AnyView {
    let Some(span) = trace.spans.get(place) else {
        return ().into_any();
    };
    let id = span.span_id.clone();
    let mine = id.clone();
    let error = span.status == "error";
    let faulty = span.attributes.contains_key("fault.id");
    let indent = format!("{}px", f64::from(span.depth.min(24)) * 12.0);
    let hop = matches!(span.kind.as_str(), "consumer" | "producer").then_some("⇢ ");
    view! {
        <div
            class="row"
            role="button"
            style:transform=format!("translateY({}px)", place as f64 * ROW_PX)
            aria-current=move || (*selected.read() == mine).then_some("true")
            on:click=move |_| select.run(id.clone())
        >
            <span class="clip" style:padding-left=indent>
                {error.then(|| glyph(text::BAD, "error"))}
                {faulty.then(|| glyph(text::FAULT, "touched by a fault"))}
                {span.missing_parent.then(|| glyph(text::WAITING, "its parent is not known yet"))}
                {hop}
                <b>{clean(&span.service)}</b>
                " "
                <span class="soft">{clean(&span.name)}</span>
            </span>
            {lane(trace, span, error)}
        </div>
    }
    .into_any()
}

fn lane(trace: &Trace, span: &Span, error: bool) -> AnyView {
    let (left, width) = bar(
        span.start_unix_nano,
        span.duration_nanos,
        trace.started_at.0,
        trace.duration_nanos,
    );
    let critical = trace.critical_path.contains(&span.span_id);
    let mut class = format!("bar-span service-{}", colour(&span.service));
    if critical {
        class.push_str(" critical");
    }
    if error {
        class.push_str(" error");
    }
    let dots = span
        .events
        .iter()
        .take(20)
        .map(|event| {
            let (left, _) = bar(event.time_unix_nano, 0, trace.started_at.0, trace.duration_nanos);
            view! { <i class="dot" style:left=format!("{left:.2}%") title=clean(&event.name)></i> }
        })
        .collect_view();
    // The duration stands at the outer end of the bar; where there is no room, before it, or on it.
    let (place, side) = match (left, left + width) {
        (_, right) if right < 80.0 => (right, "length"),
        (left, _) if left > 20.0 => (left, "length before"),
        _ => (left, "length on"),
    };
    view! {
        <div class="lane">
            <i class=class style:left=format!("{left:.2}%") style:width=format!("{width:.2}%")></i>
            {dots}
            <span class=side style:left=format!("{place:.2}%")>{text::duration(span.duration_nanos as f64 / 1e9)}</span>
        </div>
    }
    .into_any()
}

/// A steady colour for a service's name.
fn colour(service: &str) -> u32 {
    service.bytes().fold(7_u32, |state, byte| {
        state.wrapping_mul(31).wrapping_add(u32::from(byte))
    }) % 8
}
