//! What a hub knows of builds just before they are submitted.

use std::sync::Arc;

use super::destination::{self, Wanted};
use super::each::each;
use crate::koji::answers::{Build, BuildState, Tag};
use crate::koji::client::Client;
use crate::koji::error::CallError;
use crate::koji::query;
use crate::koji::xmlrpc::{Fault, Value};
use crate::sink::trouble;
use crate::submit::ask::{Finding, Inquiry};
use crate::submit::row::RowId;
use crate::text::bounded;

/// Printed characters of a name that are told.
const NAME_MAX: usize = 100;

/// One finding for each inquiry, in their order.
pub(super) async fn check(
    client: &Client,
    inquiries: &[Inquiry],
) -> Result<Vec<(RowId, Finding)>, CallError> {
    let builds = each(client, inquiries, |inquiry| query::get_build(number(inquiry.build_id))).await?;
    let tags = each(client, inquiries, |inquiry| query::list_tags(number(inquiry.build_id))).await?;
    let mut findings: Vec<(RowId, Finding)> = Vec::with_capacity(inquiries.len());
    let mut wanted = Vec::new();
    for ((inquiry, build), tags) in inquiries.iter().zip(builds).zip(tags) {
        let finding = judge(inquiry, build, tags);
        if let (Finding::Ready { source }, Some(target)) = (&finding, &inquiry.target) {
            wanted.push(Wanted {
                place: findings.len(),
                target: Arc::clone(target),
                package: Arc::clone(&inquiry.package),
                source: Arc::clone(source),
            });
        }
        findings.push((inquiry.row, finding));
    }
    for (place, other) in destination::look(client, &wanted).await? {
        if let Some((_, finding)) = findings.get_mut(place) {
            *finding = other;
        }
    }
    Ok(findings)
}

/// What the hub says of the build itself.
fn judge(inquiry: &Inquiry, build: Result<Option<Build>, Fault>, tags: Result<Vec<Tag>, Fault>) -> Finding {
    let not_tagged = |detail: String| Finding::NotTagged { detail: detail.into() };
    let build = match build {
        Ok(Some(build)) => build,
        Ok(None) => return not_tagged(format!("Koji knows no build {}", inquiry.build_id)),
        Err(fault) => return Finding::Unclear(trouble::fault(&fault)),
    };
    let nvr = bounded(&build.nvr, NAME_MAX);
    if build.state != BuildState::Complete {
        return not_tagged(format!("{nvr} is {}", state(build.state)));
    }
    let tags = match tags {
        Ok(tags) => tags,
        Err(fault) => return Finding::Unclear(trouble::fault(&fault)),
    };
    if !tags.iter().any(|tag| inquiry.tags.iter().any(|wanted| **wanted == *tag.name)) {
        return not_tagged(format!("{nvr} is in no trigger tag any more; it is in {}", listed(&tags)));
    }
    match build.source {
        Some(source) if is_commit(&source) => Finding::Ready { source: source.into() },
        Some(source) => {
            let source = bounded(&source, NAME_MAX);
            not_tagged(format!("{nvr} was not built from a commit, but from {source}"))
        }
        None => not_tagged(format!("Koji does not say what {nvr} was built from")),
    }
}

/// Whether a source can be built again by everybody: a URL with a commit, not a file that somebody uploaded.
fn is_commit(source: &str) -> bool {
    let fragment = source.split_once('#').map_or("", |(_, fragment)| fragment);
    source.contains("://") && !fragment.is_empty()
}

fn state(state: BuildState) -> &'static str {
    match state {
        BuildState::Building => "still being built",
        BuildState::Complete => "complete",
        BuildState::Deleted => "deleted",
        BuildState::Failed => "failed",
        BuildState::Canceled => "canceled",
    }
}

/// The first of some tags, for people.
fn listed(tags: &[Tag]) -> String {
    const SHOWN: usize = 5;
    if tags.is_empty() {
        return "none".to_owned();
    }
    let names: Vec<String> =
        tags.iter().take(SHOWN).map(|tag| bounded(&tag.name, NAME_MAX).to_string()).collect();
    let more = if tags.len() > SHOWN { format!(" and {} more", tags.len() - SHOWN) } else { String::new() };
    format!("{}{more}", names.join(", "))
}

/// The number of a build as an argument; beyond 2^63 there are none.
fn number(id: u64) -> Value {
    Value::Int(i64::try_from(id).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_built_again() {
        for (source, expected) in [
            ("git+https://src.example/rpms/zlib#0123abc", true),
            ("git://src.example/rpms/zlib#origin/eln", true),
            ("git+https://src.example/rpms/zlib", false),
            ("git+https://src.example/rpms/zlib#", false),
            ("zlib-1.3-2.src.rpm", false),
            ("cli-build/1700000000.1.abcd/zlib-1.3-2.src.rpm", false),
            ("", false),
        ] {
            assert_eq!(is_commit(source), expected, "{source}");
        }
    }
}
