//! Variables and tables that people already have from other programs, as
//! settings of our own.
//!
//! They are the lowest layer above the defaults: whoever says in our own words
//! where backups go means it.

mod backup_variables;
mod media;
mod storage_table;

use crate::environment::Environment;
use crate::file::Ours;
use crate::node::{Node, Raw, TableBuilder};
use crate::problem::{Place, Problem, What};

pub use media::MediaBucket;

/// What follows from them.
#[derive(Debug, Default)]
pub(crate) struct Derived {
    /// Where backups go, and what belongs to that.
    pub(crate) place: Option<Node>,
    /// The key.
    pub(crate) key: Option<Node>,
    /// What is worth a line in the log.
    pub(crate) notices: Vec<String>,
    /// Why backups go elsewhere than was wanted.
    pub(crate) fallback_reason: Option<String>,
    /// Why there are no backups.
    pub(crate) disabled: Option<String>,
}

/// Variables that both families read.
const ACCESS_KEY: &str = "BACKUP_S3_ACCESS_KEY";
const SECRET_KEY: &str = "BACKUP_S3_SECRET_KEY";
const ENCRYPTION_KEY: &str = "BACKUP_ENCRYPTION_KEY";

/// Everything that follows from what is there. `place_is_said`: our own
/// settings say already where backups go.
pub(crate) fn derive(
    environment: &Environment,
    ours: &Ours,
    place_is_said: bool,
    problems: &mut Vec<Problem>,
) -> Derived {
    let variables = backup_variables::in_use(environment);
    let mut derived = match (&ours.storage_backup, variables.first()) {
        (Some(table), Some(variable)) if !place_is_said => {
            problems.push(Problem {
                place: table.place.clone(),
                what: What::Contradiction(format!(
                    "[storage.backup] and {variable} both say where backups go; remove one"
                )),
            });
            Derived::default()
        }
        (Some(table), _) => {
            storage_table::derive(table, ours.cloudflare.as_ref(), environment, problems)
        }
        (None, Some(_)) => backup_variables::derive(environment, problems),
        (None, None) => Derived::default(),
    };
    if ours.storage_backup.is_none() && derived.key.is_none() {
        derived.key = environment_key(environment).map(|key| {
            let mut table = TableBuilder::default();
            table.put("key", key);
            below("encryption", &mut table)
        });
    }
    if place_is_said {
        let said = "our own settings say where backups go";
        derived.notices =
            variables.iter().map(|name| format!("{name} is not used: {said}")).collect();
        if ours.storage_backup.is_some() {
            derived.notices.push(format!("[storage.backup] is used for its key only: {said}"));
        }
        (derived.place, derived.disabled, derived.fallback_reason) = (None, None, None);
    }
    derived
}

fn environment_key(environment: &Environment) -> Option<Node> {
    let key = environment.get(ENCRYPTION_KEY)?;
    Some(Node::new(&Place::variable(ENCRYPTION_KEY), Raw::Loose(key.to_owned())))
}

/// A table that holds one section.
fn below(section: &str, table: &mut TableBuilder) -> Node {
    let inner = table.build(&Place::Default);
    TableBuilder::default().put(section, inner).build(&Place::Default)
}

/// A variable as the value of a setting.
fn variable(environment: &Environment, name: &str) -> Option<Node> {
    let value = environment.get(name)?;
    Some(Node::new(&Place::variable(name), Raw::Loose(value.to_owned())))
}

/// The two halves of what opens a store, from the environment or else from
/// elsewhere. Half of it is an error.
fn credentials(
    environment: &Environment,
    elsewhere: [Option<Node>; 2],
    options: &mut TableBuilder,
    problems: &mut Vec<Problem>,
) {
    let here = [variable(environment, ACCESS_KEY), variable(environment, SECRET_KEY)];
    // Halves of different pairs open nothing.
    let pair = if here.iter().any(Option::is_some) { here } else { elsewhere };
    if let [Some(one), None] | [None, Some(one)] = &pair {
        problems.push(Problem {
            place: one.place.clone(),
            what: What::Contradiction(
                "the access key and its secret belong together; set both or neither".into(),
            ),
        });
    }
    let [access, secret] = pair;
    options.put_some("access_key_id", access).put_some("secret_access_key", secret);
}
