//! Keeps the repository tidy: what the core may not use, how long a file may be, and that pages say what is there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Files of more lines than that are two files.
const LINES_MAX: usize = 600;
/// Where the core lives: it decides, and does nothing else.
const CORE: [&str; 7] = [
    "src/engine/",
    "src/engine.rs",
    "src/time.rs",
    "src/event.rs",
    "src/settings.rs",
    "src/governor",
    "src/submit",
];
/// What the core may not name: clocks, I/O, tasks.
const NOT_IN_CORE: [&str; 8] =
    ["async", "tokio", "rdkafka", "axum", "std::fs", "std::net", "Instant::now", "SystemTime"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files of the repository that are text, as (path from its root, content), in order.
fn files() -> Vec<(String, String)> {
    // What Git ignores; `.git` is a file in a second worktree.
    let skipped = ["target", ".git", "fuzz/target", "fuzz/corpus", "fuzz/artifacts", "fuzz/coverage"];
    let mut found = Vec::new();
    let mut folders = vec![root().to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder that can be listed") {
            let path = entry.expect("a folder that can be listed").path();
            let name = path.strip_prefix(root()).expect("it was found there").to_string_lossy().into_owned();
            if skipped.contains(&name.as_str()) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = fs::read_to_string(&path) {
                found.push((name, text));
            }
        }
    }
    found.sort();
    assert!(found.len() > 50, "only {} files under {}", found.len(), root().display());
    found
}

fn has_extension(name: &str, extension: &str) -> bool {
    Path::new(name).extension().is_some_and(|found| found == extension)
}

/// Whether `text` names `word` as a whole word, or a path where it holds one.
fn names(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        let (before, rest) = text.split_at(at);
        !before.ends_with(is_part) && !rest.strip_prefix(word).is_some_and(|after| after.starts_with(is_part))
    })
}

/// The code of a line, without a comment behind it.
fn code(line: &str) -> &str {
    line.split("//").next().unwrap_or_default()
}

/// Fails with the list of what was found, if anything was.
fn none_of(what: &str, found: &[String]) {
    assert!(found.is_empty(), "{what}:\n  {}", found.join("\n  "));
}

#[test]
fn a_word_is_found_whole() {
    for (text, found) in [
        ("async fn f()", true),
        ("use std::fs;", false),
        ("asynchronous", false),
        ("_async", false),
        ("(async)", true),
    ] {
        assert_eq!(names(text, "async"), found, "{text}");
    }
    assert!(names("use std::fs::File;", "std::fs") && !names("use std::fsx;", "std::fs"));
}

#[test]
fn the_core_has_no_clock_no_io_and_no_tasks() {
    let files = files();
    let core = files
        .iter()
        .filter(|(name, _)| has_extension(name, "rs") && CORE.iter().any(|core| name.starts_with(core)));
    let mut seen = 0;
    let mut found = Vec::new();
    for (name, text) in core {
        seen += 1;
        for (number, line) in text.lines().enumerate() {
            let bad = NOT_IN_CORE.iter().filter(|word| names(code(line), word));
            found.extend(bad.map(|word| format!("{name}:{}: {word}", number + 1)));
        }
    }
    assert!(seen > 20, "only {seen} files of the core were found");
    none_of("the core decides and does nothing else; move this to the shell", &found);
}

#[test]
fn no_file_is_too_long() {
    let mut found = Vec::new();
    for (name, text) in files() {
        let lines = text.lines().count();
        if lines > LINES_MAX && ["rs", "md", "sh"].iter().any(|extension| has_extension(&name, extension)) {
            found.push(format!("{name}: {lines} lines"));
        }
    }
    none_of("a file has at most 600 lines: divide it by what its parts do", &found);
}

#[test]
fn nothing_is_left_unfinished() {
    // Put together here, so that this file does not find itself.
    let marks = [["TO", "DO"], ["FIX", "ME"], ["todo", "!"], ["unimplemented", "!"], ["#[ig", "nore"]]
        .map(|parts| parts.concat());
    let mut found = Vec::new();
    for (name, text) in files() {
        for (number, line) in text.lines().enumerate() {
            if marks.iter().any(|mark| line.contains(mark.as_str())) {
                found.push(format!("{name}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    none_of("finish it, or leave it out", &found);
}

#[test]
fn no_path_of_somebodys_machine_is_written_down() {
    // Homes, and folders that only exist where somebody works; `/etc` and `/var` are the same everywhere.
    let marks = ["home", "root", "work", "Users", "tmp"].map(|folder| format!("/{folder}/"));
    let mut found = Vec::new();
    for (name, text) in files() {
        for (number, line) in text.lines().enumerate() {
            let starts_path = |at: usize| {
                let before = line.split_at(at).0.chars().next_back();
                before.is_none_or(|c| !(c.is_alphanumeric() || ".-_~*>}$)/:".contains(c)))
            };
            let is_path = |mark: &String| line.match_indices(mark.as_str()).any(|(at, _)| starts_path(at));
            if name != "Cargo.lock" && marks.iter().any(is_path) {
                found.push(format!("{name}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    none_of("this path is not there on another machine", &found);
}

/// The targets of links of a page, `(line, target)`.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut in_code = false;
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        let targets = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        found.extend(targets.map(|target| (number + 1, target.to_owned())));
    }
    found
}

/// The anchors of a page's headings, as the usual renderers make them.
fn anchors(text: &str) -> Vec<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| -> String {
        let text = heading.trim_start_matches('#').trim().to_lowercase();
        text.chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect()
    };
    headings.map(anchor).collect()
}

#[test]
fn every_relative_link_of_a_page_leads_somewhere() {
    let mut seen = 0;
    let mut found = Vec::new();
    for (name, text) in files().into_iter().filter(|(name, _)| has_extension(name, "md")) {
        for (line, target) in links(&text) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            seen += 1;
            let (file, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let path = match file {
                "" => root().join(&name),
                _ => root().join(&name).parent().map(|folder| folder.join(file)).unwrap(),
            };
            let page = fs::read_to_string(&path).unwrap_or_default();
            if !path.exists() || !anchor.is_empty() && !anchors(&page).iter().any(|known| known == anchor) {
                found.push(format!("{name}:{line}: {target}"));
            }
        }
    }
    assert!(seen > 10, "only {seen} links were found");
    none_of("this link leads nowhere", &found);
}

#[test]
fn every_path_named_in_a_page_is_there() {
    // `src/engine.rs`, `docs/`, `scripts/test.sh`: what stands in backquotes and begins with a folder of this repository.
    let folders = [
        "src/",
        "docs/",
        "tests/",
        "scripts/",
        "pipelines/",
        "benches/",
        "grafana/",
        "deploy/",
        "fuzz/",
        ".ci/",
    ];
    let mut seen = 0;
    let mut found = Vec::new();
    for (name, text) in files().into_iter().filter(|(name, _)| has_extension(name, "md")) {
        for (number, line) in text.lines().enumerate() {
            for word in line.split('`').skip(1).step_by(2) {
                let is_ours = word.ends_with('/') || folders.iter().any(|folder| word.starts_with(folder));
                if !is_ours || word.starts_with('/') || word.contains([' ', '*', '<', '{']) {
                    continue;
                }
                seen += 1;
                if !root().join(word).exists() {
                    found.push(format!("{name}:{}: {word}", number + 1));
                }
            }
        }
    }
    assert!(seen > 20, "only {seen} paths were found");
    none_of("a page names what is not there", &found);
}

#[test]
fn every_test_named_in_a_page_is_there() {
    // Names of tests are sentences: but for names of metrics, nothing else in a page has as many words joined.
    let is_sentence = |word: &str| {
        word.matches('_').count() >= 3
            && !["tidegate_", "process_"].iter().any(|metrics| word.starts_with(metrics))
            && word.chars().all(|c| c.is_ascii_lowercase() || "_0123456789".contains(c))
    };
    let files = files();
    let code: Vec<_> = files.iter().filter(|(name, _)| has_extension(name, "rs")).collect();
    let mut seen = 0;
    let mut found = Vec::new();
    for (name, text) in files.iter().filter(|(name, _)| has_extension(name, "md")) {
        for word in text.split('`').filter(|word| is_sentence(word)) {
            seen += 1;
            if !code.iter().any(|(_, text)| text.contains(&format!("fn {word}("))) {
                found.push(format!("{name}: {word}"));
            }
        }
    }
    assert!(seen > 5, "only {seen} names of tests were found");
    none_of("a page names a test that is not there", &found);
}

#[test]
fn every_metric_named_in_a_page_is_there() {
    let metrics = tidegate::metrics::table::TABLE;
    let is_name = |word: &str| word.chars().all(|c| c.is_ascii_lowercase() || "_0123456789".contains(c));
    let mut seen = 0;
    let mut found = Vec::new();
    for (name, text) in files().into_iter().filter(|(name, _)| has_extension(name, "md")) {
        for word in text.split('`').filter(|word| word.starts_with("tidegate_") && is_name(word)) {
            seen += 1;
            if metrics.iter().all(|metric| metric.name != word) {
                found.push(format!("{name}: {word}"));
            }
        }
    }
    assert!(seen >= metrics.len(), "only {seen} names of metrics were found");
    none_of("a page names a metric that is not there", &found);
}

#[test]
fn every_file_of_the_core_stands_in_the_code_map() {
    let map = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    let modules = files().into_iter().map(|(name, _)| name).filter(|name| {
        let depth = name.matches('/').count();
        has_extension(name, "rs")
            && (name.starts_with("src/engine/") || name.starts_with("src/") && depth == 1)
    });
    let missing: Vec<_> = modules.filter(|name| !map.contains(&format!("`{name}`"))).collect();
    none_of("docs/architecture.md says nothing of", &missing);
}

#[test]
fn every_invariant_that_the_code_names_is_stated() {
    let page = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    let stated = |id: &str| page.lines().any(|line| line.starts_with(&format!("| {id} |")));
    let mut seen = 0;
    let mut found = Vec::new();
    for (name, text) in
        files().into_iter().filter(|(name, _)| has_extension(name, "rs") && name.starts_with("src/"))
    {
        for (number, line) in text.lines().enumerate() {
            for part in line.to_lowercase().split("invariant i").skip(1) {
                let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
                seen += usize::from(!digits.is_empty());
                if !digits.is_empty() && !stated(&format!("I{digits}")) {
                    found.push(format!("{name}:{}: I{digits}", number + 1));
                }
            }
        }
    }
    assert!(seen > 0, "no invariant is named in the code");
    none_of("docs/architecture.md does not state this invariant", &found);
}

#[test]
fn every_allowed_skip_can_happen() {
    let list = fs::read_to_string(root().join("tests/allowed-skips.txt")).unwrap();
    let sources: Vec<_> = files()
        .into_iter()
        .filter(|(name, _)| {
            (has_extension(name, "rs") || has_extension(name, "sh")) && name != "tests/repo.rs"
        })
        .collect();
    // What a skip names by a variable stands as an argument beside it.
    let can_happen = |skip: &str| {
        let subject = skip.split_whitespace().next().unwrap_or_default();
        let general = skip.replacen(subject, "%s", 1);
        sources.iter().any(|(_, text)| {
            text.contains(&format!("skipped: {skip}"))
                || text.contains(&format!("skipped: {general}"))
                    && text.contains(&format!("if_there {subject}"))
        })
    };
    let skips = list.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    let unused: Vec<_> = skips.filter(|skip| !can_happen(skip)).map(str::to_owned).collect();
    none_of("nothing prints this skip any more: take it out of tests/allowed-skips.txt", &unused);
}

#[test]
fn scripts_can_be_run() {
    let scripts: Vec<PathBuf> = files()
        .into_iter()
        .filter(|(name, text)| text.starts_with("#!") && (has_extension(name, "sh") || name == ".ci/run"))
        .map(|(name, _)| root().join(name))
        .collect();
    assert!(scripts.len() >= 3, "only {} scripts were found", scripts.len());
    for script in scripts {
        let parsed = Command::new("bash").arg("-n").arg(&script).status().unwrap();
        assert!(parsed.success(), "{} is no good shell", script.display());
        let executable = Command::new("test").arg("-x").arg(&script).status().unwrap();
        assert!(executable.success(), "{} is not executable: chmod +x it", script.display());
    }
}
