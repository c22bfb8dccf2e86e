//! Leases: who is at work, and who is no more.
//!
//! A lease is no lock on a file: it is an object that its holder renews. Whoever wants to know whether the holder
//! lives watches the counter move by a clock of his own; no clocks are compared, and a crash leaves nothing that
//! somebody has to remove by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Repository;
use crate::crypto::random;
use crate::error::{Error, Result};
use crate::format::{Kind, Lease, LeaseRecord, ObjectId, ObjectName, ProcessIdentity, Work};
use crate::platform;

/// Times an exclusive lease is tried for while another is held.
const TRIES: u32 = 20;

/// How often leases are renewed, and how long one must stand still to count as dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTimes {
    /// Between renewals.
    pub renewed_every: Duration,
    /// A counter that an observer saw unmoved for as long belongs to a dead holder. Many times the other, so that a
    /// slow disk does not kill.
    pub dead_after: Duration,
}

impl Default for LeaseTimes {
    fn default() -> Self {
        Self {
            renewed_every: Duration::from_secs(60),
            dead_after: Duration::from_secs(15 * 60),
        }
    }
}

/// Whether a holder is at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeaseState {
    /// It must be taken to be.
    Alive,
    /// Its process is on this machine no more.
    Gone,
    /// It stood still for too long.
    Still,
    /// It was taken back.
    Revoked,
}

/// A lease as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseInfo {
    /// What its holder says.
    pub lease: Lease,
    /// Whether he lives.
    pub state: LeaseState,
}

/// What the leases of a repository said when they were read.
#[derive(Debug, Default)]
pub(crate) struct Leases {
    /// By name: the newest state, and the objects that say so.
    pub(crate) held: BTreeMap<String, Held>,
    pub(crate) revoked: BTreeSet<String>,
    /// Name, and the snapshots that count.
    pub(crate) settled: BTreeMap<String, BTreeSet<ObjectId>>,
    /// Name, and what was published.
    pub(crate) ended: BTreeMap<String, Vec<ObjectId>>,
    /// Objects of ended leases.
    pub(crate) ended_objects: Vec<(ObjectId, String)>,
}

/// A lease and its objects.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) lease: Lease,
    pub(crate) objects: Vec<ObjectId>,
    pub(crate) state: LeaseState,
}

/// What this client saw of a lease, and when by the clock of this start of the machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Sighting {
    counter: u64,
    boot: String,
    seconds: u64,
}

/// A lease that is renewed by a thread of its own until it is dropped.
pub struct HeldLease {
    repository: Arc<Repository>,
    name: String,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<Renewal>,
    wake: Condvar,
}

#[derive(Default)]
struct Renewal {
    ended: bool,
    object: Option<ObjectId>,
    published: Vec<ObjectId>,
}

impl HeldLease {
    /// Its name, for snapshots published under it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// A snapshot was published under it.
    pub(crate) fn published(&self, snapshot: ObjectId) {
        self.shared.lock().published.push(snapshot);
    }

    /// Whether somebody took it back.
    pub(crate) fn is_revoked(&self) -> Result<bool> {
        let leases = self.repository.unwatched_leases()?;
        Ok(leases.revoked.contains(&self.name) || leases.settled.contains_key(&self.name))
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Renewal> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn renew(&self, repository: &Repository, mut lease: Lease, every: Duration) {
        let mut renewal = self.lock();
        loop {
            let waited = self.wake.wait_timeout_while(renewal, every, |r| !r.ended);
            renewal = waited.unwrap_or_else(PoisonError::into_inner).0;
            if renewal.ended {
                return;
            }
            let old = renewal.object;
            // Storage may be slow: whoever ends the lease waits for this, others need not.
            lease.counter += 1;
            // A renewal that fails is tried again at the next turn. If it never succeeds, others may take the
            // lease for dead: that is noticed when something is published.
            if let Ok(new) = repository.put_record(Kind::Lease, &LeaseRecord::Held(lease.clone())) {
                renewal.object = Some(new);
                if let Some(old) = old {
                    let _ = repository.delete_if_there(ObjectName::new(Kind::Lease, old));
                }
            }
        }
    }
}

impl Drop for HeldLease {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.wake.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        // What cannot be removed is seen to be dead by others.
        let _ = self.repository.end_lease(&self.name, &self.shared.lock());
    }
}

impl Repository {
    /// Takes a lease that others of its kind may hold at the same time.
    pub(crate) fn lease(self: &Arc<Self>, command: &str) -> Result<HeldLease> {
        self.take_lease(command, Work::Writing)
    }

    /// The same for work that only reads: storage may refuse it, and reading goes on.
    pub fn reading_lease(self: &Arc<Self>, command: &str) -> Option<HeldLease> {
        self.take_lease(command, Work::Reading).ok()
    }

    /// Takes a lease that nobody else may hold with such a one: that of maintenance.
    pub(crate) fn exclusive_lease(self: &Arc<Self>, command: &str) -> Result<HeldLease> {
        let mut tries = 0;
        loop {
            let held = self.take_lease(command, Work::Exclusive)?;
            let leases = self.read_leases()?;
            if !leases.held.contains_key(held.name()) {
                let reason =
                    "the lease just written is not listed: does the store list less than it holds?";
                return Err(Error::Refused {
                    reason: reason.to_owned(),
                });
            }
            let other = leases.held.values().find(|other| {
                other.lease.work == Work::Exclusive
                    && other.lease.name != held.name()
                    && other.state == LeaseState::Alive
            });
            let Some(other) = other else {
                return Ok(held);
            };
            tries += 1;
            if tries == TRIES {
                return Err(Error::InUse {
                    holder: describe(&other.lease),
                });
            }
            // Both withdraw, and wait differently long.
            drop(held);
            let wait = u64::from(u16::from_le_bytes(random()?)) % 200;
            std::thread::sleep(Duration::from_millis(20 + wait));
        }
    }

    /// All leases, oldest first.
    pub fn leases(&self) -> Result<Vec<LeaseInfo>> {
        let leases = self.read_leases()?;
        let mut infos: Vec<LeaseInfo> = leases
            .held
            .into_values()
            .map(|held| LeaseInfo {
                lease: held.lease,
                state: held.state,
            })
            .collect();
        infos.sort_by(|a, b| a.lease.started.cmp(&b.lease.started));
        Ok(infos)
    }

    fn take_lease(self: &Arc<Self>, command: &str, work: Work) -> Result<HeldLease> {
        self.config.check_writable()?;
        let lease = Lease {
            name: format!("{:032x}", u128::from_be_bytes(random()?)),
            counter: 1,
            command: command.to_owned(),
            work,
            host: platform::host_name(),
            started: jiff::Timestamp::now().to_string(),
            process: platform::this_process(),
        };
        let name = lease.name.clone();
        let object = self.put_record(Kind::Lease, &LeaseRecord::Held(lease.clone()))?;
        let shared = Arc::new(Shared::default());
        shared.lock().object = Some(object);
        let thread = std::thread::Builder::new().name("lease".to_owned()).spawn({
            let (repository, shared) = (Arc::clone(self), Arc::clone(&shared));
            let every = self.lease_times.renewed_every;
            move || shared.renew(&repository, lease, every)
        });
        let mut held = HeldLease {
            repository: Arc::clone(self),
            name,
            shared,
            thread: None,
        };
        held.thread =
            Some(thread.map_err(|error| Error::io("start", "the thread of the lease", error))?);
        Ok(held)
    }

    /// If a verdict waits for the lease, it says what was published before it goes: lists alone may lag.
    fn end_lease(&self, name: &str, renewal: &Renewal) -> Result<()> {
        if self.is_witness(name)? {
            self.put_record(
                Kind::Lease,
                &LeaseRecord::Ended {
                    lease: name.to_owned(),
                    snapshots: renewal.published.clone(),
                },
            )?;
        }
        renewal.object.map_or(Ok(()), |object| {
            self.delete_if_there(ObjectName::new(Kind::Lease, object))
        })
    }

    /// Reads all leases and tells who is alive; what was seen is remembered.
    pub(crate) fn read_leases(&self) -> Result<Leases> {
        let mut leases = self.unwatched_leases()?;
        self.watch(&mut leases);
        Ok(leases)
    }

    /// The same without deciding who is alive.
    pub(super) fn unwatched_leases(&self) -> Result<Leases> {
        let (records, errors) = self.records::<LeaseRecord>(Kind::Lease)?;
        let mut leases = Leases::default();
        for (object, record) in records {
            leases.add(object, record);
        }
        for error in errors {
            leases.add_unreadable(&error);
        }
        Ok(leases)
    }

    /// Decides who is alive.
    fn watch(&self, leases: &mut Leases) {
        let mut seen = self.sightings();
        let now = Self::now();
        let mut kept = BTreeMap::new();
        for (name, held) in &mut leases.held {
            let same = seen
                .remove(name)
                .filter(|last| last.counter == held.lease.counter && last.boot == now.boot);
            let sighting = same.unwrap_or_else(|| Sighting {
                counter: held.lease.counter,
                ..now.clone()
            });
            let stood = now.seconds.saturating_sub(sighting.seconds);
            held.state = if leases.revoked.contains(name) || leases.settled.contains_key(name) {
                LeaseState::Revoked
            } else if platform::is_gone(&held.lease.process) {
                LeaseState::Gone
            } else if stood >= self.lease_times.dead_after.as_secs() {
                LeaseState::Still
            } else {
                LeaseState::Alive
            };
            kept.insert(name.clone(), sighting);
        }
        // Those that witnesses wait for and that are not there are watched too.
        seen.retain(|name, _| name.starts_with(ABSENT));
        kept.extend(seen);
        self.save_sightings(&kept);
    }

    /// For how long a lease that should be there was not.
    pub(crate) fn absent_for(&self, lease: &str) -> Duration {
        let mut seen = self.sightings();
        let now = Self::now();
        let key = format!("{ABSENT}{lease}");
        let first = seen
            .remove(&key)
            .filter(|last| last.boot == now.boot)
            .unwrap_or_else(|| now.clone());
        let absent = now.seconds.saturating_sub(first.seconds);
        seen.insert(key, first);
        self.save_sightings(&seen);
        Duration::from_secs(absent)
    }

    fn now() -> Sighting {
        Sighting {
            counter: 0,
            boot: platform::boot_identity(),
            seconds: platform::monotonic_seconds(),
        }
    }

    fn sightings(&self) -> BTreeMap<String, Sighting> {
        let read = platform::read_if_there(&self.cache.join("leases.json"));
        let json = read.ok().flatten().unwrap_or_default();
        serde_json::from_slice(&json).unwrap_or_default()
    }

    /// Lost sightings only make the observer wait longer.
    fn save_sightings(&self, seen: &BTreeMap<String, Sighting>) {
        let path = self.cache.join("leases.json");
        if seen.is_empty() && !path.exists() {
            return;
        }
        let json = serde_json::to_vec(seen).unwrap_or_default();
        let _ = platform::create_private_folder(&self.cache);
        let _ = platform::replace_file(&path, &json);
    }
}

/// In front of the name of a lease that is not there.
const ABSENT: &str = "absent ";

impl Leases {
    fn add(&mut self, object: ObjectId, record: LeaseRecord) {
        match record {
            LeaseRecord::Held(lease) => {
                let held = self.held.entry(lease.name.clone()).or_insert(Held {
                    lease: lease.clone(),
                    objects: Vec::new(),
                    state: LeaseState::Alive,
                });
                held.objects.push(object);
                if lease.counter > held.lease.counter {
                    held.lease = lease;
                }
            }
            LeaseRecord::Revoked { lease } => {
                self.revoked.insert(lease);
            }
            LeaseRecord::Settled { lease, snapshots } => {
                self.settled.entry(lease).or_default().extend(snapshots);
            }
            LeaseRecord::Ended { lease, snapshots } => {
                self.ended_objects.push((object, lease.clone()));
                self.ended.entry(lease).or_default().extend(snapshots);
            }
        }
    }

    /// Whose lease it is cannot be told, but a living holder would replace it.
    fn add_unreadable(&mut self, error: &Error) {
        let (Error::Corrupt { object, .. } | Error::Unsupported { object, .. }) = error else {
            return;
        };
        let id = object.rsplit('/').next().unwrap_or_default();
        let lease = Lease {
            name: id.to_owned(),
            counter: 0,
            command: "unreadable".to_owned(),
            work: Work::Writing,
            host: String::new(),
            started: String::new(),
            process: ProcessIdentity::default(),
        };
        let held = Held {
            lease,
            objects: id.parse().into_iter().collect(),
            state: LeaseState::Alive,
        };
        self.held.insert(id.to_owned(), held);
    }

    /// What holders said at their end that they had published, and what was found of those whose leases were taken
    /// back. Some of it may be forgotten since.
    pub(crate) fn published(&self) -> impl Iterator<Item = ObjectId> {
        let ended = self.ended.values().flatten();
        ended.chain(self.settled.values().flatten()).copied()
    }

    /// Whether a snapshot that names this lease is void.
    pub(crate) fn voids(&self, lease: &str, snapshot: ObjectId) -> bool {
        let settled = self.settled.get(lease);
        settled.is_some_and(|snapshots| !snapshots.contains(&snapshot))
    }
}

fn describe(lease: &Lease) -> String {
    format!(
        "{} on {}, process {}, since {}",
        lease.command, lease.host, lease.process.pid, lease.started
    )
}

#[cfg(test)]
mod tests;
