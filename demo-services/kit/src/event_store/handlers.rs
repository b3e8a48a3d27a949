//! What is to be done with an event, by its type: any number of handlers each, run in the order they were added.

use std::collections::BTreeMap;

use super::StoredEvent;
use crate::database::Tx;

type Handler = Box<dyn Fn(&Tx<'_>, &StoredEvent) -> anyhow::Result<()> + Send + Sync>;

/// Handlers by event type and form.
#[derive(Default)]
pub struct Handlers {
    by_type: BTreeMap<&'static str, Vec<(Option<u32>, Handler)>>,
}

impl std::fmt::Debug for Handlers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.by_type.keys()).finish()
    }
}

impl Handlers {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a handler of every form of a type.
    #[must_use]
    pub fn on<H>(self, event_type: &'static str, handler: H) -> Self
    where
        H: Fn(&Tx<'_>, &StoredEvent) -> anyhow::Result<()> + Send + Sync + 'static,
    {
        self.add(event_type, None, Box::new(handler))
    }

    /// Adds a handler of one form of a type only.
    #[must_use]
    pub fn on_form<H>(self, event_type: &'static str, schema_version: u32, handler: H) -> Self
    where
        H: Fn(&Tx<'_>, &StoredEvent) -> anyhow::Result<()> + Send + Sync + 'static,
    {
        self.add(event_type, Some(schema_version), Box::new(handler))
    }

    fn add(mut self, event_type: &'static str, form: Option<u32>, handler: Handler) -> Self {
        self.by_type.entry(event_type).or_default().push((form, handler));
        self
    }

    /// Runs every handler of the event; answers how many there were.
    ///
    /// # Errors
    /// Of the first that fails; those after it do not run, and the transaction takes the others back.
    pub fn handle(&self, tx: &Tx<'_>, event: &StoredEvent) -> anyhow::Result<usize> {
        let handlers = self.by_type.get(&*event.event_type).map_or(&[][..], Vec::as_slice);
        let mut run = 0;
        for (form, handler) in handlers {
            if form.is_none_or(|form| form == event.schema_version) {
                handler(tx, event)?;
                run += 1;
            }
        }
        Ok(run)
    }
}
