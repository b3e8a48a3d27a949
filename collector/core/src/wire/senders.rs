//! Resources and scopes, each known by its bytes so that a repeated one costs a look.

use sagascope_conventions::attributes as key;

use super::any::{self, Left, Pairs, check_pairs, name, push_pairs, text_of};
use super::reader::{Malformed, Reader};
use crate::block::{ResourceEntry, ScopeEntry, Tables};

/// Levels at which both lie in every request.
const RESOURCE_LEVEL: u32 = 2;
const SCOPE_LEVEL: u32 = 3;

/// A group's `resource` or `scope`, and its schema.
#[derive(Clone, Debug, Default)]
pub(super) struct Head<'a> {
    /// The message, in as many parts as were sent.
    parts: Vec<&'a [u8]>,
    schema_url: &'a str,
}

/// Finds resource and schema of a group, or scope and schema of a scope: fields 1 and 3. `level` is that of the message.
pub(super) fn head<'a>(bytes: &'a [u8], level: u32) -> Result<Head<'a>, Malformed> {
    let mut head = Head::default();
    let mut reader = Reader::new(bytes, level);
    while let Some((number, field)) = reader.next()? {
        match number {
            1 => head.parts.push(field.message(level)?),
            2 => {}
            3 => head.schema_url = field.text()?,
            _ => reader.unknown()?,
        }
    }
    Ok(head)
}

impl Head<'_> {
    /// What tells this sender from others.
    fn key(&self) -> Vec<u8> {
        let mut key =
            Vec::with_capacity(self.parts.iter().map(|part| part.len()).sum::<usize>() + self.schema_url.len() + 1);
        self.parts.iter().for_each(|part| key.extend_from_slice(part));
        // No text has this byte, so the two cannot run into each other.
        key.push(0xff);
        key.extend_from_slice(self.schema_url.as_bytes());
        key
    }

    /// Answers what is left out.
    pub(super) fn check_resource(&self) -> Result<Left, Malformed> {
        self.check(|part| check_pairs(&resource(part)?.pairs, RESOURCE_LEVEL + 1))
    }

    pub(super) fn check_scope(&self) -> Result<Left, Malformed> {
        self.check(|part| {
            let scope = scope(part)?;
            let mut left = check_pairs(&scope.pairs, SCOPE_LEVEL + 1)?;
            left.name(scope.name);
            left.name(scope.version);
            Ok(left)
        })
    }

    /// Each part must be good by itself; what is left out is told of all together.
    fn check(&self, part: impl Fn(&[u8]) -> Result<Left, Malformed>) -> Result<Left, Malformed> {
        let mut left = match *self.parts {
            [] => Left::default(),
            [whole] => part(whole)?,
            _ => {
                self.parts.iter().try_for_each(|bytes| part(bytes).map(drop))?;
                part(&self.parts.concat())?
            }
        };
        left.name(self.schema_url);
        Ok(left)
    }

    /// The place of the resource in the tables.
    pub(super) fn resource_in(&self, tables: &mut Tables, left: &mut Left) -> Result<u32, Malformed> {
        left.add(self.check_resource()?);
        let whole = self.parts.concat();
        let Resource { pairs, dropped } = resource(&whole)?;
        let level = RESOURCE_LEVEL + 1;
        Ok(tables.resource(&self.key(), |tables| {
            // Checked above: what is left of the results is their values.
            let cut = push_pairs(&pairs, level, tables, &mut Left::default()).unwrap_or(0);
            let attributes = tables.values.finish();
            let named = |key: &str| text_of(&pairs, level, key).filter(|text| !text.is_empty());
            ResourceEntry {
                service: name(tables, named(key::SERVICE_NAME).unwrap_or("unknown_service")),
                instance: name(tables, named(key::SERVICE_INSTANCE_ID).unwrap_or_default()),
                attributes,
                dropped_attributes: dropped.saturating_add(cut),
                schema_url: name(tables, self.schema_url),
            }
        }))
    }

    /// The place of the scope in the tables.
    pub(super) fn scope_in(&self, tables: &mut Tables, left: &mut Left) -> Result<u32, Malformed> {
        left.add(self.check_scope()?);
        let whole = self.parts.concat();
        let scope = scope(&whole)?;
        Ok(tables.scope(&self.key(), |tables| {
            let cut = push_pairs(&scope.pairs, SCOPE_LEVEL + 1, tables, &mut Left::default()).unwrap_or(0);
            let attributes = tables.values.finish();
            ScopeEntry {
                name: any::name(tables, scope.name),
                version: any::name(tables, scope.version),
                attributes,
                dropped_attributes: scope.dropped.saturating_add(cut),
                schema_url: name(tables, self.schema_url),
            }
        }))
    }
}

struct Resource<'a> {
    pairs: Pairs<'a>,
    dropped: u32,
}

fn resource(bytes: &[u8]) -> Result<Resource<'_>, Malformed> {
    let mut resource = Resource {
        pairs: Vec::new(),
        dropped: 0,
    };
    let mut reader = Reader::new(bytes, RESOURCE_LEVEL);
    while let Some((number, field)) = reader.next()? {
        match number {
            1 => resource.pairs.push(field.message(RESOURCE_LEVEL)?),
            2 => resource.dropped = field.uint32()?,
            3 => entity(field.message(RESOURCE_LEVEL)?)?,
            _ => reader.unknown()?,
        }
    }
    Ok(resource)
}

/// References to entities are checked and not kept: they repeat what the attributes say.
fn entity(bytes: &[u8]) -> Result<(), Malformed> {
    let mut reader = Reader::new(bytes, RESOURCE_LEVEL + 1);
    while let Some((number, field)) = reader.next()? {
        match number {
            1..=4 => {
                field.text()?;
            }
            _ => reader.unknown()?,
        }
    }
    Ok(())
}

struct Scope<'a> {
    name: &'a str,
    version: &'a str,
    pairs: Pairs<'a>,
    dropped: u32,
}

fn scope(bytes: &[u8]) -> Result<Scope<'_>, Malformed> {
    let mut scope = Scope {
        name: "",
        version: "",
        pairs: Vec::new(),
        dropped: 0,
    };
    let mut reader = Reader::new(bytes, SCOPE_LEVEL);
    while let Some((number, field)) = reader.next()? {
        match number {
            1 => scope.name = field.text()?,
            2 => scope.version = field.text()?,
            3 => scope.pairs.push(field.message(SCOPE_LEVEL)?),
            4 => scope.dropped = field.uint32()?,
            _ => reader.unknown()?,
        }
    }
    Ok(scope)
}
