//! Whose request this is: a glance at `service.name` of its first resource, before anything is decoded.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

use super::budget::Service;

static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// Fields looked at before giving up; the resource stands first, and has few attributes.
const FIELDS: usize = 256;

/// The service of the first resource; of a request without one, or of bytes that are none, the unknown service.
pub(super) fn service(message: &[u8]) -> Service {
    // The three requests have the same shape down to here: field 1 is the resource's part, in it field 1 the resource,
    // in it field 1 each attribute.
    name(message).map_or_else(Service::default, |name| Service(HASHER.hash_one(name).max(1)))
}

fn name(message: &[u8]) -> Option<&[u8]> {
    let part = first(message)?;
    let mut resource = Fields(first(part)?);
    for _ in 0..FIELDS {
        let (number, attribute) = resource.next_bytes()?;
        if number == 1 && first(attribute) == Some(b"service.name") {
            let mut fields = Fields(attribute);
            while let Some((number, value)) = fields.next_bytes() {
                if number == 2 {
                    return first(value);
                }
            }
        }
    }
    None
}

/// Field 1 of a message, when it comes first or early.
fn first(message: &[u8]) -> Option<&[u8]> {
    let mut fields = Fields(message);
    for _ in 0..FIELDS {
        let (number, bytes) = fields.next_bytes()?;
        if number == 1 {
            return Some(bytes);
        }
    }
    None
}

/// The fields of a message, from first to last.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// Number and bytes of the next field that is length-delimited; others are passed over.
    fn next_bytes(&mut self) -> Option<(u64, &'a [u8])> {
        loop {
            let key = self.varint()?;
            match key & 7 {
                0 => drop(self.varint()?),
                1 => drop(self.take(8)?),
                2 => {
                    let len = usize::try_from(self.varint()?).ok()?;
                    return Some((key >> 3, self.take(len)?));
                }
                5 => drop(self.take(4)?),
                _ => return None,
            }
        }
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = *self.take(1)?.first()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
    use opentelemetry_proto::tonic::logs::v1::ResourceLogs;
    use opentelemetry_proto::tonic::resource::v1::Resource;
    use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
    use prost::Message;

    use super::*;

    fn resource(attributes: &[(&str, &str)]) -> Option<Resource> {
        let attribute = |(key, value): &(&str, &str)| KeyValue {
            key: (*key).into(),
            value: Some(AnyValue {
                value: Some(any_value::Value::StringValue((*value).into())),
            }),
            ..KeyValue::default()
        };
        Some(Resource {
            attributes: attributes.iter().map(attribute).collect(),
            dropped_attributes_count: 300,
            ..Resource::default()
        })
    }

    fn traces(attributes: &[(&str, &str)]) -> Vec<u8> {
        let part = ResourceSpans {
            resource: resource(attributes),
            schema_url: "x".repeat(200),
            ..ResourceSpans::default()
        };
        ExportTraceServiceRequest {
            resource_spans: vec![part],
        }
        .encode_to_vec()
    }

    #[test]
    fn the_name_is_found_in_each_signal_and_place() {
        let orders = traces(&[("service.name", "orders")]);
        assert_eq!(name(&orders), Some(&b"orders"[..]));
        let later = traces(&[("a", "service.name"), ("b", ""), ("service.name", "orders")]);
        assert_eq!(service(&later), service(&orders));
        let logs = ExportLogsServiceRequest {
            resource_logs: vec![ResourceLogs {
                resource: resource(&[("service.name", "orders")]),
                ..ResourceLogs::default()
            }],
        };
        assert_eq!(service(&logs.encode_to_vec()), service(&orders));
        assert_ne!(service(&traces(&[("service.name", "payments")])), service(&orders));
    }

    #[test]
    fn without_a_name_it_is_the_unknown_service() {
        for message in [
            vec![],
            traces(&[]),
            traces(&[("service.nam", "orders")]),
            vec![0xff; 100],
            vec![0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
        ] {
            assert_eq!(service(&message), Service::default(), "{message:?}");
        }
        let whole = traces(&[("service.name", "orders")]);
        for cut in 0..whole.len() {
            let _ = service(&whole[..cut]);
        }
    }
}
