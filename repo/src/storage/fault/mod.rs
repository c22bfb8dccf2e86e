//! A storage that fails on purpose, for tests.
//!
//! It tells what was written from what is durable: a put or a delete is seen as soon as it has begun, and lasts only
//! once it has ended. What was in between when the power went is there, or not, or torn, each by itself.

mod plan;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use plan::{Fault, Plan};

use super::{Listed, MemoryStorage, Storage};
use crate::error::{Error, Result};
use crate::format::{Kind, ObjectName};
use plan::{Access, Fate, Strike};

/// Changes that begin so shortly before a cut wait for it a moment, so that it finds some in flight.
const OPERATIONS_BEFORE_CUT: u64 = 3;
const WAIT_FOR_CUT: Duration = Duration::from_millis(1);

/// What one client sees of a storage in memory.
pub struct FaultStorage {
    /// As everybody sees it; after a cut what is durable.
    disk: MemoryStorage,
    ages: Arc<Mutex<Ages>>,
    plan: Plan,
    state: Mutex<State>,
    changed: Condvar,
}

/// When objects were put, in operations of all clients.
#[derive(Default)]
struct Ages {
    operations: u64,
    put_at: HashMap<ObjectName, u64>,
}

#[derive(Default)]
struct State {
    operations: u64,
    changes: Vec<u64>,
    in_flight: BTreeMap<u64, Change>,
    down: bool,
    torn: Vec<ObjectName>,
    /// From this operation on the client stands still.
    held_from: Option<u64>,
    /// Operations that wait to be released.
    held: u64,
}

/// A change that has begun, and what it takes to undo it.
enum Change {
    Put(ObjectName),
    Replace(ObjectName, Vec<u8>),
    Delete(ObjectName, Vec<u8>),
}

impl FaultStorage {
    /// The first client of this storage.
    pub fn new(disk: MemoryStorage, plan: Plan) -> Self {
        Self::with_ages(disk, Arc::default(), plan)
    }

    /// Another client of the same storage.
    #[must_use]
    pub fn beside(&self, plan: Plan) -> Self {
        Self::with_ages(self.disk.clone(), Arc::clone(&self.ages), plan)
    }

    fn with_ages(disk: MemoryStorage, ages: Arc<Mutex<Ages>>, plan: Plan) -> Self {
        Self {
            disk,
            ages,
            plan,
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Operations of this client so far.
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// Those of them that put or deleted something.
    pub fn changes(&self) -> Vec<u64> {
        self.state().changes.clone()
    }

    /// Whether the power went.
    pub fn is_down(&self) -> bool {
        self.state().down
    }

    /// Objects of which a tearing cut left only the beginning.
    pub fn torn(&self) -> Vec<ObjectName> {
        self.state().torn.clone()
    }

    /// Stops the client before its operation `number`, as SIGSTOP would, until it is released.
    pub fn hold_from(&self, number: u64) {
        self.state().held_from = Some(number);
    }

    /// Waits until a thread of the client stands still, or `is_over`: it has ended without coming so far. Tells whether
    /// it stands still.
    pub fn wait_until_held(&self, is_over: impl Fn() -> bool) -> bool {
        let mut state = self.state();
        while state.held == 0 && !is_over() {
            let waited = self.changed.wait_timeout(state, WAIT_FOR_CUT);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.held > 0
    }

    /// Lets the client go on.
    pub fn release(&self) {
        self.state().held_from = None;
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ages(&self) -> MutexGuard<'_, Ages> {
        self.ages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, kind: io::ErrorKind) -> Error {
        let source = io::Error::new(kind, "injected fault");
        Error::io("reach", self.location(), source)
    }

    /// Counts an operation, and holds it if the client stands still.
    fn enter(&self) -> Result<(u64, MutexGuard<'_, State>)> {
        let mut state = self.state();
        let number = state.operations;
        state.operations += 1;
        self.changed.notify_all();
        let is_held = |state: &State| state.held_from.is_some_and(|from| number >= from);
        if is_held(&state) {
            state.held += 1;
            let released = self.changed.wait_while(state, |state| is_held(state));
            state = released.unwrap_or_else(PoisonError::into_inner);
            state.held -= 1;
        }
        if state.down {
            return Err(self.failed(io::ErrorKind::BrokenPipe));
        }
        self.ages().operations += 1;
        Ok((number, state))
    }

    fn read<T>(
        &self,
        name: Option<ObjectName>,
        read: impl FnOnce(u64, &MemoryStorage) -> Result<T>,
    ) -> Result<T> {
        let (number, mut state) = self.enter()?;
        match self.plan.strike(number, Access::Read(name)) {
            None => {
                drop(state);
                read(number, &self.disk)
            }
            Some(Strike::Cut { tears }) => Err(self.cut(&mut state, tears)),
            Some(Strike::Fail) => Err(self.failed(io::ErrorKind::Other)),
            Some(Strike::Refuse(kind)) => Err(self.failed(kind)),
        }
    }

    fn write(
        &self,
        access: Access,
        apply: impl FnOnce(&MemoryStorage) -> Result<Change>,
    ) -> Result<()> {
        let (number, mut state) = self.enter()?;
        state.changes.push(number);
        let strike = self.plan.strike(number, access);
        if let Some(Strike::Refuse(kind)) = strike {
            return Err(self.failed(kind));
        }
        if strike == Some(Strike::Fail) && self.plan.fate(number) != Fate::Done {
            return Err(self.failed(io::ErrorKind::Other));
        }
        let change = apply(&self.disk)?;
        if let Change::Put(name) = change {
            let mut ages = self.ages();
            let now = ages.operations;
            ages.put_at.insert(name, now);
        }
        if strike == Some(Strike::Fail) {
            return Err(self.failed(io::ErrorKind::Other));
        }
        state.in_flight.insert(number, change);
        if let Some(Strike::Cut { tears }) = strike {
            return Err(self.cut(&mut state, tears));
        }
        let cut = self.plan.cut().unwrap_or_default();
        if (1..=OPERATIONS_BEFORE_CUT).contains(&cut.saturating_sub(number)) {
            let waiting = |state: &mut State| !state.down;
            let waited = self
                .changed
                .wait_timeout_while(state, WAIT_FOR_CUT, waiting);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        match state.in_flight.remove(&number) {
            Some(_) => Ok(()),
            // The cut came first.
            None => Err(self.failed(io::ErrorKind::BrokenPipe)),
        }
    }

    /// The power goes: what is in flight ends somehow, and nothing is done any more.
    fn cut(&self, state: &mut State, tears: bool) -> Error {
        state.down = true;
        let mut objects = self.disk.objects();
        for (number, change) in std::mem::take(&mut state.in_flight) {
            match (change, self.plan.fate(number)) {
                (_, Fate::Done) => {}
                (Change::Put(name), fate) => {
                    let bytes = objects.remove(&name).unwrap_or_default();
                    if fate == Fate::Torn && tears {
                        let kept = self.plan.chance(number) % bytes.len().max(1) as u64;
                        objects.insert(name, bytes[..kept as usize].to_vec());
                        state.torn.push(name);
                    } else if fate == Fate::Torn {
                        let stray = format!("{}/.tmp-{}", name.kind.folder(), name.id);
                        self.disk.leave_stray(name.kind, stray);
                    }
                }
                (Change::Replace(name, bytes), fate) => {
                    objects.insert(name, bytes);
                    if fate == Fate::Torn {
                        let stray = format!("{}/.tmp-{}", name.kind.folder(), name.id);
                        self.disk.leave_stray(name.kind, stray);
                    }
                }
                (Change::Delete(name, bytes), _) => {
                    objects.insert(name, bytes);
                }
            }
        }
        self.changed.notify_all();
        self.failed(io::ErrorKind::BrokenPipe)
    }
}

impl Storage for FaultStorage {
    fn location(&self) -> String {
        self.disk.location()
    }

    fn is_vacant(&self) -> Result<bool> {
        self.read(None, |_, disk| disk.is_vacant())
    }

    fn put(&self, name: ObjectName, bytes: &[u8]) -> Result<()> {
        self.write(Access::Put, |disk| {
            disk.put(name, bytes)?;
            Ok(Change::Put(name))
        })
    }

    fn replace(&self, name: ObjectName, bytes: &[u8]) -> Result<()> {
        self.write(Access::Put, |disk| {
            let old = disk.get(name).ok();
            disk.replace(name, bytes)?;
            Ok(old.map_or(Change::Put(name), |old| Change::Replace(name, old)))
        })
    }

    fn get(&self, name: ObjectName) -> Result<Vec<u8>> {
        self.read(Some(name), |_, disk| disk.get(name))
    }

    fn get_range(&self, name: ObjectName, offset: u64, count: usize) -> Result<Vec<u8>> {
        self.read(Some(name), |_, disk| disk.get_range(name, offset, count))
    }

    fn list(&self, kind: Kind) -> Result<Vec<Listed>> {
        self.read(None, |number, disk| {
            let mut listed = disk.list(kind)?;
            let ages = self.ages();
            listed.retain(|listed| {
                let name = ObjectName::new(kind, listed.id);
                let put_at = ages.put_at.get(&name);
                let age = put_at.map_or(u64::MAX, |at| ages.operations - at);
                !self.plan.hides(number, name, age)
            });
            Ok(listed)
        })
    }

    fn delete(&self, name: ObjectName) -> Result<()> {
        self.write(Access::Delete, |disk| {
            let bytes = disk.get(name)?;
            disk.delete(name)?;
            Ok(Change::Delete(name, bytes))
        })
    }

    fn strays(&self, kind: Kind) -> Result<Vec<String>> {
        self.read(None, |_, disk| disk.strays(kind))
    }
}
