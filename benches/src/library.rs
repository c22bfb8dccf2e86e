//! Repositories that a bench makes and opens in its own process.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use nightfold_repo::repository::{InitOptions, OpenOptions, Password};
use nightfold_repo::storage::LocalStorage;
use nightfold_repo::{KdfCost, Repository};

const PASSWORD: &[u8] = b"bench";

/// The usual options, but for the key derivation: it is not what is measured, so it is the cheapest.
pub fn init_options() -> InitOptions {
    let mut options = InitOptions::new(Some(password()), "host".to_owned());
    options.kdf = KdfCost {
        memory_kib: 8,
        passes: 1,
        lanes: 1,
    };
    options
}

/// Opens `repository` in a folder, with its index beside it.
pub fn open(folder: &Path) -> Result<Arc<Repository>> {
    let options = OpenOptions::new(
        folder.join("cache"),
        Some(password()),
        Arc::new(|text| eprintln!("{text}")),
    );
    let storage = Arc::new(LocalStorage::new(folder.join("repository")));
    Ok(Arc::new(Repository::open(storage, options)?))
}

fn password() -> Password {
    PASSWORD.to_vec().into()
}
