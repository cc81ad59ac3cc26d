//! A compiled schema: its parts by number, and what the keywords of each assert.

use std::collections::HashMap;

use serde_json::{Number, Value};

use super::pattern::Pattern;

/// A compiled schema.
#[derive(Debug)]
pub(in crate::policy) struct Schema {
    pub(super) nodes: Vec<Node>,
    /// The number of the whole schema.
    pub(super) root: usize,
    /// The schemas that a `$dynamicRef` may lead to, by their resource and anchor.
    pub(super) dynamic: HashMap<(usize, String), usize>,
}

/// A schema or a part of it.
#[derive(Debug)]
pub(super) struct Node {
    /// The number of the nearest part around it that has an `$id`.
    pub(super) resource: usize,
    pub(super) keywords: Vec<Keyword>,
}

/// The assertion of a keyword. Subschemas are given by their numbers.
#[derive(Debug)]
pub(super) enum Keyword {
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
pub(super) enum Type {
    Null,
    Boolean,
    Object,
    Array,
    Number,
    Integer,
    String,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Bound {
    Least,
    Above,
    Most,
    Below,
}

/// The type whose length is limited.
#[derive(Debug, Clone, Copy)]
pub(super) enum Sized {
    String,
    Array,
    Object,
}
