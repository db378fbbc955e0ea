//! What must not be printed.

use std::fmt;

/// A password, a session's key: shown as `<secret>`, so that no message, log or panic carries it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a text into keeping.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for those who send it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        let secret = Secret::new("2-hush");
        assert_eq!(format!("{secret:?} {:?} {secret:#?}", Some(&secret)), "<secret> Some(<secret>) <secret>");
        assert_eq!(secret.reveal(), "2-hush");
    }
}
