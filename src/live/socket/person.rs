//! Who is at the other end: the system says which user, and that user may say which person.

use nix::unistd::{Uid, User};

use crate::text::{bounded, is_unsafe};

/// The longest name of a person, in characters.
pub const NAME_MAX_CHARS: usize = 64;

/// Why a name is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a name has 1 to {NAME_MAX_CHARS} visible characters and no brackets: give a login or a full name")]
pub struct NameError;

/// Checks the name that a person goes by. Brackets stand around the user, so that a name cannot pretend to one.
///
/// # Errors
/// Where it is empty, longer than [`NAME_MAX_CHARS`], or has characters that cannot be seen, or brackets.
pub fn check_name(name: &str) -> Result<(), NameError> {
    let is_good = |c: char| !is_unsafe(c) && !matches!(c, '(' | ')');
    let fits = name.chars().nth(NAME_MAX_CHARS).is_none();
    if fits && name.trim() == name && !name.is_empty() && name.chars().all(is_good) {
        Ok(())
    } else {
        Err(NameError)
    }
}

/// What a command is written down under: the user's name, or the one that was given with the user in brackets.
pub(super) async fn who(uid: u32, name: Option<String>) -> String {
    // Names may come over the network, from a directory.
    let user = tokio::task::spawn_blocking(move || user_name(uid)).await.unwrap_or_else(|_| bare(uid));
    match name {
        Some(name) => format!("{name} ({user})"),
        None => user,
    }
}

/// The name of a user; a user without one goes by the number.
fn user_name(uid: u32) -> String {
    match User::from_uid(Uid::from_raw(uid)) {
        Ok(Some(user)) if !user.name.is_empty() => bounded(&user.name, NAME_MAX_CHARS).to_string(),
        Ok(_) | Err(_) => bare(uid),
    }
}

fn bare(uid: u32) -> String {
    format!("uid {uid}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_and_cannot_pretend() {
        for (name, good) in [
            ("ana", true),
            ("Ana Núñez", true),
            (&"x".repeat(64), true),
            (&"x".repeat(65), false),
            (&"é".repeat(64), true),
            ("", false),
            (" ana", false),
            ("ana (root)", false),
            ("ana\u{202e}", false),
            ("a\u{1b}[2J", false),
        ] {
            assert_eq!(check_name(name).is_ok(), good, "{name:?}");
        }
    }

    #[tokio::test]
    async fn a_user_is_told_by_name_and_one_without_a_name_by_number() {
        assert_eq!(who(0, None).await, "root");
        assert_eq!(who(0, Some("ana".into())).await, "ana (root)");
        assert_eq!(who(4_000_000_123, None).await, "uid 4000000123");
        assert_eq!(who(4_000_000_123, Some("ana".into())).await, "ana (uid 4000000123)");
    }
}
