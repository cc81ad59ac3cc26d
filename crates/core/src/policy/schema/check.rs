//! Validates a value by a compiled schema.

use std::collections::HashSet;
use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::keyword::{Bound, Keyword, Schema, Sized, Type};
use super::number;
use super::pattern::Pattern;

/// The verdict on a value.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::policy) enum Verdict {
    /// It fits.
    Fits,
    /// It does not, at this place (a JSON pointer).
    Misfit(String),
    /// A bound of steps or depth was reached first.
    Unknown,
}

/// The most steps of one validation; beyond it the verdict is `Unknown`. A step is one schema applied to a part of the value, or work of
/// about the same cost: comparing some values of an `enum`, matching some bytes of a pattern.
pub(super) const MAX_STEPS: usize = 1_000_000;
/// Looking up this many names or values counts as a step.
const LOOKUPS_PER_STEP: usize = 8;
/// Copying or counting this many bytes counts as a step.
const BYTES_PER_STEP: usize = 256;
/// The most schemas nested in one another, references included: it bounds the stack, also where a schema refers to itself.
const MAX_DEPTH: u32 = 400;

/// Why validation stops early.
enum Stop {
    /// The value does not fit.
    Misfit,
    /// A bound was reached before the verdict.
    Undecided,
}

type Checked = Result<(), Stop>;

/// A segment of the path to a part of the value.
#[derive(Clone, Copy)]
enum Step<'v> {
    Name(&'v str),
    Item(usize),
}

/// The evaluated members and elements of an object or array, for `unevaluatedProperties` and `unevaluatedItems`.
#[derive(Default)]
struct Evaluated<'v> {
    names: HashSet<&'v str>,
    items: HashSet<usize>,
}

impl<'v> Evaluated<'v> {
    fn add(&mut self, other: Self) {
        self.names.extend(other.names);
        self.items.extend(other.items);
    }
}

pub(super) struct Check<'s, 'v> {
    schema: &'s Schema,
    /// The schema has an `unevaluated…` keyword, so the evaluated parts are recorded.
    records: bool,
    path: Vec<Step<'v>>,
    /// The path of the first misfit outside of `anyOf`, `oneOf`, `not` and `if`, where another branch may fit.
    place: Option<String>,
    /// How many enclosing keywords continue after a misfit (`anyOf`, `oneOf`, `not`, `if`).
    tries: u32,
    /// The enclosing resources (parts with an `$id`), for `$dynamicRef`: JSON schema's dynamic scope.
    scope: Vec<usize>,
    pub(super) steps: usize,
    depth: u32,
}

impl<'s, 'v> Check<'s, 'v> {
    pub(super) fn new(schema: &'s Schema) -> Self {
        let keywords = || schema.nodes.iter().flat_map(|node| &node.keywords);
        let records = keywords()
            .any(|keyword| matches!(keyword, Keyword::UnevaluatedItems(_) | Keyword::UnevaluatedProperties(_)));
        Self { schema, records, path: Vec::new(), place: None, tries: 0, scope: Vec::new(), steps: 0, depth: 0 }
    }

    pub(super) fn judge(mut self, value: &'v Value) -> Verdict {
        match self.node(self.schema.root, value, &mut Evaluated::default()) {
            Ok(()) => Verdict::Fits,
            Err(Stop::Misfit) => Verdict::Misfit(self.place.unwrap_or_default()),
            Err(Stop::Undecided) => Verdict::Unknown,
        }
    }

    /// Counts this many steps.
    fn spend(&mut self, steps: usize) -> Checked {
        self.steps = self.steps.saturating_add(steps);
        if self.steps > MAX_STEPS { Err(Stop::Undecided) } else { Ok(()) }
    }

    /// Applies a schema. If the value fits, the parts that were evaluated are added to `evaluated`.
    fn node(&mut self, node: usize, value: &'v Value, evaluated: &mut Evaluated<'v>) -> Checked {
        let schema = self.schema;
        let Some(node) = schema.nodes.get(node) else { return Ok(()) };
        self.spend(1)?;
        if self.depth == MAX_DEPTH {
            return Err(Stop::Undecided);
        }
        self.depth += 1;
        let enters = self.scope.last() != Some(&node.resource);
        if enters {
            self.scope.push(node.resource);
        }
        let mut found = Evaluated::default();
        let checked = node.keywords.iter().try_for_each(|keyword| self.keyword(keyword, value, &mut found));
        if enters {
            self.scope.pop();
        }
        self.depth -= 1;
        checked?;
        self.spend((found.names.len() + found.items.len()) / LOOKUPS_PER_STEP)?;
        evaluated.add(found);
        Ok(())
    }

    /// Whether a value fits a schema that it may also not fit.
    fn fits(&mut self, node: usize, value: &'v Value, evaluated: &mut Evaluated<'v>) -> Result<bool, Stop> {
        self.tries += 1;
        let path = self.path.len();
        let checked = self.node(node, value, evaluated);
        self.path.truncate(path);
        self.tries -= 1;
        match checked {
            Ok(()) => Ok(true),
            Err(Stop::Misfit) => Ok(false),
            Err(Stop::Undecided) => Err(Stop::Undecided),
        }
    }

    /// Applies a schema to a part of the value.
    fn part(&mut self, node: usize, step: Step<'v>, value: &'v Value) -> Checked {
        self.path.push(step);
        self.node(node, value, &mut Evaluated::default())?;
        self.path.pop();
        Ok(())
    }

    /// Stops with a misfit at the current path unless the value fits.
    fn assert(&mut self, fits: bool) -> Checked {
        if fits {
            return Ok(());
        }
        if self.tries == 0 {
            self.place.get_or_insert_with(|| pointer(&self.path));
        }
        Err(Stop::Misfit)
    }

    fn keyword(&mut self, keyword: &'s Keyword, value: &'v Value, evaluated: &mut Evaluated<'v>) -> Checked {
        match keyword {
            Keyword::Never => self.assert(false),
            Keyword::Type(types) => self.assert(types.iter().any(|of| is_of(value, *of))),
            Keyword::Enum(values) => {
                self.spend(values.len() / LOOKUPS_PER_STEP)?;
                self.assert(values.iter().any(|other| equal(value, other)))
            }
            Keyword::MultipleOf(of) => {
                self.assert(value.as_number().is_none_or(|value| number::is_multiple(value, of)))
            }
            Keyword::Bound(bound, limit) => {
                let Value::Number(number) = value else { return Ok(()) };
                let order = number::compare(number, limit);
                self.assert(match bound {
                    Bound::Least => order.is_ge(),
                    Bound::Above => order.is_gt(),
                    Bound::Most => order.is_le(),
                    Bound::Below => order.is_lt(),
                })
            }
            Keyword::Length { of, min, max } => {
                let length = match (of, value) {
                    (Sized::String, Value::String(text)) => {
                        self.spend(text.len() / BYTES_PER_STEP)?;
                        text.chars().count()
                    }
                    (Sized::Array, Value::Array(items)) => items.len(),
                    (Sized::Object, Value::Object(object)) => object.len(),
                    _ => return Ok(()),
                };
                self.assert(within(length, *min, *max))
            }
            Keyword::Pattern(pattern) => {
                let Value::String(text) = value else { return Ok(()) };
                let matches = self.matches(pattern, text)?;
                self.assert(matches)
            }
            Keyword::Ref(node) => self.node(*node, value, evaluated),
            Keyword::DynamicRef(node, anchor) => {
                self.spend(self.scope.len() * (1 + anchor.len() / BYTES_PER_STEP) / LOOKUPS_PER_STEP)?;
                let dynamic = &self.schema.dynamic;
                let outer = self.scope.iter().find_map(|resource| dynamic.get(&(*resource, anchor.clone())));
                self.node(*outer.unwrap_or(node), value, evaluated)
            }
            Keyword::AllOf(_) | Keyword::AnyOf(_) | Keyword::OneOf(_) | Keyword::Not(_) | Keyword::If { .. } => {
                self.of_schemas(keyword, value, evaluated)
            }
            Keyword::UniqueItems | Keyword::Contains { .. } | Keyword::Items { .. } | Keyword::UnevaluatedItems(_) => {
                match value {
                    Value::Array(items) => self.of_array(keyword, items, evaluated),
                    _ => Ok(()),
                }
            }
            Keyword::Required(_)
            | Keyword::DependentRequired(_)
            | Keyword::DependentSchemas(_)
            | Keyword::Properties { .. }
            | Keyword::PropertyNames(_)
            | Keyword::UnevaluatedProperties(_) => match value {
                Value::Object(object) => self.of_object(keyword, value, object, evaluated),
                _ => Ok(()),
            },
        }
    }

    /// The keywords that combine other schemas.
    fn of_schemas(&mut self, keyword: &'s Keyword, value: &'v Value, evaluated: &mut Evaluated<'v>) -> Checked {
        match keyword {
            Keyword::AllOf(nodes) => nodes.iter().try_for_each(|node| self.node(*node, value, evaluated)),
            Keyword::AnyOf(nodes) => {
                let fitting = self.fitting(nodes, if self.records { usize::MAX } else { 1 }, value, evaluated)?;
                self.assert(fitting > 0)
            }
            Keyword::OneOf(nodes) => {
                let fitting = self.fitting(nodes, 2, value, evaluated)?;
                self.assert(fitting == 1)
            }
            Keyword::Not(node) => {
                let fits = self.fits(*node, value, &mut Evaluated::default())?;
                self.assert(!fits)
            }
            Keyword::If { condition, then, otherwise } => {
                let next = if self.fits(*condition, value, evaluated)? { then } else { otherwise };
                next.map_or(Ok(()), |node| self.node(node, value, evaluated))
            }
            _ => Ok(()),
        }
    }

    /// How many of the schemas a value fits; stops counting at `up_to`.
    fn fitting(
        &mut self,
        nodes: &[usize],
        up_to: usize,
        value: &'v Value,
        evaluated: &mut Evaluated<'v>,
    ) -> Result<usize, Stop> {
        let mut fitting = 0;
        for node in nodes {
            fitting += usize::from(self.fits(*node, value, evaluated)?);
            if fitting == up_to {
                break;
            }
        }
        Ok(fitting)
    }

    fn of_array(&mut self, keyword: &'s Keyword, items: &'v [Value], evaluated: &mut Evaluated<'v>) -> Checked {
        match keyword {
            Keyword::UniqueItems => {
                let mut known = HashSet::new();
                let mut is_unique = true;
                for item in items {
                    let text = canonical(item);
                    self.spend(text.len() / BYTES_PER_STEP)?;
                    is_unique &= known.insert(text);
                }
                self.assert(is_unique)
            }
            Keyword::Contains { node, min, max } => {
                let mut count = 0;
                for (index, item) in items.iter().enumerate() {
                    if self.fits(*node, item, &mut Evaluated::default())? {
                        count += 1;
                        self.mark_item(index, evaluated);
                    }
                }
                self.assert(within(count, *min, *max))
            }
            Keyword::Items { prefix, rest } => {
                for (index, item) in items.iter().enumerate() {
                    let Some(node) = prefix.get(index).or(rest.as_ref()) else { break };
                    self.part(*node, Step::Item(index), item)?;
                    self.mark_item(index, evaluated);
                }
                Ok(())
            }
            Keyword::UnevaluatedItems(node) => {
                self.spend(items.len() / LOOKUPS_PER_STEP)?;
                for (index, item) in items.iter().enumerate() {
                    if evaluated.items.insert(index) {
                        self.part(*node, Step::Item(index), item)?;
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn of_object(
        &mut self,
        keyword: &'s Keyword,
        value: &'v Value,
        object: &'v Map<String, Value>,
        evaluated: &mut Evaluated<'v>,
    ) -> Checked {
        self.spend(match keyword {
            Keyword::Required(names) => names.len() / LOOKUPS_PER_STEP,
            Keyword::DependentRequired(dependent) => {
                dependent.iter().map(|(_, names)| 1 + names.len()).sum::<usize>() / LOOKUPS_PER_STEP
            }
            Keyword::DependentSchemas(dependent) => dependent.len() / LOOKUPS_PER_STEP,
            _ => object.len() / LOOKUPS_PER_STEP,
        })?;
        match keyword {
            Keyword::Required(names) => self.assert(names.iter().all(|name| object.contains_key(name))),
            Keyword::DependentRequired(dependent) => {
                let of_those_there = dependent.iter().filter(|(name, _)| object.contains_key(name));
                let has_all = of_those_there.flat_map(|(_, names)| names).all(|name| object.contains_key(name));
                self.assert(has_all)
            }
            Keyword::DependentSchemas(dependent) => {
                let mut of_those_there = dependent.iter().filter(|(name, _)| object.contains_key(name));
                of_those_there.try_for_each(|(_, node)| self.node(*node, value, evaluated))
            }
            Keyword::Properties { named, patterns, rest } => object.iter().try_for_each(|(name, value)| {
                let mut is_known = false;
                let step = Step::Name(name);
                if let Some(node) = named.get(name) {
                    is_known = true;
                    self.part(*node, step, value)?;
                }
                for (pattern, node) in patterns {
                    if self.matches(pattern, name)? {
                        is_known = true;
                        self.part(*node, step, value)?;
                    }
                }
                if let Some(node) = rest.filter(|_| !is_known) {
                    is_known = true;
                    self.part(node, step, value)?;
                }
                if is_known && self.records {
                    evaluated.names.insert(name);
                }
                Ok(())
            }),
            Keyword::PropertyNames(node) => object.keys().try_for_each(|name| self.property_name(*node, name)),
            Keyword::UnevaluatedProperties(node) => object.iter().try_for_each(|(name, value)| {
                if evaluated.names.insert(name) { self.part(*node, Step::Name(name), value) } else { Ok(()) }
            }),
            _ => Ok(()),
        }
    }

    /// Validates a member's name. Its path is empty, because a name is not a part of the value.
    fn property_name(&mut self, node: usize, name: &str) -> Checked {
        let name = Value::from(name);
        let (scope, path) = (self.scope.clone(), Vec::new());
        let mut check = Check { path, place: None, tries: 1, scope, ..*self };
        let checked = check.node(node, &name, &mut Evaluated::default());
        self.steps = check.steps;
        match checked {
            Err(Stop::Undecided) => Err(Stop::Undecided),
            checked => self.assert(checked.is_ok()),
        }
    }

    /// Whether a text matches a pattern.
    fn matches(&mut self, pattern: &Pattern, text: &str) -> Result<bool, Stop> {
        self.spend(pattern.steps(text))?;
        pattern.is_match(text).ok_or(Stop::Undecided)
    }

    fn mark_item(&self, index: usize, evaluated: &mut Evaluated<'v>) {
        if self.records {
            evaluated.items.insert(index);
        }
    }
}

fn within(length: usize, min: u64, max: Option<u64>) -> bool {
    let length = length as u64;
    length >= min && max.is_none_or(|max| length <= max)
}

fn is_of(value: &Value, of: Type) -> bool {
    match value {
        Value::Null => of == Type::Null,
        Value::Bool(_) => of == Type::Boolean,
        Value::Object(_) => of == Type::Object,
        Value::Array(_) => of == Type::Array,
        Value::String(_) => of == Type::String,
        Value::Number(number) => of == Type::Number || (of == Type::Integer && number::is_whole(number)),
    }
}

fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => number::compare(a, b).is_eq(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| equal(a, b)))
        }
        (a, b) => a == b,
    }
}

/// A text that is the same for equal values.
fn canonical(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(canonical).collect();
            format!("[{}]", items.join(","))
        }
        Value::Object(object) => {
            let mut members: Vec<String> = object
                .iter()
                .map(|(name, value)| format!("{}:{}", Value::from(name.as_str()), canonical(value)))
                .collect();
            members.sort_unstable();
            format!("{{{}}}", members.join(","))
        }
        Value::Number(number) if number.is_f64() => match number.as_f64() {
            #[expect(clippy::cast_possible_truncation, reason = "it is whole and in the range")]
            Some(float) if float.fract() == 0.0 && float.abs() < 1e15 => (float as i64).to_string(),
            _ => number.to_string(),
        },
        other => other.to_string(),
    }
}

/// A path as a JSON pointer.
fn pointer(path: &[Step<'_>]) -> String {
    let mut out = String::new();
    for step in path {
        // Writing to a `String` cannot fail.
        let _ = match step {
            Step::Name(name) => write!(out, "/{}", name.replace('~', "~0").replace('/', "~1")),
            Step::Item(index) => write!(out, "/{index}"),
        };
    }
    out
}
