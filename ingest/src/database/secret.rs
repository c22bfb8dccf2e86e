//! Passwords of databases on their way to the programs that need them.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::PathBuf;

use zeroize::Zeroizing;

/// A password. Never shown, and overwritten when it is dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes it over.
    pub fn new(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// A file that holds a password, for programs that take it from nothing else. Others of this machine's users cannot
/// read it, and it is gone when this process is.
pub(crate) struct SecretFile {
    path: PathBuf,
    /// Children have it open too.
    _file: File,
}

impl SecretFile {
    pub(crate) fn new(content: &Zeroizing<Vec<u8>>) -> io::Result<Self> {
        let (file, path) = crate::fs::private_file(content)?;
        Ok(Self { path, _file: file })
    }

    /// The name under which a child of this process finds it.
    pub(crate) fn path(&self) -> &std::path::Path {
        &self.path
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        let secret = Secret::new(Zeroizing::new(b"hunter2".to_vec()));
        assert!(!format!("{secret:?}").contains("hunter2"));
    }

    #[test]
    fn children_read_a_secret_file_and_nothing_is_left() {
        let content = Zeroizing::new(b"hunter2\n".to_vec());
        let file = SecretFile::new(&content).unwrap();
        for _ in 0..2 {
            let cat = std::process::Command::new("cat").arg(file.path()).output();
            assert_eq!(cat.unwrap().stdout, b"hunter2\n");
        }
        let path = file.path().to_owned();
        drop(file);
        let cat = std::process::Command::new("cat").arg(path).output();
        assert!(!cat.unwrap().status.success());
    }
}
