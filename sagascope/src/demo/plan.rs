//! Which processes make up the demo, with what environment and on which port. Pure.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use shop_kit::topology::Topology;

use crate::cli::{CollectorOptions, DemoOptions};
use crate::{lifeline, service};

/// One process of the demo.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    /// `collector`, or the service's name.
    pub(crate) name: &'static str,
    /// Arguments of our own binary.
    pub(crate) arguments: Vec<&'static str>,
    /// Added to the environment.
    pub(crate) environment: Vec<(&'static str, OsString)>,
    /// Answers 200 once the process can work.
    pub(crate) ready_url: String,
}

/// A port that must be free, and what it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Port {
    pub(crate) number: u16,
    pub(crate) purpose: String,
}

/// How often a process is started again, and how long the demo waits for one to leave.
pub(crate) const FIRST_BACKOFF: Duration = Duration::from_millis(250);
pub(crate) const LONGEST_BACKOFF: Duration = Duration::from_secs(5);
pub(crate) const SERVICES_LEAVE_WITHIN: Duration = Duration::from_millis(2_500);
pub(crate) const COLLECTOR_LEAVES_WITHIN: Duration = Duration::from_millis(1_500);

/// Wait before the start after `short_lives` lives in a row that ended early.
pub(crate) fn backoff(short_lives: u32) -> Duration {
    FIRST_BACKOFF
        .saturating_mul(1_u32.checked_shl(short_lives).unwrap_or(u32::MAX))
        .min(LONGEST_BACKOFF)
}

/// The second version of payments, and its name among the processes.
const CANARY: (&str, &str, &str) = ("payments", "payments-2", "2.0.0");

/// The collector first, then every service, then the canary.
pub(crate) fn processes(options: &DemoOptions, data_dir: &Path, token: &str) -> Vec<Process> {
    let mut all = vec![collector(options, data_dir, token)];
    all.extend(
        service::NAMES
            .iter()
            .map(|name| shop_service(name, options, data_dir, token)),
    );
    if options.canary {
        all.push(canary(options, data_dir, token));
    }
    all
}

/// Every port the demo listens on.
pub(crate) fn ports(base: u16, with_canary: bool) -> Vec<Port> {
    let port = |offset: u16, purpose: &str| Port {
        number: base + offset,
        purpose: purpose.to_owned(),
    };
    let mut all = vec![port(0, "OTLP gRPC"), port(1, "OTLP HTTP"), port(2, "web and API")];
    all.extend(
        (0_u16..)
            .zip(service::NAMES)
            .map(|(index, name)| port(13 + index, name)),
    );
    if with_canary {
        all.push(Port {
            number: canary_port(base),
            purpose: CANARY.1.to_owned(),
        });
    }
    all
}

fn collector(options: &DemoOptions, data_dir: &Path, token: &str) -> Process {
    let collector = &options.collector;
    let mut environment = shared(options, data_dir, token);
    environment.extend(collector_variables(collector));
    Process {
        name: "collector",
        arguments: vec!["collect"],
        environment,
        ready_url: format!("http://127.0.0.1:{}/readyz", collector.port_base + 2),
    }
}

fn shop_service(name: &'static str, options: &DemoOptions, data_dir: &Path, token: &str) -> Process {
    let base = options.collector.port_base;
    Process {
        name,
        arguments: vec!["service", name],
        environment: shared(options, data_dir, token),
        ready_url: format!("http://127.0.0.1:{}/health/ready", service_port(base, name)),
    }
}

fn canary(options: &DemoOptions, data_dir: &Path, token: &str) -> Process {
    let (service, name, version) = CANARY;
    let port = canary_port(options.collector.port_base);
    Process {
        name,
        arguments: vec!["service", service, "--version", version],
        environment: shared(options, data_dir, token),
        ready_url: format!("http://127.0.0.1:{port}/health/ready"),
    }
}

fn canary_port(base: u16) -> u16 {
    // Every base that the command line takes has room for it.
    Topology::new(base).canary_port(CANARY.0).unwrap_or(u16::MAX)
}

fn service_port(base: u16, name: &str) -> u16 {
    let index = (0_u16..)
        .zip(service::NAMES)
        .find(|(_, known)| *known == name)
        .map_or(0, |(index, _)| index);
    base + 13 + index
}

/// What every process of the demo is told. The token travels here and never on a command line, which others can read.
fn shared(options: &DemoOptions, data_dir: &Path, token: &str) -> Vec<(&'static str, OsString)> {
    vec![
        (lifeline::VARIABLE, "stdin".into()),
        ("SAGASCOPE_PORT_BASE", options.collector.port_base.to_string().into()),
        ("SAGASCOPE_DATA_DIR", data_dir.into()),
        ("SAGASCOPE_TOKEN", token.into()),
        ("SAGASCOPE_PROFILE", options.profile.as_str().into()),
        ("SAGASCOPE_RATE", options.rate.to_string().into()),
        ("SAGASCOPE_FLOWS", options.flows.to_string().into()),
        ("SAGASCOPE_SEED", options.seed.to_string().into()),
    ]
}

fn collector_variables(collector: &CollectorOptions) -> Vec<(&'static str, OsString)> {
    let mut variables: Vec<(&'static str, OsString)> = vec![
        ("SAGASCOPE_BIND", collector.bind.to_string().into()),
        ("SAGASCOPE_DURABILITY", collector.durability.as_str().into()),
        ("SAGASCOPE_STORAGE_CAP", collector.storage_cap.to_string().into()),
        ("SAGASCOPE_RETENTION", collector.retention.to_string().into()),
    ];
    for (name, bytes) in [
        ("SAGASCOPE_MEMORY_CAP", collector.memory_cap),
        ("SAGASCOPE_MEMORY_LIMIT", collector.memory_limit),
    ] {
        variables.extend(bytes.map(|bytes| (name, bytes.to_string().into())));
    }
    if !collector.allowed_hosts.is_empty() {
        variables.push(("SAGASCOPE_ALLOWED_HOST", collector.allowed_hosts.join(",").into()));
    }
    variables
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn options(line: &str) -> DemoOptions {
        match Cli::parse_from(line.split(' ')).command {
            Command::Demo(options) => options,
            other => panic!("{other:?}"),
        }
    }

    fn variable(process: &Process, name: &str) -> Option<String> {
        let found = process.environment.iter().find(|(key, _)| *key == name)?;
        Some(found.1.to_string_lossy().into_owned())
    }

    #[test]
    fn the_collector_comes_first_and_every_service_follows() {
        let all = processes(
            &options("sagascope demo --port-base 5000"),
            Path::new("/data"),
            "secret",
        );
        let names: Vec<_> = all.iter().map(|process| process.name).collect();
        assert_eq!(names[0], "collector");
        assert_eq!(names[1..], service::NAMES);
        assert_eq!(all[0].ready_url, "http://127.0.0.1:5002/readyz");
        assert_eq!(all[1].ready_url, "http://127.0.0.1:5013/health/ready");
    }

    #[test]
    fn the_token_is_in_the_environment_and_on_no_command_line() {
        for process in processes(&options("sagascope demo"), Path::new("/data"), "secret") {
            assert_eq!(variable(&process, "SAGASCOPE_TOKEN").as_deref(), Some("secret"));
            assert!(!process.arguments.contains(&"secret"), "{}", process.name);
        }
    }

    #[test]
    fn flags_reach_the_children() {
        let line =
            "sagascope demo --rate 7.5 --seed 9 --profile documents --durability os --allowed-host a --allowed-host b";
        let all = processes(&options(line), Path::new("/data"), "secret");
        assert_eq!(variable(&all[1], "SAGASCOPE_RATE").as_deref(), Some("7.5"));
        assert_eq!(variable(&all[1], "SAGASCOPE_SEED").as_deref(), Some("9"));
        assert_eq!(variable(&all[1], "SAGASCOPE_PROFILE").as_deref(), Some("documents"));
        assert_eq!(variable(&all[0], "SAGASCOPE_DURABILITY").as_deref(), Some("os"));
        assert_eq!(variable(&all[0], "SAGASCOPE_ALLOWED_HOST").as_deref(), Some("a,b"));
        assert_eq!(variable(&all[1], "SAGASCOPE_ALLOWED_HOST"), None);
    }

    #[test]
    fn a_canary_comes_last_and_only_when_asked_for() {
        let names = |line: &str| -> Vec<_> {
            let all = processes(&options(line), Path::new("/data"), "secret");
            all.iter().map(|process| process.name).collect()
        };
        assert!(!names("sagascope demo").contains(&"payments-2"));
        assert_eq!(names("sagascope demo --canary").last(), Some(&"payments-2"));
    }

    #[test]
    fn every_port_is_listed_once() {
        let mut numbers: Vec<_> = ports(4317, true).iter().map(|port| port.number).collect();
        assert_eq!(numbers.len(), 4 + service::NAMES.len());
        numbers.dedup();
        assert_eq!(numbers.len(), 4 + service::NAMES.len());
        assert_eq!(
            ports(4317, false)[3],
            Port {
                number: 4330,
                purpose: "gateway".into()
            }
        );
    }

    #[test]
    fn backoff_grows_to_a_limit() {
        assert_eq!(backoff(0), Duration::from_millis(250));
        assert_eq!(backoff(1), Duration::from_millis(500));
        assert_eq!(backoff(4), Duration::from_secs(4));
        assert_eq!(backoff(5), LONGEST_BACKOFF);
        assert_eq!(backoff(u32::MAX), LONGEST_BACKOFF);
    }
}
