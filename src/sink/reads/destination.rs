//! Whether the tag that a target builds into has a build of the same source already.
//!
//! The rule: a complete build of the package in the destination tag (itself, not what it inherits) counts if it was made
//! from the same source and belongs to the present generation. The generation is the dist tag that the target's build tag
//! gives its builds (`rpm.macro.dist`, or `.eln` with `rpm.macro.eln`), which is then part of the release. Where the build
//! tag states none, generations cannot be told, and every build of the source counts: nothing is built twice.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::each::each;
use crate::koji::answers::{BuildState, Tag, TaggedBuild};
use crate::koji::client::Client;
use crate::koji::error::CallError;
use crate::koji::query;
use crate::koji::xmlrpc::{Fault, Struct, Value};
use crate::sink::trouble;
use crate::submit::ask::Finding;
use crate::text::bounded;

/// Builds of one package, newest first, of which the source is looked at.
const CANDIDATES_MAX: usize = 10;

/// A source that is looked for.
#[derive(Debug)]
pub(super) struct Wanted {
    /// Where the finding belongs.
    pub(super) place: usize,
    pub(super) target: Arc<str>,
    pub(super) package: Arc<str>,
    pub(super) source: Arc<str>,
}

/// Where a target builds to, and what its builds are called.
#[derive(Debug, Clone)]
struct Destination {
    tag: String,
    /// The part of a release that tells the generation.
    dist: Option<String>,
}

/// Findings for those that are not to be built, or cannot be judged, each with its place.
pub(super) async fn look(client: &Client, wanted: &[Wanted]) -> Result<Vec<(usize, Finding)>, CallError> {
    let destinations = destinations(client, wanted).await?;
    let mut findings = Vec::new();
    let mut sought: Vec<(&Wanted, &Destination)> = Vec::new();
    for one in wanted {
        match destinations.get(&one.target) {
            Some(Ok(destination)) => sought.push((one, destination)),
            Some(Err(fault)) => findings.push((one.place, Finding::Unclear(trouble::fault(fault)))),
            None => {}
        }
    }
    let tagged = each(client, &sought, |(one, to)| query::package_in_tag(&to.tag, &one.package)).await?;
    let mut candidates: Vec<(&Wanted, u64)> = Vec::new();
    for ((one, to), tagged) in sought.into_iter().zip(tagged) {
        match tagged {
            Ok(tagged) => candidates.extend(of_generation(&tagged, to.dist.as_deref()).map(|id| (one, id))),
            Err(fault) => findings.push((one.place, Finding::Unclear(trouble::fault(&fault)))),
        }
    }
    let whole = |id: u64| Value::Int(i64::try_from(id).unwrap_or(i64::MAX));
    let builds = each(client, &candidates, |(_, id)| query::get_build(whole(*id))).await?;
    for ((one, _), build) in candidates.into_iter().zip(builds) {
        match build {
            Ok(Some(build)) if build.source.as_deref().is_some_and(|source| is_same(source, &one.source)) => {
                findings.push((one.place, Finding::AlreadyBuilt { nvr: build.nvr.into() }));
            }
            Ok(_) => {}
            Err(fault) => findings.push((one.place, Finding::Unclear(trouble::fault(&fault)))),
        }
    }
    // What is known to be built counts before what cannot be judged.
    findings.sort_by_key(|(_, finding)| matches!(finding, Finding::AlreadyBuilt { .. }));
    Ok(findings)
}

async fn destinations(
    client: &Client,
    wanted: &[Wanted],
) -> Result<BTreeMap<Arc<str>, Result<Destination, Fault>>, CallError> {
    let names: BTreeSet<Arc<str>> = wanted.iter().map(|one| Arc::clone(&one.target)).collect();
    let names: Vec<Arc<str>> = names.into_iter().collect();
    let targets = each(client, &names, |name| query::build_target(name)).await?;
    let mut destinations = BTreeMap::new();
    for (name, target) in names.into_iter().zip(targets) {
        let destination = match target {
            Ok(Some(target)) => {
                let config = each(client, &[target.build_tag], |tag| query::build_config(tag)).await?;
                let config = config.into_iter().next().unwrap_or_else(|| Err(Fault::new(1, "no answer")));
                config.map(|tag: Tag| Destination { tag: target.dest_tag, dist: dist(&tag.extra) })
            }
            Ok(None) => {
                let text = format!("No such build target: {}", bounded(&name, 100));
                Err(Fault::new(crate::koji::fault::GENERIC, text))
            }
            Err(fault) => Err(fault),
        };
        destinations.insert(name, destination);
    }
    Ok(destinations)
}

/// The part of a release that the build tag gives to its builds.
fn dist(extra: &Struct) -> Option<String> {
    let stated = extra.get("rpm.macro.dist").and_then(Value::as_str);
    // A macro within the macro cannot be told from here.
    if let Some(dist) = stated.filter(|dist| !dist.is_empty() && !dist.contains('%')) {
        return Some(dist.to_owned());
    }
    let eln = extra.get("rpm.macro.eln")?;
    if let Some(number) = eln.as_int() {
        return Some(format!(".eln{number}"));
    }
    eln.as_str().filter(|text| !text.is_empty() && !text.contains('%')).map(|text| format!(".eln{text}"))
}

fn of_generation<'a>(tagged: &'a [TaggedBuild], dist: Option<&'a str>) -> impl Iterator<Item = u64> + 'a {
    let belongs = move |build: &&TaggedBuild| {
        build.state == BuildState::Complete && dist.is_none_or(|dist| has_dist(&build.release, dist))
    };
    tagged.iter().filter(belongs).take(CANDIDATES_MAX).map(|build| build.build_id)
}

/// Whether a dist tag stands in a release as a whole: `.eln14` is not in `1.eln145`.
fn has_dist(release: &str, dist: &str) -> bool {
    release.match_indices(dist).any(|(at, _)| {
        let rest = release.get(at + dist.len()..).unwrap_or_default();
        !rest.starts_with(|next: char| next.is_ascii_alphanumeric())
    })
}

/// Whether two sources are the same: by their text, or by a full commit, which no two contents share.
fn is_same(one: &str, other: &str) -> bool {
    let commit = |source: &str| {
        let fragment = source.split_once('#').map(|(_, fragment)| fragment.to_ascii_lowercase());
        fragment.filter(|text| {
            [40, 64].contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
        })
    };
    one == other || commit(one).is_some_and(|found| Some(found) == commit(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dist_tag_stands_as_a_whole() {
        for (release, dist, expected) in [
            ("1.eln145", ".eln145", true),
            ("1.eln145.2", ".eln145", true),
            ("1.eln145,draft_7", ".eln145", true),
            ("1.eln145", ".eln14", false),
            ("1.eln144", ".eln145", false),
            ("1.eln145b", ".eln145", false),
            ("1", ".eln145", false),
            ("1.fc42_1", ".fc42", true),
        ] {
            assert_eq!(has_dist(release, dist), expected, "{release} {dist}");
        }
    }

    #[test]
    fn the_generation_is_what_the_build_tag_states() {
        let eln = |value: Value| Struct::new().with("rpm.macro.eln", value);
        for (extra, expected) in [
            (eln(145.into()), Some(".eln145")),
            (eln("145".into()), Some(".eln145")),
            (eln("%{x}".into()), None),
            (Struct::new().with("rpm.macro.dist", ".fc42"), Some(".fc42")),
            (eln(145.into()).with("rpm.macro.dist", ".eln%{eln}"), Some(".eln145")),
            (Struct::new(), None),
        ] {
            assert_eq!(dist(&extra).as_deref(), expected, "{extra:?}");
        }
    }

    #[test]
    fn sources_are_the_same_by_text_or_by_commit() {
        let hash = "0123456789abcdef0123456789abcdef01234567";
        for (one, other, expected) in [
            ("git+https://a/zlib#1", "git+https://a/zlib#1", true),
            ("git+https://a/zlib#1", "git+https://b/zlib#1", false),
            (&format!("git+https://a/zlib#{hash}"), &format!("git://b/zlib.git#{hash}"), true),
            (&format!("git+https://a/zlib#{hash}"), "git+https://a/zlib#main", false),
            ("zlib.src.rpm", "bash.src.rpm", false),
        ] {
            assert_eq!(is_same(one, other), expected, "{one} {other}");
        }
    }
}
