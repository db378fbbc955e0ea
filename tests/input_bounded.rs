//! Memory stays bounded whatever a compressed file unpacks to.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::io::{self, Read, Write};
use std::path::Path;
use std::process::Command;
use std::{env, fs};

use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;
use tidegate::input::{CUT_KEEPS_BYTES, Lines};

/// Names the file that a copy of this test program is to read.
const FILE: &str = "TIDEGATE_TEST_READ_FILE";
/// Zeros in one frame or member, in bytes.
const PIECE_BYTES: u64 = 64 << 20;
/// What a process may hold at its peak to read any file, in KiB: the program itself, the buffer of a line, a
/// window of 2 MiB.
const PEAK_MAX_KIB: u64 = 32 << 10;

fn zeros() -> impl Read {
    io::repeat(0).take(PIECE_BYTES)
}

/// Reads the file in another process, so that the peak is that of the reading alone, and returns it in KiB.
fn peak_of_reading(path: &Path) -> u64 {
    let output = Command::new(env::current_exe().unwrap())
        .args(["reads_the_file_it_is_given", "--exact", "--nocapture"])
        .env(FILE, path)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    let peak = text.split("peak KiB: ").nth(1).unwrap();
    peak.split_whitespace().next().unwrap().parse().unwrap()
}

fn check(name: &str, piece: &[u8], pieces: u64) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join(name);
    let mut file = fs::File::create(&path).unwrap();
    for _ in 0..pieces {
        file.write_all(piece).unwrap();
    }
    let peak = peak_of_reading(&path);
    assert!(peak < PEAK_MAX_KIB, "{name}: {peak} KiB");
}

/// Does its work only where the other tests call it in another process.
#[test]
fn reads_the_file_it_is_given() {
    let Some(path) = env::var_os(FILE) else { return };
    let mut input = Lines::open(Path::new(&path)).unwrap();
    let line = input.next_line().unwrap().unwrap();
    assert!(line.cut && line.number == 1);
    assert_eq!(line.bytes, vec![0; CUT_KEEPS_BYTES]);
    assert!(input.next_line().unwrap().is_none(), "zeros are one line");
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    println!("peak KiB: {peak}");
}

#[test]
fn ten_gigabytes_of_zeros_in_zstd() {
    let piece = zstd::encode_all(zeros(), 1).unwrap();
    check("zeros.zst", &piece, 160);
}

#[test]
fn ten_gigabytes_of_zeros_in_gzip() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    io::copy(&mut zeros(), &mut encoder).unwrap();
    let piece = encoder.finish().unwrap();
    check("zeros.gz", &piece, 160);
}
