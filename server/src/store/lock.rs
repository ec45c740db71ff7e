//! A SQLite file serves one server: two would each keep their own limits and jobs in memory.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

/// Why a server may not use a database file.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another server runs on this file. `pid` is its process id, or "unknown".
    #[error("{} is in use by another server (process {pid}, lock file {})", db.display(), lock.display())]
    Held { db: PathBuf, lock: PathBuf, pid: String },
    /// The lock file cannot be opened or written.
    #[error("cannot lock {}: {source}", lock.display())]
    Io { lock: PathBuf, source: io::Error },
}

/// The claim of a running server on `<db>.lock`. The operating system frees it when the process ends, however it ends.
#[derive(Debug)]
pub struct ServerLock {
    // Held for its lock; never read again.
    _file: File,
}

impl ServerLock {
    /// Takes the lock beside this database file and writes our process id into it.
    pub fn take(db: &Path) -> Result<Self, LockError> {
        let mut name = db.as_os_str().to_owned();
        name.push(".lock");
        let lock = PathBuf::from(name);
        let io = |source| LockError::Io { lock: lock.clone(), source };

        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&lock).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                let read = file.read_to_string(&mut pid);
                let pid = match pid.trim() {
                    "" => "unknown".to_owned(),
                    _ if read.is_err() => "unknown".to_owned(),
                    pid => pid.to_owned(),
                };
                return Err(LockError::Held { db: db.to_owned(), lock, pid });
            }
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        file.set_len(0).map_err(io)?;
        writeln!(file, "{}", std::process::id()).map_err(io)?;
        Ok(Self { _file: file })
    }
}
