//! Practise failures: choose from what the connected services offer, arm, watch the effect, clear.

use leptos::prelude::*;
use sagascope_api::faults::{FaultKindOption, FaultRequest, FaultStatus, FaultTargetOption, Traffic};
use sagascope_api::live::Topic;
use sagascope_api::{Page, Problem, text};
use sagascope_conventions::{FaultKind, FaultState, FaultStrength, FaultTarget};

use crate::api;
use crate::clock::use_clock;
use crate::components::charts;
use crate::components::faults::{bands, clear, log_in_first};
use crate::components::marks::{clean, glyph, trouble};
use crate::connection::use_live;
use crate::geometry;
use crate::remote::Remote;
use crate::router::{Router, use_router};

/// Past faults in the document.
const PAST: usize = 50;

/// What the form holds; service and kind stand in the address.
#[derive(Clone, Copy)]
struct Form {
    service: Memo<String>,
    kind: Memo<String>,
    operation: RwSignal<String>,
    percent: RwSignal<String>,
    delay_ms: RwSignal<String>,
    offset_ms: RwSignal<String>,
    peer: RwSignal<String>,
    seconds: RwSignal<String>,
    refused: RwSignal<Option<Problem>>,
    busy: RwSignal<bool>,
}

/// The page.
pub(crate) fn chaos() -> AnyView {
    let router = use_router();
    let live = use_live();
    let catalogue = Remote::<Page<FaultTargetOption>>::new(|| Some("/fault-catalogue".into()));
    // Services come and go; their registration is asked for again when one is heard or falls silent.
    let heard = Memo::new(move |_| {
        live.read(&[Topic::Services], |picture| {
            picture
                .services
                .values()
                .map(|service| (service.name.clone(), service.up, service.restarts))
                .collect::<Vec<_>>()
        })
    });
    Effect::new(move |before: Option<()>| {
        heard.track();
        if before.is_some() {
            catalogue.refresh();
        }
    });
    let options = Memo::new(move |_| {
        catalogue
            .value
            .read()
            .as_ref()
            .map(|page| page.items.clone())
            .unwrap_or_default()
    });
    let form = form(router, options);
    view! {
        <div class="head"><h1>"Chaos"</h1><span class="soft">"every fault has an end; it is marked on whatever it touches"</span></div>
        {move || catalogue.problem.get().map(|problem| trouble(&problem))}
        <section class="card" aria-label="Arm a fault">
            <header><h2>"Arm a fault"</h2></header>
            {arm_form(router, form, options)}
        </section>
        {effect_charts(form)}
        {in_force(router)}
        <div class="grid">{past()} {traffic(router)}</div>
    }
    .into_any()
}

fn form(router: Router, options: Memo<Vec<FaultTargetOption>>) -> Form {
    let (asked_service, asked_kind) = (router.query("service"), router.query("kind"));
    // What the address asks for, or the first on offer.
    let service = Memo::new(move |_| {
        let asked = asked_service.get();
        options.with(|options| {
            let known = options.iter().any(|option| option.service == asked);
            if known {
                asked
            } else {
                options.first().map(|option| option.service.clone()).unwrap_or_default()
            }
        })
    });
    let kind = Memo::new(move |_| {
        let asked = asked_kind.get();
        let kinds = kinds_of(&options.read(), &service.read());
        let known = kinds.iter().any(|kind| kind.capability.kind.as_str() == asked);
        if known {
            asked
        } else {
            kinds
                .first()
                .map(|kind| kind.capability.kind.as_str().to_owned())
                .unwrap_or_default()
        }
    });
    Form {
        service,
        kind,
        operation: RwSignal::new(String::new()),
        percent: RwSignal::new("100".into()),
        delay_ms: RwSignal::new("500".into()),
        offset_ms: RwSignal::new("60000".into()),
        peer: RwSignal::new(String::new()),
        seconds: RwSignal::new("30".into()),
        refused: RwSignal::new(None),
        busy: RwSignal::new(false),
    }
}

fn kinds_of(options: &[FaultTargetOption], service: &str) -> Vec<FaultKindOption> {
    options
        .iter()
        .find(|option| option.service == service)
        .map(|option| option.kinds.clone())
        .unwrap_or_default()
}

fn arm_form(router: Router, form: Form, options: Memo<Vec<FaultTargetOption>>) -> AnyView {
    let kinds = Memo::new(move |_| kinds_of(&options.read(), &form.service.read()));
    let chosen = Memo::new(move |_| {
        kinds
            .read()
            .iter()
            .find(|kind| kind.capability.kind.as_str() == *form.kind.read())
            .cloned()
    });
    let needs = move |field: &'static str| {
        chosen
            .read()
            .as_ref()
            .is_some_and(|kind| kind.strength.iter().any(|strength| strength == field))
    };
    let services = move || {
        let now = form.service.get();
        options
            .get()
            .into_iter()
            .map(|option| view! { <option value=option.service.clone() selected=option.service == now>{clean(&option.service)}</option> })
            .collect_view()
    };
    let kind_choices = move || {
        let now = form.kind.get();
        kinds
            .get()
            .into_iter()
            .map(|kind| {
                let word = kind.capability.kind.as_str();
                view! { <option value=word selected=word == now>{text::words(word)}</option> }
            })
            .collect_view()
    };
    let operations = move || {
        let kind = chosen.get()?;
        let known = kind.capability.operations;
        (!known.is_empty()).then(|| {
            let choices = known
                .iter()
                .map(|operation| view! { <option value=operation.clone()>{clean(operation)}</option> })
                .collect_view();
            view! {
                <label>
                    "only for"
                    <select on:change:target=move |event| form.operation.set(event.target().value())>
                        <option value="">"everything"</option>
                        {choices}
                    </select>
                </label>
            }
        })
    };
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        arm(router, form);
    };
    let nothing = move || options.read().is_empty();
    view! {
        <form class="body column" id="arm" on:submit=submit>
            <div class="arm">
                <label>
                    "service"
                    <select id="fault-service" on:change:target=move |event| router.set_query("service", &event.target().value())>{services}</select>
                </label>
                <label>
                    "fault"
                    <select id="fault-kind" on:change:target=move |event| router.set_query("kind", &event.target().value())>{kind_choices}</select>
                </label>
                {operations}
                <Show when=move || needs("percent")>{number("share hit, %", "fault-percent", "1", "100", form.percent)}</Show>
                <Show when=move || needs("delay_ms")>{number("delay, ms", "fault-delay", "1", "600000", form.delay_ms)}</Show>
                <Show when=move || needs("offset_ms")>{number("clock off by, ms", "fault-offset", "-86400000", "86400000", form.offset_ms)}</Show>
                <Show when=move || needs("peer")>
                    <label>
                        "cut off from"
                        <input type="text" required=true prop:value=move || form.peer.get() on:input:target=move |event| form.peer.set(event.target().value()) />
                    </label>
                </Show>
                {number("for, seconds", "fault-seconds", "1", "3600", form.seconds)}
                <button class="primary" type="submit" id="arm-button" disabled=move || form.busy.get() || nothing()>"⚡ Arm"</button>
            </div>
            {move || chosen.get().map(|kind| view! { <p class="effect" id="fault-effect"><b>"What will happen: "</b>{text::scrub(&kind.description, 400)}</p> })}
            <Show when=nothing><p class="soft">"No service that can be harmed is connected."</p></Show>
            {move || form.refused.get().map(|problem| trouble(&problem))}
        </form>
    }
    .into_any()
}

fn number(
    label: &'static str,
    id: &'static str,
    least: &'static str,
    most: &'static str,
    value: RwSignal<String>,
) -> AnyView {
    view! {
        <label>
            {label}
            <input
                id=id
                type="number"
                min=least
                max=most
                step="1"
                required=true
                prop:value=move || value.get()
                on:input:target=move |event| value.set(event.target().value())
            />
        </label>
    }
    .into_any()
}

fn arm(router: Router, form: Form) {
    let Some(request) = request(form) else {
        form.refused.set(Some(Problem {
            status: 0,
            code: "incomplete".into(),
            title: "Not armed".into(),
            field: None,
            detail: "choose a service and a fault, and give whole numbers".into(),
        }));
        return;
    };
    form.busy.set(true);
    leptos::task::spawn_local(async move {
        let answer = api::command::<_, FaultStatus>("POST", "/faults", &request).await;
        form.busy.try_set(false);
        match answer {
            Ok(_) => {
                form.refused.try_set(None);
            }
            Err(problem) if problem.status == 401 => log_in_first(router),
            Err(problem) => {
                form.refused.try_set(Some(problem));
            }
        }
    });
}

fn request(form: Form) -> Option<FaultRequest> {
    let kind = FaultKind::parse(&form.kind.get_untracked())?;
    let needed = kind.required_strength();
    let given =
        |field: &str, value: RwSignal<String>| needed.contains(&field).then(|| value.get_untracked().trim().to_owned());
    let strength = FaultStrength {
        percent: given("percent", form.percent)
            .map(|text| text.parse())
            .transpose()
            .ok()?,
        delay_ms: given("delay_ms", form.delay_ms)
            .map(|text| text.parse())
            .transpose()
            .ok()?,
        offset_ms: given("offset_ms", form.offset_ms)
            .map(|text| text.parse())
            .transpose()
            .ok()?,
        peer: given("peer", form.peer),
    };
    let service = form.service.get_untracked();
    let operation = Some(form.operation.get_untracked()).filter(|operation| !operation.is_empty());
    (!service.is_empty()).then_some(())?;
    Some(FaultRequest {
        target: FaultTarget {
            service,
            operation,
            instance: None,
        },
        kind,
        strength,
        duration_seconds: form.seconds.get_untracked().trim().parse().ok()?,
        seed: None,
    })
}

/// The chosen service's calls with the fault's band behind, so that the effect is seen where it is made.
fn effect_charts(form: Form) -> AnyView {
    let live = use_live();
    let clock = use_clock();
    let service = Memo::new(move |_| {
        let name = form.service.read();
        live.read(&[Topic::Services, Topic::Faults], |picture| {
            picture.services.get(&*name).cloned()
        })
    });
    let drawn = move || {
        service.get().map(|service| {
            let bands = live.read_once(|picture| bands(picture, &[&service.name], clock.now_once()));
            // A slice of the history is ten seconds.
            let peak = format!("peak {}", text::rate(f64::from(geometry::top(&service.rate_history, 0.0)) / 10.0));
            view! {
                <section class="card" aria-label="Effect">
                    <header>
                        <h2>{clean(&service.name)} ", last five minutes"</h2>
                        <span class="facts push">
                            <span>{text::rate(service.rate_per_second)}</span>
                            <span class={if service.error_ratio > 0.0 { "tone-bad" } else { "soft" }}>{text::percent(service.error_ratio)} " errors"</span>
                            <span>"p95 " {text::millis(service.p95_ms)}</span>
                        </span>
                    </header>
                    <div class="body">{charts::chart("calls and errors".into(), peak, &service.rate_history, &service.error_history, &bands)}</div>
                </section>
            }
        })
    };
    view! { {drawn} }.into_any()
}

fn in_force(router: Router) -> AnyView {
    let live = use_live();
    let active = Memo::new(move |_| {
        live.read(&[Topic::Faults], |picture| {
            picture.active_faults().into_iter().cloned().collect::<Vec<_>>()
        })
    });
    let refused = RwSignal::new(None);
    view! {
        <section class="card" aria-label="In force" id="faults-active">
            <header>
                <h2>"In force"</h2>
                <button class="push" id="clear-all" disabled=move || active.read().is_empty() on:click=move |_| clear(router, None, refused)>"Clear everything"</button>
            </header>
            {move || active.get().iter().map(|status| active_row(router, status, refused)).collect_view()}
            <Show when=move || active.read().is_empty()><p class="empty">"Nothing is practised now."</p></Show>
            {move || refused.get().map(|problem| trouble(&problem))}
        </section>
    }
    .into_any()
}

fn active_row(router: Router, status: &FaultStatus, refused: RwSignal<Option<Problem>>) -> AnyView {
    let clock = use_clock();
    let ends_at = status.ends_at;
    let left = move || match clock.left(ends_at) {
        left if left.is_empty() => "ending".to_owned(),
        left => format!("{left} left"),
    };
    let id = status.fault.id.clone();
    view! {
        <div class="fault-row">
            {glyph(text::fault_mark(status.state), status.state.as_str())}
            <span class="wrap"><b class="tone-practice">{clean(&text::fault_line(status))}</b> <span class="soft">{format!(" · {} · {} instances", status.state, status.instances.len())}</span></span>
            <span class="num">{format!("hits {}", text::count(status.hits))}</span>
            <span class="num">{left}</span>
            <button on:click=move |_| clear(router, Some(id.clone()), refused)>"Clear"</button>
        </div>
    }
    .into_any()
}

fn past() -> AnyView {
    let live = use_live();
    let clock = use_clock();
    let past = Memo::new(move |_| {
        live.read(&[Topic::Faults], |picture| {
            let mut past: Vec<_> = picture
                .faults
                .values()
                .filter(|status| !status.is_active())
                .cloned()
                .collect();
            past.sort_by_key(|status| std::cmp::Reverse(status.ends_at));
            past.truncate(PAST);
            past
        })
    });
    let row = move |status: &FaultStatus| {
        let ended = status.ends_at;
        let word = if status.state == FaultState::Cleared {
            "cleared"
        } else {
            "ended"
        };
        view! {
            <div class="fault-row">
                {glyph(text::fault_mark(status.state), word)}
                <span class="wrap">{clean(&text::fault_line(status))}</span>
                <span class="num soft">{format!("hits {}", text::count(status.hits))}</span>
                <span class="soft">{word}</span>
                <span class="num soft">{move || format!("{} ago", clock.age(ended))}</span>
            </div>
        }
    };
    view! {
        <section class="card" aria-label="Past">
            <header><h2>"Past"</h2></header>
            {move || past.get().iter().map(row).collect_view()}
            <Show when=move || past.read().is_empty()><p class="empty">"Nothing was practised yet."</p></Show>
        </section>
    }
    .into_any()
}

/// The demo's shoppers, when there are any.
fn traffic(router: Router) -> AnyView {
    let live = use_live();
    let demo = Memo::new(move |_| {
        live.read(&[Topic::Overview], |picture| {
            picture.overview.as_ref().and_then(|overview| overview.demo.clone())
        })
    });
    let wanted = RwSignal::new(None::<f64>);
    let refused = RwSignal::new(None::<Problem>);
    let now = move || {
        wanted
            .get()
            .or_else(|| demo.read().as_ref().map(|demo| demo.orders_per_second))
            .unwrap_or(0.0)
    };
    let send = move |orders_per_second: f64| {
        leptos::task::spawn_local(async move {
            match api::command::<_, Traffic>(
                "PUT",
                "/traffic",
                &Traffic {
                    orders_per_second,
                    flows: None,
                },
            )
            .await
            {
                Ok(_) => {
                    refused.try_set(None);
                }
                Err(problem) if problem.status == 401 => log_in_first(router),
                Err(problem) => {
                    refused.try_set(Some(problem));
                }
            }
        });
    };
    view! {
        <Show when=move || demo.read().is_some()>
            <section class="card" aria-label="Traffic">
                <header><h2>"Traffic"</h2></header>
                <div class="body column">
                    <label>
                        <span>"orders per second: " <b>{move || text::rate(now())}</b></span>
                        <input
                            type="range"
                            min="0"
                            max="200"
                            step="5"
                            prop:value=move || now().to_string()
                            on:input:target=move |event| wanted.set(event.target().value().parse().ok())
                            on:change:target=move |event| {
                                if let Ok(rate) = event.target().value().parse() {
                                    send(rate);
                                }
                            }
                        />
                    </label>
                    <p class="soft wrap">{move || demo.read().as_ref().map(|demo| format!("profile {}: {}", clean(&demo.profile), clean(&demo.summary)))}</p>
                    {move || refused.get().map(|problem| trouble(&problem))}
                </div>
            </section>
        </Show>
    }
    .into_any()
}
