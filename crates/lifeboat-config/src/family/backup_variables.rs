//! `BACKUP_USE_AWS` and its like: S3 where that is wanted and works, else a
//! local directory.

use super::{Derived, credentials, variable};
use crate::environment::Environment;
use crate::node::{Node, Raw, TableBuilder};
use crate::problem::{Place, Problem, What};
use crate::units;

const USE_AWS: &str = "BACKUP_USE_AWS";
const BUCKET: &str = "BACKUP_S3_BUCKET";
const LOCAL_DIR: &str = "BACKUP_LOCAL_DIR";
const MAX_COUNT: &str = "BACKUP_LOCAL_MAX_COUNT";
const REGION: &str = "AWS_REGION";
const ROLE: &str = "AWS_ROLE_ARN";

/// What the programs that had these variables did without them.
const DEFAULT_DIR: &str = "./backups";
const DEFAULT_COUNT: i64 = 10;
const DEFAULT_REGION: &str = "us-west-2";

/// Those that are set.
pub(super) fn in_use(environment: &Environment) -> Vec<&'static str> {
    let all = [USE_AWS, BUCKET, LOCAL_DIR, MAX_COUNT];
    all.into_iter().filter(|name| environment.get(name).is_some()).collect()
}

pub(super) fn derive(environment: &Environment, problems: &mut Vec<Problem>) -> Derived {
    let mut derived = Derived::default();
    let wanted = wanted(environment, problems);
    let bucket = environment.get(BUCKET);
    let mut destinations = Vec::new();
    match (wanted, bucket) {
        (true, Some(bucket)) => destinations.push(s3(bucket, environment, problems)),
        (true, None) => {
            derived.fallback_reason = Some(format!("{USE_AWS} is on, but {BUCKET} is not set"));
        }
        (false, Some(_)) => derived
            .notices
            .push(format!("{BUCKET} is set, but {USE_AWS} is not on: backups stay local")),
        (false, None) => {
            derived.notices.push(format!("{USE_AWS} is not on: backups stay local"));
        }
    }
    destinations.push(local(environment, destinations.is_empty(), problems));
    let place = Place::variable(in_use(environment).first().copied().unwrap_or(USE_AWS));
    let mut table = TableBuilder::default();
    table
        .put("destination", Node::new(&place, Raw::List(destinations)))
        .put("fallback_exit", Node::new(&place, Raw::Number(0)));
    derived.place = Some(table.build(&place));
    derived
}

fn wanted(environment: &Environment, problems: &mut Vec<Problem>) -> bool {
    let Some(text) = environment.get(USE_AWS) else { return false };
    units::flag(text).unwrap_or_else(|| {
        let what = What::Value {
            key: USE_AWS.into(),
            expected: "true or false".into(),
            found: "this text".into(),
        };
        problems.push(Problem { place: Place::variable(USE_AWS), what });
        false
    })
}

fn s3(bucket: &str, environment: &Environment, problems: &mut Vec<Problem>) -> Node {
    let place = Place::variable(BUCKET);
    let bucket = bucket.strip_prefix("s3://").unwrap_or(bucket);
    let mut options = TableBuilder::default();
    let region = variable(environment, REGION)
        .unwrap_or_else(|| Node::text(&Place::Default, DEFAULT_REGION));
    options.put("region", region).put_some("role_arn", variable(environment, ROLE));
    credentials(environment, [None, None], &mut options, problems);
    TableBuilder::default()
        .put("name", Node::text(&place, "aws"))
        .put("role", Node::text(&place, "primary"))
        .put("url", Node::text(&place, format!("s3://{bucket}")))
        .put("create", Node::new(&place, Raw::Flag(true)))
        .put("options", options.build(&place))
        .build(&place)
}

fn local(environment: &Environment, alone: bool, problems: &mut Vec<Problem>) -> Node {
    let place = environment.get(LOCAL_DIR).map_or(Place::Default, |_| Place::variable(LOCAL_DIR));
    let role = if alone { "primary" } else { "fallback" };
    let url = environment.get(LOCAL_DIR).unwrap_or(DEFAULT_DIR);
    let count = match environment.get(MAX_COUNT).map(|text| text.trim().parse::<u32>()) {
        None => Node::new(&Place::Default, Raw::Number(DEFAULT_COUNT)),
        Some(Ok(count)) if count > 0 => {
            Node::new(&Place::variable(MAX_COUNT), Raw::Number(count.into()))
        }
        Some(_) => {
            let what = What::Value {
                key: MAX_COUNT.into(),
                expected: "a whole number, 1 or above".into(),
                found: "this text".into(),
            };
            problems.push(Problem { place: Place::variable(MAX_COUNT), what });
            Node::new(&Place::Default, Raw::Number(DEFAULT_COUNT))
        }
    };
    TableBuilder::default()
        .put("name", Node::text(&place, "local"))
        .put("role", Node::text(&place, role))
        .put("url", Node::text(&place, url))
        .put("max_snapshots", count)
        .build(&place)
}
