//! Numbering, resuming, and what happens to the slow.

use sagascope_api::services::Service;

use super::*;

fn rows(name: &str) -> Rows {
    Rows::Services(vec![Service {
        name: name.into(),
        ..Service::default()
    }])
}

fn snapshot(topic: Topic) -> Option<Rows> {
    match topic {
        Topic::Services => Some(rows("all")),
        Topic::Sagas => Some(Rows::Sagas(vec![])),
        _ => None,
    }
}

fn read(subscription: &mut Subscription) -> Vec<LiveMessage> {
    let mut messages = Vec::new();
    while let Ok(message) = subscription.messages.try_recv() {
        messages.push(serde_json::from_str(&message.json).unwrap());
    }
    messages
}

fn hub() -> Hub {
    Hub::new("run".into())
}

fn id(sequence: u64) -> LiveId {
    LiveId {
        run: "run".into(),
        sequence,
    }
}

#[test]
fn snapshots_come_first_and_only_the_last_has_a_place() {
    let mut hub = hub();
    hub.publish(rows("a"), vec![]);
    let mut watcher = hub.subscribe(Topics::parse("services,sagas").unwrap(), None, &snapshot);
    hub.publish(rows("b"), vec!["a".into()]);
    let messages = read(&mut watcher);
    assert_eq!(messages.len(), 3);
    assert!(matches!(&messages[0], LiveMessage::Snapshot { id, .. } if id.sequence == 0));
    assert!(matches!(&messages[1], LiveMessage::Snapshot { id, .. } if id.sequence == 1));
    assert!(matches!(&messages[2], LiveMessage::Update { id, removed, .. } if id.sequence == 2 && removed == &["a"]));
}

#[test]
fn d07_resuming_has_no_gap_and_no_repeat() {
    let mut hub = hub();
    for n in 1..=10 {
        hub.publish(rows(&n.to_string()), vec![]);
    }
    let topics = Topics::parse("services").unwrap();
    let mut watcher = hub.subscribe(topics, Some(id(7)), &snapshot);
    let places: Vec<u64> = read(&mut watcher).iter().map(|message| message.id().sequence).collect();
    assert_eq!(places, [8, 9, 10]);
    let mut watcher = hub.subscribe(topics, Some(id(10)), &snapshot);
    assert!(read(&mut watcher).is_empty(), "nothing was missed");
}

#[test]
fn resuming_from_the_unknown_gives_snapshots() {
    let mut hub = hub();
    for n in 0..3 * RECENT {
        hub.publish(rows(&n.to_string()), vec![]);
    }
    let other_run = LiveId {
        run: "other".into(),
        sequence: 3,
    };
    for resume in [
        other_run,
        id(0),
        id(1),
        id(u64::MAX),
        id(3 * RECENT as u64 - QUEUE as u64),
    ] {
        let mut watcher = hub.subscribe(Topics::parse("services").unwrap(), Some(resume.clone()), &snapshot);
        let messages = read(&mut watcher);
        assert!(matches!(messages[..], [LiveMessage::Snapshot { .. }]), "{resume:?}");
    }
    assert!(hub.recent.len() <= RECENT);
}

#[test]
fn b08_a_slow_watcher_is_told_what_it_missed_and_starts_again() {
    let mut hub = hub();
    let topics = Topics::parse("services").unwrap();
    let mut slow = hub.subscribe(topics, None, &snapshot);
    let mut quick = hub.subscribe(topics, None, &snapshot);
    read(&mut quick);
    for n in 0..QUEUE + 50 {
        hub.publish(rows(&n.to_string()), vec![]);
        assert_eq!(read(&mut quick).len(), 1, "others are not held up");
    }
    let now = Instant::now();
    hub.catch_up(now, &snapshot);
    assert_eq!(read(&mut slow).len(), QUEUE, "first what it had");
    hub.catch_up(now, &snapshot);
    let messages = read(&mut slow);
    assert!(
        matches!(messages[0], LiveMessage::Lagged { missed: 51, .. }),
        "{:?}",
        messages[0]
    );
    assert!(matches!(messages[1], LiveMessage::Snapshot { .. }));
    hub.publish(rows("after"), vec![]);
    assert_eq!(read(&mut slow).len(), 1);
}

#[test]
fn one_who_reads_nothing_is_let_go_and_one_who_left_is_forgotten() {
    let mut hub = hub();
    let topics = Topics::parse("services").unwrap();
    let _stuck = hub.subscribe(topics, None, &snapshot);
    drop(hub.subscribe(Topics::parse("sagas").unwrap(), None, &snapshot));
    for n in 0..QUEUE + 1 {
        hub.publish(rows(&n.to_string()), vec![]);
    }
    assert_eq!(hub.watchers(), 1, "the one who left");
    let now = Instant::now();
    hub.catch_up(now, &snapshot);
    hub.catch_up(now + PATIENCE + Duration::from_secs(1), &snapshot);
    assert_eq!(hub.watchers(), 0);
}

#[test]
fn new_topics_come_with_their_snapshot() {
    let mut hub = hub();
    let mut watcher = hub.subscribe(Topics::default(), None, &snapshot);
    hub.publish(rows("unseen"), vec![]);
    hub.change_topics(watcher.subscriber, Topics::parse("services").unwrap(), &snapshot);
    hub.publish(rows("seen"), vec![]);
    let messages = read(&mut watcher);
    assert!(matches!(
        messages[..],
        [LiveMessage::Snapshot { .. }, LiveMessage::Update { .. }]
    ));
    hub.change_topics(watcher.subscriber, Topics::default(), &snapshot);
    hub.publish(rows("unseen"), vec![]);
    assert!(read(&mut watcher).is_empty());
}

#[test]
fn many_watchers_of_much_are_told_less_often() {
    let mut hub = hub();
    let topics = Topics::parse("services").unwrap();
    let long = "x".repeat(100_000);
    let mut one = hub.subscribe(topics, None, &snapshot);
    hub.publish(rows(&long), vec![]);
    assert_eq!(hub.pause(), GATHER, "one does not matter");
    let mut others: Vec<_> = (0..100).map(|_| hub.subscribe(topics, None, &snapshot)).collect();
    hub.publish(rows("short"), vec![]);
    assert_eq!(hub.pause(), GATHER, "nor do many of little");
    hub.publish(rows(&long), vec![]);
    let pause = hub.pause();
    assert!(pause > 3 * GATHER && pause < GATHER_MAX, "{pause:?}");
    for _ in 0..10 {
        hub.publish(rows(&long), vec![]);
    }
    assert_eq!(hub.pause(), GATHER_MAX);
    assert_eq!(hub.pause(), GATHER, "it is forgotten at once");
    assert_eq!((read(&mut one).len(), read(&mut others[0]).len()), (14, 13));
}
