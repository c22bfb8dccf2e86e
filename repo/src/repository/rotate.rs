//! A new master key: everything that is sealed from now on is out of reach of whoever holds the old one.

use std::sync::Arc;

use super::keys::read_slot;
use super::{KeyInfo, Password, Repository};
use crate::crypto::{KdfCost, open_slot};
use crate::error::{Error, Result};
use crate::format::{Kind, ObjectId, ObjectName};

/// How to change the keys.
pub struct RotateOptions<'a> {
    /// Opens the new slot. It must be another password than the one in use.
    pub password: &'a Password,
    /// What a guess of it shall cost.
    pub cost: KdfCost,
    /// The host that does it, for the key slot.
    pub host: &'a str,
    /// Remove the slots of other passwords. They hold only old keys, and nobody can put the new one into them.
    pub remove_others: bool,
}

/// What a change of keys did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// The new slot.
    pub slot: ObjectId,
    /// The new epoch.
    pub epoch: u32,
    /// Slots of other passwords that were removed.
    pub removed: Vec<KeyInfo>,
}

impl Repository {
    /// The epoch that new objects are sealed under.
    pub fn newest_epoch(&self) -> u32 {
        // There is a key, or no object could have been opened.
        self.vault.keys.current().map_or(0, |(epoch, _)| epoch)
    }

    /// Makes a new master key. The slot that holds it is durable and opens before the first of the others goes; an
    /// interruption in between leaves both passwords good. This client goes on with the old keys until it opens the
    /// repository anew.
    pub fn key_rotate(self: &Arc<Self>, options: &RotateOptions<'_>) -> Result<Rotated> {
        self.refuse_without_encryption()?;
        let _lease = self.exclusive_lease("key rotate")?;
        let slots = self.keys()?;
        self.refuse_to_rotate(&slots, options)?;
        let (own, others): (Vec<KeyInfo>, Vec<KeyInfo>) =
            slots.into_iter().partition(|slot| slot.current);
        let label = own.first().map_or("", |slot| &slot.label);
        let keys = self.vault.keys.rotated()?;
        let slot = self.put_slot(&keys, options.password, options.cost, options.host, label)?;
        // The slot in use last: until then, whoever is interrupted can come back with either password.
        for slot in others.iter().chain(&own) {
            self.delete_with_parity(ObjectName::new(Kind::Key, slot.id))?;
        }
        Ok(Rotated {
            slot,
            epoch: keys.current()?.0,
            removed: others,
        })
    }

    fn refuse_to_rotate(&self, slots: &[KeyInfo], options: &RotateOptions<'_>) -> Result<()> {
        let names = |slots: &[&KeyInfo]| -> String {
            let name = |slot: &&KeyInfo| {
                let id = &slot.id.to_string()[..8];
                format!("{id} \u{201c}{}\u{201d} of {}", slot.label, slot.host)
            };
            slots.iter().map(name).collect::<Vec<_>>().join(", ")
        };
        // Of two keys with one number, one would open what the other cannot.
        let newer = slots.iter().filter(|slot| slot.epoch > self.newest_epoch());
        let newer: Vec<&KeyInfo> = newer.collect();
        if !newer.is_empty() {
            let reason = format!(
                "the keys were changed before, and not all old key slots removed: open the repository with the \
                 password of the new slot ({}), and remove the others with `nightfold key remove`",
                names(&newer)
            );
            return Err(Error::Invalid(reason));
        }
        let others: Vec<&KeyInfo> = slots.iter().filter(|slot| !slot.current).collect();
        if !others.is_empty() && !options.remove_others {
            let reason = format!(
                "other passwords open the repository too, and their key slots cannot get the new key: {}. With \
                 --remove-others they are removed; their owners must be added again with `nightfold key add`",
                names(&others)
            );
            return Err(Error::Invalid(reason));
        }
        for slot in slots {
            let name = ObjectName::new(Kind::Key, slot.id);
            let stored = read_slot(&*self.storage, name)?;
            if open_slot(&stored, name, &self.vault.repository, options.password)?.is_some() {
                // Whoever has a copy of the old slot could open the new one with it.
                let reason = "the new password must be one that opened no key slot before";
                return Err(Error::Invalid(reason.to_owned()));
            }
        }
        Ok(())
    }
}
