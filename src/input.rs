//! Reads files of records: lines, plain or compressed, gigabytes in bounded memory.

pub mod known;
pub mod koji;
pub mod lists;
pub mod sidecar;

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use memchr::memchr;

/// A longer line is cut.
pub const LINE_MAX_BYTES: usize = 4 << 20;
/// What is kept of a line that is cut.
pub const CUT_KEEPS_BYTES: usize = 64 << 10;
/// Bytes asked of the source at once.
const CHUNK_BYTES: usize = 256 << 10;
/// The largest window a zstd frame may ask for: 2^27 bytes, which `zstd --long=27` uses.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// One line of input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// Its number in the file, from 1.
    pub number: u64,
    /// Its bytes, without the newline.
    pub bytes: &'a [u8],
    /// It was longer than [`LINE_MAX_BYTES`]: only its beginning is here.
    pub cut: bool,
}

/// What is wrong with an input.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// It cannot be opened.
    #[error("{}: cannot be opened: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It cannot be read on.
    #[error("{}: line {line}: cannot be read on: {source}; is the file complete?", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The line that was being read.
        line: u64,
        /// What the system or the decompressor says.
        source: io::Error,
    },
    /// A line of it is not what it should be.
    #[error("{}: line {line}: {problem}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong, and what was expected.
        problem: String,
    },
    /// The whole of it is not what it should be.
    #[error("{}: {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what was expected.
        problem: String,
    },
}

/// Reads one source line by line.
pub struct Lines {
    path: PathBuf,
    source: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    /// What of the buffer holds bytes that were not given out.
    start: usize,
    end: usize,
    ended: bool,
    number: u64,
    /// Where the line that was given last stands in the buffer, and whether it was cut.
    last: (usize, usize, bool),
    read: Arc<AtomicU64>,
}

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines")
            .field("path", &self.path)
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

impl Lines {
    /// Opens a file, or standard input for `-`; gzip and zstd are told by their first bytes.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub fn open(path: &Path) -> Result<Self, InputError> {
        let fail = |source| InputError::Open { path: path.to_owned(), source };
        if path == Path::new("-") {
            return Self::new(path, Box::new(io::stdin())).map_err(fail);
        }
        let file = File::open(path).map_err(fail)?;
        if file.metadata().map_err(fail)?.is_dir() {
            return Err(fail(io::Error::new(
                io::ErrorKind::IsADirectory,
                "it is a folder; name the file in it",
            )));
        }
        Self::new(path, Box::new(file)).map_err(fail)
    }

    /// Reads from anything; `path` names it in errors.
    ///
    /// # Errors
    /// Where its first bytes cannot be read.
    pub fn new(path: &Path, source: Box<dyn Read + Send>) -> io::Result<Self> {
        let read = Arc::new(AtomicU64::new(0));
        let mut source = Counted { source, read: Arc::clone(&read) };
        let mut magic = Vec::with_capacity(4);
        Read::by_ref(&mut source).take(4).read_to_end(&mut magic)?;
        let gzip = magic.starts_with(&[0x1f, 0x8b]);
        let zstd = magic == [0x28, 0xb5, 0x2f, 0xfd];
        let whole = io::Cursor::new(magic).chain(source);
        let source: Box<dyn Read + Send> = if gzip {
            Box::new(flate2::bufread::MultiGzDecoder::new(BufReader::with_capacity(CHUNK_BYTES, whole)))
        } else if zstd {
            let mut decoder = zstd::Decoder::with_buffer(BufReader::with_capacity(CHUNK_BYTES, whole))?;
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
            Box::new(decoder)
        } else {
            Box::new(whole)
        };
        let path = path.to_owned();
        Ok(Self {
            path,
            source,
            buffer: vec![0; CHUNK_BYTES],
            start: 0,
            end: 0,
            ended: false,
            number: 0,
            last: (0, 0, false),
            read,
        })
    }

    /// The next line; `None` at the end. A last line needs no newline; an empty line is one.
    ///
    /// # Errors
    /// Where the source cannot be read on.
    pub fn next_line(&mut self) -> Result<Option<Line<'_>>, InputError> {
        let mut searched = 0;
        loop {
            let held = self.buffer.get(self.start..self.end).unwrap_or_default();
            if let Some(at) = memchr(b'\n', held.get(searched..).unwrap_or_default()).map(|at| searched + at)
            {
                let from = self.start;
                self.start += at + 1;
                return Ok(Some(self.line(from, from + at)));
            }
            searched = held.len();
            if searched > LINE_MAX_BYTES {
                return self.cut_line().map(Some);
            }
            if self.ended {
                let (from, to) = (self.start, self.end);
                self.start = self.end;
                return Ok((from < to).then(|| self.line(from, to)));
            }
            self.fill()?;
        }
    }

    /// Bytes read of the source so far, as they are stored.
    pub fn bytes_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn line(&mut self, from: usize, to: usize) -> Line<'_> {
        self.number += 1;
        let cut = to - from > LINE_MAX_BYTES;
        let to = if cut { from + CUT_KEEPS_BYTES } else { to };
        self.last = (from, to, cut);
        self.last_line()
    }

    /// The line that was given last, once more.
    pub fn last_line(&self) -> Line<'_> {
        let (from, to, cut) = self.last;
        Line { number: self.number, bytes: self.buffer.get(from..to).unwrap_or_default(), cut }
    }

    /// Skips the rest of a line that is too long; its beginning stays.
    fn cut_line(&mut self) -> Result<Line<'_>, InputError> {
        let mut kept = self.buffer.get(self.start..self.start + CUT_KEEPS_BYTES).unwrap_or_default().to_vec();
        self.start = self.end;
        while !self.ended {
            self.fill()?;
            let held = self.buffer.get(self.start..self.end).unwrap_or_default();
            if let Some(at) = memchr(b'\n', held) {
                self.start += at + 1;
                break;
            }
            self.start = self.end;
        }
        // The buffer has grown to hold the whole limit: what follows stays, the kept beginning goes in front of it.
        kept.extend_from_slice(self.buffer.get(self.start..self.end).unwrap_or_default());
        let length = kept.len();
        kept.resize(length.max(CHUNK_BYTES), 0);
        self.buffer = kept;
        (self.start, self.end) = (CUT_KEEPS_BYTES, length);
        self.number += 1;
        self.last = (0, CUT_KEEPS_BYTES, true);
        Ok(self.last_line())
    }

    /// Reads more behind what is held.
    fn fill(&mut self) -> Result<(), InputError> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.buffer.len() - self.end < CHUNK_BYTES / 2 {
            let longer = (self.buffer.len() * 2).min(LINE_MAX_BYTES + 2 * CHUNK_BYTES);
            self.buffer.resize(longer.max(self.end + CHUNK_BYTES), 0);
        }
        let room = self.buffer.get_mut(self.end..).unwrap_or_default();
        loop {
            match self.source.read(room) {
                Ok(0) => self.ended = true,
                Ok(count) => self.end += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => {
                    return Err(InputError::Read { path: self.path.clone(), line: self.number + 1, source });
                }
            }
            return Ok(());
        }
    }
}

/// Counts the bytes that are read.
struct Counted {
    source: Box<dyn Read + Send>,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    /// Gives its bytes in small pieces, with interruptions.
    struct Slow(Vec<u8>, usize, usize);

    impl Read for Slow {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.1 += 1;
            if self.1.is_multiple_of(3) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let count = buffer.len().min(self.2).min(self.0.len());
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0.drain(..count);
            Ok(count)
        }
    }

    fn read(source: impl Read + Send + 'static) -> Vec<(Vec<u8>, bool)> {
        let mut lines = Lines::new(Path::new("x"), Box::new(source)).unwrap();
        let mut all = Vec::new();
        while let Some(line) = lines.next_line().unwrap() {
            assert_eq!(line.number, all.len() as u64 + 1);
            all.push((line.bytes.to_vec(), line.cut));
        }
        all
    }

    fn whole(lines: &[&[u8]]) -> Vec<(Vec<u8>, bool)> {
        lines.iter().map(|line| (line.to_vec(), false)).collect()
    }

    #[test]
    fn lines_at_their_edges() {
        for (bytes, lines) in [
            (&b""[..], &[][..]),
            (b"\n", &[&b""[..]][..]),
            (b"a", &[b"a"]),
            (b"a\n", &[b"a"]),
            (b"a\n\nb", &[b"a", b"", b"b"]),
            (b"a\r\n", &[b"a\r"]),
        ] {
            assert_eq!(read(io::Cursor::new(bytes.to_vec())), whole(lines), "{bytes:?}");
        }
    }

    #[test]
    fn a_line_of_the_limit_is_whole_and_one_byte_more_is_cut() {
        for more in [0, 1, CHUNK_BYTES, 3 * LINE_MAX_BYTES] {
            let mut bytes = vec![b'x'; LINE_MAX_BYTES + more];
            bytes.extend_from_slice(b"\nnext\nlast");
            let lines = read(io::Cursor::new(bytes));
            assert_eq!(lines.len(), 3, "{more}");
            assert_eq!(lines[0].1, more > 0);
            assert_eq!(lines[0].0.len(), if more > 0 { CUT_KEEPS_BYTES } else { LINE_MAX_BYTES });
            assert!(lines[0].0.iter().all(|byte| *byte == b'x'));
            assert_eq!(lines[1..], whole(&[b"next", b"last"]));
        }
    }

    #[test]
    fn a_truncated_file_is_an_error_that_names_the_line() {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&vec![b'a'; 100_000]).unwrap();
        let mut bytes = encoder.finish().unwrap();
        bytes.truncate(bytes.len() - 12);
        let mut lines = Lines::new(Path::new("x.gz"), Box::new(io::Cursor::new(bytes))).unwrap();
        let error = lines.next_line().unwrap_err().to_string();
        assert!(error.starts_with("x.gz: line 1: cannot be read on"), "{error}");
    }

    #[test]
    fn a_zstd_frame_that_asks_for_gigabytes_is_refused() {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(28).unwrap();
        encoder.write_all(b"abc\n").unwrap();
        let bytes = encoder.finish().unwrap();
        let mut lines = Lines::new(Path::new("x.zst"), Box::new(io::Cursor::new(bytes))).unwrap();
        assert!(matches!(lines.next_line(), Err(InputError::Read { .. })));
    }

    #[test]
    fn a_folder_and_a_missing_file_are_told() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Lines::open(folder.path()).unwrap_err().to_string().contains("folder"));
        assert!(matches!(Lines::open(&folder.path().join("none")), Err(InputError::Open { .. })));
    }

    proptest! {
        #[test]
        fn reads_what_splitting_gives(bytes in prop::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..400), piece in 1usize..50) {
            prop_assume!(!bytes.starts_with(&[0x1f, 0x8b]));
            let mut expected: Vec<_> = bytes.split(|byte| *byte == b'\n').map(|line| (line.to_vec(), false)).collect();
            if expected.last().is_some_and(|(line, _)| line.is_empty()) {
                expected.pop();
            }
            prop_assert_eq!(read(Slow(bytes.clone(), 0, piece)), expected.clone());
            let mut gzip = Vec::new();
            for half in bytes.chunks(bytes.len() / 2 + 1) {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(half).unwrap();
                gzip.extend(encoder.finish().unwrap());
            }
            if !bytes.is_empty() {
                prop_assert_eq!(read(Slow(gzip, 0, piece)), expected.clone());
                let frames = bytes.chunks(bytes.len() / 2 + 1).flat_map(|half| zstd::encode_all(half, 1).unwrap());
                prop_assert_eq!(read(Slow(frames.collect(), 0, piece)), expected);
            }
        }
    }
}
