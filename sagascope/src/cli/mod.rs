//! The command line: what can be said, and what it means. No effects.

mod act;
mod bench;
mod collector;
mod connection;
mod lab;
mod units;

use clap::{Args, Parser, Subcommand, ValueEnum};
use sagascope_conventions::FlowMix;
use sagascope_conventions::fault::FaultKind;

pub(crate) use act::{ActOptions, Deed, SagaId};
pub(crate) use bench::{BenchCompression, BenchOptions, BenchProtocol, LoadOptions, SubjectOptions};
pub(crate) use collector::{CollectorOptions, Durability};
pub(crate) use connection::{Connection, read_token};
pub(crate) use lab::LabOptions;

const EXAMPLES: &str = "\
Examples:
  sagascope demo                                       the whole system, with this terminal as dashboard
  sagascope demo --headless --rate 50                  the same without the terminal dashboard
  sagascope collect                                    a collector for your own services
  sagascope tui --url http://127.0.0.1:4319            the terminal dashboard alone
  sagascope inject payments latency --percent 50 --delay-ms 800 --for 30s
  sagascope inject --clear                             end every fault
  sagascope sagas --json | jq '.items[0]'              any view, for scripts

Your own services: set OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4317 and run `sagascope collect`.";

/// Watch sagas, circuit breakers and read models as they happen, in the terminal and in the browser.
#[derive(Debug, Parser)]
#[command(name = "sagascope", version, after_help = EXAMPLES, propagate_version = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start the collector, the demo shop and the terminal dashboard
    #[command(after_help = DEMO_EXAMPLES)]
    Demo(DemoOptions),
    /// Start the collector alone: OTLP in, dashboards and API out
    Collect(CollectorOptions),
    /// Measure what a collector takes on this machine
    #[command(after_help = bench::EXAMPLES)]
    Bench(BenchOptions),
    /// Run experiments on shops of their own: patterns compared by measurement, each with a verdict
    #[command(after_help = lab::EXAMPLES)]
    Lab(LabOptions),
    /// Open the terminal dashboard of a running collector
    Tui(TuiOptions),
    /// Run one demo service in this process (the demo starts these itself)
    #[command(disable_version_flag = true)]
    Service {
        /// Its name, such as `orders`
        #[arg(value_parser = clap::builder::PossibleValuesParser::new(crate::service::NAMES))]
        name: String,
        /// Run as this version, as a canary beside the first process of the service and on its data; `payments` can
        #[arg(long = "version", value_name = "VERSION", value_parser = units::version)]
        release: Option<String>,
    },
    /// Break something on purpose, for a while
    #[command(after_help = INJECT_EXAMPLES)]
    Inject(InjectOptions),
    /// Have a service do something: settle dead letters, rebuild a read model, help a saga on
    #[command(after_help = act::EXAMPLES)]
    Act(ActOptions),
    /// Say what happened to a correlation, saga, order or trace id, and why
    Explain(ExplainOptions),
    /// End with code 0 when a collector or service is ready
    Health(HealthOptions),
    /// Views for scripts and quick looks
    #[command(flatten)]
    Views(Views),
}

const DEMO_EXAMPLES: &str = "\
Examples:
  sagascope demo --rate 5                  calmer traffic
  sagascope demo --profile documents       slower, with the waits of the source documents
  sagascope demo --port-base 5000          other ports: OTLP 5000 and 5001, web and API 5002, services from 5013
  sagascope demo --canary                  payments 2.0.0 beside payments, for a canary release
  sagascope demo --data-dir /tmp/shop      a second, separate shop; stop and start it again and it goes on";

#[derive(Debug, Args)]
pub(crate) struct DemoOptions {
    /// Do not open the terminal dashboard; print progress and stay until Ctrl-C
    #[arg(long)]
    pub(crate) headless: bool,
    /// Orders that the shoppers place each second; can be changed live
    #[arg(long, env = "SAGASCOPE_RATE", default_value_t = 20.0, value_parser = units::rate)]
    pub(crate) rate: f64,
    /// In which shares the shoppers ask for each flow of the order: sync, broker, hardened, event_sourced, choreographed;
    /// can be changed live
    #[arg(long, env = "SAGASCOPE_FLOWS", value_name = "FLOW=SHARE,…", default_value_t = FlowMix::default())]
    pub(crate) flows: FlowMix,
    /// Seed of the shoppers and of the faults' dice
    #[arg(long, env = "SAGASCOPE_SEED", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Run payments 2.0.0 beside payments; it gets no orders until a canary rule gives it some
    #[arg(long)]
    pub(crate) canary: bool,
    /// Waits and thresholds of the shop
    #[arg(long, env = "SAGASCOPE_PROFILE", value_enum, default_value_t = ProfileName::Demo)]
    pub(crate) profile: ProfileName,
    #[command(flatten)]
    pub(crate) collector: CollectorOptions,
}

/// The shop's two sets of waits and thresholds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProfileName {
    /// Waits scaled down, so that things happen while you watch
    Demo,
    /// The numbers of the source documents
    Documents,
}

impl ProfileName {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Demo => "demo",
            Self::Documents => "documents",
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct TuiOptions {
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// Look only: nothing can be injected, cleared or changed
    #[arg(long)]
    pub(crate) read_only: bool,
    /// Draw with plain ASCII characters
    #[arg(long)]
    pub(crate) ascii: bool,
}

const INJECT_EXAMPLES: &str = "\
Examples:
  sagascope inject --list                                        what can be injected where, and what is active
  sagascope inject payments error_rate --percent 100 --for 20s   every call to payments fails for 20 seconds
  sagascope inject orders crash                                  kill the process; the demo restarts it
  sagascope inject --clear f-3b2a                                end one fault";

#[derive(Debug, Args)]
pub(crate) struct InjectOptions {
    /// Service to hit, such as `payments`
    #[arg(required_unless_present_any = ["list", "clear"])]
    pub(crate) service: Option<String>,
    /// What goes wrong, such as `latency`; `--list` shows all
    #[arg(required_unless_present_any = ["list", "clear"], value_parser = fault_kind)]
    pub(crate) kind: Option<FaultKind>,
    /// Share of the requests or messages hit, 1 to 100
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=100))]
    pub(crate) percent: Option<u8>,
    /// Delay added, milliseconds
    #[arg(long)]
    pub(crate) delay_ms: Option<u64>,
    /// The service cut off from the target (`partition`)
    #[arg(long)]
    pub(crate) peer: Option<String>,
    /// Clock offset, milliseconds (`clock_skew`)
    #[arg(long, allow_negative_numbers = true)]
    pub(crate) offset_ms: Option<i64>,
    /// Hit one operation of the service only
    #[arg(long)]
    pub(crate) operation: Option<String>,
    /// Hit one instance of the service only
    #[arg(long)]
    pub(crate) instance: Option<String>,
    /// How long, such as `30s` or `5m`
    #[arg(long = "for", default_value = "30s", value_parser = units::seconds)]
    pub(crate) duration_seconds: u64,
    /// Seed of the dice that pick which requests are hit
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Show what can be injected where, and the faults that are active
    #[arg(long, conflicts_with_all = ["service", "clear"])]
    pub(crate) list: bool,
    /// End one fault, or all of them when no id is given
    #[arg(long, value_name = "ID", num_args = 0..=1, conflicts_with = "service")]
    pub(crate) clear: Option<Option<String>>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

fn fault_kind(word: &str) -> Result<FaultKind, String> {
    FaultKind::parse(word).ok_or_else(|| {
        let known: Vec<&str> = FaultKind::ALL.iter().map(|kind| kind.as_str()).collect();
        format!("no such fault; known: {}", known.join(", "))
    })
}

#[derive(Debug, Args)]
pub(crate) struct ExplainOptions {
    /// Correlation, saga, order or trace id
    pub(crate) id: String,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Debug, Args)]
pub(crate) struct HealthOptions {
    /// Address of a collector, or whole address of a service's health answer
    #[arg(long, env = "SAGASCOPE_URL", default_value = "http://127.0.0.1:4319")]
    pub(crate) url: String,
}

/// The views that can be printed.
#[derive(Debug, Subcommand)]
pub(crate) enum Views {
    /// Counts, drops, storage, uptime
    Overview(ShowOptions),
    /// Services with rate, errors and percentiles
    Services(ShowOptions),
    /// Saga instances
    Sagas(ListOptions),
    /// Circuit breakers
    Breakers(ShowOptions),
    /// Read models with position and lag
    ReadModels(ShowOptions),
    /// Outboxes with backlog and age
    Outboxes(ShowOptions),
    /// Messages that could not be handled
    DeadLetters(ShowOptions),
    /// What must always hold, and whether it does
    Invariants(ShowOptions),
    /// New versions that get a share of the requests
    Canaries(ShowOptions),
    /// Traces
    Traces(ListOptions),
    /// Faults, active and past
    Faults(ShowOptions),
}

/// Of a view without filters.
#[derive(Debug, Args)]
pub(crate) struct ShowOptions {
    /// Print the API's JSON instead of a table
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// Of a view that can be searched.
#[derive(Debug, Args)]
pub(crate) struct ListOptions {
    /// Search, such as `state:compensating` or `service:payments status:error`
    #[arg(short, long)]
    pub(crate) query: Option<String>,
    /// At most this many rows
    #[arg(long, default_value_t = 50)]
    pub(crate) limit: usize,
    #[command(flatten)]
    pub(crate) show: ShowOptions,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_grammar_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn an_action_says_what_on_what_and_flags_may_stand_at_the_end() {
        assert!(parse("sagascope act").is_err());
        assert!(parse("sagascope act rebuild orders").is_err());
        for line in [
            "sagascope act replay orders.events --id m-1 --url http://127.0.0.1:5002 --json",
            "sagascope act --token t purge mails",
            "sagascope act rebuild orders order_summary",
            "sagascope act retry 7f3a91c2 --name order",
        ] {
            assert!(parse(line).is_ok(), "{line}");
        }
    }

    #[test]
    fn inject_needs_service_and_kind_or_a_question() {
        assert!(parse("sagascope inject").is_err());
        assert!(parse("sagascope inject payments").is_err());
        assert!(
            parse("sagascope inject payments latency").is_ok(),
            "the collector judges the strength"
        );
        assert!(parse("sagascope inject --list").is_ok());
        assert!(parse("sagascope inject payments latency --list").is_err());
    }

    #[test]
    fn clear_takes_one_id_or_none() {
        let cleared = |line: &str| match parse(line).unwrap().command {
            Command::Inject(options) => options.clear,
            _ => None,
        };
        assert_eq!(cleared("sagascope inject --clear"), Some(None));
        assert_eq!(cleared("sagascope inject --clear f-1"), Some(Some("f-1".into())));
        assert_eq!(cleared("sagascope inject --list"), None);
    }

    #[test]
    fn an_unknown_fault_is_answered_with_the_known_ones() {
        let error = parse("sagascope inject payments gremlins").unwrap_err().to_string();
        assert!(error.contains("latency") && error.contains("poison_message"), "{error}");
    }

    #[test]
    fn durations_are_read_with_their_unit() {
        let Command::Inject(options) = parse("sagascope inject payments hang --percent 5 --for 2m")
            .unwrap()
            .command
        else {
            panic!("parsed as another command");
        };
        assert_eq!(options.duration_seconds, 120);
    }

    #[test]
    fn an_unknown_service_is_refused() {
        assert!(parse("sagascope service orders").is_ok());
        assert!(parse("sagascope service nobody").is_err());
    }

    #[test]
    fn a_bench_has_its_own_collector_or_one_that_runs() {
        assert!(parse("sagascope bench").is_ok());
        assert!(parse("sagascope bench --url http://127.0.0.1:4319 --pid 1").is_ok());
        assert!(parse("sagascope bench --url http://127.0.0.1:4319 --port-base 5000").is_err());
        for wrong in [
            "--rate 0",
            "--rate nan",
            "--overload 1",
            "--spans 0",
            "--batch 0",
            "--pid 1",
        ] {
            assert!(parse(&format!("sagascope bench {wrong}")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_lab_runs_named_scenarios_or_all() {
        assert!(parse("sagascope lab").is_ok());
        assert!(parse("sagascope lab generations payments-down --seed 7").is_ok());
        for wrong in ["generations --all", "--rate 0", "--rate nan", "--seconds 0"] {
            assert!(parse(&format!("sagascope lab {wrong}")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn views_share_their_options() {
        assert!(parse("sagascope sagas --json --limit 5 --query state:running").is_ok());
        assert!(parse("sagascope breakers --json --url http://127.0.0.1:9").is_ok());
    }
}
