//! `sagascope inject`: arm, list and clear faults.

use std::io::Write;

use sagascope_api::faults::{FaultRequest, FaultStatus, FaultTargetOption};
use sagascope_api::{Page, text};
use sagascope_conventions::{FaultKind, FaultStrength, FaultTarget};

use super::collector::Collector;
use super::show::{self, print_json};
use super::table;
use crate::cli::InjectOptions;
use crate::exit;

const FAULTS: &str = "/api/v1/faults";

/// Does what the options ask.
pub(crate) async fn run(options: InjectOptions) -> anyhow::Result<()> {
    let collector = Collector::new(&options.connection)?;
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

async fn arm(collector: &Collector, request: &FaultRequest, json: bool) -> anyhow::Result<()> {
    let answer = collector.post(FAULTS, request).await?;
    if json {
        return print_json(&answer);
    }
    let status: FaultStatus = serde_json::from_value(answer)?;
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

async fn list(collector: &Collector, json: bool) -> anyhow::Result<()> {
    let catalogue: Page<FaultTargetOption> = collector.get_as("/api/v1/fault-catalogue").await?;
    let faults: Page<FaultStatus> = collector.get_as(FAULTS).await?;
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

async fn clear(collector: &Collector, id: Option<&str>, json: bool) -> anyhow::Result<()> {
    let answer = match id {
        Some(id) if id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_') => {
            collector.delete(&format!("{FAULTS}/{id}")).await?
        }
        Some(_) => return Err(exit::usage("that is no fault id; `sagascope inject --list` shows them")),
        None => collector.delete(FAULTS).await?,
    };
    if json {
        return print_json(&answer);
    }
    match id {
        Some(id) => writeln!(std::io::stdout(), "Cleared {id}.")?,
        None => writeln!(std::io::stdout(), "Cleared every fault.")?,
    }
    Ok(())
}
