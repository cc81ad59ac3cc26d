//! Validates JSON by a JSON schema, draft 2020-12; `format` and `content*` assert nothing (contract.md, section 10).
//!
//! A schema is compiled once: references are resolved, patterns compiled. References to other documents are refused; nothing is
//! fetched. The memory of patterns is bounded, and validation is bounded by steps, not by a clock. The crates for this would add 1.5
//! to 5 MB to an addon of 6 MB, mostly for other drafts, formats and output. The official test suite passes (schema/tests.rs).

mod check;
mod compile;
mod number;
mod pattern;

use std::collections::HashMap;

use serde_json::{Number, Value};

use check::Check;
use compile::Compiler;
use pattern::Pattern;

/// A compiled schema.
#[derive(Debug)]
pub(super) struct Schema {
    nodes: Vec<Node>,
    /// The number of the whole schema.
    root: usize,
    /// The schemas that a `$dynamicRef` may lead to, by their resource and anchor.
    dynamic: HashMap<(usize, String), usize>,
}

/// The verdict on a value.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It fits.
    Fits,
    /// It does not, at this place (a JSON pointer).
    Misfit(String),
    /// A bound of steps or depth was reached first.
    Unknown,
}

/// A schema or a part of it.
#[derive(Debug)]
struct Node {
    /// The number of the nearest part around it that has an `$id`.
    resource: usize,
    keywords: Vec<Keyword>,
}

/// The assertion of a keyword. Subschemas are given by their numbers.
#[derive(Debug)]
enum Keyword {
    /// The schema `false`.
    Never,
    Type(Vec<Type>),
    Enum(Vec<Value>),
    MultipleOf(Number),
    /// A bound of numbers, and how they must compare with it.
    Bound(Bound, Number),
    Length {
        of: Sized,
        min: u64,
        max: Option<u64>,
    },
    Pattern(Pattern),
    UniqueItems,
    Contains {
        node: usize,
        min: u64,
        max: Option<u64>,
    },
    Items {
        prefix: Vec<usize>,
        rest: Option<usize>,
    },
    Required(Vec<String>),
    DependentRequired(Vec<(String, Vec<String>)>),
    DependentSchemas(Vec<(String, usize)>),
    Properties {
        named: HashMap<String, usize>,
        patterns: Vec<(Pattern, usize)>,
        rest: Option<usize>,
    },
    PropertyNames(usize),
    AllOf(Vec<usize>),
    AnyOf(Vec<usize>),
    OneOf(Vec<usize>),
    Not(usize),
    If {
        condition: usize,
        then: Option<usize>,
        otherwise: Option<usize>,
    },
    Ref(usize),
    /// The static target, and the anchor by which an outer resource may replace it.
    DynamicRef(usize, String),
    UnevaluatedItems(usize),
    UnevaluatedProperties(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Null,
    Boolean,
    Object,
    Array,
    Number,
    Integer,
    String,
}

#[derive(Debug, Clone, Copy)]
enum Bound {
    Least,
    Above,
    Most,
    Below,
}

/// The type whose length is limited.
#[derive(Debug, Clone, Copy)]
enum Sized {
    String,
    Array,
    Object,
}

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
