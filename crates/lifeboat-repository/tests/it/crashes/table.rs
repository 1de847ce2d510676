//! The operations, and how many points each has.

use lifeboat_remote::Fencing;

use super::crash_points;
use super::operation::Operation;

/// A test for each operation and each way in which a store keeps writers apart, with
/// the number of points that are tried at least. Where conditions are ignored, those
/// that commit in rounds are many times as many: most of them on request, by
/// `cargo xtask crashes`.
macro_rules! points {
    ($($test:ident: $operation:ident, $create:literal, $rounds:literal $(, $often:ident)?;)+) => {
        /// The points of all operations where creating is conditional, and all.
        const POINTS: [usize; 2] = [0 $(+ $create)+, 0 $(+ $create + $rounds)+];

        $(mod $test {
            use super::*;

            #[test]
            fn where_creating_is_conditional() {
                enough(Operation::$operation, Fencing::Create, $create);
            }

            points!(@rounds $operation, $rounds $(, $often)?);
        })+
    };
    (@rounds $operation:ident, $rounds:literal) => {
        #[test]
        #[ignore = "takes minutes, all of them together: `cargo xtask crashes`"]
        fn where_conditions_are_ignored() {
            enough(Operation::$operation, Fencing::Rounds, $rounds);
        }
    };
    (@rounds $operation:ident, $rounds:literal, often) => {
        #[test]
        fn where_conditions_are_ignored() {
            enough(Operation::$operation, Fencing::Rounds, $rounds);
        }
    };
}

fn enough(operation: Operation, fencing: Fencing, least: usize) {
    // Every operation is in one future here, which is larger than any that is shipped:
    // without optimisation it needs more than the usual stack.
    let all = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("builds");
        runtime.block_on(crash_points(operation, fencing))
    };
    let thread = std::thread::Builder::new().stack_size(32 << 20).spawn(all).expect("starts");
    let points = match thread.join() {
        Ok(points) => points,
        Err(panic) => std::panic::resume_unwind(panic),
    };
    let all = std::env::var_os("LIFEBOAT_CRASH_POINT").is_none();
    assert!(points >= least || !all, "{operation:?}, {fencing:?}: only {points} of {least} points");
}

points! {
    init: Init, 1, 1;
    replicate: Replicate, 1, 1;
    first_backup: FirstBackup, 1, 1;
    backup: Backup, 1, 1;
    unchanged_backup: UnchangedBackup, 1, 1;
    full_backup: FullBackup, 1, 1;
    consolidating_backup: ConsolidatingBackup, 1, 1;
    raced_backup: RacedBackup, 1, 1;
    take_over: TakeOver, 1, 1;
    twin_backup: TwinBackup, 1, 1;
    archive: Archive, 1, 1;
    raced_archive: RacedArchive, 1, 1;
    forget: Forget, 1, 1;
    raced_forget: RacedForget, 1, 1;
    undelete: Undelete, 1, 1;
    pin: Pin, 1, 1;
    unpin: Unpin, 1, 1;
    collect: Collect, 1, 1;
    raced_collect: RacedCollect, 1, 1;
    check: Check, 1, 1;
    repair: Repair, 1, 1;
    heal: Heal, 1, 1;
    heal_log: HealLog, 1, 1;
    add_key: AddKey, 1, 1;
    remove_key: RemoveKey, 1, 1;
    replace_key: ReplaceKey, 1, 1;
    begin_data_key: BeginDataKey, 1, 1;
    begin_data_key_alone: BeginDataKeyAlone, 1, 1;
    return_from_fallback: ReturnFromFallback, 1, 1;
    copy: Copy, 1, 1;
    beat: Beat, 1, 1;
    say_failed: SayFailed, 1, 1;
    restore: Restore, 1, 1;
}

const _: () = assert!(POINTS[0] >= 33);

/// The numbers that are published: in continuous integration, and on request.
#[test]
fn all_points() {
    let [often, all] = POINTS;
    println!("{often} crash points, and {all} with `cargo xtask crashes`");
}
