//! What a person may have meant by a mistyped name.

/// Longest name that is compared: the distance costs the product of the lengths.
const LENGTH_MAX: usize = 64;

/// The name closest to `typed`, where one is close enough to be meant.
pub(super) fn nearest<'a>(typed: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if typed.len() > LENGTH_MAX {
        return None;
    }
    let typed = typed.to_lowercase().replace('-', "_");
    let slips = (typed.chars().count() / 3).clamp(1, 3);
    names
        .map(|name| (strsim::osa_distance(&typed, name), name))
        .filter(|&(distance, _)| distance <= slips)
        .min()
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_slips_and_nothing_far_off() {
        let names = ["hold_back", "hold_size", "quiet", "quiet_large", "large", "rules"];
        for (typed, meant) in [
            ("hold_bakc", Some("hold_back")),
            ("hold-back", Some("hold_back")),
            ("Quiet", Some("quiet")),
            ("rule", Some("rules")),
            ("qiet", Some("quiet")),
            ("lag", None),
            ("", None),
            ("window", None),
        ] {
            assert_eq!(nearest(typed, names.into_iter()), meant, "{typed}");
        }
        assert_eq!(nearest(&"a".repeat(10_000), names.into_iter()), None);
    }
}
