//! What the rows of a block share: strings, attribute values, resources, scopes.

use foldhash::fast::RandomState;
use std::collections::HashMap;
use std::sync::Arc;

use super::attributes::{AttributeSet, AttributeValues, AttributesRef};
use super::strings::{Str, Strings};
use crate::rows::{Resource, Scope};

/// A sender.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResourceEntry {
    /// `service.name`, or `unknown_service`.
    pub service: Str,
    /// `service.instance.id`, or empty.
    pub instance: Str,
    /// All of its attributes.
    pub attributes: AttributeSet,
    /// Attributes left out.
    pub dropped_attributes: u32,
    /// Schema of the resource.
    pub schema_url: Str,
}

/// A part of a sender's program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScopeEntry {
    /// Name.
    pub name: Str,
    /// Version.
    pub version: Str,
    /// Attributes.
    pub attributes: AttributeSet,
    /// Attributes left out.
    pub dropped_attributes: u32,
    /// Schema of what it makes.
    pub schema_url: Str,
}

/// Strings, attribute values, resources and scopes of one block.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    /// Strings.
    pub strings: Strings,
    /// Attributes of rows, resources and scopes.
    pub values: AttributeValues,
    /// Senders; a row refers to one by its place.
    pub resources: Vec<ResourceEntry>,
    /// Scopes; a row refers to one by its place.
    pub scopes: Vec<ScopeEntry>,
    resource_places: Places,
    scope_places: Places,
}

type Places = HashMap<Box<[u8]>, u32, RandomState>;

/// Distinct keys remembered; resources beyond are kept once a request, or once a row by who pushes rows.
const PLACES_MAX: usize = 16_384;

impl Tables {
    /// The place of the resource known by `key` (any bytes that tell resources apart), made when it is new.
    pub fn resource(&mut self, key: &[u8], make: impl FnOnce(&mut Self) -> ResourceEntry) -> u32 {
        if let Some(place) = self.resource_places.get(key) {
            return *place;
        }
        let entry = make(self);
        let place = self.resources.len() as u32;
        self.resources.push(entry);
        remember(&mut self.resource_places, key, place);
        place
    }

    /// The place of the scope known by `key`, made when it is new.
    pub fn scope(&mut self, key: &[u8], make: impl FnOnce(&mut Self) -> ScopeEntry) -> u32 {
        if let Some(place) = self.scope_places.get(key) {
            return *place;
        }
        let entry = make(self);
        let place = self.scopes.len() as u32;
        self.scopes.push(entry);
        remember(&mut self.scope_places, key, place);
        place
    }

    /// A view of a resource.
    #[must_use]
    pub fn resource_at(&self, place: u32) -> ResourceRef<'_> {
        ResourceRef {
            tables: self,
            entry: self.resources.get(place as usize).copied().unwrap_or_default(),
        }
    }

    /// A view of a scope.
    #[must_use]
    pub fn scope_at(&self, place: u32) -> ScopeRef<'_> {
        ScopeRef {
            tables: self,
            entry: self.scopes.get(place as usize).copied().unwrap_or_default(),
        }
    }

    /// A view of attributes.
    #[must_use]
    pub const fn attributes(&self, set: AttributeSet) -> AttributesRef<'_> {
        AttributesRef {
            strings: &self.strings,
            values: &self.values,
            set,
        }
    }

    /// Memory held, roughly.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.strings.bytes() + self.values.bytes() + (self.resources.len() + self.scopes.len()) * 200
    }

    pub(super) fn push_resource(&mut self, resource: &Resource) -> u32 {
        self.resource(format!("{resource:?}").as_bytes(), |tables| {
            let Self { strings, values, .. } = tables;
            ResourceEntry {
                service: strings.intern(&resource.service),
                instance: strings.intern(&resource.instance),
                attributes: values.push_all(strings, &resource.attributes),
                dropped_attributes: resource.dropped_attributes,
                schema_url: strings.intern(&resource.schema_url),
            }
        })
    }

    pub(super) fn push_scope(&mut self, scope: &Scope) -> u32 {
        self.scope(format!("{scope:?}").as_bytes(), |tables| {
            let Self { strings, values, .. } = tables;
            ScopeEntry {
                name: strings.intern(&scope.name),
                version: strings.intern(&scope.version),
                attributes: values.push_all(strings, &scope.attributes),
                dropped_attributes: scope.dropped_attributes,
                schema_url: strings.intern(&scope.schema_url),
            }
        })
    }
}

fn remember(places: &mut Places, key: &[u8], place: u32) {
    if places.len() < PLACES_MAX {
        places.insert(key.into(), place);
    }
}

/// A sender, borrowed from its block.
#[derive(Clone, Copy, Debug)]
pub struct ResourceRef<'a> {
    tables: &'a Tables,
    entry: ResourceEntry,
}

impl<'a> ResourceRef<'a> {
    /// `service.name`, or `unknown_service`.
    #[must_use]
    pub fn service(self) -> &'a str {
        self.tables.strings.get(self.entry.service)
    }

    /// `service.instance.id`, or empty.
    #[must_use]
    pub fn instance(self) -> &'a str {
        self.tables.strings.get(self.entry.instance)
    }

    /// All of its attributes.
    #[must_use]
    pub const fn attributes(self) -> AttributesRef<'a> {
        self.tables.attributes(self.entry.attributes)
    }

    /// Its entry in the tables.
    #[must_use]
    pub const fn entry(self) -> ResourceEntry {
        self.entry
    }

    /// As an owned resource.
    #[must_use]
    pub fn to_row(self) -> Arc<Resource> {
        Arc::new(Resource {
            service: self.service().into(),
            instance: self.instance().into(),
            attributes: self.attributes().to_owned(),
            dropped_attributes: self.entry.dropped_attributes,
            schema_url: self.tables.strings.get(self.entry.schema_url).into(),
        })
    }
}

/// A part of a sender's program, borrowed from its block.
#[derive(Clone, Copy, Debug)]
pub struct ScopeRef<'a> {
    tables: &'a Tables,
    entry: ScopeEntry,
}

impl<'a> ScopeRef<'a> {
    /// Name.
    #[must_use]
    pub fn name(self) -> &'a str {
        self.tables.strings.get(self.entry.name)
    }

    /// Its entry in the tables.
    #[must_use]
    pub const fn entry(self) -> ScopeEntry {
        self.entry
    }

    /// Version.
    #[must_use]
    pub fn version(self) -> &'a str {
        self.tables.strings.get(self.entry.version)
    }

    /// Attributes.
    #[must_use]
    pub const fn attributes(self) -> AttributesRef<'a> {
        self.tables.attributes(self.entry.attributes)
    }

    /// As an owned scope.
    #[must_use]
    pub fn to_row(self) -> Arc<Scope> {
        Arc::new(Scope {
            name: self.name().into(),
            version: self.version().into(),
            attributes: self.attributes().to_owned(),
            dropped_attributes: self.entry.dropped_attributes,
            schema_url: self.tables.strings.get(self.entry.schema_url).into(),
        })
    }
}
