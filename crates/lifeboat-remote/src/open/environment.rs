//! The variables that the provider's own tools read.

/// The variables that begin with a prefix, by name in lower case. One that is
/// set but empty counts as unset.
pub(super) fn variables(prefix: &str, on: bool) -> Vec<(String, String)> {
    let found = std::env::vars_os().filter_map(|(name, value)| {
        let (name, value) = (name.to_str()?.to_owned(), value.to_str()?.to_owned());
        let wanted = name.starts_with(prefix) && !value.is_empty();
        wanted.then(|| (name.to_ascii_lowercase(), value))
    });
    if on { found.collect() } else { Vec::new() }
}

/// Whether a variable of the provider says that plain http is allowed anywhere.
pub(super) fn allows_http(variables: &[(String, String)]) -> bool {
    let says = |(name, value): &(String, String)| {
        name.ends_with("_allow_http")
            && matches!(value.to_ascii_lowercase().as_str(), "true" | "1" | "yes" | "on")
    };
    variables.iter().any(says)
}

/// One of these variables.
#[cfg(feature = "aws")]
pub(super) fn variable<'a>(variables: &'a [(String, String)], name: &str) -> Option<&'a str> {
    variables.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
}
