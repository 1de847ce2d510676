//! Amazon S3, R2, and everything that speaks like them.

mod bucket;
mod credentials;
#[cfg(feature = "aws-profiles")]
mod profiles;

use std::sync::Arc;

use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey as Key};
use object_store::prefix::PrefixStore;
use object_store::{ClientConfigKey, StaticCredentialProvider};

pub(crate) use self::bucket::AboutBucket;
use self::credentials::Credentials;
use super::environment::{allows_http, variable, variables};
use super::plain::is_plain;
use crate::error::OpenError;
use crate::options::RemoteOptions;
use crate::place::Bucket;
use crate::remote::{Pages, Remote};
use crate::signing::Signing;
use crate::upload::Parts;
use crate::wire::{Connector, no_retries};

pub(super) fn open(bucket: &Bucket, options: &RemoteOptions) -> Result<Remote, OpenError> {
    let plan = Plan::new(bucket, options, &variables("AWS_", options.environment))?;
    let identity = bucket.identity(plan.endpoint.as_deref());
    let plain = is_plain(&plan.base, options.allow_http || plan.allow_http)?;
    let connector = Connector::new(options)?;
    let (base, region) = (plan.base.clone(), plan.region.clone());
    let store = Arc::new(build(plan, plain, bucket, options, &connector)?);
    let about = AboutBucket {
        base,
        region,
        credentials: (!options.anonymous).then(|| Arc::clone(store.credentials())),
        request_payer: options.request_payer,
        wire: connector.client(plain, options.connect_timeout).map_err(OpenError::store)?,
    };
    let parts = Parts::new(store.clone(), bucket.prefix.as_str());
    let pages = Pages::new(store.clone(), bucket.prefix.as_str());
    let signing = Signing::new(store.clone(), bucket.prefix.as_str());
    let store = PrefixStore::new(store, bucket.prefix.as_str());
    Ok(Remote::from_store(Arc::new(store), &bucket.shown)
        .with_identity(identity)
        .with_parts(parts)
        .with_pages(pages)
        .with_bucket(about)
        .with_signing(signing)
        .with_clock(connector.clock())
        .over_http(options))
}

/// Where the bucket is and how it is spoken to: options first, then the
/// environment, then what is usual.
#[derive(Debug)]
pub(super) struct Plan {
    settings: Vec<(Key, String)>,
    endpoint: Option<String>,
    region: String,
    base: String,
    allow_http: bool,
    credentials: Credentials,
}

impl Plan {
    fn new(
        bucket: &Bucket,
        options: &RemoteOptions,
        environment: &[(String, String)],
    ) -> Result<Self, OpenError> {
        let settings: Vec<(Key, String)> = environment
            .iter()
            .filter_map(|(name, value)| Some((name.parse::<Key>().ok()?, value.clone())))
            .collect();
        let given = |name| variable(environment, name).map(ToOwned::to_owned);
        let r2 = bucket.account.as_ref().map(|account| {
            let jurisdiction =
                options.jurisdiction.as_ref().map(|j| format!(".{j}")).unwrap_or_default();
            format!("https://{account}{jurisdiction}.r2.cloudflarestorage.com")
        });
        let endpoint = options
            .endpoint
            .clone()
            .or(r2)
            .or_else(|| given("aws_endpoint_url_s3"))
            .or_else(|| given("aws_endpoint_url"))
            .or_else(|| given("aws_endpoint"))
            .map(|endpoint| endpoint.trim_end_matches('/').to_owned());
        let usual = if bucket.account.is_some() { "auto" } else { "us-east-1" };
        let region = options
            .region
            .clone()
            .or_else(|| if bucket.account.is_some() { None } else { given("aws_region") })
            .or_else(|| if bucket.account.is_some() { None } else { given("aws_default_region") })
            .unwrap_or_else(|| usual.to_owned());
        let base = base(bucket, endpoint.as_deref(), &region, options.path_style);
        let allow_http = allows_http(environment);
        // The region of a store of one's own is none that AWS has.
        let aws_region = if endpoint.is_none() { options.region.as_deref() } else { None };
        let credentials =
            Credentials::choose(options, environment, aws_region).map_err(OpenError::Option)?;
        Ok(Self { settings, endpoint, region, base, allow_http, credentials })
    }
}

/// The URL below which the keys of a bucket lie.
fn base(bucket: &Bucket, endpoint: Option<&str>, region: &str, path_style: Option<bool>) -> String {
    // A certificate for *.s3.… does not cover a bucket with a dot in its name.
    let path_style = path_style.unwrap_or(endpoint.is_some() || bucket.name.contains('.'));
    let service = match endpoint {
        Some(endpoint) if endpoint.contains("://") => endpoint.to_owned(),
        Some(endpoint) => format!("https://{endpoint}"),
        None if region.starts_with("cn-") => format!("https://s3.{region}.amazonaws.com.cn"),
        None => format!("https://s3.{region}.amazonaws.com"),
    };
    match service.split_once("://") {
        Some((scheme, host)) if !path_style => format!("{scheme}://{}.{host}", bucket.name),
        _ => format!("{service}/{}", bucket.name),
    }
}

fn build(
    plan: Plan,
    plain: bool,
    bucket: &Bucket,
    options: &RemoteOptions,
    connector: &Connector,
) -> Result<AmazonS3, OpenError> {
    let mut builder = AmazonS3Builder::new();
    for (key, value) in plan.settings {
        builder = builder.with_config(key, value);
    }
    builder = builder
        .with_bucket_name(&bucket.name)
        .with_region(&plan.region)
        // The whole URL is ours: to the library it is that of a virtual host.
        .with_config(Key::S3Endpoint, &plan.base)
        .with_virtual_hosted_style_request(true)
        .with_http_connector(connector.clone())
        .with_retry(no_retries());
    let yes = |builder: AmazonS3Builder, on: bool, key: Key| {
        if on { builder.with_config(key, "true") } else { builder }
    };
    builder = yes(builder, plain, Key::Client(ClientConfigKey::AllowHttp));
    builder = yes(builder, options.anonymous, Key::SkipSignature);
    builder = yes(builder, options.request_payer, Key::RequestPayer);
    builder = yes(builder, options.single_deletes, Key::DisableBulkDelete);
    let customer_key = options.customer_key.as_ref().map(|key| key.reveal().to_owned());
    // The type of the encryption keys is not public; their names are.
    let texts = [
        ("role_arn", options.role_arn.clone()),
        ("role_session_name", options.role_session_name.clone()),
        ("server_side_encryption", options.server_side_encryption.clone()),
        ("sse_kms_key_id", options.kms_key_id.clone()),
        ("sse_customer_key_base64", customer_key),
        ("sse_bucket_key_enabled", options.bucket_key.map(|on| on.to_string())),
    ];
    for (name, value) in texts {
        if let Some(value) = value {
            builder = builder.with_config(name.parse().map_err(OpenError::store)?, value);
        }
    }
    match plan.credentials {
        Credentials::Library => {}
        Credentials::Given(given) => {
            builder = builder.with_credentials(Arc::new(StaticCredentialProvider::new(given)));
        }
        #[cfg(feature = "aws-profiles")]
        Credentials::Chain(chain) => {
            builder = builder.with_credentials(Arc::new(profiles::Provider::new(chain, connector)));
        }
    }
    builder.build().map_err(OpenError::store)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::Place;

    fn plan(text: &str, environment: &[(&str, &str)]) -> Plan {
        let mut options = RemoteOptions::default();
        let Ok(Place::Bucket(bucket)) = Place::parse(text, &mut options) else { panic!("{text}") };
        let environment: Vec<(String, String)> =
            environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Plan::new(&bucket, &options, &environment).expect("makes sense")
    }

    #[test]
    fn where_a_bucket_is() {
        let check = |text: &str, environment: &[(&str, &str)], base: &str| {
            assert_eq!(plan(text, environment).base, base, "{text}");
        };
        check("s3://b/x", &[], "https://b.s3.us-east-1.amazonaws.com");
        check("s3://b.c", &[], "https://s3.us-east-1.amazonaws.com/b.c");
        check("s3://b?region=eu-west-1", &[], "https://b.s3.eu-west-1.amazonaws.com");
        check("s3://b?path_style=yes", &[], "https://s3.us-east-1.amazonaws.com/b");
        check("s3://b?endpoint=http://h:9/", &[], "http://h:9/b");
        check("s3://b?endpoint=http://h:9&path_style=no", &[], "http://b.h:9");
        check("r2://acc/b/x", &[], "https://acc.r2.cloudflarestorage.com/b");
        check("r2://acc/b?jurisdiction=eu", &[], "https://acc.eu.r2.cloudflarestorage.com/b");
        let environment = [("aws_region", "eu-north-1"), ("aws_default_region", "x")];
        check("s3://b", &environment, "https://b.s3.eu-north-1.amazonaws.com");
        let environment = [("aws_endpoint_url_s3", "http://s"), ("aws_endpoint_url", "http://e")];
        check("s3://b", &environment, "http://s/b");
        check("s3://b?endpoint=http://mine", &environment, "http://mine/b");
        check("r2://acc/b", &environment, "https://acc.r2.cloudflarestorage.com/b");
    }

    #[test]
    fn the_region_of_r2_is_its_own() {
        assert_eq!(plan("r2://acc/b", &[("aws_region", "eu-north-1")]).region, "auto");
    }
}
