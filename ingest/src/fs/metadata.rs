//! Puts owner, mode, times and extended attributes back.

use std::fs::File;
use std::io;

use nightfold_repo::format::Metadata;

use super::{names, unix};

const SET_UID: u32 = 0o4000;
const SET_GID: u32 = 0o2000;

/// Sets all of `metadata` that is restored on an open node (a path descriptor will do), and
/// returns what could not be set as sentences. The order matters:
/// 1. the owner, because changing it clears set-id bits and file capabilities;
/// 2. extended attributes, because a mode without write permission would forbid them, and an ACL
///    may change the mode;
/// 3. the mode;
/// 4. the time of last change.
pub(super) fn apply(
    node: &File,
    metadata: &Metadata,
    xattrs: &[(Vec<u8>, Vec<u8>)],
) -> io::Result<Vec<String>> {
    let mut warnings = Vec::new();
    let status = node.metadata()?;
    let is_symlink = status.is_symlink();
    let uid = names::user_id(&metadata.user).unwrap_or(metadata.uid);
    let gid = names::group_id(&metadata.group).unwrap_or(metadata.gid);
    if let Err(error) = unix::set_owner(node, uid, gid) {
        let expected = error.kind() == io::ErrorKind::PermissionDenied && !unix::is_root();
        if !expected {
            warnings.push(format!("owner {uid}:{gid} not set: {error}"));
        }
    }
    for (name, value) in xattrs {
        if let Err(error) = unix::set_xattr(node, name, value) {
            let name = name.escape_ascii();
            warnings.push(format!("extended attribute '{name}' not set: {error}"));
        }
    }
    if !is_symlink {
        let mode = safe_mode(
            metadata.mode,
            unix::owner(node)?,
            (uid, gid),
            status.is_dir(),
        );
        if mode != metadata.mode {
            warnings.push("set-id bits not set: the owner could not be set".into());
        }
        if let Err(error) = unix::set_mode(node, mode) {
            warnings.push(format!("mode {mode:04o} not set: {error}"));
        }
    }
    if let Err(error) = unix::set_mtime(node, metadata.mtime) {
        warnings.push(format!("time of last change not set: {error}"));
    }
    Ok(warnings)
}

/// A program must not run with the rights of whoever restores it because its owner could not be set.
pub(super) fn safe_mode(mode: u32, is: (u32, u32), wanted: (u32, u32), is_directory: bool) -> u32 {
    let mut mode = mode;
    if is.0 != wanted.0 {
        mode &= !SET_UID;
    }
    // On a directory the bit hands down its group and gives no rights.
    if is.1 != wanted.1 && !is_directory {
        mode &= !SET_GID;
    }
    mode
}
