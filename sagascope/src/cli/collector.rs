//! Flags of the collector, shared by `collect` and `demo`. Each has its environment variable.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::units;

/// When an OTLP request is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Durability {
    /// After it is synced to the disk: survives power loss
    Fsync,
    /// After it is handed to the operating system: survives a kill of the process
    Os,
    /// At once, kept in memory alone: survives nothing
    Memory,
}

impl Durability {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Fsync => "fsync",
            Self::Os => "os",
            Self::Memory => "memory",
        }
    }
}

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Collector")]
pub(crate) struct CollectorOptions {
    /// Where everything is kept
    #[arg(long, env = "SAGASCOPE_DATA_DIR", default_value = ".sagascope", value_name = "DIR")]
    pub(crate) data_dir: PathBuf,
    /// First port: OTLP gRPC here, OTLP HTTP +1, web and API +2, demo services from +13
    #[arg(long, env = "SAGASCOPE_PORT_BASE", default_value_t = 4317, value_parser = units::port_base, value_name = "PORT")]
    pub(crate) port_base: u16,
    /// Address to listen on; anything but loopback asks for the token everywhere but for OTLP
    #[arg(long, env = "SAGASCOPE_BIND", default_value = "127.0.0.1", value_name = "ADDRESS")]
    pub(crate) bind: IpAddr,
    /// Further name that may stand in a request's Host header; can be repeated
    #[arg(
        long = "allowed-host",
        env = "SAGASCOPE_ALLOWED_HOST",
        value_delimiter = ',',
        value_name = "HOST"
    )]
    pub(crate) allowed_hosts: Vec<String>,
    /// Secret for control calls; better given by SAGASCOPE_TOKEN or a file. Made up when absent
    #[arg(long, env = "SAGASCOPE_TOKEN", hide_env_values = true, value_name = "SECRET")]
    pub(crate) token: Option<String>,
    /// File that holds the secret
    #[arg(long, env = "SAGASCOPE_TOKEN_FILE", value_name = "FILE", conflicts_with = "token")]
    pub(crate) token_file: Option<PathBuf>,
    /// When an OTLP request is answered
    #[arg(long, env = "SAGASCOPE_DURABILITY", value_enum, default_value_t = Durability::Fsync)]
    pub(crate) durability: Durability,
    /// Memory for what is not sealed yet; 64MiB, or a sixteenth of the limit when that is less
    #[arg(long, env = "SAGASCOPE_MEMORY_CAP", value_parser = units::bytes, value_name = "SIZE")]
    pub(crate) memory_cap: Option<u64>,
    /// Memory that the collector should stay below; that of its control group (container, unit) when absent
    #[arg(long, env = "SAGASCOPE_MEMORY_LIMIT", value_parser = units::bytes, value_name = "SIZE")]
    pub(crate) memory_limit: Option<u64>,
    /// Disk space for telemetry; the oldest goes first
    #[arg(long, env = "SAGASCOPE_STORAGE_CAP", default_value = "1GiB", value_parser = units::bytes, value_name = "SIZE")]
    pub(crate) storage_cap: u64,
    /// Age at which telemetry is removed from the disk
    #[arg(long, env = "SAGASCOPE_RETENTION", default_value = "7d", value_parser = units::retention, value_name = "TIME")]
    pub(crate) retention: u64,
}
