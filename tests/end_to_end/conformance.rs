//! What a store must do, held against the store that the tests use, and against
//! one that another names: `cargo xtask conformance --with STORE`.

use std::time::SystemTime;

use lifeboat::remote::Fencing;
use lifeboat::remote::conformance::{Options, Outcome, Report, run};

use crate::place::{Place, Store};

async fn held_to_the_list(place: Place) -> (Report, Fencing) {
    let store = Store::open(place).expect("it is no directory");
    let remote = store.remote();
    let report = run(&remote, &Options::new(SystemTime::now())).await;
    for line in report.to_string().lines() {
        println!("store: {line}");
    }
    (report, remote.fencing())
}

#[tokio::test]
async fn a_store_does_what_it_must() {
    let (report, _) = held_to_the_list(Place::Store).await;
    assert!(report.conforms(), "{report}");
}

#[tokio::test]
async fn one_that_ignores_conditions_does_too() {
    let (report, fencing) = held_to_the_list(Place::Careless).await;
    assert!(report.conforms(), "{report}");
    assert_eq!(fencing, Fencing::Rounds);
    let without = |outcome: &Outcome| matches!(outcome, Outcome::DoneWithout(_));
    assert_eq!(report.points.iter().filter(|point| without(&point.outcome)).count(), 1, "{report}");
}
