//! Users and groups by number and by name, each looked up once a process.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{LazyLock, Mutex, PoisonError};

use super::unix;

/// Longer than any system's names.
const NAME_BYTES_MAX: usize = 1024;

/// Answers so far, "unknown" among them: directory services can take long to say so.
type Cache<K, V> = LazyLock<Mutex<HashMap<K, Option<V>>>>;

static USER_NAMES: Cache<u32, Vec<u8>> = LazyLock::new(Mutex::default);
static GROUP_NAMES: Cache<u32, Vec<u8>> = LazyLock::new(Mutex::default);
static USER_IDS: Cache<Vec<u8>, u32> = LazyLock::new(Mutex::default);
static GROUP_IDS: Cache<Vec<u8>, u32> = LazyLock::new(Mutex::default);

/// Empty when unknown.
pub(super) fn user_name(uid: u32) -> Vec<u8> {
    cached(&USER_NAMES, &uid, |uid| unix::user_name(*uid)).unwrap_or_default()
}

/// Empty when unknown.
pub(super) fn group_name(gid: u32) -> Vec<u8> {
    cached(&GROUP_NAMES, &gid, |gid| unix::group_name(*gid)).unwrap_or_default()
}

pub(super) fn user_id(name: &[u8]) -> Option<u32> {
    plausible(name)?;
    cached(&USER_IDS, &name.to_vec(), |name| unix::user_id(name))
}

pub(super) fn group_id(name: &[u8]) -> Option<u32> {
    plausible(name)?;
    cached(&GROUP_IDS, &name.to_vec(), |name| unix::group_id(name))
}

/// Names come from a snapshot, which may be hostile: what can't be one isn't kept.
fn plausible(name: &[u8]) -> Option<()> {
    (!name.is_empty() && name.len() <= NAME_BYTES_MAX).then_some(())
}

fn cached<K: Hash + Eq + Clone, V: Clone>(
    cache: &Cache<K, V>,
    key: &K,
    look_up: impl FnOnce(&K) -> Option<V>,
) -> Option<V> {
    let lock = || cache.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = lock().get(key) {
        return known.clone();
    }
    let answer = look_up(key);
    lock().insert(key.clone(), answer.clone());
    answer
}
