//! Who may ask, for what, from where.

mod guard;
mod limits;
mod sessions;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderName, StatusCode};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;
use utoipa::ToSchema;

use crate::problem::Problem;

pub(crate) use guard::{guard, headers, wrong_token};
pub(crate) use limits::Limits;
pub(crate) use sessions::Sessions;

/// What somebody may do; each may do what the one before may.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Look.
    Read,
    /// Back up, check, drill, pin, bring back.
    Operate,
    /// Take data out or replace it, and discard: restore, download, forget, repair.
    Restore,
}

impl Role {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Operate => "operate",
            Self::Restore => "restore",
        }
    }
}

/// Somebody who asks. An application that knows who asks puts one of these into
/// the extensions of the request, in a layer of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Who, for the audit log.
    pub name: String,
    /// What they may do.
    pub role: Role,
}

/// A caller, and the address they ask from, where it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asker {
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) from: Option<String>,
}

/// How a caller was known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// By a token in the request.
    Token,
    /// By a cookie, after signing in.
    Session(String),
    /// By something else: a proxy, the application, or the address.
    Otherwise,
}

/// The address that a request comes from, put into its extensions by whoever
/// accepts connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// A proxy that says who asks, in a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedProxy {
    /// The header.
    pub header: HeaderName,
    /// The addresses of the proxy: from elsewhere the header means nothing.
    pub addresses: Vec<IpAddr>,
    /// What whoever it names may do.
    pub role: Role,
}

/// Who may ask.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Security {
    tokens: Vec<Token>,
    hosts: Vec<String>,
    proxy: Option<TrustedProxy>,
    without_token: Option<Role>,
    prefixes: Vec<String>,
    public_objects: bool,
}

#[derive(Clone)]
struct Token {
    role: Role,
    text: Arc<str>,
}

/// Why an address is not listened on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("listen on {address}, which others can reach, without a token or a trusted proxy")]
pub struct Unprotected {
    /// The address.
    pub address: SocketAddr,
}

/// The shortest token that is taken.
const SHORTEST: usize = 16;

impl Security {
    /// Nobody may do anything: for applications that say themselves who asks.
    pub fn by_application() -> Self {
        Self::default()
    }

    /// Whoever can reach the address has this role: for this machine alone.
    #[must_use]
    pub fn without_token(mut self, role: Role) -> Self {
        self.without_token = Some(role);
        self
    }

    /// Nobody is let in for where they come from: behind a proxy everybody comes
    /// from there.
    #[must_use]
    pub fn only_known(mut self) -> Self {
        self.without_token = None;
        self
    }

    /// Whoever shows the token has the role.
    ///
    /// # Errors
    ///
    /// It is shorter than 16 characters, no text that a header can hold, or that of
    /// another role.
    pub fn token(mut self, role: Role, text: &str) -> Result<Self, WeakToken> {
        let text = text.trim();
        let fits = text.len() >= SHORTEST && text.bytes().all(|byte| byte.is_ascii_graphic());
        if !fits {
            return Err(WeakToken::Short { role: role.name() });
        }
        // Whoever got the weaker one would have the stronger role.
        if let Some(same) = self.tokens.iter().find(|one| one.text.as_ref() == text) {
            return Err(WeakToken::Shared { role: role.name(), other: same.role.name() });
        }
        self.tokens.push(Token { role, text: text.into() });
        Ok(self)
    }

    /// Names under which the interface is reached, besides `localhost` and
    /// addresses. Requests for others are refused: that is how a foreign site
    /// would reach this machine through a browser.
    #[must_use]
    pub fn hosts(mut self, hosts: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.hosts.extend(hosts.into_iter().map(|host| host.into().to_ascii_lowercase()));
        self
    }

    /// A proxy that says who asks.
    #[must_use]
    pub fn trusted_proxy(mut self, proxy: TrustedProxy) -> Self {
        self.proxy = Some(proxy);
        self
    }

    /// Objects whose keys begin with one of these are handed on under `/objects`;
    /// to everybody, if they are public.
    #[must_use]
    pub fn objects(mut self, prefixes: Vec<String>, public: bool) -> Self {
        self.prefixes = prefixes;
        self.public_objects = public;
        self
    }

    /// Refuses an address that others can reach, where nothing keeps them out.
    ///
    /// # Errors
    ///
    /// Neither a token nor a trusted proxy is set, and the address is not of this
    /// machine alone.
    pub fn check(&self, address: SocketAddr) -> Result<(), Unprotected> {
        let protected = !self.tokens.is_empty() || self.proxy.is_some();
        if address.ip().to_canonical().is_loopback() || protected {
            return Ok(());
        }
        Err(Unprotected { address })
    }

    /// The role of a token. Each is compared whole, whatever the first says.
    fn role_of(&self, shown: &str) -> Option<Role> {
        let mut found = None;
        for token in &self.tokens {
            if bool::from(token.text.as_bytes().ct_eq(shown.as_bytes())) {
                found = found.max(Some(token.role));
            }
        }
        found
    }

    pub(crate) fn has_tokens(&self) -> bool {
        !self.tokens.is_empty()
    }

    pub(crate) fn sign_in(&self, shown: &str) -> Option<Caller> {
        let role = self.role_of(shown)?;
        Some(Caller { name: format!("token:{}", role.name()), role })
    }

    pub(crate) fn allows_object(&self, key: &str) -> bool {
        let clean = key.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
        clean
            && !key.contains(['\\', '\0'])
            && self.prefixes.iter().any(|prefix| key.starts_with(prefix.as_str()))
    }

    pub(crate) fn objects_are_public(&self) -> bool {
        self.public_objects
    }

    fn allows_host(&self, host: &str) -> bool {
        let name = host.to_ascii_lowercase();
        let without_port = match name.rsplit_once(':') {
            Some((before, port)) if port.bytes().all(|b| b.is_ascii_digit()) => before,
            _ => name.as_str(),
        };
        let bare = without_port.trim_start_matches('[').trim_end_matches(']');
        bare == "localhost"
            || bare.parse::<IpAddr>().is_ok()
            || self.hosts.iter().any(|known| known == &name || known == without_port)
    }
}

impl std::fmt::Debug for Security {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Security").field("hosts", &self.hosts).finish_non_exhaustive()
    }
}

/// A token that protects nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WeakToken {
    /// It is too easily guessed.
    #[error(
        "use the token of the role {role}: it must have at least 16 characters, without blanks"
    )]
    Short {
        /// The role.
        role: &'static str,
    },
    /// Two roles have the same, so that nobody could have the one without the other.
    #[error("use the token of the role {role}: it is that of the role {other} as well")]
    Shared {
        /// The role.
        role: &'static str,
        /// The one that had it first.
        other: &'static str,
    },
}

macro_rules! callers {
    ($($(#[$doc:meta])* $name:ident: $role:expr;)*) => {$(
        $(#[$doc])*
        pub(crate) struct $name(pub(crate) Asker);

        impl<S: Send + Sync> FromRequestParts<S> for $name {
            type Rejection = Problem;

            async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
                caller(parts, $role).map(Self)
            }
        }
    )*};
}

callers! {
    /// Somebody who may look.
    Reader: Role::Read;
    /// Somebody who may operate.
    Operator: Role::Operate;
    /// Somebody who may restore.
    Restorer: Role::Restore;
}

fn caller(parts: &Parts, role: Role) -> Result<Asker, Problem> {
    let Some(caller) = parts.extensions.get::<Caller>() else {
        return Err(Problem::unknown_caller());
    };
    if caller.role < role {
        let message =
            format!("this needs the role {}; yours is {}", role.name(), caller.role.name());
        return Err(Problem::forbidden(message)
            .with_hint("use a token of that role")
            .with_status(StatusCode::FORBIDDEN));
    }
    let from = parts.extensions.get::<Peer>().map(|Peer(peer)| peer.ip().to_canonical());
    let Caller { name, role } = caller.clone();
    Ok(Asker { name, role, from: from.map(|ip| ip.to_string()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_open_without_a_token() {
        let open = Security::default().without_token(Role::Operate);
        let check = |address: &str| open.check(address.parse().expect("an address")).is_ok();
        assert!(check("127.0.0.1:80") && check("[::1]:80") && check("[::ffff:127.0.0.1]:80"));
        assert!(!check("0.0.0.0:80") && !check("[::]:80") && !check("192.168.1.2:80"));
        let token = open.clone().token(Role::Read, "0123456789abcdef").expect("long enough");
        assert!(token.check("0.0.0.0:80".parse().expect("an address")).is_ok());
        assert!(open.clone().token(Role::Read, "short").is_err());
        let twice = open.token(Role::Read, "0123456789abcdef");
        let twice = twice.and_then(|one| one.token(Role::Restore, "0123456789abcdef\n"));
        assert!(matches!(twice, Err(WeakToken::Shared { .. })));
    }

    #[test]
    fn a_token_has_its_role_and_nothing_near_it() {
        let security = Security::default()
            .token(Role::Read, "read-read-read-read")
            .and_then(|one| one.token(Role::Restore, "rest-rest-rest-rest"))
            .expect("long enough");
        assert_eq!(security.role_of("read-read-read-read"), Some(Role::Read));
        assert_eq!(security.role_of("rest-rest-rest-rest"), Some(Role::Restore));
        for other in ["", "read-read-read-rea", "read-read-read-read ", "READ-read-read-read"] {
            assert_eq!(security.role_of(other), None, "{other:?}");
        }
    }

    #[test]
    fn hosts_are_addresses_localhost_and_what_is_named() {
        let security = Security::default().hosts(["Backups.Example.org", "app:8443"]);
        for known in [
            "localhost",
            "localhost:8484",
            "127.0.0.1:1",
            "[::1]:8484",
            "10.0.0.7",
            "backups.example.org",
            "BACKUPS.example.org:443",
            "app:8443",
        ] {
            assert!(security.allows_host(known), "{known}");
        }
        for foreign in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "",
            "backups.example.org.evil",
            "app:80",
            "evil@localhost",
        ] {
            assert!(!security.allows_host(foreign), "{foreign}");
        }
    }

    #[test]
    fn objects_are_those_below_the_prefixes() {
        let security = Security::default().objects(vec!["photos/".into()], false);
        assert!(security.allows_object("photos/1.jpg"));
        for refused in
            ["photos/../x", "private/1", "photos", "photos//x", "photos/a\\..\\b", "../photos/1"]
        {
            assert!(!security.allows_object(refused), "{refused}");
        }
    }
}
