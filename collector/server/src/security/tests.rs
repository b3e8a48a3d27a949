//! Names, origins and secrets, by table.

use std::time::Duration;

use http::{HeaderName, HeaderValue, Uri};

use super::*;

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&str, &str)| {
        (
            HeaderName::try_from(*name).unwrap(),
            HeaderValue::try_from(*value).unwrap(),
        )
    };
    let mut headers = HeaderMap::new();
    for (name, value) in pairs.iter().map(pair) {
        headers.append(name, value);
    }
    headers
}

#[test]
fn e01_only_our_own_names_pass() {
    let hosts = Hosts::new(
        "127.0.0.1".parse().unwrap(),
        4319,
        &["box.lan".into(), "proxy.lan:443".into()],
    );
    let check = |host: &str| hosts.check(&Uri::from_static("/"), &headers(&[("host", host)])).is_ok();
    for ours in [
        "localhost:4319",
        "LOCALHOST:4319",
        "127.0.0.1:4319",
        "[::1]:4319",
        "box.lan:4319",
        "proxy.lan:443",
    ] {
        assert!(check(ours), "{ours}");
    }
    let foreign = [
        "",
        "localhost",
        "localhost:4320",
        "127.0.0.1",
        "evil.example:4319",
        "localhost.evil.com:4319",
        "127.0.0.1.nip.io:4319",
        "localhost.:4319",
        "0.0.0.0:4319",
        "proxy.lan:4319",
        "localhost:4319:4319",
    ];
    for foreign in foreign {
        assert!(!check(foreign), "{foreign}");
    }
    let none = hosts.check(&Uri::from_static("/"), &HeaderMap::new());
    assert!(none.is_err(), "no host at all");
    let two = headers(&[("host", "localhost:4319"), ("host", "evil.example:4319")]);
    assert!(hosts.check(&Uri::from_static("/"), &two).is_err(), "two hosts");
    let target = Uri::from_static("http://evil.example:4319/");
    assert!(
        hosts.check(&target, &headers(&[("host", "localhost:4319")])).is_err(),
        "a foreign request target"
    );
}

#[test]
fn e03_origins_are_compared_whole() {
    let with = |origin: &str| headers(&[("host", "localhost:4319"), ("origin", origin)]);
    assert!(!origin::is_foreign(&with("http://localhost:4319")));
    let foreign = [
        "null",
        "",
        "http://localhost",
        "http://localhost:4318",
        "https://localhost:4319",
        "http://localhost:4319.evil.com",
        "http://evil.example",
        "http://localhost.evil.com:4319",
    ];
    for foreign in foreign {
        assert!(origin::is_foreign(&with(foreign)), "{foreign}");
        assert!(!origin::is_same_origin(&with(foreign)), "{foreign}");
    }
    for (site, is_foreign) in [
        ("same-origin", false),
        ("none", false),
        ("same-site", true),
        ("cross-site", true),
    ] {
        let headers = headers(&[("host", "localhost:4319"), ("sec-fetch-site", site)]);
        assert_eq!(origin::is_foreign(&headers), is_foreign, "{site}");
    }
    assert!(
        !origin::is_same_origin(&headers(&[("host", "localhost:4319")])),
        "silence is no proof"
    );
}

#[test]
fn cookies_are_found_by_their_whole_name() {
    let headers = headers(&[("cookie", "sagascope_43190=x; sagascope_4319=right; other=y")]);
    assert_eq!(session::cookie(&headers, "sagascope_4319"), Some("right"));
    assert_eq!(session::cookie(&headers, "sagascope_1"), None);
}

#[test]
fn secrets_are_kept_and_compared_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("token");
    let made = Secret::kept(&path).unwrap();
    assert_eq!(made.as_str().len(), 64);
    assert_eq!(Secret::kept(&path).unwrap().as_str(), made.as_str());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert!(made.matches(made.as_str().as_bytes()));
    for wrong in [
        "",
        "x",
        &made.as_str()[1..],
        &format!("{}x", made.as_str()),
        &"0".repeat(64),
    ] {
        assert!(!made.matches(wrong.as_bytes()), "{wrong}");
    }
    assert!(!format!("{made:?}").contains(made.as_str()));
    for unfit in ["short", "has spaces in it, many", "line\nbreak-0123456789"] {
        assert!(Secret::chosen(unfit).is_err(), "{unfit}");
    }
}

#[test]
fn e07_wrong_tokens_are_limited_by_the_minute() {
    let throttle = Throttle::default();
    let allowed = (0..100).filter(|_| throttle.allow(Duration::from_secs(1))).count();
    assert_eq!(allowed, 30);
    assert!(throttle.allow(Duration::from_secs(61)));
}
