//! Validates JSON by a JSON schema, draft 2020-12; `format` and `content*` assert nothing (contract.md, section 10).
//!
//! A schema is compiled once: references are resolved, patterns compiled. References to other documents are refused; nothing is
//! fetched. The memory of patterns is bounded, and validation is bounded by steps, not by a clock. The crates for this would add 1.5
//! to 5 MB to an addon of 6 MB, mostly for other drafts, formats and output. The official test suite passes (schema/tests.rs).

mod check;
mod compile;
mod keyword;
mod number;
mod pattern;

use serde_json::Value;

use check::Check;
use compile::Compiler;

pub(super) use check::Verdict;
pub(super) use keyword::Schema;

impl Schema {
    /// Compiles a schema.
    ///
    /// # Errors
    /// Why it is not a valid schema, or a reference to another document.
    pub(super) fn new(schema: &Value) -> Result<Self, String> {
        Compiler::new(schema)?.compile()
    }

    /// Judges a value.
    pub(super) fn judge(&self, value: &Value) -> Verdict {
        Check::new(self).judge(value)
    }
}

#[cfg(test)]
mod tests;
