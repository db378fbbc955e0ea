//! Where the socket stands: in a folder that only its owner can enter, one socket for one pipeline.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use nix::unistd::Uid;

/// The longest path of a socket in bytes: the system keeps 108 with the byte that ends it.
const PATH_MAX_BYTES: usize = 107;

/// The socket of the pipeline whose state stands at `state`: `DB.control/socket`.
pub fn path_of(state: &Path) -> PathBuf {
    let mut folder = state.as_os_str().to_owned();
    folder.push(".control");
    PathBuf::from(folder).join("socket")
}

/// Why no socket was made. Nothing was changed but for the folder, which may be new.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The path does not fit into a socket's address.
    #[error(
        "the path of the control socket has {bytes} bytes, and the system takes {PATH_MAX_BYTES}: give a shorter one with \
         --socket PATH, to `tidegate run` and to the commands that ask it ({})", path.display()
    )]
    TooLong {
        /// The path.
        path: PathBuf,
        /// Its length.
        bytes: usize,
    },
    /// The folder is no folder, or a link to one.
    #[error("{} has to be a folder, for the control socket to stand in: move what is there away", folder.display())]
    NoFolder {
        /// The folder.
        folder: PathBuf,
    },
    /// The folder is somebody else's.
    #[error(
        "the folder {} of the control socket belongs to user {owner}, and this process runs as user {user}: who owns it could \
         command the pipeline; run `chown {user} {}` as root, or give another place with --socket PATH",
        folder.display(), folder.display()
    )]
    Owner {
        /// The folder.
        folder: PathBuf,
        /// Its owner's number.
        owner: u32,
        /// The number of the user who runs this process.
        user: u32,
    },
    /// Others than its owner can enter the folder.
    #[error(
        "the folder {} of the control socket has mode {mode:04o}: who can enter it could command the pipeline; run `chmod 700 \
         {}`, or give a place in a folder of its own with --socket PATH", folder.display(), folder.display()
    )]
    Mode {
        /// The folder.
        folder: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Somebody listens there.
    #[error(
        "a running pipeline listens at {} already: stop it, or give another place with --socket PATH", path.display()
    )]
    InUse {
        /// The path.
        path: PathBuf,
    },
    /// Something else than a socket is there.
    #[error("{} is no socket: it was not touched; move it away, or give another place with --socket PATH", path.display())]
    NoSocket {
        /// The path.
        path: PathBuf,
    },
    /// The system says no.
    #[error("the control socket {} cannot be made: {source}", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// A socket that is listened at; it is taken away when this is dropped.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    place: Place,
}

/// The file of a socket, by its number, so that nobody else's is taken away.
#[derive(Debug)]
pub(super) struct Place {
    path: PathBuf,
    file: Option<(u64, u64)>,
}

impl Socket {
    /// Makes the folder, if there is none, and a socket in it. One that a process left behind without listening is replaced.
    ///
    /// # Errors
    /// Where the path is too long, others could enter the folder, or somebody listens there.
    pub fn bind(path: &Path) -> Result<Self, BindError> {
        let at = |source| BindError::Io { path: path.to_owned(), source };
        let bytes = path.as_os_str().len();
        if bytes > PATH_MAX_BYTES {
            return Err(BindError::TooLong { path: path.to_owned(), bytes });
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        match DirBuilder::new().mode(0o700).create(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(at(error)),
            Ok(()) | Err(_) => {}
        }
        check_folder(folder).map_err(|error| error.unwrap_or_else(at))?;
        clear(path)?;
        let listener = UnixListener::bind(path).map_err(at)?;
        // From here on the file is ours to take away.
        let file = fs::symlink_metadata(path).ok().map(|found| (found.dev(), found.ino()));
        let socket = Self { listener, place: Place { path: path.to_owned(), file } };
        fs::set_permissions(path, PermissionsExt::from_mode(0o600)).map_err(at)?;
        socket.listener.set_nonblocking(true).map_err(at)?;
        Ok(socket)
    }

    /// Where it stands.
    pub fn path(&self) -> &Path {
        &self.place.path
    }

    pub(super) fn into_parts(self) -> (UnixListener, Place) {
        (self.listener, self.place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let found = fs::symlink_metadata(&self.path).ok().map(|found| (found.dev(), found.ino()));
        if found.is_some() && found == self.file {
            // Where it cannot be taken away, the next start replaces it.
            drop(fs::remove_file(&self.path));
        }
    }
}

/// A failure of the system stands as `Err(Err(..))`: the caller knows the path.
fn check_folder(folder: &Path) -> Result<(), Result<BindError, io::Error>> {
    let found = fs::symlink_metadata(folder).map_err(Err)?;
    let (owner, user, mode) = (found.uid(), Uid::effective().as_raw(), found.mode() & 0o7777);
    let folder = folder.to_owned();
    if !found.is_dir() {
        return Err(Ok(BindError::NoFolder { folder }));
    }
    if owner != user {
        return Err(Ok(BindError::Owner { folder, owner, user }));
    }
    if mode & 0o077 != 0 {
        return Err(Ok(BindError::Mode { folder, mode }));
    }
    Ok(())
}

/// Takes a socket away that nobody listens at.
fn clear(path: &Path) -> Result<(), BindError> {
    let at = |source| BindError::Io { path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(at(error)),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(BindError::NoSocket { path: path.to_owned() });
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path).map_err(at),
        Err(error) => Err(at(error)),
        Ok(_) => Err(BindError::InUse { path: path.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = path_of(&folder.path().join("a.db"));
        (folder, path)
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn only_the_owner_can_reach_the_socket_and_it_goes_with_its_process() {
        let (_folder, path) = folder();
        assert!(path.ends_with("a.db.control/socket"));
        let socket = Socket::bind(&path).unwrap();
        assert_eq!((mode(path.parent().unwrap()), mode(&path)), (0o700, 0o600));
        drop(socket);
        assert!(!path.exists());
    }

    #[test]
    fn a_living_socket_is_refused_and_a_dead_one_replaced() {
        let (_folder, path) = folder();
        let living = Socket::bind(&path).unwrap();
        assert!(matches!(Socket::bind(&path), Err(BindError::InUse { .. })));
        assert!(path.exists(), "a refused start takes nothing away");
        drop(living);
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "left behind");
        let fresh = Socket::bind(&path).unwrap();
        // Another socket at the same place is not this one's to take away.
        fs::remove_file(&path).unwrap();
        let _other = UnixListener::bind(&path).unwrap();
        drop(fresh);
        assert!(path.exists());
    }

    #[test]
    fn a_place_that_others_could_use_is_refused_with_what_to_do() {
        for mode in [0o701, 0o710, 0o770, 0o777, 0o750] {
            let (_folder, path) = folder();
            fs::create_dir(path.parent().unwrap()).unwrap();
            fs::set_permissions(path.parent().unwrap(), PermissionsExt::from_mode(mode)).unwrap();
            let text = Socket::bind(&path).unwrap_err().to_string();
            assert!(text.contains(&format!("mode {mode:04o}")) && text.contains("chmod 700"), "{text}");
        }
        let (folder, path) = folder();
        std::os::unix::fs::symlink(folder.path(), path.parent().unwrap()).unwrap();
        assert!(matches!(Socket::bind(&path), Err(BindError::NoFolder { .. })));
        fs::remove_file(path.parent().unwrap()).unwrap();
        fs::write(path.parent().unwrap(), "").unwrap();
        assert!(matches!(Socket::bind(&path), Err(BindError::NoFolder { .. })));
    }

    #[test]
    fn what_is_no_socket_is_not_touched_and_a_long_path_has_a_way_out() {
        let (_folder, path) = folder();
        drop(Socket::bind(&path).unwrap());
        fs::write(&path, "mine").unwrap();
        assert!(matches!(Socket::bind(&path), Err(BindError::NoSocket { .. })));
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
        let long = path.parent().unwrap().join("x".repeat(108));
        let text = Socket::bind(&long).unwrap_err().to_string();
        assert!(text.contains("--socket PATH") && text.contains("107"), "{text}");
        let missing = path.with_file_name("no").join("such").join("socket");
        assert!(matches!(Socket::bind(&missing), Err(BindError::Io { .. })));
    }

    #[test]
    fn the_longest_path_that_is_taken_can_be_bound() {
        let (_folder, path) = folder();
        drop(Socket::bind(&path).unwrap());
        let folder = path.parent().unwrap();
        let rest = PATH_MAX_BYTES - folder.as_os_str().len() - 1;
        drop(Socket::bind(&folder.join("x".repeat(rest))).unwrap());
        assert!(matches!(Socket::bind(&folder.join("x".repeat(rest + 1))), Err(BindError::TooLong { .. })));
    }
}
