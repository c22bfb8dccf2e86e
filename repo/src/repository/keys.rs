//! Key slots: opening, listing, adding, removing.

use super::parity::{orphaned_copies, read_or_copy, used_copy};
use super::{Notice, Password, Repository};
use crate::crypto::{KdfCost, Keys, open_slot, random, wrap_keys};
use crate::error::{Error, Result};
use crate::format::{Config, Encryption, Kdf, KeySlot, Kind, ObjectId, ObjectName};
use crate::storage::Storage;

/// A key slot, as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    /// Its id.
    pub id: ObjectId,
    /// When it was made, RFC 3339.
    pub created: String,
    /// On which host.
    pub host: String,
    /// What its owner calls it.
    pub label: String,
    /// How the password is made into a key.
    pub kdf: String,
    /// The newest key epoch that it holds.
    pub epoch: u32,
    /// Whether the repository is open by it now.
    pub current: bool,
}

pub(super) fn new_slot(
    keys: &Keys,
    repository: &[u8; 16],
    password: Option<&[u8]>,
    cost: KdfCost,
    host: &str,
    label: &str,
) -> Result<KeySlot> {
    if password.is_some_and(<[u8]>::is_empty) {
        return Err(Error::Invalid(
            "an empty password protects nothing: give one, or use --encryption none".to_owned(),
        ));
    }
    let (kdf, wrapped) = wrap_keys(keys, repository, password, cost)?;
    let created = jiff::Timestamp::now().to_string();
    Ok(KeySlot {
        created,
        host: host.to_owned(),
        label: label.to_owned(),
        epoch: keys.current()?.0,
        kdf,
        wrapped,
    })
}

/// Finds the slot that the password opens.
pub(super) fn unlock(
    storage: &dyn Storage,
    config: &Config,
    password: Option<&Password>,
    notice: &Notice,
) -> Result<(ObjectId, Keys)> {
    let repository = config.id_bytes()?;
    let mut tried = 0;
    let mut damaged = None;
    let empty = Password::default();
    for name in slots(storage)? {
        let opened = read_slot_or_copy(storage, name).and_then(|(slot, damage)| {
            refuse_open_keys(config, &slot, name)?;
            let keys = open_slot(&slot, name, &repository, password.unwrap_or(&empty))?;
            Ok(keys.map(|keys| (keys, damage)))
        });
        match opened {
            Ok(Some((keys, damage))) => {
                if let Some(error) = damage {
                    notice(&used_copy(&error));
                }
                return Ok((name.id, keys));
            }
            Ok(None) => tried += 1,
            Err(error @ (Error::Corrupt { .. } | Error::Unsupported { .. })) => {
                damaged = Some(error);
            }
            // Replaced since it was listed: its successor may be listed already.
            Err(Error::Missing { .. }) => {}
            Err(other) => return Err(other),
        }
    }
    match (tried, damaged) {
        (0, None) => Err(Error::NoRepository {
            location: storage.location(),
            reason: "there is a config but no key slot in keys/".to_owned(),
        }),
        (0, Some(error)) => Err(error),
        (slots, damaged) => {
            if let Some(error) = damaged {
                notice(&format!("a key slot could not be tried: {error}"));
            }
            Err(Error::WrongPassword { slots })
        }
    }
}

/// Whoever can write to storage could put open keys of his own, and a config that fits them, in the place of
/// ours: what we then back up he could read. A slot that the password opens was made by one who knew it.
fn refuse_open_keys(config: &Config, slot: &KeySlot, name: ObjectName) -> Result<()> {
    if slot.kdf == Kdf::None && config.encryption != Encryption::None {
        let reason = "it holds open keys, but the repository is encrypted: was it replaced?";
        return Err(Error::corrupt(name, reason));
    }
    Ok(())
}

/// All slots; if none is left, those whose copies are. Where one is left, a copy does not bring others back.
fn slots(storage: &dyn Storage) -> Result<Vec<ObjectName>> {
    let listed = storage.list(Kind::Key)?.into_iter();
    let names: Vec<_> = listed
        .map(|listed| ObjectName::new(Kind::Key, listed.id))
        .collect();
    if names.is_empty() {
        orphaned_copies(storage, &[Kind::Key])
    } else {
        Ok(names)
    }
}

pub(super) fn read_slot(storage: &dyn Storage, name: ObjectName) -> Result<KeySlot> {
    KeySlot::decode(name, &storage.get(name)?)
}

/// A slot, or its copy and what is wrong with the slot.
fn read_slot_or_copy(storage: &dyn Storage, name: ObjectName) -> Result<(KeySlot, Option<Error>)> {
    read_or_copy(storage, name, true, |bytes| KeySlot::decode(name, &bytes))
}

impl Repository {
    /// All key slots.
    pub fn keys(&self) -> Result<Vec<KeyInfo>> {
        let mut infos = Vec::new();
        for name in slots(&*self.storage)? {
            let (slot, _) = read_slot_or_copy(&*self.storage, name)?;
            let kdf = match slot.kdf {
                Kdf::Argon2id {
                    memory_kib,
                    passes,
                    lanes,
                    ..
                } => {
                    format!(
                        "argon2id {} MiB, {passes} passes, {lanes} lanes",
                        memory_kib / 1024
                    )
                }
                Kdf::None => "none".to_owned(),
            };
            infos.push(KeyInfo {
                id: name.id,
                created: slot.created,
                host: slot.host,
                label: slot.label,
                kdf,
                epoch: slot.epoch,
                current: name.id == self.slot,
            });
        }
        infos.sort_by(|a, b| (&a.created, a.id).cmp(&(&b.created, b.id)));
        Ok(infos)
    }

    /// Adds a slot for another password.
    pub fn key_add(
        &self,
        password: &Password,
        cost: KdfCost,
        host: &str,
        label: &str,
    ) -> Result<ObjectId> {
        self.refuse_without_encryption()?;
        self.put_slot(&self.vault.keys, password, cost, host, label)
    }

    /// A slot of these keys, durable, read back and opened.
    pub(super) fn put_slot(
        &self,
        keys: &Keys,
        password: &Password,
        cost: KdfCost,
        host: &str,
        label: &str,
    ) -> Result<ObjectId> {
        let repository = &self.vault.repository;
        let slot = new_slot(keys, repository, Some(password), cost, host, label)?;
        let name = ObjectName::new(Kind::Key, ObjectId(random()?));
        self.put_with_copy(name, &slot.encode(name))?;
        // The new slot must open before anyone relies on it.
        let read_back = read_slot(&*self.storage, name)?;
        match open_slot(&read_back, name, &self.vault.repository, password)? {
            Some(_) => Ok(name.id),
            None => Err(Error::corrupt(
                name,
                "the key slot just written does not open",
            )),
        }
    }

    /// Removes the slot whose id starts with `prefix`; never the last one, nor the one in use.
    pub fn key_remove(&self, prefix: &str) -> Result<ObjectId> {
        self.refuse_without_encryption()?;
        let ids: Vec<_> = self
            .storage
            .list(Kind::Key)?
            .into_iter()
            .map(|listed| listed.id)
            .collect();
        let id = one_of(&ids, prefix, "key slot")?;
        if ids.len() == 1 {
            return Err(Error::Invalid(
                "this is the last key slot: without it the repository is lost".to_owned(),
            ));
        }
        if id == self.slot {
            let hint = "this slot is the one in use: open the repository with another password to remove it, or use `key passwd`";
            return Err(Error::Invalid(hint.to_owned()));
        }
        let name = ObjectName::new(Kind::Key, id);
        if read_slot(&*self.storage, name).is_ok_and(|slot| slot.epoch > self.newest_epoch()) {
            // Without this slot, what is sealed under its newest key is lost: nothing may be.
            self.history()?;
            self.index_of_now()?;
        }
        self.delete_with_parity(name)?;
        Ok(id)
    }

    /// Replaces the slot in use: the new one is durable and opens before the old one goes.
    pub fn key_passwd(&self, password: &Password, cost: KdfCost, host: &str) -> Result<ObjectId> {
        let old = self.slot;
        let label = self
            .keys()?
            .into_iter()
            .find(|key| key.id == old)
            .map_or(String::new(), |key| key.label);
        let new = self.key_add(password, cost, host, &label)?;
        self.delete_with_parity(ObjectName::new(Kind::Key, old))?;
        Ok(new)
    }

    pub(super) fn refuse_without_encryption(&self) -> Result<()> {
        self.config.check_writable()?;
        if self.config.encryption == Encryption::None {
            return Err(Error::Invalid(
                "this repository is not encrypted: it has no passwords".to_owned(),
            ));
        }
        Ok(())
    }
}

/// The one id that starts with `prefix`.
pub(super) fn one_of(ids: &[ObjectId], prefix: &str, what: &str) -> Result<ObjectId> {
    let mut matching = ids
        .iter()
        .filter(|id| !prefix.is_empty() && id.to_string().starts_with(prefix));
    match (matching.next(), matching.next()) {
        (Some(id), None) => Ok(*id),
        (None, _) => Err(Error::NoSuch(format!(
            "no {what} has an id that starts with \u{201c}{prefix}\u{201d}"
        ))),
        (Some(_), Some(_)) => Err(Error::NoSuch(format!(
            "more than one {what} has an id that starts with \u{201c}{prefix}\u{201d}: give more digits"
        ))),
    }
}

#[cfg(test)]
mod tests;
