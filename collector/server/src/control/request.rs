//! Reads a fault request field by field, so that a refusal names the field.

use sagascope_api::faults::FaultRequest;
use sagascope_conventions::{FaultKind, FaultStrength, FaultTarget};
use serde_json::{Map, Value};

use crate::problem::{Answer, Refusal};

type Object = Map<String, Value>;

/// `POST /api/v1/faults`.
pub(super) fn parse(body: &[u8]) -> Answer<FaultRequest> {
    let value: Value = serde_json::from_slice(body).map_err(|error| {
        Refusal::new(
            http::StatusCode::BAD_REQUEST,
            "invalid_json",
            "Not valid JSON",
            error.to_string(),
        )
    })?;
    let Value::Object(request) = value else {
        return Err(Refusal::new(
            http::StatusCode::BAD_REQUEST,
            "invalid_json",
            "Not an object",
            "Send a JSON object.",
        ));
    };
    only(
        &request,
        "",
        &["target", "kind", "strength", "duration_seconds", "seed"],
    )?;
    Ok(FaultRequest {
        target: target(&request)?,
        kind: kind(&request)?,
        strength: strength(&request)?,
        duration_seconds: whole(&request, "duration_seconds", "duration_seconds")?
            .ok_or_else(|| missing("duration_seconds"))?,
        seed: whole(&request, "seed", "seed")?,
    })
}

fn target(request: &Object) -> Answer<FaultTarget> {
    let target = object(request, "target")?.ok_or_else(|| missing("target"))?;
    only(target, "target.", &["service", "operation", "instance"])?;
    Ok(FaultTarget {
        service: text(target, "service", "target.service")?.ok_or_else(|| missing("target.service"))?,
        operation: text(target, "operation", "target.operation")?,
        instance: text(target, "instance", "target.instance")?,
    })
}

fn kind(request: &Object) -> Answer<FaultKind> {
    let word = text(request, "kind", "kind")?.ok_or_else(|| missing("kind"))?;
    FaultKind::parse(&word).ok_or_else(|| {
        let kinds = FaultKind::ALL
            .iter()
            .map(|kind| kind.as_str())
            .collect::<Vec<_>>()
            .join(", ");
        Refusal::field("unknown_kind", "kind", format!("There are: {kinds}."))
    })
}

fn strength(request: &Object) -> Answer<FaultStrength> {
    let Some(strength) = object(request, "strength")? else {
        return Ok(FaultStrength::default());
    };
    only(strength, "strength.", &["percent", "delay_ms", "peer", "offset_ms"])?;
    let percent = match whole(strength, "percent", "strength.percent")? {
        None => None,
        Some(percent) => {
            let percent = u8::try_from(percent).ok().filter(|percent| (1..=100).contains(percent));
            Some(percent.ok_or_else(|| Refusal::field("invalid_strength", "strength.percent", "Give 1 to 100."))?)
        }
    };
    let offset_ms = match strength.get("offset_ms") {
        None | Some(Value::Null) => None,
        Some(value) => Some(
            value
                .as_i64()
                .ok_or_else(|| invalid("strength.offset_ms", "a whole number"))?,
        ),
    };
    Ok(FaultStrength {
        percent,
        delay_ms: whole(strength, "delay_ms", "strength.delay_ms")?,
        peer: text(strength, "peer", "strength.peer")?,
        offset_ms,
    })
}

fn only(object: &Object, prefix: &str, known: &[&str]) -> Answer<()> {
    match object.keys().find(|key| !known.contains(&key.as_str())) {
        None => Ok(()),
        Some(key) => {
            let field: String = format!("{prefix}{key}").chars().take(100).collect();
            Err(Refusal::field(
                "unknown_field",
                &field,
                format!("There are: {}.", known.join(", ")),
            ))
        }
    }
}

fn object<'a>(from: &'a Object, key: &str) -> Answer<Option<&'a Object>> {
    match from.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(object)) => Ok(Some(object)),
        Some(_) => Err(invalid(key, "an object")),
    }
}

fn text(from: &Object, key: &str, field: &str) -> Answer<Option<String>> {
    match from.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.len() <= 200 => Ok(Some(text.clone())),
        Some(_) => Err(invalid(field, "text of at most 200 bytes")),
    }
}

fn whole(from: &Object, key: &str, field: &str) -> Answer<Option<u64>> {
    match from.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value
            .as_u64()
            .map(Some)
            .ok_or_else(|| invalid(field, "a whole number, not negative")),
    }
}

fn missing(field: &str) -> Refusal {
    Refusal::field("missing_field", field, "This field is needed.")
}

fn invalid(field: &str, wanted: &str) -> Refusal {
    Refusal::field("invalid_value", field, format!("Give {wanted}."))
}
