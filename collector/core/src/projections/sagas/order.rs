//! The causal order of tellings: by sequence within an emitter, by time between emitters.

use std::collections::BTreeMap;

use sagascope_api::Time;

use super::telling::Telling;

/// Places of `tellings` (sorted by time) in causal order.
///
/// An emitter's sequence outranks its clock: a telling counts as no earlier than those its emitter numbered lower.
/// With that correction time orders all of them, so the result depends on the set alone.
pub(super) fn causal(tellings: &[&Telling]) -> Vec<usize> {
    let mut places: Vec<usize> = (0..tellings.len()).collect();
    if is_causal(tellings) {
        return places;
    }
    let not_before = corrected_times(tellings);
    places.sort_by(|a, b| {
        let key = |place: usize| {
            let t = tellings[place];
            (not_before[place], &t.service, t.sequence, t.kind, t.attempt, place)
        };
        key(*a).cmp(&key(*b))
    });
    places
}

/// The usual case: one emitter, whose clock and numbers agree.
fn is_causal(tellings: &[&Telling]) -> bool {
    tellings
        .windows(2)
        .all(|pair| pair[0].service == pair[1].service && pair[0].sequence <= pair[1].sequence)
}

fn corrected_times(tellings: &[&Telling]) -> Vec<Time> {
    let mut times: Vec<Time> = tellings.iter().map(|t| t.at).collect();
    let mut numbered: Vec<usize> = (0..tellings.len())
        .filter(|place| tellings[*place].sequence.is_some())
        .collect();
    numbered.sort_by_key(|place| (tellings[*place].sequence, *place));
    let mut latest: BTreeMap<&str, Time> = BTreeMap::new();
    for place in numbered {
        let latest = latest.entry(&*tellings[place].service).or_default();
        *latest = times[place].max(*latest);
        times[place] = *latest;
    }
    times
}
