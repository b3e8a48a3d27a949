//! A database per service: no service depends on another, or names the file, the tables or the folder of another.
//!
//! What crosses from one to another are requests and messages. The kit alone turns a service's name into a path.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Folders beside the services that are none.
const SHARED: [&str; 2] = ["kit", "simulation"];
/// Files of a service that may open a database of their own making.
const OPENS: [&str; 3] = ["rusqlite::Connection::open", "Connection::open", "OpenFlags"];

/// The services by folder name, with their sources outside tests.
fn services() -> BTreeMap<String, Vec<(PathBuf, String)>> {
    let shop = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../demo-services"));
    let mut services = BTreeMap::new();
    for folder in fs::read_dir(shop).expect("the services are there") {
        let folder = folder.expect("readable").path();
        let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
        if SHARED.contains(&name.as_str()) || !folder.join("Cargo.toml").is_file() {
            continue;
        }
        let mut sources = Vec::new();
        collect(&folder.join("src"), &mut sources);
        services.insert(name, sources);
    }
    services
}

fn collect(folder: &Path, sources: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(folder).expect("readable") {
        let path = entry.expect("readable").path();
        let is_test = path
            .file_stem()
            .is_some_and(|stem| stem == "tests" || stem == "testing");
        if path.is_dir() && !is_test {
            collect(&path, sources);
        } else if path.extension().is_some_and(|kind| kind == "rs") && !is_test {
            let text = fs::read_to_string(&path).expect("readable");
            sources.push((path, without_tests(&text)));
        }
    }
}

/// The source up to its tests, which stand last.
fn without_tests(text: &str) -> String {
    let end = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    text[..end].to_owned()
}

/// Names of the tables that a source makes.
fn tables(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for start in ["CREATE TABLE IF NOT EXISTS ", "CREATE VIRTUAL TABLE IF NOT EXISTS "] {
        for rest in text.split(start).skip(1) {
            let name = rest.split(|c: char| !c.is_alphanumeric() && c != '_').next();
            found.extend(name.map(ToOwned::to_owned));
        }
    }
    found
}

#[test]
fn there_are_services_to_look_at() {
    let services = services();
    for name in ["orders", "payments", "users"] {
        assert!(!services[name].is_empty(), "{name}");
    }
}

#[test]
fn no_service_depends_on_another() {
    let services = services();
    for name in services.keys() {
        let path = format!("{}/../demo-services/{name}/Cargo.toml", env!("CARGO_MANIFEST_DIR"));
        let manifest = fs::read_to_string(path).expect("readable");
        for other in services.keys().filter(|other| *other != name) {
            let line = |line: &str| {
                let word = line.split(['.', ' ', '=']).next().unwrap_or_default();
                word == format!("shop-{other}") || line.contains(&format!("\"../{other}\""))
            };
            assert!(!manifest.lines().any(line), "{name} may not use shop-{other}");
        }
    }
}

#[test]
fn no_service_opens_a_file_of_another() {
    for (name, sources) in services() {
        for (path, text) in sources {
            for word in OPENS {
                assert!(
                    !text.contains(word),
                    "{}: a service opens its database through the kit, which knows only its own",
                    path.display()
                );
            }
            for word in ["ATTACH DATABASE", "attach database", ".sqlite\"", "join(\"services\")"] {
                assert!(
                    !text.contains(word),
                    "{}: {name} names a file ({word}) that the kit should name",
                    path.display()
                );
            }
        }
    }
}

#[test]
fn no_service_reads_a_table_of_another() {
    let services = services();
    let of = |name: &str| -> BTreeSet<String> { services[name].iter().flat_map(|(_, text)| tables(text)).collect() };
    let own: BTreeMap<&String, BTreeSet<String>> = services.keys().map(|name| (name, of(name))).collect();
    for (name, sources) in &services {
        for (other, tables) in own.iter().filter(|(other, _)| **other != name) {
            for table in tables.difference(&own[name]) {
                for (path, text) in sources {
                    let reads = ["FROM", "JOIN", "INTO", "UPDATE"]
                        .iter()
                        .any(|verb| names_table(text, verb, table));
                    assert!(!reads, "{}: {name} uses the table {table} of {other}", path.display());
                }
            }
        }
    }
}

/// `verb table` as words of their own.
fn names_table(text: &str, verb: &str, table: &str) -> bool {
    let phrase = format!("{verb} {table}");
    text.match_indices(&phrase).any(|(at, _)| {
        let after = text[at + phrase.len()..].chars().next();
        !after.is_some_and(|c| c.is_alphanumeric() || c == '_')
    })
}

#[test]
fn the_search_finds_what_it_looks_for() {
    assert!(names_table("SELECT * FROM users WHERE", "FROM", "users"));
    assert!(!names_table("SELECT * FROM users_by_name", "FROM", "users"));
    let made = tables("CREATE TABLE IF NOT EXISTS a_b (\nCREATE VIRTUAL TABLE IF NOT EXISTS c USING");
    assert_eq!(made, ["a_b".to_owned(), "c".to_owned()].into());
}
