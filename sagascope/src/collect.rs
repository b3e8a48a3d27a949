//! The collector alone.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use sagascope_api::overview::Demo;
use sagascope_conventions::FlowMix;
use sagascope_server::{Asset, Collector, Config, Laboratory, Memory, Ports};
use shop_kit::profile::Profile;
use tokio::signal::unix::{SignalKind, signal};

use crate::assets;
use crate::cli::{self, CollectorOptions, read_token};
use crate::lab::ChildLab;

/// Runs the collector until it is told to stop.
pub(crate) async fn run(options: CollectorOptions) -> anyhow::Result<()> {
    crate::logging::start("info");
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let memory = options
        .memory_limit
        .map_or_else(Memory::here, |limit| Memory::within(Some(limit)));
    let config = config(&options, memory)?;
    let fits = memory.limit_bytes.map(|limit| {
        let mib = |bytes: usize| bytes >> 20;
        format!(
            "of {} MiB there are {} MiB for rows, {} MiB for requests",
            limit >> 20,
            mib(config.memory_cap_bytes),
            mib(config.requests_bytes)
        )
    });
    if let Some(fits) = &fits {
        tracing::info!("memory is bounded: {fits}");
    }
    let collector = Collector::start(config).await?;
    if std::env::var_os(crate::lifeline::VARIABLE).is_none() {
        // A child's output is kept in a log, where the token has no business.
        announce(&collector, fits.as_deref());
    }
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    collector.stop().await;
    Ok(())
}

fn config(options: &CollectorOptions, memory: Memory) -> anyhow::Result<Config> {
    let token = match &options.token_file {
        Some(path) => Some(read_token(path)?),
        None => options.token.clone(),
    };
    Ok(Config {
        bind: options.bind,
        ports: Ports::from_base(options.port_base),
        token,
        allowed_hosts: options.allowed_hosts.clone(),
        durability: durability(options.durability),
        memory_cap_bytes: match options.memory_cap {
            Some(bytes) => usize::try_from(bytes).context("--memory-cap is beyond this machine")?,
            None => memory.rows_bytes,
        },
        requests_bytes: memory.requests_bytes,
        storage_cap_bytes: options.storage_cap,
        retention: Some(Duration::from_secs(options.retention)),
        demo: demo_beside_us(),
        laboratory: laboratory_beside_us(&options.data_dir),
        assets: Arc::new(page),
        give_back: crate::memory::give_back,
        ..Config::new(&options.data_dir)
    })
}

/// Whoever runs the shop beside a collector tells both its profile and rate; a collector for your own services has none.
fn demo_beside_us() -> Option<Demo> {
    let profile = Profile::named(&std::env::var("SAGASCOPE_PROFILE").ok()?)?;
    let rate = std::env::var("SAGASCOPE_RATE").ok()?.parse().ok()?;
    Some(Demo {
        profile: profile.name.to_owned(),
        summary: profile.summary(),
        orders_per_second: rate,
        flows: std::env::var("SAGASCOPE_FLOWS").map_or(Some(FlowMix::default()), |text| text.parse().ok())?,
    })
}

/// Experiments are part of the shop: a collector for your own services does not start others.
fn laboratory_beside_us(data_dir: &Path) -> Option<Arc<dyn Laboratory>> {
    demo_beside_us()?;
    Some(Arc::new(ChildLab::new(data_dir)))
}

const fn durability(chosen: cli::Durability) -> sagascope_server::Durability {
    match chosen {
        cli::Durability::Fsync => sagascope_server::Durability::Fsync,
        cli::Durability::Os => sagascope_server::Durability::Os,
        cli::Durability::Memory => sagascope_server::Durability::Memory,
    }
}

fn page(path: &str) -> Option<Asset> {
    let file = assets::find(path)?;
    Some(Asset {
        bytes: Bytes::from_static(file.bytes),
        brotli: file.brotli.map(Bytes::from_static),
        content_type: assets::content_type(file.path),
        immutable: assets::is_immutable(file.path),
    })
}

fn announce(collector: &Collector, fits: Option<&str>) {
    let addresses = collector.addresses();
    let memory = fits.map_or_else(String::new, |fits| format!("  Memory  {fits}\n"));
    let text = format!(
        "Sagascope {} collects.\n  Web     {}\n  Log in  {}\n  OTLP    gRPC http://{} · HTTP http://{}\n{memory}  Ctrl-C stops it.",
        env!("CARGO_PKG_VERSION"),
        collector.url(),
        collector.login_url(),
        addresses.grpc,
        addresses.http,
    );
    // Nobody reading is no reason to stop.
    let _ = writeln!(std::io::stdout(), "{text}");
}
