//! People.

use super::{AGENT, CONFIG, Hazard, REPOSITORY, hazard, without};

pub(super) const ALL: &[Hazard] = &[
    hazard(
        33,
        "encryption that is configured and not applied",
        &[
            "places::passed_off_as_plain",
            "refused::an_empty_variable_makes_no_plain_repository",
            "refused::a_key_for_a_plain_repository",
            "families::encryption_of_the_table_is_never_left_out",
            "configuration::encryption_that_cannot_be_done_is_not_left_out",
        ],
        without(
            (REPOSITORY, "sealed::places::passed_off_as_plain"),
            "crates/lifeboat-repository/src/repository.rs",
            (
                "            (true, Some(_)) => return Err(KeyError::NotSealed { place: place() }.into()),\n            (true, None) => None,",
                "            (true, _) => None,",
            ),
            "a plain repository is taken although there is a key",
        ),
    ),
    hazard(
        34,
        "a key of the configuration that nobody knows is ignored",
        &[
            "errors::unknown_names_with_the_nearest",
            "configuration::mistakes_stop_everything_and_nothing_is_written",
        ],
        without(
            (CONFIG, "errors::unknown_names_with_the_nearest"),
            "crates/lifeboat-config/src/check.rs",
            (
                "                self.checked.problems.push(Problem { place: node.place.clone(), what });\n                continue;",
                "                let _ = what;\n                continue;",
            ),
            "what is not known is passed over",
        ),
    ),
    hazard(
        35,
        "a mistyped rule deletes everything",
        &[
            "pruning::the_floor",
            "pruning::the_latest_verified_stays",
            "policy::what_is_no_policy",
            "keeping::what_is_no_policy_removes_nothing",
        ],
        without(
            (REPOSITORY, "pruning::the_floor"),
            "crates/lifeboat-repository/src/collect.rs",
            (" && !spared.contains(number))", ")"),
            "the newest few are not spared",
        ),
    ),
    hazard(
        36,
        "secrets in logs, errors, lists of processes",
        &[
            "shown::everything_with_its_origin_and_no_secret",
            "canary::an_encrypted_one_shows_nothing",
            "canary::the_list_of_processes",
            "options::values_that_are_none_are_refused_without_showing_secrets",
            "secret::debug_shows_no_secret",
        ],
        without(
            (CONFIG, "shown::everything_with_its_origin_and_no_secret"),
            "crates/lifeboat-config/src/show.rs",
            ("let kind = if is_secret(option) {", "let kind = if false {"),
            "options of a store are shown whatever they are called",
        ),
    ),
    hazard(
        37,
        "an alarm that needs the storage that it watches",
        &[
            "running::an_alarm_leaves_when_the_store_is_gone",
            "running::an_alarm_leaves_when_the_key_is_gone",
            "watch::a_missed_interval",
        ],
        without(
            (AGENT, "watch::a_missed_interval"),
            "crates/lifeboat-agent/src/watch.rs",
            (
                "            if is_new {\n",
                "            if is_new && health.level == Level::Healthy {\n",
            ),
            "trouble that nobody reported is not told",
        ),
    ),
    hazard(
        38,
        "backups that stopped, and nobody noticed",
        &["health::the_age_of_the_last_backup", "health::the_table", "watch::a_missed_interval"],
        without(
            (AGENT, "health::the_age_of_the_last_backup"),
            "crates/lifeboat-agent/src/health.rs",
            (
                "        reasons.push((Level::Critical, Reason::Old { age, limit }));",
                "        reasons.push((Level::Warning, Reason::Old { age, limit }));",
            ),
            "a backup that is far too old is a warning and no more",
        ),
    ),
];
