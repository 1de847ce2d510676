//! Which credentials are meant: those that are given, a profile's, a role's, or
//! whatever the machine has.

use std::fmt;

use object_store::aws::AwsCredential;

use crate::open::environment::variable;
use crate::options::{OptionError, RemoteOptions, Secret};

/// Where credentials come from.
#[derive(Debug)]
pub(super) enum Credentials {
    /// From where the storage library looks: nowhere for an anonymous reader; a
    /// web identity, the container or the instance.
    Library,
    /// These.
    Given(AwsCredential),
    /// From where AWS's own tools look.
    #[cfg(feature = "aws-profiles")]
    Chain(Chain),
}

/// Where to begin, and which role to take on with what is found there.
#[derive(Debug, PartialEq)]
pub(super) struct Chain {
    pub(super) base: Base,
    pub(super) role: Option<Role>,
    /// The region of the services that are asked, if it is known.
    pub(super) region: Option<String>,
}

/// Where to begin.
#[derive(PartialEq)]
pub(super) enum Base {
    /// Environment, profile, web identity, container, instance: the first that
    /// has some.
    Usual,
    /// This profile and no other place.
    Profile(String),
    /// These keys.
    Keys(AwsCredential),
    /// The token in a file, and the role it is good for.
    WebIdentity { token_file: String, role: Role },
}

impl fmt::Debug for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usual => f.write_str("Usual"),
            Self::Profile(name) => f.debug_tuple("Profile").field(name).finish(),
            Self::Keys(_) => f.write_str("Keys"),
            Self::WebIdentity { role, .. } => f.debug_tuple("WebIdentity").field(role).finish(),
        }
    }
}

/// A role, and what its session is called.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Role {
    pub(super) arn: String,
    pub(super) session: String,
    pub(super) external_id: Option<Secret>,
}

/// What the options and the environment mean.
enum Meant {
    Library,
    Given(AwsCredential),
    Chain(Chain),
}

impl Credentials {
    /// Decides. Options win over the environment as a whole: keys or a profile that
    /// are given are not used for a role of the environment, nor with its token.
    pub(super) fn choose(
        options: &RemoteOptions,
        environment: &[(String, String)],
        region: Option<&str>,
    ) -> Result<Self, OptionError> {
        Ok(match meant(options, environment, region)? {
            Meant::Library => Self::Library,
            Meant::Given(keys) => Self::Given(keys),
            #[cfg(feature = "aws-profiles")]
            Meant::Chain(chain) => Self::Chain(chain),
            #[cfg(not(feature = "aws-profiles"))]
            Meant::Chain(chain) => without_chain(&chain, options, environment)?,
        })
    }
}

/// What the storage library can do by itself; everything else is refused.
#[cfg(not(feature = "aws-profiles"))]
fn without_chain(
    chain: &Chain,
    options: &RemoteOptions,
    environment: &[(String, String)],
) -> Result<Credentials, OptionError> {
    let needs = |name| Err(OptionError::NotBuilt { name, feature: "aws-profiles" });
    let given = |name| variable(environment, name).is_some();
    match (&chain.base, &chain.role) {
        (Base::Profile(_), _) => needs("profile"),
        (_, Some(_)) => needs(if options.role_arn.is_some() { "role_arn" } else { "AWS_ROLE_ARN" }),
        (Base::Usual, None) if given("aws_profile") && !given("aws_access_key_id") => {
            needs("AWS_PROFILE")
        }
        (Base::Usual | Base::WebIdentity { .. } | Base::Keys(_), None) => Ok(Credentials::Library),
    }
}

fn meant(
    options: &RemoteOptions,
    environment: &[(String, String)],
    region: Option<&str>,
) -> Result<Meant, OptionError> {
    if options.anonymous {
        return Ok(Meant::Library);
    }
    let given = |name| variable(environment, name).map(ToOwned::to_owned);
    let keys = keys(options)?;
    let own = keys.is_some() || options.profile.is_some();
    let session = options
        .role_session_name
        .clone()
        .or_else(|| given("aws_role_session_name"))
        .unwrap_or_else(|| "lifeboat".to_owned());
    let external_id = options.external_id.clone();
    let (token_file, their_role) = (given("aws_web_identity_token_file"), given("aws_role_arn"));
    let mut base = match (keys, &options.profile) {
        (Some(_), Some(_)) => {
            return Err(OptionError::Both { one: "profile", other: "access_key_id" });
        }
        (Some(keys), None) => Base::Keys(keys),
        (None, Some(name)) => Base::Profile(name.clone()),
        (None, None) => Base::Usual,
    };
    let mut role = None;
    match (&options.role_arn, token_file) {
        // A token is good for the role it was made for; another one is taken on
        // with what that role gives.
        (Some(arn), Some(token_file)) if !own && their_role.as_ref().is_none_or(|r| r == arn) => {
            if external_id.is_some() {
                return Err(OptionError::Both {
                    one: "external_id",
                    other: "AWS_WEB_IDENTITY_TOKEN_FILE",
                });
            }
            let role = Role { arn: arn.clone(), session, external_id: None };
            base = Base::WebIdentity { token_file, role };
        }
        (Some(arn), _) => role = Some(Role { arn: arn.clone(), session, external_id }),
        (None, None) if !own && their_role.is_some() => {
            let external_id = external_id.or_else(|| given("aws_external_id").map(Secret::new));
            role = their_role.map(|arn| Role { arn, session, external_id });
        }
        (None, _) if external_id.is_some() => {
            return Err(OptionError::Incomplete { name: "role_arn" });
        }
        (None, _) => {}
    }
    Ok(match (base, role) {
        (Base::Keys(keys), None) => Meant::Given(keys),
        (Base::Usual, None) if !options.environment => Meant::Library,
        (Base::Usual, Some(_)) if !options.environment => {
            return Err(OptionError::Incomplete { name: "profile" });
        }
        (base, role) => {
            let usual = || given("aws_region").or_else(|| given("aws_default_region"));
            let region = region.map(ToOwned::to_owned).or_else(usual);
            Meant::Chain(Chain { base, role, region })
        }
    })
}

/// Keys that were given. They count whole: a session token of the environment
/// belongs to the keys of the environment.
fn keys(options: &RemoteOptions) -> Result<Option<AwsCredential>, OptionError> {
    let missing = |name| Err(OptionError::Incomplete { name });
    match (&options.access_key_id, &options.secret_access_key) {
        (Some(key_id), Some(secret)) => Ok(Some(AwsCredential {
            key_id: key_id.clone(),
            secret_key: secret.reveal().to_owned(),
            token: options.session_token.as_ref().map(|token| token.reveal().to_owned()),
        })),
        (Some(_), None) => missing("secret_access_key"),
        (None, Some(_)) => missing("access_key_id"),
        (None, None) if options.session_token.is_some() => missing("access_key_id"),
        (None, None) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLE: &str = "arn:aws:iam::123456789012:role/backup";
    const OTHER: &str = "arn:aws:iam::123456789012:role/other";
    const KEYS: [(&str, &str); 2] = [("access_key_id", "AK"), ("secret_access_key", "hush")];
    const TOKEN: (&str, &str) = ("aws_web_identity_token_file", "/token");

    type Pairs<'a> = &'a [(&'a str, &'a str)];

    fn of(pairs: Pairs<'_>, environment: Pairs<'_>) -> Result<Meant, OptionError> {
        let options = RemoteOptions::from_pairs(pairs.iter().copied()).expect("all are known");
        let environment: Vec<_> =
            environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        meant(&options, &environment, None)
    }

    fn check(
        pairs: Pairs<'_>,
        environment: Pairs<'_>,
        base: Base,
        role: Option<(&str, Option<&str>)>,
    ) {
        let Ok(Meant::Chain(chain)) = of(pairs, environment) else {
            panic!("{pairs:?} {environment:?}")
        };
        assert_eq!(chain.base, base, "{pairs:?} {environment:?}");
        let found = chain
            .role
            .as_ref()
            .map(|role| (role.arn.as_str(), role.external_id.as_ref().map(Secret::reveal)));
        assert_eq!(found, role, "{pairs:?} {environment:?}");
    }

    fn session(session: &str) -> Role {
        Role { arn: ROLE.to_owned(), session: session.to_owned(), external_id: None }
    }

    #[test]
    fn which_credentials_are_meant() {
        let keys = Base::Keys(
            keys(&RemoteOptions::from_pairs(KEYS).expect("known")).expect("whole").expect("keys"),
        );
        check(&[], &[], Base::Usual, None);
        check(&[], &[TOKEN, ("aws_role_arn", ROLE)], Base::Usual, None);
        check(&[], &[("aws_role_arn", ROLE)], Base::Usual, Some((ROLE, None)));
        let environment = [("aws_role_arn", ROLE), ("aws_external_id", "x")];
        check(&[], &environment, Base::Usual, Some((ROLE, Some("x"))));
        let profile = || Base::Profile("work".to_owned());
        check(&[("profile", "work")], &environment, profile(), None);
        let both = [("profile", "work"), ("role_arn", OTHER), ("external_id", "y")];
        check(&both, &[TOKEN, ("aws_role_arn", ROLE)], profile(), Some((OTHER, Some("y"))));
        let both = [KEYS[0], KEYS[1], ("role_arn", ROLE)];
        check(&both, &[TOKEN], keys, Some((ROLE, None)));
        let web = |name| Base::WebIdentity { token_file: "/token".to_owned(), role: session(name) };
        check(&[("role_arn", ROLE)], &[TOKEN], web("lifeboat"), None);
        let environment = [TOKEN, ("aws_role_arn", ROLE), ("aws_role_session_name", "s")];
        check(&[("role_arn", ROLE)], &environment, web("s"), None);
        check(&[("role_arn", OTHER)], &environment, Base::Usual, Some((OTHER, None)));
    }

    #[test]
    fn keys_that_are_given_are_used_as_they_are() {
        let environment = [("aws_role_arn", ROLE), ("aws_session_token", "theirs")];
        let Ok(Meant::Given(found)) = of(&KEYS, &environment) else { panic!("they are given") };
        assert_eq!((found.key_id.as_str(), found.token), ("AK", None));
        assert!(matches!(of(&[("anonymous", "yes")], &environment), Ok(Meant::Library)));
        assert!(matches!(of(&[("environment", "no")], &[]), Ok(Meant::Library)));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let refused = |pairs: Pairs<'_>, environment: Pairs<'_>, said: &str| {
            let error = of(pairs, environment).map(drop).expect_err("makes no sense").to_string();
            assert!(error.contains(said) && !error.contains("hush"), "{error}");
        };
        refused(&[("access_key_id", "x")], &[], "secret_access_key");
        refused(&[("session_token", "hush")], &[], "access_key_id");
        refused(&[("external_id", "hush")], &[], "role_arn");
        refused(&[KEYS[0], KEYS[1], ("profile", "p")], &[], "profile");
        refused(&[("role_arn", ROLE), ("external_id", "hush")], &[TOKEN], "external_id");
        refused(&[("role_arn", ROLE), ("environment", "no")], &[], "profile");
    }

    #[cfg(not(feature = "aws-profiles"))]
    #[test]
    fn what_is_not_built_is_refused_and_never_replaced() {
        let choose = |pairs: Pairs<'_>, environment: Pairs<'_>| {
            let options = RemoteOptions::from_pairs(pairs.iter().copied()).expect("all are known");
            let environment: Vec<_> =
                environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            Credentials::choose(&options, &environment, None)
        };
        let needs = |pairs: Pairs<'_>, environment: Pairs<'_>, wanted: &str| match choose(
            pairs,
            environment,
        )
        .expect_err("is not built")
        {
            OptionError::NotBuilt { name, .. } => assert_eq!(name, wanted),
            other => panic!("{other}"),
        };
        let theirs = [("aws_access_key_id", "AK"), ("aws_secret_access_key", "hush")];
        needs(&[("profile", "work")], &theirs, "profile");
        needs(&[("role_arn", ROLE)], &theirs, "role_arn");
        needs(&[], &[("aws_role_arn", ROLE)], "AWS_ROLE_ARN");
        needs(&[], &[("aws_profile", "work")], "AWS_PROFILE");
        assert!(matches!(choose(&[], &theirs), Ok(Credentials::Library)));
        assert!(matches!(choose(&[("role_arn", ROLE)], &[TOKEN]), Ok(Credentials::Library)));
    }
}
