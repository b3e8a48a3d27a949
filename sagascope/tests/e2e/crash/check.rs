//! What is found, against what was sent, by the API that everybody uses.

use std::collections::BTreeMap;

use sagascope_api::client::{Client, MetricQuery, SearchQuery};
use sagascope_api::metrics::Function;
use sagascope_api::traces::Trace;

use super::load::{Fate, METRIC, RECORDS, REQUEST, Sent, added, body, span_id, trace_id};
use crate::support::alone::Alone;

/// Requests whose records fit on one page.
const WINDOW: u64 = 300;

/// Every trace by its id, every list in windows of time; each list holds what it must, once, and nothing else.
pub(super) async fn all(collector: &Alone, sent: &Sent) {
    let client = Client::new(&collector.api(""), None).expect("a good address");
    for (number, fate) in sent.fates.iter().filter(|(number, _)| *number % 3 == 0) {
        trace(&client, *number, *fate).await;
    }
    let last = sent.fates.keys().last().copied().unwrap_or(0);
    for from in (0..=last).step_by(WINDOW as usize) {
        traces(&client, sent, from).await;
        logs(&client, sent, from).await;
        points(&client, sent, from).await;
    }
}

async fn trace(client: &Client, number: u64, fate: Fate) {
    let id = format!("{:032x}", trace_id(number));
    match (client.trace(&id).await, fate) {
        (Ok(found), Fate::Acknowledged | Fate::Unknown) => whole(number, &found),
        (Ok(_), Fate::Refused) => panic!("trace {number} was refused, and is there"),
        (Err(error), Fate::Acknowledged) => panic!("trace {number} was acknowledged, and is gone: {error}"),
        (Err(_), Fate::Refused | Fate::Unknown) => {}
    }
}

fn whole(number: u64, found: &Trace) {
    let mut ids: Vec<_> = found.spans.iter().map(|span| span.span_id.clone()).collect();
    ids.sort_unstable();
    let expected: Vec<_> = (0..RECORDS).map(|at| format!("{:016x}", span_id(number, at))).collect();
    assert_eq!(ids, expected, "the spans of request {number}, each once");
}

fn window(sent: &Sent, from: u64) -> SearchQuery {
    SearchQuery {
        since: Some(sent.time(from, 0).to_string()),
        until: Some(sent.time(from + WINDOW, 0).to_string()),
        limit: Some(1_000),
        ..SearchQuery::default()
    }
}

/// The list holds no trace that was not sent, and none twice.
async fn traces(client: &Client, sent: &Sent, from: u64) {
    let page = client.traces(&window(sent, from)).await.expect("an answer");
    assert!(page.next_cursor.is_none(), "more traces than were sent");
    let mut seen = BTreeMap::new();
    for found in page.items {
        let id = u128::from_str_radix(&found.trace_id, 16).expect("hex digits");
        let number = u64::try_from(id ^ trace_id(0)).unwrap_or(u64::MAX);
        let fate = sent.fates.get(&number).copied();
        assert!(
            number % 3 == 0 && may_be_there(fate),
            "{} was never taken: {fate:?}",
            found.trace_id
        );
        assert_eq!(found.span_count, RECORDS, "{}", found.trace_id);
        assert_eq!(seen.insert(number, ()), None, "{} is there twice", found.trace_id);
    }
}

/// The list holds each acknowledged record once, requests whole, and no other record.
async fn logs(client: &Client, sent: &Sent, from: u64) {
    let page = client.logs(&window(sent, from)).await.expect("an answer");
    assert!(page.next_cursor.is_none(), "more records than were sent");
    let mut found = BTreeMap::<String, u32>::new();
    for record in page.items {
        *found.entry(record.body).or_default() += 1;
    }
    for (number, fate) in sent
        .fates
        .range(from..from + WINDOW)
        .filter(|(number, _)| *number % 3 == 1)
    {
        let times: Vec<_> = (0..RECORDS)
            .map(|at| found.remove(&body(*number, at)).unwrap_or(0))
            .collect();
        let there = match fate {
            Fate::Acknowledged => 1,
            Fate::Refused => 0,
            Fate::Unknown => times[0].min(1),
        };
        assert_eq!(
            times, [there; RECORDS as usize],
            "request {number} ({fate:?}): how often each record is there"
        );
    }
    assert!(found.is_empty(), "records that were never sent: {found:?}");
}

/// Each acknowledged request adds what its points say, and no other adds anything. (A point that were there twice would
/// count once all the same: the second of the same stream and time stands in for the first.)
async fn points(client: &Client, sent: &Sent, from: u64) {
    let of_points = || {
        let of_window = sent.fates.range(from..from + WINDOW);
        of_window.filter(|(number, _)| *number % 3 == 2)
    };
    let asked = MetricQuery {
        name: METRIC.into(),
        function: Function::Sum,
        by: Some(REQUEST.into()),
        since: Some(sent.time(from, 0).to_string()),
        until: Some(sent.time(from + WINDOW, 0).to_string()),
        limit: Some(1_000),
        ..MetricQuery::default()
    };
    let series = match client.metric_range(&asked).await {
        Ok(found) => {
            assert!(!found.truncated && found.omitted == 0, "more series than were sent");
            found.series
        }
        Err(error) => {
            let is_acknowledged = of_points().any(|(_, fate)| *fate == Fate::Acknowledged);
            assert!(!is_acknowledged, "points from request {from} on are gone: {error}");
            return;
        }
    };
    let mut found: BTreeMap<u64, f64> = BTreeMap::new();
    for one in series {
        let number = one.attributes.get(REQUEST).and_then(|number| number.parse().ok());
        let number = number.unwrap_or_else(|| panic!("points that were never sent: {one:?}"));
        let sum = one.points.iter().map(|point| point.value).sum();
        assert_eq!(found.insert(number, sum), None, "request {number} makes one series");
    }
    let whole = (0..RECORDS).map(added).sum::<i64>() as f64;
    for (number, fate) in of_points() {
        let sum = found.remove(number);
        let expected = match fate {
            Fate::Acknowledged => Some(whole),
            Fate::Refused => None,
            Fate::Unknown => sum.map(|_| whole),
        };
        assert_eq!(sum, expected, "request {number} ({fate:?}): what its points add");
    }
    assert!(found.is_empty(), "points that were never sent: {found:?}");
}

const fn may_be_there(fate: Option<Fate>) -> bool {
    matches!(fate, Some(Fate::Acknowledged | Fate::Unknown))
}
