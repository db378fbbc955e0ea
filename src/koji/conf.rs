//! Profiles of Koji's own configuration: which hub, and who we are there.
//!
//! Files are read in Koji's order, later ones override earlier ones: `/etc/koji.conf.d`, `/etc/koji.conf`,
//! `~/.koji/config.d`, `~/.koji/config`. A profile is a section. Keys that Tidegate has no use for are passed over.

mod ini;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use self::ini::Setting;
use super::client::ClientSettings;
use super::login::Login;
#[cfg(feature = "gssapi")]
use super::login::kerberos::Kerberos;
use super::secret::Secret;
use super::tls::{Identity, Tls};
use crate::text::bounded;

/// What a profile says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// The hub's address.
    pub server: String,
    /// The address of the hub's pages for people.
    pub weburl: Option<String>,
    /// How to log in; `None`: not said.
    pub authtype: Option<AuthType>,
    /// The client certificate with its key.
    pub cert: Option<PathBuf>,
    /// The authorities that are trusted.
    pub serverca: Option<PathBuf>,
    /// The user's name, for a login by password.
    pub user: Option<String>,
    /// The password.
    pub password: Option<Secret>,
    /// The principal, for a login by Kerberos.
    pub principal: Option<String>,
    /// The file with the principal's key, for a login by Kerberos.
    pub keytab: Option<PathBuf>,
}

/// Ways to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthType {
    /// Not at all.
    Noauth,
    /// By a client certificate.
    Ssl,
    /// By a password.
    Password,
    /// By Kerberos (`gssapi` or `kerberos`).
    Gssapi,
}

/// A file, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Where it is.
    pub file: PathBuf,
    /// What it says.
    pub text: String,
}

/// Why there is no profile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfError {
    /// A line that is wrong.
    #[error("{}:{line}: {problem}", .file.display())]
    Line {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// A file that cannot be read.
    #[error("{}: cannot be read: {problem}", .file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// No file has the profile.
    #[error("no profile `{name}`: none of the files read has a section [{name}] ({read})")]
    NoProfile {
        /// The profile.
        name: String,
        /// The files read.
        read: String,
    },
    /// The profile lacks something.
    #[error("profile `{name}`: {problem}")]
    Incomplete {
        /// The profile.
        name: String,
        /// What it lacks, and what to do.
        problem: &'static str,
    },
}

/// Where Koji looks for profiles, in order; a place may be a file or a folder of `*.conf` files.
pub fn places(home: Option<&Path>) -> Vec<PathBuf> {
    let of_the_system = ["/etc/koji.conf.d", "/etc/koji.conf"].map(PathBuf::from);
    let of_the_user = home.map(|home| ["config.d", "config"].map(|name| home.join(".koji").join(name)));
    of_the_system.into_iter().chain(of_the_user.into_iter().flatten()).collect()
}

/// Reads what is there of the places; what does not exist is passed over.
pub fn read(places: &[PathBuf]) -> Result<Vec<Source>, ConfError> {
    let mut sources = Vec::new();
    for place in places {
        let failed = |error: io::Error| ConfError::File { file: place.clone(), problem: error.to_string() };
        let files = match fs::read_dir(place) {
            Ok(folder) => {
                let entries: Result<Vec<_>, _> =
                    folder.map(|entry| entry.map(|entry| entry.path())).collect();
                let mut files = entries.map_err(failed)?;
                files.retain(|file| file.extension().is_some_and(|extension| extension == "conf"));
                files.sort();
                files
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(_) => vec![place.clone()],
        };
        for file in files {
            let text = fs::read_to_string(&file)
                .map_err(|error| ConfError::File { file: file.clone(), problem: error.to_string() })?;
            sources.push(Source { file, text });
        }
    }
    Ok(sources)
}

/// The profile as the files say, later ones over earlier ones. `~` stands for `home`.
pub fn parse(name: &str, sources: &[Source], home: Option<&Path>) -> Result<Profile, ConfError> {
    let mut found = false;
    let mut server = None;
    let mut profile = Profile {
        name: name.to_owned(),
        server: String::new(),
        weburl: None,
        authtype: None,
        cert: None,
        serverca: None,
        user: None,
        password: None,
        principal: None,
        keytab: None,
    };
    for source in sources {
        for setting in ini::read(source)? {
            let is_ours = setting.section == name;
            found |= is_ours;
            if !is_ours || setting.value.is_empty() {
                continue;
            }
            let value = setting.value.clone();
            match setting.key.as_str() {
                "server" => server = Some(value),
                "weburl" => profile.weburl = Some(value),
                "authtype" => profile.authtype = Some(auth_type(&setting)?),
                "cert" => profile.cert = Some(path(&value, home)),
                "serverca" => profile.serverca = Some(path(&value, home)),
                "user" => profile.user = Some(value),
                "password" => profile.password = Some(Secret::new(value)),
                "principal" => profile.principal = Some(value),
                "keytab" => profile.keytab = Some(path(&value, home)),
                "no_ssl_verify" if truth(&setting)? => {
                    return Err(setting.wrong(
                        "Tidegate always checks who the hub is; leave it out, and set `serverca` to a file with the \
                         authority of the hub's certificate",
                    ));
                }
                _ => {}
            }
        }
    }
    if !found {
        let read: Vec<String> = sources.iter().map(|source| source.file.display().to_string()).collect();
        let read = if read.is_empty() { "no file is there".to_owned() } else { read.join(", ") };
        return Err(ConfError::NoProfile { name: name.to_owned(), read });
    }
    profile.server = server.ok_or_else(|| profile.lacks("has no `server`: set the address of the hub"))?;
    Ok(profile)
}

impl Profile {
    /// A client's settings, otherwise the defaults.
    pub fn client_settings(&self) -> ClientSettings {
        let identity = self.cert.as_ref().map(|cert| Identity { certificate: cert.clone(), key: None });
        let tls = Tls { server_ca: self.serverca.clone(), identity };
        ClientSettings { tls, ..ClientSettings::new(self.server.clone()) }
    }

    /// The login that it asks for: what `authtype` says, or else by whatever it has.
    pub fn login(&self) -> Result<Login, ConfError> {
        let inferred = match (&self.cert, &self.password, &self.keytab, &self.principal) {
            (Some(_), ..) => AuthType::Ssl,
            (_, Some(_), ..) => AuthType::Password,
            (_, _, Some(_), _) | (.., Some(_)) => AuthType::Gssapi,
            (None, None, None, None) => AuthType::Noauth,
        };
        match self.authtype.unwrap_or(inferred) {
            AuthType::Ssl if self.cert.is_some() => Ok(Login::Certificate { proxy_user: None }),
            AuthType::Ssl => Err(self.lacks("has no `cert`: set the file with certificate and key")),
            AuthType::Password => match (&self.user, &self.password) {
                (Some(user), Some(password)) => {
                    Ok(Login::Password { user: user.clone(), password: password.clone() })
                }
                _ => Err(self.lacks("needs `user` and `password` for this authtype")),
            },
            #[cfg(feature = "gssapi")]
            AuthType::Gssapi => {
                let (keytab, principal) = (self.keytab.clone(), self.principal.clone());
                Ok(Login::Kerberos(Kerberos { keytab, principal, ..Kerberos::default() }))
            }
            #[cfg(not(feature = "gssapi"))]
            AuthType::Gssapi => Err(self.lacks(
                "asks for Kerberos, which this Tidegate was built without: build it with the feature `gssapi`, or set \
                 `authtype = ssl` and `cert`",
            )),
            AuthType::Noauth => {
                Err(self.lacks("says of no way to log in: set `authtype` and `cert`, or `keytab`"))
            }
        }
    }

    fn lacks(&self, problem: &'static str) -> ConfError {
        ConfError::Incomplete { name: self.name.clone(), problem }
    }
}

fn auth_type(setting: &Setting<'_>) -> Result<AuthType, ConfError> {
    match setting.value.as_str() {
        "noauth" => Ok(AuthType::Noauth),
        "ssl" => Ok(AuthType::Ssl),
        "password" => Ok(AuthType::Password),
        "gssapi" | "kerberos" => Ok(AuthType::Gssapi),
        _ => Err(setting.wrong("should be `ssl`, `gssapi`, `kerberos`, `password` or `noauth`")),
    }
}

fn truth(setting: &Setting<'_>) -> Result<bool, ConfError> {
    match setting.value.to_ascii_lowercase().as_str() {
        "1" | "yes" | "true" | "on" => Ok(true),
        "0" | "no" | "false" | "off" => Ok(false),
        _ => Err(setting.wrong("should be `true` or `false`")),
    }
}

fn path(text: &str, home: Option<&Path>) -> PathBuf {
    match (text.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(text),
    }
}

impl Setting<'_> {
    /// The value, which may be a secret, is not repeated.
    fn wrong(&self, problem: &str) -> ConfError {
        let problem = format!("{}: {problem}", bounded(&self.key, 40));
        ConfError::Line { file: self.file.to_owned(), line: self.line, problem }
    }
}

#[cfg(test)]
mod tests;
