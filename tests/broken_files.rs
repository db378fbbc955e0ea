//! Broken pipeline files: each is refused with exactly what stands in the text file beside it.
//!
//! `TIDEGATE_BLESS=1` writes the texts anew; read what changed before it is committed.

use std::path::{Path, PathBuf};

use tidegate::pipeline::{self, Place, Report};

/// The pipeline files of a folder under `tests/`, in order.
fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let mut files: Vec<PathBuf> =
        folder.read_dir().expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    files
}

fn refused(file: &Path) -> Report {
    let name = file.file_name().expect("a name").to_string_lossy();
    let text = std::fs::read_to_string(file).expect("a text");
    let report = pipeline::parse(&name, &text, &[]);
    report.err().unwrap_or_else(|| panic!("{name} was taken"))
}

#[test]
fn each_broken_file_is_refused_with_all_that_is_wrong_with_it() {
    let bless = std::env::var_os("TIDEGATE_BLESS").is_some();
    let (mut all, mut with_several) = (0, 0);
    for file in files("broken") {
        let report = refused(&file);
        let told = format!("{report}\n");
        let beside = file.with_extension("txt");
        if bless {
            std::fs::write(&beside, &told).expect("a file that can be written");
        }
        let expected = std::fs::read_to_string(&beside).unwrap_or_default();
        assert_eq!(told, expected, "{}", file.display());
        for finding in &report.findings {
            let placed = matches!(finding.place, Place::File { line: 1.., column: 1.., .. });
            assert!(placed && !finding.help.is_empty(), "{}: {finding}", file.display());
        }
        all += 1;
        with_several += usize::from(report.errors().count() > 1);
    }
    assert!(all >= 40, "only {all} broken files");
    assert!(with_several >= 10, "only {with_several} broken files with several errors");
}

#[test]
fn no_broken_file_shows_a_secret() {
    for file in files("broken") {
        assert!(!refused(&file).to_string().contains("hunter2"), "{}", file.display());
    }
}
