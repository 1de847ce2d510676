//! Links compared and mended, with stores in memory.

mod many;
mod rows;
