//! Which tag triggers: a tag by its name, or an alias that stands for one.

use super::reader::{Reader, Spot, Stated};
use super::sections::TriggerSection;

/// Names that stand for a tag which changes with time. A tag of such a name cannot be followed.
const ALIASES: [&str; 1] = ["rawhide"];

/// What a pipeline follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Follow {
    /// One tag, by its name.
    Tag(String),
    /// An alias, with the tag that it stood for last where the file states it.
    Alias {
        /// The alias, such as `rawhide`.
        alias: String,
        /// `trigger.tag`.
        tag: Option<String>,
    },
}

/// Whether a name stands for a tag that changes.
pub(super) fn is_alias(name: &str) -> bool {
    ALIASES.contains(&name)
}

impl Follow {
    /// The trigger tag as far as the pipeline file tells it.
    pub fn tag(&self) -> Option<&str> {
        match self {
            Self::Tag(tag) => Some(tag),
            Self::Alias { tag, .. } => tag.as_deref(),
        }
    }
}

/// Tells what is followed; reports what contradicts. `in_file` is what the file itself says of `follow`.
pub(super) fn follow(
    section: &mut TriggerSection,
    in_file: Option<&str>,
    reader: &mut Reader<'_>,
) -> Option<Follow> {
    give_way(section, in_file, reader);
    let TriggerSection { follow, tag, family, .. } = section;
    let Some(name) = follow.value.clone() else {
        if follow.sound {
            reader.missing(
                "trigger",
                "the pipeline does not say which tag it follows".to_owned(),
                "state `follow` in [trigger], such as follow = \"f44\" or follow = \"rawhide\"".to_owned(),
            );
        }
        return None;
    };
    let followed = if ALIASES.contains(&name.as_str()) {
        Follow::Alias { alias: name, tag: tag.value.clone() }
    } else {
        if let Some(stated) = tag.value.as_ref().filter(|stated| **stated != name) {
            let message = format!(
                "`trigger.tag` says \"{stated}\", and `trigger.follow` names the tag \"{name}\" itself"
            );
            let help =
                format!("remove `tag`; it belongs to an alias, of which there is {}", ALIASES.join(", "));
            reader.error(&[tag, follow], message, help);
        }
        Follow::Tag(name)
    };
    for alias in family.value.iter().filter(|member| ALIASES.contains(&member.tag.as_str())) {
        let message =
            format!("\"{}\" in `trigger.family` is an alias, and the family is made of tags", alias.tag);
        reader.error(&[family], message, "state the tags it stood for, such as \"f43\"".to_owned());
    }
    let current = followed.tag().and_then(|tag| family.value.iter().find(|member| member.tag == tag));
    if let Some(left) = current.and_then(|member| member.left_at) {
        let tag = followed.tag().unwrap_or_default();
        let message =
            format!("`trigger.family` says that \"{tag}\" was left on {left}, and it is the tag to follow");
        reader.error(&[family, follow], message, "remove the time, or follow another tag".to_owned());
    }
    Some(followed)
}

/// The file's `tag` and `family` belong to the file's `follow`, and go with it where a `--set` follows another
/// tag.
fn give_way(section: &mut TriggerSection, in_file: Option<&str>, reader: &mut Reader<'_>) {
    let follow = &section.follow;
    let elsewhere = matches!(follow.spot(), Spot::Set(..)) && follow.value.as_deref() != in_file;
    if !elsewhere || !follow.sound() {
        return;
    }
    reader.forget(&mut section.tag, super::reader::UNSET);
    if reader.forget(&mut section.family, "[]") {
        let message = "the file's `trigger.family` is left out: it belongs to the tag that the file follows";
        let help =
            "state the tags followed before as well: --set trigger.family=f41@2025-02-04T10:00:00Z,f42";
        reader.warning(&[&section.follow], message.to_owned(), help.to_owned());
    }
}
