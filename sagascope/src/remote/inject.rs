//! `sagascope inject`: arm, list and clear faults.

use std::io::Write;

use sagascope_api::client::Client;
use sagascope_api::faults::{FaultRequest, FaultStatus, FaultTargetOption};
use sagascope_api::text;
use sagascope_conventions::{FaultKind, FaultStrength, FaultTarget};

use super::show::{self, print_json};
use super::{client, explained, table};
use crate::cli::InjectOptions;
use crate::exit;

/// Does what the options ask.
pub(crate) async fn run(options: InjectOptions) -> anyhow::Result<()> {
    let collector = client(&options.connection)?;
    if options.list {
        return list(&collector, options.json).await;
    }
    if let Some(id) = &options.clear {
        return clear(&collector, id.as_deref(), options.json).await;
    }
    let (Some(service), Some(kind)) = (&options.service, options.kind) else {
        return Err(exit::usage(
            "say which service and which fault; `sagascope inject --list` shows them",
        ));
    };
    arm(&collector, &request(&options, service, kind), options.json).await
}

fn request(options: &InjectOptions, service: &str, kind: FaultKind) -> FaultRequest {
    FaultRequest {
        target: FaultTarget {
            service: service.to_owned(),
            operation: options.operation.clone(),
            instance: options.instance.clone(),
        },
        kind,
        strength: FaultStrength {
            percent: options.percent,
            delay_ms: options.delay_ms,
            peer: options.peer.clone(),
            offset_ms: options.offset_ms,
        },
        duration_seconds: options.duration_seconds,
        seed: options.seed,
    }
}

async fn arm(collector: &Client, request: &FaultRequest, json: bool) -> anyhow::Result<()> {
    let status = collector.arm(request).await.map_err(explained)?;
    if json {
        return print_json(&status);
    }
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "⚡ {}  for {}",
        text::fault_line(&status),
        text::duration(seconds(request.duration_seconds))
    )?;
    writeln!(out, "   {}", text::fault_effect(request.kind))?;
    writeln!(
        out,
        "   It ends by itself; end it now with: sagascope inject --clear {}",
        status.fault.id
    )?;
    Ok(())
}

#[allow(clippy::cast_precision_loss, reason = "at most 3600")]
const fn seconds(whole: u64) -> f64 {
    whole as f64
}

async fn list(collector: &Client, json: bool) -> anyhow::Result<()> {
    let catalogue = collector.fault_catalogue().await.map_err(explained)?;
    let faults = collector.faults().await.map_err(explained)?;
    let active: Vec<&FaultStatus> = faults.items.iter().filter(|fault| fault.is_active()).collect();
    if json {
        return print_json(&serde_json::json!({ "catalogue": catalogue.items, "active": active }));
    }
    let mut out = std::io::stdout().lock();
    let rows: Vec<Vec<String>> = catalogue.items.iter().flat_map(kinds).collect();
    if rows.is_empty() {
        writeln!(out, "No service that can be broken is connected.")?;
    } else {
        table::print(&mut out, &["service", "fault", "needs", "what happens"], &rows)?;
    }
    writeln!(out)?;
    if active.is_empty() {
        writeln!(out, "No fault is active.")?;
        return Ok(());
    }
    let rows: Vec<Vec<String>> = active.into_iter().map(show::fault).collect();
    table::print(&mut out, &show::FAULTS, &rows)?;
    Ok(())
}

fn kinds(target: &FaultTargetOption) -> Vec<Vec<String>> {
    let flags = |fields: &[String]| {
        fields
            .iter()
            .map(|field| format!("--{}", field.replace('_', "-")))
            .collect::<Vec<_>>()
            .join(" ")
    };
    target
        .kinds
        .iter()
        .map(|option| {
            vec![
                target.service.clone(),
                option.capability.kind.to_string(),
                flags(&option.strength),
                option.description.clone(),
            ]
        })
        .collect()
}

async fn clear(collector: &Client, id: Option<&str>, json: bool) -> anyhow::Result<()> {
    match id {
        Some(id) => collector.clear(id).await.map_err(explained)?,
        None => collector.clear_all().await.map_err(explained)?,
    }
    if json {
        return print_json(&serde_json::json!({ "cleared": id.unwrap_or("all") }));
    }
    match id {
        Some(id) => writeln!(std::io::stdout(), "Cleared {}.", text::scrub(id, 100))?,
        None => writeln!(std::io::stdout(), "Cleared every fault.")?,
    }
    Ok(())
}
