//! Nothing to call: the tests of this package are in `end_to_end/`, and the
//! independent reader in `reader/`.
