//! Keys as strangers meet them: what another program sealed, from the same page
//! of documentation, opens here, and nothing else does.

mod vectors;
