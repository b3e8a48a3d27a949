//! Attribute values in a word each, and how they become messages.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use sagascope_conventions::attributes::{SERVICE_INSTANCE_ID, SERVICE_NAME, SERVICE_VERSION};

use super::journeys::SERVICES;
use crate::random::Random;
use crate::template::Holes;

/// What an attribute holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Is {
    Text(&'static str),
    Int(i64),
    /// A whole number up to this, chosen once for each variant of a request.
    UpTo(u64),
    Flag(bool),
    /// One of these, chosen once for each variant of a request.
    OneOf(&'static [&'static str]),
    /// Money, up to this many cents, other in each trace.
    Amount(u32),
    /// A prefix and eight digits below the bound, other in each trace.
    Numbered(&'static str, u32),
    /// A prefix and sixteen hexadecimal digits; the same within a trace for the same salt.
    Hex(&'static str, u32),
}

/// The order of a trace.
pub(super) const ORDER: Is = Is::Hex("o-", 11);
/// What ties all that one request from outside caused.
pub(super) const CORRELATION: Is = Is::Hex("c-", 12);

/// A key with what it holds.
pub(super) type Attribute = (&'static str, Is);

/// Where values come from while one request is built.
#[derive(Debug)]
pub(super) struct Maker<'a> {
    pub(super) random: &'a mut Random,
    pub(super) holes: Holes,
}

impl<'a> Maker<'a> {
    pub(super) fn new(random: &'a mut Random) -> Self {
        Self {
            random,
            holes: Holes::default(),
        }
    }

    pub(super) fn attributes(&mut self, trace: u32, list: &[Attribute]) -> Vec<KeyValue> {
        list.iter().map(|(key, is)| pair(key, self.value(trace, *is))).collect()
    }

    pub(super) fn value(&mut self, trace: u32, is: Is) -> Value {
        match is {
            Is::Text(text) => Value::StringValue(text.to_owned()),
            Is::Int(number) => Value::IntValue(number),
            Is::UpTo(bound) => Value::IntValue(i64::try_from(self.random.below(bound + 1)).unwrap_or(0)),
            Is::Flag(flag) => Value::BoolValue(flag),
            Is::OneOf(choices) => Value::StringValue(self.choose(choices).to_owned()),
            Is::Amount(below) => Value::DoubleValue(self.holes.amount(trace, 20, below)),
            Is::Numbered(prefix, below) => {
                // The prefix is the salt: a customer and a product of a trace have numbers of their own.
                let salt = prefix.bytes().map(u32::from).sum();
                Value::StringValue(prefix.to_owned() + &self.holes.decimal(trace, salt, below))
            }
            Is::Hex(prefix, salt) => Value::StringValue(prefix.to_owned() + &self.holes.hex(trace, salt)),
        }
    }

    pub(super) fn choose(&mut self, choices: &[&'static str]) -> &'static str {
        let place = self.random.below(choices.len() as u64);
        usize::try_from(place)
            .ok()
            .and_then(|place| choices.get(place))
            .copied()
            .unwrap_or_default()
    }
}

pub(super) fn pair(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

pub(super) fn text(key: &str, value: &str) -> KeyValue {
    pair(key, Value::StringValue(value.to_owned()))
}

/// The process of a service that sends.
pub(super) fn resource(service: usize) -> Resource {
    let name = SERVICES[service];
    Resource {
        attributes: vec![
            text(SERVICE_NAME, name),
            text(SERVICE_INSTANCE_ID, &format!("{name}-7d9f5c6b48-x{service}k2p")),
            text(SERVICE_VERSION, "2.14.3"),
            text("deployment.environment.name", "production"),
            text("host.name", &format!("node-{service}.eu-central.example")),
            text("k8s.namespace.name", "shop"),
            text("telemetry.sdk.language", "rust"),
            text("telemetry.sdk.name", "opentelemetry"),
            text("telemetry.sdk.version", "0.33.1"),
        ],
        ..Resource::default()
    }
}

pub(super) fn scope() -> InstrumentationScope {
    InstrumentationScope {
        name: "shop".to_owned(),
        version: "2.14.3".to_owned(),
        ..InstrumentationScope::default()
    }
}
