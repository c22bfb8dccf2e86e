//! What every verb works with: configuration, messages, and the way to the repository.

use std::path::PathBuf;
use std::sync::Arc;

use nightfold_repo::repository::{OpenOptions, Password};
use nightfold_repo::storage::{LocalStorage, Storage};
use nightfold_repo::{Error as RepoError, Repository};

use crate::args::Global;
use crate::config::Config;
use crate::exit::{Error, Result};
use crate::machine::{from_environment, home};
use crate::messages::Messages;
use crate::password::{self, Found, FromPassword};

/// Made once a run.
pub struct Context {
    /// `--quiet`.
    pub quiet: bool,
    /// Lines on standard error.
    pub messages: Messages,
    repo: Option<PathBuf>,
    named_config: Option<PathBuf>,
}

impl Context {
    /// Takes over the global options; nothing is read yet.
    pub fn new(global: Global) -> Self {
        Self {
            quiet: global.quiet,
            messages: Messages::new(global.quiet),
            repo: global.repo,
            named_config: global.config,
        }
    }

    /// What the configuration file says.
    pub fn config(&self) -> Result<Config> {
        Config::load(self.named_config.as_deref())
    }

    /// Where the repository is, or shall be.
    pub fn storage(&self, config: &Config) -> Result<Arc<dyn Storage>> {
        let named = self
            .repo
            .clone()
            .filter(|path| !path.as_os_str().is_empty());
        let place = named
            .or_else(|| from_environment("NIGHTFOLD_REPO"))
            .or_else(|| config.repository.clone());
        let Some(place) = place else {
            return Err(Error::usage(
                "which repository?",
                "give --repo FOLDER, or set NIGHTFOLD_REPO, or `repository` in nightfold.toml",
            ));
        };
        storage_at(place)
    }

    /// Opens the repository.
    pub fn open(&self) -> Result<Arc<Repository>> {
        self.open_with(&self.config()?)
    }

    /// Opens the repository, with the configuration at hand.
    pub fn open_with(&self, config: &Config) -> Result<Arc<Repository>> {
        self.open_at(self.storage(config)?, config.parity, |needed| {
            if needed {
                password::existing(config).map(Some)
            } else {
                password::configured(config)
            }
        })
    }

    /// Opens another repository, to read from it.
    pub fn open_from(&self, place: PathBuf, from: &FromPassword) -> Result<Arc<Repository>> {
        self.open_at(storage_at(place)?, None, |needed| {
            if needed {
                from.existing().map(Some)
            } else {
                from.configured()
            }
        })
    }

    /// A password that is configured is passed on even if none is needed: an open repository in the place of an
    /// encrypted one is refused.
    fn open_at(
        &self,
        storage: Arc<dyn Storage>,
        parity: Option<u8>,
        password: impl FnOnce(bool) -> Result<Option<Found>>,
    ) -> Result<Arc<Repository>> {
        let found = password(Repository::needs_password(&*storage)?)?;
        let (password, origin) = found.map_or((None, String::new()), |found| {
            (Some(found.password), found.origin)
        });
        let opened = Repository::open(storage, self.options(password, parity)?);
        opened.map(Arc::new).map_err(|error| match error {
            RepoError::WrongPassword { slots } => Error::WrongPassword { slots, origin },
            other => other.into(),
        })
    }

    fn options(&self, password: Option<Password>, parity: Option<u8>) -> Result<OpenOptions> {
        let messages = self.messages.clone();
        let notice = Arc::new(move |text: &str| messages.warning(text));
        let mut options = OpenOptions::new(cache_folder()?, password, notice);
        options.parity = parity;
        Ok(options)
    }
}

fn storage_at(place: PathBuf) -> Result<Arc<dyn Storage>> {
    if place.to_string_lossy().contains("://") {
        let message = format!(
            "{}: only local folders can hold a repository",
            place.display()
        );
        return Err(Error::usage(
            message,
            "mount the place, and name the folder",
        ));
    }
    Ok(Arc::new(LocalStorage::new(place)))
}

/// Where indexes lie.
fn cache_folder() -> Result<PathBuf> {
    from_environment("NIGHTFOLD_CACHE_DIR")
        .or_else(|| Some(from_environment("XDG_CACHE_HOME")?.join("nightfold")))
        .or_else(|| Some(home()?.join(".cache").join("nightfold")))
        .ok_or_else(|| {
            let message = "there is no place for the local index: this user has no home folder";
            Error::failed(message, "set NIGHTFOLD_CACHE_DIR to a folder that stays")
        })
}
