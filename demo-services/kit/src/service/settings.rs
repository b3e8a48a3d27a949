//! What a service is told by its environment; everything has a default, so that it also starts by hand.

use std::env;
use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context as _, anyhow};
use sagascope_conventions::FlowMix;

use crate::profile::Profile;

/// Settings of one process.
#[derive(Clone, Debug)]
pub struct Settings {
    /// All addresses follow from it.
    pub port_base: u16,
    /// Where all services keep their data.
    pub data_dir: PathBuf,
    /// Of the collector's control API.
    pub token: Option<String>,
    /// Numbers of the reliability patterns.
    pub profile: Profile,
    /// How often the supervisor has restarted this service.
    pub restarts: u64,
    /// Of everything random that should come out the same again.
    pub seed: u64,
    /// Orders per second that the shoppers place at first.
    pub rate: f64,
    /// In which shares they ask for each flow of the order at first.
    pub flows: FlowMix,
    /// Version of a process that runs as a canary beside the first of its service.
    pub canary: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            port_base: 4317,
            data_dir: "./.sagascope".into(),
            token: None,
            profile: Profile::demo(),
            restarts: 0,
            seed: 1,
            rate: 20.0,
            flows: FlowMix::default(),
            canary: None,
        }
    }
}

impl Settings {
    /// Reads `SAGASCOPE_…`.
    ///
    /// # Errors
    /// Names the variable that cannot be understood.
    pub fn from_env() -> anyhow::Result<Self> {
        let defaults = Self::default();
        let profile = match env::var("SAGASCOPE_PROFILE") {
            Ok(name) => Profile::named(&name)
                .ok_or_else(|| anyhow!("SAGASCOPE_PROFILE must be demo or documents, not {name:?}"))?,
            Err(_) => defaults.profile,
        };
        Ok(Self {
            port_base: read("SAGASCOPE_PORT_BASE", defaults.port_base)?,
            data_dir: env::var_os("SAGASCOPE_DATA_DIR").map_or(defaults.data_dir, PathBuf::from),
            token: env::var("SAGASCOPE_TOKEN").ok().filter(|token| !token.is_empty()),
            profile,
            restarts: read("SAGASCOPE_RESTARTS", defaults.restarts)?,
            seed: read("SAGASCOPE_SEED", defaults.seed)?,
            rate: read("SAGASCOPE_RATE", defaults.rate)?,
            flows: read("SAGASCOPE_FLOWS", defaults.flows)?,
            canary: None,
        })
    }
}

fn read<T: FromStr<Err: Display>>(name: &str, default: T) -> anyhow::Result<T> {
    match env::var(name) {
        Ok(text) => text
            .parse()
            .map_err(|error| anyhow!("{error}"))
            .with_context(|| format!("{name}={text}")),
        Err(_) => Ok(default),
    }
}
