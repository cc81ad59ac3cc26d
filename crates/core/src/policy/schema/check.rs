//! Judges a value by a compiled schema.

use std::collections::HashSet;
use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::{Bound, Keyword, Pattern, Schema, Sized, Type, Verdict, number};

/// The most steps of one judgement; past it the verdict is `Unknown`. A step is a schema that is applied to a part of the value, or as
/// much work as that takes: some values of an `enum`, some bytes that a pattern looks at.
pub(super) const MAX_STEPS: usize = 1_000_000;
/// So many names or values that are looked at are a step.
const LOOKS: usize = 8;
/// So many bytes that are copied or counted are a step.
const BYTES: usize = 256;
/// The most schemas nested in one another, references included: it bounds the stack, also where a schema refers to itself.
const MAX_DEPTH: u32 = 400;

/// Why judging ends before the end.
enum Stop {
    /// The value does not fit.
    Misfit,
    /// A bound was reached before the verdict.
    Undecided,
}

type Checked = Result<(), Stop>;

/// A step of the way to a part of the value.
#[derive(Clone, Copy)]
enum Step<'v> {
    Name(&'v str),
    Item(usize),
}

/// What of an object or array was looked at, for `unevaluatedProperties` and `unevaluatedItems`.
#[derive(Default)]
struct Seen<'v> {
    names: HashSet<&'v str>,
    items: HashSet<usize>,
}

impl<'v> Seen<'v> {
    fn add(&mut self, other: Self) {
        self.names.extend(other.names);
        self.items.extend(other.items);
    }
}

pub(super) struct Check<'s, 'v> {
    schema: &'s Schema,
    /// The schema has an `unevaluated…` keyword, so the parts that were looked at are recorded.
    records: bool,
    way: Vec<Step<'v>>,
    /// The first misfit that decides: none inside `anyOf`, `oneOf`, `not` or `if`, where another branch may fit.
    place: Option<String>,
    /// How many keywords around this one go on after a misfit (`anyOf`, `oneOf`, `not`, `if`).
    tries: u32,
    /// The resources (parts with an `$id`) entered on the way here, for `$dynamicRef`.
    scope: Vec<usize>,
    pub(super) steps: usize,
    depth: u32,
}

impl<'s, 'v> Check<'s, 'v> {
    pub(super) fn new(schema: &'s Schema) -> Self {
        let keywords = || schema.nodes.iter().flat_map(|node| &node.keywords);
        let records = keywords()
            .any(|keyword| matches!(keyword, Keyword::UnevaluatedItems(_) | Keyword::UnevaluatedProperties(_)));
        Self { schema, records, way: Vec::new(), place: None, tries: 0, scope: Vec::new(), steps: 0, depth: 0 }
    }

    pub(super) fn judge(mut self, value: &'v Value) -> Verdict {
        match self.node(self.schema.root, value, &mut Seen::default()) {
            Ok(()) => Verdict::Fits,
            Err(Stop::Misfit) => Verdict::Misfit(self.place.unwrap_or_default()),
            Err(Stop::Undecided) => Verdict::Unknown,
        }
    }

    /// Counts so many steps.
    fn spend(&mut self, steps: usize) -> Checked {
        self.steps = self.steps.saturating_add(steps);
        if self.steps > MAX_STEPS { Err(Stop::Undecided) } else { Ok(()) }
    }

    /// Applies a schema. What it looks at is added to `seen` if the value fits.
    fn node(&mut self, node: usize, value: &'v Value, seen: &mut Seen<'v>) -> Checked {
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
        let mut looked = Seen::default();
        let checked = node.keywords.iter().try_for_each(|keyword| self.keyword(keyword, value, &mut looked));
        if enters {
            self.scope.pop();
        }
        self.depth -= 1;
        checked?;
        self.spend((looked.names.len() + looked.items.len()) / LOOKS)?;
        seen.add(looked);
        Ok(())
    }

    /// Whether a value fits, where it need not.
    fn fits(&mut self, node: usize, value: &'v Value, seen: &mut Seen<'v>) -> Result<bool, Stop> {
        self.tries += 1;
        let way = self.way.len();
        let checked = self.node(node, value, seen);
        self.way.truncate(way);
        self.tries -= 1;
        match checked {
            Ok(()) => Ok(true),
            Err(Stop::Misfit) => Ok(false),
            Err(Stop::Undecided) => Err(Stop::Undecided),
        }
    }

    /// Applies a schema to a part of the value.
    fn part(&mut self, node: usize, step: Step<'v>, value: &'v Value) -> Checked {
        self.way.push(step);
        self.node(node, value, &mut Seen::default())?;
        self.way.pop();
        Ok(())
    }

    /// A finding at this place.
    fn must(&mut self, fits: bool) -> Checked {
        if fits {
            return Ok(());
        }
        if self.tries == 0 {
            self.place.get_or_insert_with(|| pointer(&self.way));
        }
        Err(Stop::Misfit)
    }

    fn keyword(&mut self, keyword: &'s Keyword, value: &'v Value, seen: &mut Seen<'v>) -> Checked {
        match keyword {
            Keyword::Never => self.must(false),
            Keyword::Type(types) => self.must(types.iter().any(|of| is_of(value, *of))),
            Keyword::Enum(values) => {
                self.spend(values.len() / LOOKS)?;
                self.must(values.iter().any(|other| equal(value, other)))
            }
            Keyword::MultipleOf(of) => self.must(value.as_number().is_none_or(|value| number::is_multiple(value, of))),
            Keyword::Bound(bound, limit) => {
                let Value::Number(number) = value else { return Ok(()) };
                let order = number::compare(number, limit);
                self.must(match bound {
                    Bound::Least => order.is_ge(),
                    Bound::Above => order.is_gt(),
                    Bound::Most => order.is_le(),
                    Bound::Below => order.is_lt(),
                })
            }
            Keyword::Length { of, min, max } => {
                let length = match (of, value) {
                    (Sized::String, Value::String(text)) => {
                        self.spend(text.len() / BYTES)?;
                        text.chars().count()
                    }
                    (Sized::Array, Value::Array(items)) => items.len(),
                    (Sized::Object, Value::Object(object)) => object.len(),
                    _ => return Ok(()),
                };
                self.must(within(length, *min, *max))
            }
            Keyword::Pattern(pattern) => {
                let Value::String(text) = value else { return Ok(()) };
                let is_in = self.has(pattern, text)?;
                self.must(is_in)
            }
            Keyword::Ref(node) => self.node(*node, value, seen),
            Keyword::DynamicRef(node, anchor) => {
                self.spend(self.scope.len() * (1 + anchor.len() / BYTES) / LOOKS)?;
                let dynamic = &self.schema.dynamic;
                let outer = self.scope.iter().find_map(|resource| dynamic.get(&(*resource, anchor.clone())));
                self.node(*outer.unwrap_or(node), value, seen)
            }
            Keyword::AllOf(_) | Keyword::AnyOf(_) | Keyword::OneOf(_) | Keyword::Not(_) | Keyword::If { .. } => {
                self.of_schemas(keyword, value, seen)
            }
            Keyword::UniqueItems | Keyword::Contains { .. } | Keyword::Items { .. } | Keyword::UnevaluatedItems(_) => {
                match value {
                    Value::Array(items) => self.of_array(keyword, items, seen),
                    _ => Ok(()),
                }
            }
            Keyword::Required(_)
            | Keyword::DependentRequired(_)
            | Keyword::DependentSchemas(_)
            | Keyword::Properties { .. }
            | Keyword::PropertyNames(_)
            | Keyword::UnevaluatedProperties(_) => match value {
                Value::Object(object) => self.of_object(keyword, value, object, seen),
                _ => Ok(()),
            },
        }
    }

    /// The keywords that combine other schemas.
    fn of_schemas(&mut self, keyword: &'s Keyword, value: &'v Value, seen: &mut Seen<'v>) -> Checked {
        match keyword {
            Keyword::AllOf(nodes) => nodes.iter().try_for_each(|node| self.node(*node, value, seen)),
            Keyword::AnyOf(nodes) => {
                let fitting = self.fitting(nodes, if self.records { usize::MAX } else { 1 }, value, seen)?;
                self.must(fitting > 0)
            }
            Keyword::OneOf(nodes) => {
                let fitting = self.fitting(nodes, 2, value, seen)?;
                self.must(fitting == 1)
            }
            Keyword::Not(node) => {
                let fits = self.fits(*node, value, &mut Seen::default())?;
                self.must(!fits)
            }
            Keyword::If { condition, then, otherwise } => {
                let next = if self.fits(*condition, value, seen)? { then } else { otherwise };
                next.map_or(Ok(()), |node| self.node(node, value, seen))
            }
            _ => Ok(()),
        }
    }

    /// How many of the schemas a value fits, up to a number.
    fn fitting(&mut self, nodes: &[usize], up_to: usize, value: &'v Value, seen: &mut Seen<'v>) -> Result<usize, Stop> {
        let mut fitting = 0;
        for node in nodes {
            fitting += usize::from(self.fits(*node, value, seen)?);
            if fitting == up_to {
                break;
            }
        }
        Ok(fitting)
    }

    fn of_array(&mut self, keyword: &'s Keyword, items: &'v [Value], seen: &mut Seen<'v>) -> Checked {
        match keyword {
            Keyword::UniqueItems => {
                let mut known = HashSet::new();
                let mut is_unique = true;
                for item in items {
                    let text = canonical(item);
                    self.spend(text.len() / BYTES)?;
                    is_unique &= known.insert(text);
                }
                self.must(is_unique)
            }
            Keyword::Contains { node, min, max } => {
                let mut count = 0;
                for (index, item) in items.iter().enumerate() {
                    if self.fits(*node, item, &mut Seen::default())? {
                        count += 1;
                        self.look_at_item(index, seen);
                    }
                }
                self.must(within(count, *min, *max))
            }
            Keyword::Items { prefix, rest } => {
                for (index, item) in items.iter().enumerate() {
                    let Some(node) = prefix.get(index).or(rest.as_ref()) else { break };
                    self.part(*node, Step::Item(index), item)?;
                    self.look_at_item(index, seen);
                }
                Ok(())
            }
            Keyword::UnevaluatedItems(node) => {
                self.spend(items.len() / LOOKS)?;
                for (index, item) in items.iter().enumerate() {
                    if seen.items.insert(index) {
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
        seen: &mut Seen<'v>,
    ) -> Checked {
        self.spend(match keyword {
            Keyword::Required(names) => names.len() / LOOKS,
            Keyword::DependentRequired(dependent) => {
                dependent.iter().map(|(_, names)| 1 + names.len()).sum::<usize>() / LOOKS
            }
            Keyword::DependentSchemas(dependent) => dependent.len() / LOOKS,
            _ => object.len() / LOOKS,
        })?;
        match keyword {
            Keyword::Required(names) => self.must(names.iter().all(|name| object.contains_key(name))),
            Keyword::DependentRequired(dependent) => {
                let of_those_there = dependent.iter().filter(|(name, _)| object.contains_key(name));
                let has_all = of_those_there.flat_map(|(_, names)| names).all(|name| object.contains_key(name));
                self.must(has_all)
            }
            Keyword::DependentSchemas(dependent) => {
                let mut of_those_there = dependent.iter().filter(|(name, _)| object.contains_key(name));
                of_those_there.try_for_each(|(_, node)| self.node(*node, value, seen))
            }
            Keyword::Properties { named, patterns, rest } => object.iter().try_for_each(|(name, value)| {
                let mut is_known = false;
                let step = Step::Name(name);
                if let Some(node) = named.get(name) {
                    is_known = true;
                    self.part(*node, step, value)?;
                }
                for (pattern, node) in patterns {
                    if self.has(pattern, name)? {
                        is_known = true;
                        self.part(*node, step, value)?;
                    }
                }
                if let Some(node) = rest.filter(|_| !is_known) {
                    is_known = true;
                    self.part(node, step, value)?;
                }
                if is_known && self.records {
                    seen.names.insert(name);
                }
                Ok(())
            }),
            Keyword::PropertyNames(node) => object.keys().try_for_each(|name| self.name(*node, name)),
            Keyword::UnevaluatedProperties(node) => object.iter().try_for_each(|(name, value)| {
                if seen.names.insert(name) { self.part(*node, Step::Name(name), value) } else { Ok(()) }
            }),
            _ => Ok(()),
        }
    }

    /// Judges a member's name. It is not a part of the value, so it has no place in it.
    fn name(&mut self, node: usize, name: &str) -> Checked {
        let name = Value::from(name);
        let (scope, way) = (self.scope.clone(), Vec::new());
        let mut check = Check { way, place: None, tries: 1, scope, ..*self };
        let checked = check.node(node, &name, &mut Seen::default());
        self.steps = check.steps;
        match checked {
            Err(Stop::Undecided) => Err(Stop::Undecided),
            checked => self.must(checked.is_ok()),
        }
    }

    /// Whether a text has a pattern.
    fn has(&mut self, pattern: &Pattern, text: &str) -> Result<bool, Stop> {
        self.spend(pattern.steps(text))?;
        pattern.is_in(text).ok_or(Stop::Undecided)
    }

    fn look_at_item(&self, index: usize, seen: &mut Seen<'v>) {
        if self.records {
            seen.items.insert(index);
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

/// A text that two values share if they are equal.
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

/// A way as a JSON pointer.
fn pointer(way: &[Step<'_>]) -> String {
    let mut out = String::new();
    for step in way {
        // Writing to a `String` cannot fail.
        let _ = match step {
            Step::Name(name) => write!(out, "/{}", name.replace('~', "~0").replace('/', "~1")),
            Step::Item(index) => write!(out, "/{index}"),
        };
    }
    out
}
