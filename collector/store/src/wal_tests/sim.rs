//! A disk in memory that remembers every call, so that it can be seen as it would be after a crash at any of them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use crate::disk::{Disk, LogFile};

/// What happened, in the order in which it happened.
#[derive(Clone, Debug)]
pub(super) enum Event {
    Create(OsString),
    Write(OsString, Vec<u8>),
    Truncate(OsString, u64),
    Sync(OsString),
    SyncDir,
    Remove(OsString),
    /// Not of the disk: this record was acknowledged.
    Acknowledged(u64),
    /// Not of the disk: all up to this record were said to be kept elsewhere.
    Released(u64),
}

impl Event {
    pub(super) const fn is_sync(&self) -> bool {
        matches!(self, Self::Sync(_) | Self::SyncDir)
    }
}

/// How a crash ends what was under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Crash {
    /// The process is killed: what was written is there, and a part of what was just being written.
    Process,
    /// The power fails: of what was not synced, any sectors are there, at any length, and names come and go.
    Power,
}

pub(super) type Events = Arc<Mutex<Vec<Event>>>;

/// The recording disk.
pub(super) struct SimDisk(pub(super) Events);

struct SimFile(OsString, Events);

impl Disk for SimDisk {
    fn create(&mut self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        let name = path.file_name().unwrap().to_owned();
        self.0.lock().unwrap().push(Event::Create(name.clone()));
        Ok(Box::new(SimFile(name, Arc::clone(&self.0))))
    }

    fn sync_dir(&mut self, _: &Path) -> io::Result<()> {
        self.0.lock().unwrap().push(Event::SyncDir);
        Ok(())
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        let name = path.file_name().unwrap().to_owned();
        self.0.lock().unwrap().push(Event::Remove(name));
        Ok(())
    }

    fn free_bytes(&mut self, _: &Path) -> Option<u64> {
        None
    }
}

impl LogFile for SimFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.1
            .lock()
            .unwrap()
            .push(Event::Write(self.0.clone(), bytes.to_vec()));
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.1.lock().unwrap().push(Event::Sync(self.0.clone()));
        Ok(())
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.1.lock().unwrap().push(Event::Truncate(self.0.clone(), len));
        Ok(())
    }
}

/// Small numbers that follow from a seed.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed ^ 0x9e37_79b9_7f4a_7c15)
    }

    pub(super) const fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    pub(super) const fn coin(&mut self) -> bool {
        self.below(2) == 0
    }
}

/// A file as the system has it, and as the platter has it.
#[derive(Clone, Default)]
struct Content {
    now: Vec<u8>,
    synced: Vec<u8>,
    /// The name is there now; after the last sync of the folder.
    named: bool,
    name_synced: bool,
}

/// What a crash leaves in the folder when only these events have happened.
pub(super) fn image(events: &[Event], crash: Crash, dice: &mut Dice) -> BTreeMap<OsString, Vec<u8>> {
    let mut files = BTreeMap::<OsString, Content>::new();
    for event in events {
        match event {
            Event::Create(name) => files.entry(name.clone()).or_default().named = true,
            Event::Write(name, bytes) => files.get_mut(name).unwrap().now.extend_from_slice(bytes),
            Event::Truncate(name, len) => files.get_mut(name).unwrap().now.truncate(*len as usize),
            Event::Sync(name) => {
                let file = files.get_mut(name).unwrap();
                file.synced = file.now.clone();
            }
            Event::SyncDir => files.values_mut().for_each(|file| file.name_synced = file.named),
            Event::Remove(name) => files.get_mut(name).unwrap().named = false,
            Event::Acknowledged(_) | Event::Released(_) => {}
        }
    }
    let mut left = BTreeMap::new();
    for (name, file) in files {
        let there = match crash {
            Crash::Power if file.named != file.name_synced => dice.coin(),
            _ => file.named,
        };
        if there {
            let bytes = match crash {
                Crash::Process => file.now,
                Crash::Power => after_power_loss(&file, dice),
            };
            left.insert(name, bytes);
        }
    }
    if crash == Crash::Process
        && let Some(Event::Write(name, bytes)) = events.last()
        && let Some(content) = left.get_mut(name)
    {
        let lost = dice.below(bytes.len() as u64 + 1) as usize;
        content.truncate(content.len() - lost);
    }
    left
}

/// Small, so that a record of a test has several.
const SECTOR: usize = 16;

/// Unsynced sectors are there or are zero or hold what they held, each on its own; the length is any in between.
fn after_power_loss(file: &Content, dice: &mut Dice) -> Vec<u8> {
    let (Content { now, synced, .. }, shorter) = (file, file.now.len().min(file.synced.len()));
    let longer = now.len().max(synced.len());
    let mut bytes = synced.clone();
    bytes.resize(shorter + dice.below((longer - shorter) as u64 + 1) as usize, 0);
    for (n, sector) in bytes.chunks_mut(SECTOR).enumerate() {
        if dice.coin() {
            let fresh = now.get(n * SECTOR..).unwrap_or_default();
            let len = fresh.len().min(sector.len());
            sector[..len].copy_from_slice(&fresh[..len]);
        }
    }
    bytes
}
