//! Two-phase commit, every case within bounds: coordinator and participants die at every point of their logs, messages
//! come twice or not at all, and it is all or nothing in the end, and never half in between.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use shop_simulation::{CrashPoint, Ending, Loss, Trial, attempt};

/// The coordinator, and whoever votes.
const SERVICES: [&str; 4] = ["booking", "hotels", "cars", "payments"];
const PARTICIPANTS: [&str; 3] = ["hotels", "cars", "payments"];
/// What the coordinator says.
const WORDS: [&str; 3] = ["/prepare", "/commit", "/abort"];

/// Each request to a participant, and each answer, once; and none.
fn losses() -> Vec<Option<Loss>> {
    let mut losses = vec![None];
    for service in PARTICIPANTS {
        for path_ends in WORDS {
            losses.extend([false, true].map(|answer| {
                Some(Loss {
                    service,
                    path_ends,
                    answer,
                })
            }));
        }
    }
    losses
}

/// Everything but the crash: losses and repeats, with and without a car.
fn without_a_crash() -> impl Iterator<Item = Trial> {
    losses().into_iter().flat_map(|loss| {
        [(false, false), (false, true), (true, false), (true, true)].map(|(twice, no_car)| Trial {
            loss,
            twice,
            no_car,
            ..Trial::default()
        })
    })
}

/// Tries it; what is wrong goes to `broken`.
fn check(trial: &Trial, broken: &Mutex<Vec<String>>) -> Ending {
    let ending = attempt(trial);
    let told = ending.violations.iter();
    let told = told.map(|violation| format!("{trial:?}: {} {}", violation.invariant, violation.what));
    broken.lock().expect("no panic in here").extend(told);
    ending
}

/// Crashes the service at point after point of its log until a run ends before the point comes.
fn crash_everywhere(trial: &Trial, service: &'static str, broken: &Mutex<Vec<String>>) -> (u64, Vec<Ending>) {
    let mut endings = Vec::new();
    for step in 1.. {
        let crash = Some(CrashPoint { service, step });
        let ending = check(&Trial { crash, ..trial.clone() }, broken);
        if !ending.crashed {
            return (step - 1, endings);
        }
        endings.push(ending);
    }
    unreachable!("a log ends")
}

/// Does it with each of them, on two threads.
fn each<T: Sync>(all: &[T], work: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(one) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    work(one);
                }
            });
        }
    });
}

#[test]
fn lost_and_repeated_messages_leave_it_whole() {
    let (trials, broken): (Vec<Trial>, _) = (without_a_crash().collect(), Mutex::default());
    each(&trials, |trial| {
        let decision = check(trial, &broken).decision;
        let expected = if trial.no_car { "abort" } else { "commit" };
        // A vote that is lost counts as a no.
        let may_be = trial.loss.is_some_and(|loss| loss.path_ends == "/prepare");
        assert!(
            decision.as_deref() == Some(expected) || (may_be && decision.as_deref() == Some("abort")),
            "{trial:?} ended in {decision:?}"
        );
    });
    let broken = broken.into_inner().expect("no panic in here");
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// `EVERY=1` tries each crash together with each lost message too.
#[test]
fn a_crash_at_every_point_of_every_log_leaves_it_whole() {
    let with_losses = std::env::var("EVERY").is_ok();
    let bases: Vec<Trial> = without_a_crash()
        .filter(|trial| trial.loss.is_none() || with_losses)
        .collect();
    let cases: Vec<(&Trial, &str)> = bases
        .iter()
        .flat_map(|trial| SERVICES.map(|service| (trial, service)))
        .collect();
    let (broken, points) = (Mutex::default(), AtomicU64::new(0));
    let decisions: Mutex<BTreeSet<Option<String>>> = Mutex::default();
    each(&cases, |(trial, service)| {
        let (count, endings) = crash_everywhere(trial, service, &broken);
        // Without a car it is over before all are asked.
        assert!(count >= 4 || trial.no_car, "{service} has a log: {count} points");
        points.fetch_add(count, Ordering::Relaxed);
        let ended = endings.into_iter().map(|ending| ending.decision);
        decisions.lock().expect("no panic in here").extend(ended);
    });
    println!("{} crashes", points.into_inner());
    let broken = broken.into_inner().expect("no panic in here");
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    let decisions = decisions.into_inner().expect("no panic in here");
    for decision in ["commit", "abort"] {
        assert!(decisions.contains(&Some(decision.to_owned())), "{decision} is seen");
    }
}

/// The price of it: whoever has voted yes waits, and so do all others, for as long as the coordinator is away.
#[test]
fn without_its_coordinator_everybody_stays_in_doubt_and_shows_it() {
    let away = Duration::from_secs(30);
    let (trial, broken) = (
        Trial {
            away,
            ..Trial::default()
        },
        Mutex::default(),
    );
    let (_, endings) = crash_everywhere(&trial, "booking", &broken);
    let blocked: Vec<_> = endings.iter().filter_map(|ending| ending.blocked.clone()).collect();
    assert!(!blocked.is_empty(), "it dies between the votes and the decision");
    // What it told last may have died with it: then the collector sees no step whose time is over.
    assert!(blocked.iter().any(|blocked| blocked.stuck), "the collector says so");
    for blocked in blocked {
        assert_eq!(blocked.shown_by, BTreeSet::from(PARTICIPANTS));
        assert_eq!(blocked.others, (409, "in_doubt".to_owned()));
        assert_eq!(blocked.gave_up, 0, "nobody decides alone");
    }
    let broken = broken.into_inner().expect("no panic in here");
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}
