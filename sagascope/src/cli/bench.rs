//! Flags of `sagascope bench`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::collector::Durability;
use super::units;

pub(super) const EXAMPLES: &str = "\
Examples:
  sagascope bench                                         a million spans into a collector of its own, then all figures
  sagascope bench --spans 100000 --connections 1          a quick look
  sagascope bench --rate 20000 --duration 1m              a steady 20,000 spans a second for a minute
  sagascope bench --logs --metrics --protocol http        every signal, over HTTP
  sagascope bench --data-dir /mnt/disk --durability os    another disk, another promise
  sagascope bench --overload 4                            what happens at four times what the machine can do
  sagascope bench --url http://127.0.0.1:4319 --pid 4711  a collector that runs already; it keeps what it is sent
  sagascope bench --json | jq .cpu_seconds_per_million    for scripts";

/// How telemetry is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BenchProtocol {
    Grpc,
    /// With protobuf bodies
    Http,
}

/// How telemetry is compressed on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BenchCompression {
    None,
    Gzip,
    Zstd,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct BenchOptions {
    #[command(flatten)]
    pub(crate) load: LoadOptions,
    #[command(flatten)]
    pub(crate) subject: SubjectOptions,
    /// Print JSON instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Load")]
pub(crate) struct LoadOptions {
    /// Records to be accepted; spans, unless other signals are asked for too
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) spans: u64,
    /// Records of a request
    #[arg(long, default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub(crate) batch: u32,
    /// Connections, each with one request at a time
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) connections: u32,
    /// How requests travel
    #[arg(long, value_enum, default_value_t = BenchProtocol::Grpc)]
    pub(crate) protocol: BenchProtocol,
    /// How requests are compressed
    #[arg(long, value_enum, default_value_t = BenchCompression::None)]
    pub(crate) compression: BenchCompression,
    /// Records each second, whether the collector keeps up or not [default: as many as it answers]
    #[arg(long, value_name = "PER SECOND", value_parser = rate)]
    pub(crate) rate: Option<f64>,
    /// Send log records too: a request of them with every four of spans
    #[arg(long)]
    pub(crate) logs: bool,
    /// Send metric points too: a request of them with every eight of spans
    #[arg(long)]
    pub(crate) metrics: bool,
    /// Live streams that are open meanwhile
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1_000))]
    pub(crate) watchers: u32,
    /// Afterwards offer so many times the rate that was reached
    #[arg(long, value_name = "TIMES", value_parser = times)]
    pub(crate) overload: Option<f64>,
    /// How long it is offered
    #[arg(long, default_value = "60s", value_parser = units::seconds, value_name = "TIME")]
    pub(crate) overload_for: u64,
    /// Decides every id and word that is sent
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Sending ends after this, however much is left
    #[arg(long, default_value = "5m", value_parser = units::seconds, value_name = "TIME")]
    pub(crate) duration: u64,
    /// Sending ends when the collector uses more than this
    #[arg(long, default_value = "4GiB", value_parser = units::bytes, value_name = "SIZE")]
    pub(crate) max_memory: u64,
}

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Collector")]
pub(crate) struct SubjectOptions {
    /// Web and API port of a collector that runs already; OTLP is two ports below [default: start one]
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// Its process, for what it uses
    #[arg(long, requires = "url")]
    pub(crate) pid: Option<u32>,
    /// First port of the collector that is started [default: any three free ones]
    #[arg(long, conflicts_with = "url", value_parser = units::port_base, value_name = "PORT")]
    pub(crate) port_base: Option<u16>,
    /// Folder in which it gets a folder of its own, removed in the end
    #[arg(long, conflicts_with = "url", default_value = ".", value_name = "DIR")]
    pub(crate) data_dir: PathBuf,
    /// When it answers
    #[arg(long, conflicts_with = "url", value_enum, default_value_t = Durability::Fsync)]
    pub(crate) durability: Durability,
    /// Its memory for what is not sealed yet [default: as `sagascope collect` has it]
    #[arg(long, conflicts_with = "url", value_parser = units::bytes, value_name = "SIZE")]
    pub(crate) memory_cap: Option<u64>,
    /// Disk space it may use
    #[arg(long, conflicts_with = "url", default_value = "20GiB", value_parser = units::bytes, value_name = "SIZE")]
    pub(crate) storage_cap: u64,
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate > 0.0 && rate <= 1e9 => Ok(rate),
        _ => Err("a rate is a number above 0".into()),
    }
}

fn times(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(times) if times > 1.0 && times <= 100.0 => Ok(times),
        _ => Err("an overload is a number from 1 to 100".into()),
    }
}
