//! Which crate may use which. An arrow that is not in the table is a mistake, in the code or in ARCHITECTURE.md.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

const SHARED: [&str; 2] = ["sagascope-conventions", "sagascope-api"];
const SERVICE: [&str; 2] = ["sagascope-conventions", "shop-kit"];

/// What a crate may use of ours, outside its tests. The binary joins all, so it is not in the table.
fn allowed(name: &str) -> Option<BTreeSet<&'static str>> {
    let of = |names: &[&'static str]| Some(names.iter().copied().collect());
    match name {
        "sagascope-conventions" | "sagascope-fuzz" | "xtask" => of(&[]),
        "sagascope-api" | "sagascope-instrument" | "sagascope-load" => of(&["sagascope-conventions"]),
        "sagascope-core" | "sagascope-tui" | "sagascope-web" => of(&SHARED),
        "sagascope-store" => of(&["sagascope-conventions", "sagascope-api", "sagascope-core"]),
        "sagascope-server" => of(&[
            "sagascope-conventions",
            "sagascope-api",
            "sagascope-core",
            "sagascope-store",
        ]),
        "shop-kit" => of(&["sagascope-conventions", "sagascope-instrument"]),
        // They speak of deliveries, dead letters and canaries themselves, as infrastructure that is no service of the
        // kit's kind would.
        "shop-broker" | "shop-registry" => of(&["sagascope-conventions", "sagascope-instrument", "shop-kit"]),
        // It joins all that is not for tests alone; the other one is for tests alone and looks at all.
        "sagascope" | "shop-simulation" => None,
        service if service.starts_with("shop-") => of(&SERVICE),
        unknown => panic!("{unknown} has no place in the table: add it here and to ARCHITECTURE.md"),
    }
}

/// The crates of the workspace with what each uses of the others, and of all, outside its tests.
fn crates() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
            "--manifest-path",
        ])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo writes JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    packages
        .iter()
        .map(|package| (name(package), dependencies(package)))
        .collect()
}

fn name(of: &Value) -> String {
    of["name"].as_str().expect("a name").to_owned()
}

fn dependencies(package: &Value) -> BTreeSet<String> {
    let all = package["dependencies"].as_array().expect("dependencies");
    // Tests may look further.
    all.iter()
        .filter(|dependency| dependency["kind"] != "dev")
        .map(name)
        .collect()
}

#[test]
fn arrows_point_the_way_the_architecture_says() {
    let crates = crates();
    let ours: BTreeSet<&String> = crates.keys().collect();
    for (name, dependencies) in &crates {
        let Some(allowed) = allowed(name) else { continue };
        let used = dependencies.iter().filter(|dependency| ours.contains(dependency));
        for dependency in used {
            assert!(allowed.contains(dependency.as_str()), "{name} may not use {dependency}");
        }
    }
}

#[test]
fn what_telemetry_means_needs_no_runtime_no_socket_and_no_disk() {
    let crates = crates();
    for name in ["sagascope-conventions", "sagascope-core"] {
        for rim in ["tokio", "axum", "hyper", "reqwest", "tonic", "rusqlite", "crossterm"] {
            assert!(!crates[name].contains(rim), "{name} must stay free of {rim}");
        }
    }
}

#[test]
fn what_damages_input_is_for_tests_alone() {
    for (name, dependencies) in crates() {
        assert!(
            !dependencies.contains("sagascope-fuzz"),
            "{name} may use it in tests only"
        );
    }
}

#[test]
fn one_crate_knows_the_storage_engine_and_one_the_terminal() {
    for (name, dependencies) in crates() {
        if dependencies.contains("parquet") {
            assert_eq!(name, "sagascope-store");
        }
        if dependencies.contains("ratatui") {
            assert_eq!(name, "sagascope-tui");
        }
        if dependencies.contains("leptos") {
            assert_eq!(name, "sagascope-web");
        }
        if dependencies.contains("crc32fast") {
            let keepers = ["sagascope-core", "sagascope-store"];
            assert!(
                keepers.contains(&name.as_str()),
                "{name}: pictures and the log's frames are their own business"
            );
        }
    }
}
