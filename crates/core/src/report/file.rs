//! Appends reports to a file of JSON lines, which any number of processes may share (contract.md, section 7).
//!
//! The file is opened for each report, so that `logrotate` can move it, and locked, so that a line that could only be written in part
//! is removed again before another process writes. Nothing blocks for long: a FIFO without a reader, or a lock that another process
//! keeps, is a failure like a full disk, and the queue tries again.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::Mutex;

/// The longest wait for a lock, or for room in a pipe.
const PATIENCE: Duration = Duration::from_secs(5);
/// The interval at which these are polled.
const TURN: Duration = Duration::from_millis(2);
/// How often the file is opened again because it was moved while its lock was waited for.
const MAX_MOVES: usize = 3;

/// A file that reports are appended to.
#[derive(Debug)]
pub struct ReportFile {
    path: PathBuf,
    /// Held while a thread writes, so that at most one thread can get stuck.
    writing: Arc<Mutex<()>>,
}

impl ReportFile {
    /// A file, which is created with the first report. The path is absolute.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), writing: Arc::default() }
    }

    pub(super) fn is_same_place(&self, other: &Self) -> bool {
        self.path == other.path
    }

    /// Appends a line on a blocking thread. Dropping the future does not stop a write that has begun.
    pub(super) async fn append(&self, line: Bytes) -> io::Result<()> {
        let path = self.path.clone();
        let writing = Arc::clone(&self.writing).lock_owned().await;
        let written = tokio::task::spawn_blocking(move || {
            let _writing = writing;
            append(&path, &line)
        });
        written.await.unwrap_or_else(|error| Err(io::Error::other(error)))
    }
}

/// Appends a whole line, or nothing.
fn append(path: &Path, line: &[u8]) -> io::Result<()> {
    let mut file = open_locked(path)?;
    let metadata = file.metadata()?;
    let before = metadata.is_file().then_some(metadata.len());
    write_whole(&mut file, line).inspect_err(|_| {
        // Removes a line that was written in part, while the lock is still held.
        if let Some(before) = before.filter(|before| file.metadata().is_ok_and(|now| now.len() > *before)) {
            // If that fails too, the first error is reported.
            let _ = file.set_len(before);
        }
    })
}

fn open_locked(path: &Path) -> io::Result<File> {
    let mut moves = 0;
    loop {
        let file = open(path)?;
        lock(&file)?;
        moves += 1;
        if moves > MAX_MOVES || is_still_at(path, &file) {
            return Ok(file);
        }
    }
}

fn write_whole(file: &mut File, mut rest: &[u8]) -> io::Result<()> {
    let until = Instant::now() + PATIENCE;
    let all = rest.len();
    while !rest.is_empty() {
        match file.write(rest) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => rest = rest.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // A full pipe that has a part of the line already: the reader must get the rest.
            Err(error) if error.kind() == ErrorKind::WouldBlock && rest.len() < all && Instant::now() < until => {
                std::thread::sleep(TURN);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(unix)]
fn open(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;

    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    OpenOptions::new().append(true).create(true).mode(0o600).custom_flags(flags).open(path)
}

#[cfg(unix)]
fn lock(file: &File) -> io::Result<()> {
    use rustix::fs::{FlockOperation, flock};
    use rustix::io::Errno;

    let until = Instant::now() + PATIENCE;
    loop {
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(()),
            Err(Errno::WOULDBLOCK) if Instant::now() < until => std::thread::sleep(TURN),
            Err(Errno::INTR) => {}
            // Some file systems have no locks. One write in append mode keeps lines whole there as well, unless the disk is full.
            Err(Errno::NOLCK | Errno::NOSYS | Errno::OPNOTSUPP | Errno::INVAL) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(unix)]
fn is_still_at(path: &Path, file: &File) -> bool {
    use std::os::unix::fs::MetadataExt as _;

    let (Ok(there), Ok(here)) = (fs::metadata(path), file.metadata()) else { return false };
    (there.dev(), there.ino()) == (here.dev(), here.ino())
}

/// On Windows the share mode takes the place of a lock: others may read the file while it is open here, but not write.
#[cfg(windows)]
fn open(path: &Path) -> io::Result<File> {
    use std::os::windows::fs::OpenOptionsExt as _;

    const FILE_SHARE_READ: u32 = 1;
    const ERROR_SHARING_VIOLATION: i32 = 32;
    let until = Instant::now() + PATIENCE;
    loop {
        match OpenOptions::new().append(true).create(true).share_mode(FILE_SHARE_READ).open(path) {
            Err(error) if error.raw_os_error() == Some(ERROR_SHARING_VIOLATION) && Instant::now() < until => {
                std::thread::sleep(TURN);
            }
            opened => return opened,
        }
    }
}

#[cfg(windows)]
fn lock(_file: &File) -> io::Result<()> {
    Ok(())
}

#[cfg(windows)]
fn is_still_at(path: &Path, _file: &File) -> bool {
    fs::metadata(path).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> PathBuf {
        let folder = std::env::temp_dir().join(format!("openpipe-report-file-{:x}", fastrand::u64(..)));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn lines_of_many_writers_stay_whole() {
        let path = folder().join("reports.jsonl");
        std::thread::scope(|scope| {
            for writer in 0..8_u8 {
                let path = &path;
                scope.spawn(move || {
                    for _ in 0..50 {
                        let mut line = vec![b'a' + writer; 10_000];
                        line.push(b'\n');
                        append(path, &line).unwrap();
                    }
                });
            }
        });
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 400);
        assert!(
            text.lines().all(|line| line.len() == 10_000 && line.bytes().all(|byte| line.starts_with(byte as char)))
        );
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_its_owners_only() {
        use std::os::unix::fs::PermissionsExt as _;

        let path = folder().join("reports.jsonl");
        append(&path, b"{}\n").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_file_that_was_moved_away_is_made_anew() {
        let folder = folder();
        let path = folder.join("reports.jsonl");
        append(&path, b"1\n").unwrap();
        fs::rename(&path, folder.join("reports.jsonl.1")).unwrap();
        append(&path, b"2\n").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"2\n");
        assert_eq!(fs::read(folder.join("reports.jsonl.1")).unwrap(), b"1\n");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_an_error() {
        assert_eq!(append(Path::new("/dev/full"), b"{}\n").unwrap_err().kind(), ErrorKind::StorageFull);
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_that_nobody_reads_does_not_block() {
        let path = folder().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let began = Instant::now();
        assert!(append(&path, b"{}\n").is_err());
        assert!(began.elapsed() < Duration::from_secs(2));
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error() {
        assert!(append(&folder().join("missing").join("reports.jsonl"), b"{}\n").is_err());
    }
}
