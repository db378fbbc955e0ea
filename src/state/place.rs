//! Where a state file may stand: on a local file system, readable by its owner only.

use std::fs::OpenOptions;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use super::StateError;

/// File systems on which locks and the write-ahead log of SQLite cannot be relied on, by their magic numbers
/// (`statfs(2)`).
const NETWORK: [(i64, &str); 8] = [
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB2"),
    (0x0000_564c, "NCP"),
    (0x5346_414f, "AFS"),
    (0x00c3_6400, "Ceph"),
    (0x0102_1997, "9P"),
];

/// Refuses a place on a network file system.
pub(super) fn check(path: &Path) -> Result<(), StateError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let stat = rustix::fs::statfs(if path.exists() { path } else { folder });
    let stat = stat.map_err(|source| StateError::Place { path: path.to_owned(), source: source.into() })?;
    match network_name(stat.f_type) {
        Some(kind) => Err(StateError::Network { path: path.to_owned(), kind }),
        None => Ok(()),
    }
}

/// Makes the file if there is none, and sees to it that only its owner can read it.
pub(super) fn prepare(path: &Path) -> Result<(), StateError> {
    let at = |source| StateError::Place { path: path.to_owned(), source };
    OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path).map_err(at)?;
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o600)).map_err(at)
}

fn network_name(magic: i64) -> Option<&'static str> {
    NETWORK.iter().find(|(number, _)| *number == magic).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_told_by_name() {
        assert_eq!(network_name(0x6969), Some("NFS"));
        assert_eq!(network_name(0xef53), None, "ext4 is local");
    }

    #[test]
    fn only_the_owner_can_read_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        std::fs::write(&path, b"").unwrap();
        prepare(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
