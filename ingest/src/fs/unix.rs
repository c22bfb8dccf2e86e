//! All that only Unix offers, and nothing else: another system replaces this file.
//! Linux is what is tested; O_PATH descriptors and /proc/self/fd are used.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileExt as _, FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use nightfold_repo::format::{Metadata, Timestamp};
use rustix::fs::{
    AtFlags, Dir, FileType, Gid, Mode, OFlags, RenameFlags, SeekFrom, Timespec, Timestamps,
    UTIME_OMIT, Uid,
};
use rustix::io::Errno;
use xattr::FileExt as _;

use super::found::{FoundKind, LinkIdentity, Xattrs};
use super::names;
use super::restore::Device;

/// With more holes than this, the smallest are left out (and read as zeros): their list must fit an entry.
const HOLES_MAX: usize = 1 << 16;

/// A stored path as a path of this system.
pub fn as_path(stored: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(stored))
}

/// A path of this system as it is stored.
pub fn path_bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

// Scanning.

/// A name in a directory.
pub(super) struct Name {
    pub(super) bytes: Vec<u8>,
    /// Where the listing tells; a symbolic link to one is none.
    pub(super) is_directory: Option<bool>,
}

/// What a path is; `None` for a socket and what no one has heard of.
pub(super) fn look(path: &Path, follow: bool) -> io::Result<Option<(Metadata, FoundKind)>> {
    let status = if follow {
        fs::metadata(path)?
    } else {
        fs::symlink_metadata(path)?
    };
    let file_type = status.file_type();
    let kind = if file_type.is_file() {
        FoundKind::File {
            size: status.len(),
            link: (status.nlink() > 1).then(|| LinkIdentity {
                device: status.dev(),
                inode: status.ino(),
            }),
        }
    } else if file_type.is_dir() {
        FoundKind::Directory
    } else if file_type.is_symlink() {
        FoundKind::Symlink(path_bytes(&fs::read_link(path)?).to_vec())
    } else if file_type.is_fifo() {
        FoundKind::Fifo
    } else if file_type.is_char_device() {
        FoundKind::CharDevice(status.rdev())
    } else if file_type.is_block_device() {
        FoundKind::BlockDevice(status.rdev())
    } else {
        return Ok(None);
    };
    Ok(Some((metadata(&status), kind)))
}

/// Whether what stands there is a directory itself; an error when nothing does.
pub(super) fn is_directory(path: &Path) -> io::Result<bool> {
    Ok(fs::symlink_metadata(path)?.is_dir())
}

fn metadata(status: &fs::Metadata) -> Metadata {
    // The system counts nanoseconds forward from the second, before 1970 too.
    let time = |seconds: i64, nanos: i64| Timestamp {
        seconds,
        nanos: nanos.clamp(0, 999_999_999) as u32,
    };
    Metadata {
        mode: status.mode() & 0o7777,
        uid: status.uid(),
        gid: status.gid(),
        user: names::user_name(status.uid()),
        group: names::group_name(status.gid()),
        mtime: time(status.mtime(), status.mtime_nsec()),
        ctime: time(status.ctime(), status.ctime_nsec()),
        inode: status.ino(),
    }
}

/// The names in a directory in no order, as far as they could be read. Not through a symbolic
/// link that took the directory's place.
pub(super) fn list_directory(path: &Path) -> (Vec<Name>, Option<io::Error>) {
    let mut names = Vec::new();
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW;
    let directory = open_unnoticed(path, flags).and_then(|fd| Ok(Dir::new(fd)?));
    let directory = match directory {
        Ok(directory) => directory,
        Err(error) => return (names, Some(error)),
    };
    for entry in directory {
        match entry {
            Ok(entry) => {
                let bytes = entry.file_name().to_bytes();
                if bytes != b"." && bytes != b".." {
                    names.push(Name {
                        bytes: bytes.to_vec(),
                        is_directory: match entry.file_type() {
                            FileType::Unknown => None,
                            known => Some(known == FileType::Directory),
                        },
                    });
                }
            }
            Err(error) => return (names, Some(error.into())),
        }
    }
    (names, None)
}

/// Opens for reading, without changing the time of last access where that is permitted.
fn open_unnoticed(path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | flags;
    match rustix::fs::open(path, flags | OFlags::NOATIME, Mode::empty()) {
        // Only its owner and root may.
        Err(Errno::PERM) => Ok(rustix::fs::open(path, flags, Mode::empty())?),
        opened => Ok(opened?),
    }
}

/// Extended attributes by name, as far as they could be read.
pub(super) fn xattrs(path: &Path, follow: bool) -> (Xattrs, Option<io::Error>) {
    let mut all = Xattrs::new();
    let listed = if follow {
        xattr::list_deref(path)
    } else {
        xattr::list(path)
    };
    let listed = match listed {
        Ok(listed) => listed,
        Err(error) if error.kind() == io::ErrorKind::Unsupported => return (all, None),
        Err(error) => return (all, Some(error)),
    };
    let mut failure = None;
    for name in listed {
        let value = if follow {
            xattr::get_deref(path, &name)
        } else {
            xattr::get(path, &name)
        };
        match value {
            Ok(Some(value)) => all.push((name.as_bytes().to_vec(), value)),
            // Gone since.
            Ok(None) => {}
            Err(error) => failure = Some(error),
        }
    }
    all.sort();
    (all, failure)
}

/// Opens a regular file for reading. Metadata and size are those of the open file, so that what is
/// read and what is recorded are one. Never follows a symbolic link at the path's end and never
/// waits: what isn't a regular file any more is an error.
pub fn open_regular(path: &Path) -> io::Result<(File, Metadata, u64)> {
    let opened = open_unnoticed(path, OFlags::NOFOLLOW | OFlags::NONBLOCK);
    let file = match opened {
        Ok(fd) => File::from(fd),
        // A symbolic link, or a socket or device that can't be opened.
        Err(error) => {
            let replaced = [Errno::LOOP, Errno::NXIO]
                .iter()
                .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()));
            return Err(if replaced { not_regular() } else { error });
        }
    };
    let status = file.metadata()?;
    if !status.is_file() {
        return Err(not_regular());
    }
    Ok((file, metadata(&status), status.len()))
}

fn not_regular() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        "it is not a regular file any more",
    )
}

/// Holes of a file as (offset, length) in bytes, ascending and within `size`; none when it's
/// dense or its file system can't tell. Moves the file's position.
pub fn holes(file: &File, size: u64) -> Vec<(u64, u64)> {
    longest_holes(file, size, HOLES_MAX)
}

/// At most `count_max` of them.
pub(super) fn longest_holes(file: &File, size: u64, count_max: usize) -> Vec<(u64, u64)> {
    let mut holes = Vec::new();
    let mut shortest = 1;
    let mut at = 0;
    while at < size {
        let Ok(start) = rustix::fs::seek(file, SeekFrom::Hole(at)) else {
            break;
        };
        if start >= size {
            break;
        }
        let end = match rustix::fs::seek(file, SeekFrom::Data(start)) {
            Ok(end) => end.min(size),
            // No data from here on.
            Err(Errno::NXIO) => size,
            Err(_) => break,
        };
        if end <= start {
            // The file changes under our hands: what can't be told is read.
            break;
        }
        if end - start >= shortest {
            holes.push((start, end - start));
        }
        while holes.len() > count_max {
            shortest *= 2;
            holes.retain(|(_, length)| *length >= shortest);
        }
        at = end;
    }
    holes
}

// Restoring.

/// Writes all of `bytes` at `offset`.
pub(super) fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    file.write_all_at(bytes, offset)
}

/// An open directory. Names are single components, and are never followed when symbolic links.
pub(super) struct Folder(OwnedFd);

impl Folder {
    /// Follows symbolic links: for paths from the user, not from a snapshot.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(rustix::fs::open(path, flags, Mode::empty())?))
    }

    pub(super) fn open_folder(&self, name: &OsStr) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.0, name, flags, Mode::empty())?;
        Ok(Self(fd))
    }

    /// A descriptor of whatever stands there, for its metadata only: nothing is opened as such.
    pub(super) fn open_node(&self, name: &OsStr) -> io::Result<File> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.0, name, flags, Mode::empty())?;
        Ok(File::from(fd))
    }

    pub(super) fn make_directory(&self, name: &OsStr) -> io::Result<()> {
        Ok(rustix::fs::mkdirat(&self.0, name, Mode::RWXU)?)
    }

    pub(super) fn make_file(&self, name: &OsStr) -> io::Result<File> {
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        Ok(File::from(rustix::fs::openat(&self.0, name, flags, mode)?))
    }

    pub(super) fn make_symlink(&self, name: &OsStr, link: &Path) -> io::Result<()> {
        Ok(rustix::fs::symlinkat(link, &self.0, name)?)
    }

    pub(super) fn make_link(&self, name: &OsStr, from: &Self, existing: &OsStr) -> io::Result<()> {
        let flags = AtFlags::empty();
        Ok(rustix::fs::linkat(&from.0, existing, &self.0, name, flags)?)
    }

    pub(super) fn make_fifo(&self, name: &OsStr) -> io::Result<()> {
        self.make_node(name, FileType::Fifo, 0)
    }

    pub(super) fn make_device(&self, name: &OsStr, device: Device, number: u64) -> io::Result<()> {
        let file_type = match device {
            Device::Character => FileType::CharacterDevice,
            Device::Block => FileType::BlockDevice,
        };
        self.make_node(name, file_type, number)
    }

    fn make_node(&self, name: &OsStr, file_type: FileType, number: u64) -> io::Result<()> {
        let mode = Mode::RUSR | Mode::WUSR;
        Ok(rustix::fs::mknodat(&self.0, name, file_type, mode, number)?)
    }

    pub(super) fn remove(&self, name: &OsStr) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.0, name, AtFlags::empty())?)
    }

    /// Gives the node `from` the name `to`, at once. Without `overwrite`, fails where `to` exists.
    pub(super) fn rename(&self, from: &OsStr, to: &OsStr, overwrite: bool) -> io::Result<()> {
        let here = &self.0;
        if overwrite {
            return Ok(rustix::fs::renameat(here, from, here, to)?);
        }
        match rustix::fs::renameat_with(here, from, here, to, RenameFlags::NOREPLACE) {
            // The file system doesn't know the flag: a link never replaces anything either.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => self.rename_by_link(from, to),
            renamed => Ok(renamed?),
        }
    }

    pub(super) fn rename_by_link(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        self.make_link(to, self, from)?;
        self.remove(from)
    }
}

pub(super) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

pub(super) fn owner(node: &File) -> io::Result<(u32, u32)> {
    let status = node.metadata()?;
    Ok((status.uid(), status.gid()))
}

/// Sets owner and group, or at least the group: its members may do that.
pub(super) fn set_owner(node: &File, uid: u32, gid: u32) -> io::Result<()> {
    // The highest number means "leave as it is".
    let uid = (uid != u32::MAX).then(|| Uid::from_raw(uid));
    let gid = (gid != u32::MAX).then(|| Gid::from_raw(gid));
    let set = |uid, gid| rustix::fs::chownat(node, "", uid, gid, AtFlags::EMPTY_PATH);
    set(uid, gid).map_err(|error| {
        let _ = set(None, gid);
        error.into()
    })
}

pub(super) fn set_mode(node: &File, mode: u32) -> io::Result<()> {
    let mode = Mode::from_raw_mode(mode);
    match rustix::fs::fchmod(node, mode) {
        Err(Errno::BADF) => Ok(rustix::fs::chmod(descriptor_path(node), mode)?),
        set => Ok(set?),
    }
}

pub(super) fn set_xattr(node: &File, name: &[u8], value: &[u8]) -> io::Result<()> {
    let name = OsStr::from_bytes(name);
    match node.set_xattr(name, value) {
        Err(error) if error.raw_os_error() == Some(Errno::BADF.raw_os_error()) => {
            xattr::set_deref(descriptor_path(node), name, value)
        }
        set => set,
    }
}

/// Sets the time of last change and leaves that of last access.
pub(super) fn set_mtime(node: &File, mtime: Timestamp) -> io::Result<()> {
    let times = Timestamps {
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
        last_modification: Timespec {
            tv_sec: mtime.seconds,
            tv_nsec: mtime.nanos.into(),
        },
    };
    Ok(rustix::fs::utimensat(
        node,
        "",
        &times,
        AtFlags::EMPTY_PATH,
    )?)
}

/// Names what a path descriptor stands for, itself and not what it may point to, for the calls that
/// take no such descriptor.
fn descriptor_path(node: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", node.as_raw_fd()))
}

// Users and groups.

pub(super) fn user_name(uid: u32) -> Option<Vec<u8>> {
    Some(uzers::get_user_by_uid(uid)?.name().as_bytes().to_vec())
}

pub(super) fn group_name(gid: u32) -> Option<Vec<u8>> {
    Some(uzers::get_group_by_gid(gid)?.name().as_bytes().to_vec())
}

pub(super) fn user_id(name: &[u8]) -> Option<u32> {
    let name = OsStr::from_bytes(name);
    uzers::get_user_by_name(name).map(|user| user.uid())
}

pub(super) fn group_id(name: &[u8]) -> Option<u32> {
    let name = OsStr::from_bytes(name);
    uzers::get_group_by_name(name).map(|group| group.gid())
}

/// Numeric user and group that this process acts as.
pub(crate) fn process_owner() -> (u32, u32) {
    (
        rustix::process::geteuid().as_raw(),
        rustix::process::getegid().as_raw(),
    )
}

/// The signal that ended a process.
pub(crate) fn killed_by(status: std::process::ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status)
}

/// Makes a command to be started the head of a process group, so that what it starts can be ended with it.
pub(crate) fn in_own_group(command: &mut std::process::Command) {
    std::os::unix::process::CommandExt::process_group(command, 0);
}

/// Ends a command of [`in_own_group`] and all that it started: a survivor could hold our pipes open.
pub(crate) fn kill_group(child: &mut std::process::Child) -> io::Result<()> {
    let group = i32::try_from(child.id())
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    match group
        .map(|group| rustix::process::kill_process_group(group, rustix::process::Signal::KILL))
    {
        Some(Ok(())) => Ok(()),
        _ => child.kill(),
    }
}

/// A file without a name that only children of this process can read, by the path returned. It is gone with the last
/// process that has it open, however that ends.
pub(crate) fn private_file(content: &[u8]) -> io::Result<(File, PathBuf)> {
    use std::io::Write as _;
    // Inherited by children on purpose: they find it by its number.
    let file = rustix::fs::memfd_create("nightfold", rustix::fs::MemfdFlags::empty())?;
    // Some programs refuse files that others may read.
    rustix::fs::fchmod(&file, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR)?;
    let mut file = File::from(file);
    file.write_all(content)?;
    let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    Ok((file, path))
}

/// Makes a command run as another user; only root can.
pub(crate) fn run_as(command: &mut std::process::Command, user: u32, group: u32) {
    use std::os::unix::process::CommandExt as _;
    command.uid(user).gid(group);
}

/// Makes another user the owner of a file or folder; only root can.
pub(crate) fn give_away(path: &Path, user: u32, group: u32) -> io::Result<()> {
    std::os::unix::fs::chown(path, Some(user), Some(group))
}

/// Whether somebody listens at a socket in the file system.
pub(crate) fn answers(socket: &Path) -> bool {
    std::os::unix::net::UnixStream::connect(socket).is_ok()
}
