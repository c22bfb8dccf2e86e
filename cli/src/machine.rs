//! This machine and who runs us.

use std::path::PathBuf;

use uzers::os::unix::UserExt as _;

/// The host's name.
pub fn host() -> String {
    let name = rustix::system::uname();
    let name = name.nodename().to_string_lossy();
    if name.is_empty() {
        "localhost".to_owned()
    } else {
        name.into_owned()
    }
}

/// The user's name, or number where it has none.
pub fn user() -> String {
    uzers::get_current_username().map_or_else(
        || uzers::get_current_uid().to_string(),
        |name| name.to_string_lossy().into_owned(),
    )
}

/// The user's home; services often run without `HOME`.
pub fn home() -> Option<PathBuf> {
    from_environment("HOME").or_else(|| {
        uzers::get_user_by_uid(uzers::get_current_uid()).map(|user| user.home_dir().to_owned())
    })
}

/// A path from the environment; an empty one counts as none.
pub fn from_environment(name: &str) -> Option<PathBuf> {
    std::env::var_os(name)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}
