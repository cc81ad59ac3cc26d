//! Compiles a schema from its JSON.

use std::collections::{HashMap, HashSet};

use percent_encoding::percent_decode_str;
use reqwest::Url;
use serde_json::{Map, Number, Value};

use super::keyword::{Bound, Keyword, Node, Schema, Sized, Type};
use super::number;
use super::pattern::{self, Pattern};

/// The base URL of a schema without an `$id`.
const NAMELESS: &str = "json-schema:///";

/// Keywords whose value is a schema.
const ONE: [&str; 12] = [
    "additionalItems",
    "additionalProperties",
    "contains",
    "contentSchema",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
];
/// Keywords whose value is a list of schemas; `items` in older drafts only.
const LIST: [&str; 5] = ["allOf", "anyOf", "items", "oneOf", "prefixItems"];
/// Keywords whose value has schemas by name; `dependencies` in older drafts only.
const NAMED: [&str; 6] =
    ["$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties"];
/// The longest URL of a part, in bytes: each reference in it is resolved against it.
const MAX_ID_BYTES: usize = 2048;
/// A part of the `$schema` of draft 2020-12, where each keyword has only one form.
const DRAFT: &str = "2020-12";

type Object = Map<String, Value>;
/// Makes a keyword of the schemas in its list.
type Make = fn(Vec<usize>) -> Keyword;

/// A part with an `$id` (JSON schema's "resource"); the first one is the whole schema.
struct Resource<'a> {
    base: Url,
    root: &'a Value,
}

pub(super) struct Compiler<'a> {
    /// Keywords in the form of older drafts are read too: an array in `items` with `additionalItems`, `dependencies`, a boolean in
    /// `exclusiveMinimum`. Some libraries still write drafts 4 to 7, and parts of such a schema are sent without its `$schema`.
    reads_older: bool,
    resources: Vec<Resource<'a>>,
    /// The resources by their URLs.
    by_url: HashMap<String, usize>,
    /// The resource that each schema is in, by the schema's address.
    places: HashMap<*const Value, usize>,
    anchors: HashMap<(usize, &'a str), &'a Value>,
    dynamic: HashMap<(usize, &'a str), &'a Value>,
    /// The number of each schema, by its address.
    numbers: HashMap<*const Value, usize>,
    nodes: Vec<Node>,
    waiting: Vec<(usize, &'a Value)>,
    /// The memory in bytes that is left for further patterns.
    room: usize,
}

impl<'a> Compiler<'a> {
    /// Finds the parts that can be referred to.
    pub(super) fn new(schema: &'a Value) -> Result<Self, String> {
        let base = Url::parse(NAMELESS).map_err(|error| error.to_string())?;
        let names_draft = schema.get("$schema").and_then(Value::as_str).is_some_and(|name| name.contains(DRAFT));
        let mut compiler = Self {
            reads_older: !names_draft,
            resources: vec![Resource { base, root: schema }],
            by_url: HashMap::from([(NAMELESS.to_owned(), 0)]),
            places: HashMap::new(),
            anchors: HashMap::new(),
            dynamic: HashMap::new(),
            numbers: HashMap::new(),
            nodes: Vec::new(),
            waiting: Vec::new(),
            room: pattern::ROOM,
        };
        compiler.find(schema, 0)?;
        Ok(compiler)
    }

    pub(super) fn compile(mut self) -> Result<Schema, String> {
        let root = self.resources.first().map(|resource| resource.root).ok_or("the schema is empty")?;
        let root = self.number(root)?;
        let mut dynamic = HashMap::new();
        for ((resource, anchor), schema) in self.dynamic.clone() {
            dynamic.insert((resource, anchor.to_owned()), self.number(schema)?);
        }
        while let Some((number, schema)) = self.waiting.pop() {
            let resource = self.places.get(&std::ptr::from_ref(schema)).copied().unwrap_or_default();
            let keywords = match schema {
                Value::Bool(true) => Vec::new(),
                Value::Bool(false) => vec![Keyword::Never],
                Value::Object(object) => self.keywords(object, resource)?,
                _ => return Err("a schema is an object, `true` or `false`".into()),
            };
            if let Some(node) = self.nodes.get_mut(number) {
                *node = Node { resource, keywords };
            }
        }
        Ok(Schema { nodes: self.nodes, root, dynamic })
    }

    /// Registers a schema and its subschemas by their `$id`s and anchors.
    fn find(&mut self, schema: &'a Value, mut resource: usize) -> Result<(), String> {
        let Value::Object(object) = schema else {
            self.places.insert(std::ptr::from_ref(schema), resource);
            return Ok(());
        };
        let id = text(object, "$id")?;
        if let Some(anchor) = id.and_then(|id| id.strip_prefix('#')) {
            // Older drafts write an anchor in this form.
            self.anchors.insert((resource, anchor), schema);
        } else if let Some(id) = id {
            let base = self.resources.get(resource).and_then(|resource| resource.base.join(id).ok());
            let base = base.filter(|base| base.as_str().len() <= MAX_ID_BYTES);
            let base = base.ok_or_else(|| format!("`$id` {id} is not a URL, or is too long"))?;
            resource = self.resources.len();
            self.by_url.insert(without_fragment(&base), resource);
            self.resources.push(Resource { base, root: schema });
        }
        self.places.insert(std::ptr::from_ref(schema), resource);
        for (keyword, is_dynamic) in [("$anchor", false), ("$dynamicAnchor", true)] {
            let Some(anchor) = object.get(keyword) else { continue };
            let anchor = anchor.as_str().ok_or_else(|| format!("`{keyword}` is not a string"))?;
            self.anchors.insert((resource, anchor), schema);
            if is_dynamic {
                self.dynamic.insert((resource, anchor), schema);
            }
        }
        for (keyword, value) in object {
            match value {
                Value::Object(_) | Value::Bool(_) if ONE.contains(&keyword.as_str()) => self.find(value, resource)?,
                Value::Array(list) if LIST.contains(&keyword.as_str()) => {
                    list.iter().try_for_each(|part| self.find(part, resource))?;
                }
                Value::Object(named) if NAMED.contains(&keyword.as_str()) => {
                    named.values().try_for_each(|part| self.find(part, resource))?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The number of a schema, which is queued for compilation if it is new.
    fn number(&mut self, schema: &'a Value) -> Result<usize, String> {
        if !matches!(schema, Value::Object(_) | Value::Bool(_)) {
            return Err("a schema is an object, `true` or `false`".into());
        }
        let next = self.nodes.len();
        let number = *self.numbers.entry(std::ptr::from_ref(schema)).or_insert(next);
        if number == next {
            self.nodes.push(Node { resource: 0, keywords: Vec::new() });
            self.waiting.push((number, schema));
        }
        Ok(number)
    }

    /// The schema that a reference points to.
    fn resolved(&mut self, reference: &str, from: usize) -> Result<&'a Value, String> {
        let missing = || format!("{reference} is not in the schema");
        let url = self.resources.get(from).and_then(|resource| resource.base.join(reference).ok());
        let url = url.ok_or_else(missing)?;
        let resource = *self.by_url.get(&without_fragment(&url)).ok_or_else(missing)?;
        let root = self.resources.get(resource).ok_or_else(missing)?.root;
        let fragment = percent_decode_str(url.fragment().unwrap_or("")).decode_utf8().map_err(|_| missing())?;
        if !fragment.is_empty() && !fragment.starts_with('/') {
            return self.anchor(resource, &fragment).ok_or_else(missing);
        }
        let schema = root.pointer(&fragment).ok_or_else(missing)?;
        // A reference may point to a place where no keyword expects a schema.
        if !self.places.contains_key(&std::ptr::from_ref(schema)) {
            self.find(schema, resource)?;
        }
        Ok(schema)
    }

    /// The schema with this anchor. The cast shortens the key's lifetime: `anchor` borrows from a decoded reference.
    fn anchor(&self, resource: usize, anchor: &str) -> Option<&'a Value> {
        let anchors: &HashMap<(usize, &str), &'a Value> = &self.anchors;
        anchors.get(&(resource, anchor)).copied()
    }

    /// The keywords of a schema. `unevaluated…` come last, because they depend on the others' results.
    fn keywords(&mut self, object: &'a Object, resource: usize) -> Result<Vec<Keyword>, String> {
        let mut keywords = Vec::new();
        self.references(object, resource, &mut keywords)?;
        self.assertions(object, &mut keywords)?;
        self.objects(object, &mut keywords)?;
        self.arrays(object, &mut keywords)?;
        self.combined(object, &mut keywords)?;
        for keyword in NAMED.into_iter().filter(|keyword| keyword.ends_with("defs") || *keyword == "definitions") {
            // Definitions assert nothing, but a malformed one makes the schema invalid.
            self.named(object, keyword)?;
        }
        if let Some(node) = self.one(object, "unevaluatedItems")? {
            keywords.push(Keyword::UnevaluatedItems(node));
        }
        if let Some(node) = self.one(object, "unevaluatedProperties")? {
            keywords.push(Keyword::UnevaluatedProperties(node));
        }
        Ok(keywords)
    }

    fn references(&mut self, object: &'a Object, resource: usize, out: &mut Vec<Keyword>) -> Result<(), String> {
        if let Some(reference) = text(object, "$ref")? {
            let schema = self.resolved(reference, resource)?;
            out.push(Keyword::Ref(self.number(schema)?));
        }
        if let Some(reference) = text(object, "$dynamicRef")? {
            let schema = self.resolved(reference, resource)?;
            let number = self.number(schema)?;
            let anchor = reference.rsplit_once('#').map_or("", |(_, anchor)| anchor);
            let is_dynamic = schema.get("$dynamicAnchor").and_then(Value::as_str) == Some(anchor);
            out.push(match is_dynamic {
                true => Keyword::DynamicRef(number, anchor.to_owned()),
                false => Keyword::Ref(number),
            });
        }
        Ok(())
    }

    /// The keywords on single values: types, numbers, strings, lengths.
    fn assertions(&mut self, object: &Object, out: &mut Vec<Keyword>) -> Result<(), String> {
        if let Some(types) = object.get("type") {
            out.push(Keyword::Type(types_of(types).ok_or("`type` names an unknown type")?));
        }
        if let Some(values) = object.get("enum") {
            out.push(Keyword::Enum(values.as_array().ok_or("`enum` is not an array")?.clone()));
        }
        if let Some(value) = object.get("const") {
            out.push(Keyword::Enum(vec![value.clone()]));
        }
        if let Some(of) = numeric(object, "multipleOf")? {
            if number::compare(of, &Number::from(0)).is_le() {
                return Err("`multipleOf` is not above 0".into());
            }
            out.push(Keyword::MultipleOf(of.clone()));
        }
        let bounds = [
            ("minimum", Bound::Least, "exclusiveMinimum", Bound::Above),
            ("maximum", Bound::Most, "exclusiveMaximum", Bound::Below),
        ];
        for (keyword, inclusive, exclusively, exclusive) in bounds {
            let older = object.get(exclusively).filter(|_| self.reads_older).and_then(Value::as_bool);
            if let Some(number) = numeric(object, keyword)? {
                let bound = if older == Some(true) { exclusive } else { inclusive };
                out.push(Keyword::Bound(bound, number.clone()));
            }
            if older.is_none()
                && let Some(number) = numeric(object, exclusively)?
            {
                out.push(Keyword::Bound(exclusive, number.clone()));
            }
        }
        let lengths = [
            (Sized::String, "minLength", "maxLength"),
            (Sized::Array, "minItems", "maxItems"),
            (Sized::Object, "minProperties", "maxProperties"),
        ];
        for (of, least, most) in lengths {
            let (min, max) = (length(object, least)?, length(object, most)?);
            if min.is_some() || max.is_some() {
                out.push(Keyword::Length { of, min: min.unwrap_or(0), max });
            }
        }
        if let Some(pattern) = text(object, "pattern")? {
            out.push(Keyword::Pattern(Pattern::new(pattern, &mut self.room)?));
        }
        Ok(())
    }

    fn objects(&mut self, object: &'a Object, out: &mut Vec<Keyword>) -> Result<(), String> {
        if let Some(names) = object.get("required") {
            out.push(Keyword::Required(names_of(names).ok_or("`required` is not an array of names")?));
        }
        if let Some(dependent) = object.get("dependentRequired") {
            let dependent = dependent.as_object().ok_or("`dependentRequired` is not an object")?;
            let names = |(name, names): (&String, &Value)| {
                Ok((
                    name.clone(),
                    names_of(names).ok_or("`dependentRequired` has a value that is not an array of names")?,
                ))
            };
            out.push(Keyword::DependentRequired(dependent.iter().map(names).collect::<Result<_, &str>>()?));
        }
        let dependent = self.named(object, "dependentSchemas")?;
        if !dependent.is_empty() {
            out.push(Keyword::DependentSchemas(dependent));
        }
        if let Some(dependencies) = object.get("dependencies").filter(|_| self.reads_older) {
            self.dependencies(dependencies, out)?;
        }
        let named = self.named(object, "properties")?;
        let patterns = self.named(object, "patternProperties")?;
        let rest = self.one(object, "additionalProperties")?;
        if !named.is_empty() || !patterns.is_empty() || rest.is_some() {
            let pattern = |(pattern, node): (String, usize)| Ok((Pattern::new(&pattern, &mut self.room)?, node));
            let patterns = patterns.into_iter().map(pattern).collect::<Result<_, String>>()?;
            out.push(Keyword::Properties { named: named.into_iter().collect(), patterns, rest });
        }
        if let Some(node) = self.one(object, "propertyNames")? {
            out.push(Keyword::PropertyNames(node));
        }
        Ok(())
    }

    /// `dependencies`, which later drafts split into `dependentRequired` and `dependentSchemas`.
    fn dependencies(&mut self, dependencies: &'a Value, out: &mut Vec<Keyword>) -> Result<(), String> {
        let dependencies = dependencies.as_object().ok_or("`dependencies` is not an object")?;
        let (mut required, mut schemas) = (Vec::new(), Vec::new());
        for (name, dependency) in dependencies {
            if dependency.is_array() {
                let names = names_of(dependency).ok_or("`dependencies` has a value that is not an array of names")?;
                required.push((name.clone(), names));
            } else {
                schemas.push((name.clone(), self.number(dependency)?));
            }
        }
        out.push(Keyword::DependentRequired(required));
        out.push(Keyword::DependentSchemas(schemas));
        Ok(())
    }

    fn arrays(&mut self, object: &'a Object, out: &mut Vec<Keyword>) -> Result<(), String> {
        let older = object.get("items").and_then(Value::as_array).filter(|_| self.reads_older);
        let (prefix, rest) = match older {
            Some(list) => {
                let prefix = list.iter().map(|schema| self.number(schema)).collect::<Result<_, _>>()?;
                (prefix, self.one(object, "additionalItems")?)
            }
            None => (self.list(object, "prefixItems")?, self.one(object, "items")?),
        };
        if !prefix.is_empty() || rest.is_some() {
            out.push(Keyword::Items { prefix, rest });
        }
        let (min, max) = (length(object, "minContains")?, length(object, "maxContains")?);
        if let Some(node) = self.one(object, "contains")? {
            out.push(Keyword::Contains { node, min: min.unwrap_or(1), max });
        }
        match object.get("uniqueItems") {
            None | Some(Value::Bool(false)) => {}
            Some(Value::Bool(true)) => out.push(Keyword::UniqueItems),
            Some(_) => return Err("`uniqueItems` is neither `true` nor `false`".into()),
        }
        Ok(())
    }

    fn combined(&mut self, object: &'a Object, out: &mut Vec<Keyword>) -> Result<(), String> {
        let makes: [(&str, Make); 3] =
            [("allOf", Keyword::AllOf), ("anyOf", Keyword::AnyOf), ("oneOf", Keyword::OneOf)];
        for (keyword, make) in makes {
            if object.contains_key(keyword) {
                out.push(make(self.list(object, keyword)?));
            }
        }
        if let Some(node) = self.one(object, "not")? {
            out.push(Keyword::Not(node));
        }
        let (then, otherwise) = (self.one(object, "then")?, self.one(object, "else")?);
        if let Some(condition) = self.one(object, "if")? {
            out.push(Keyword::If { condition, then, otherwise });
        }
        Ok(())
    }

    fn one(&mut self, object: &'a Object, keyword: &str) -> Result<Option<usize>, String> {
        object.get(keyword).map(|schema| self.number(schema)).transpose()
    }

    fn list(&mut self, object: &'a Object, keyword: &str) -> Result<Vec<usize>, String> {
        let Some(list) = object.get(keyword) else { return Ok(Vec::new()) };
        let list =
            list.as_array().filter(|list| !list.is_empty()).ok_or_else(|| format!("`{keyword}` is not an array"))?;
        list.iter().map(|schema| self.number(schema)).collect()
    }

    fn named(&mut self, object: &'a Object, keyword: &str) -> Result<Vec<(String, usize)>, String> {
        let Some(named) = object.get(keyword) else { return Ok(Vec::new()) };
        let named = named.as_object().ok_or_else(|| format!("`{keyword}` is not an object"))?;
        named.iter().map(|(name, schema)| Ok((name.clone(), self.number(schema)?))).collect()
    }
}

fn without_fragment(url: &Url) -> String {
    let mut url = url.clone();
    url.set_fragment(None);
    url.into()
}

fn text<'a>(object: &'a Object, keyword: &str) -> Result<Option<&'a str>, String> {
    object.get(keyword).map(|value| value.as_str().ok_or_else(|| format!("`{keyword}` is not a string"))).transpose()
}

fn numeric<'a>(object: &'a Object, keyword: &str) -> Result<Option<&'a Number>, String> {
    object.get(keyword).map(|value| value.as_number().ok_or_else(|| format!("`{keyword}` is not a number"))).transpose()
}

fn length(object: &Object, keyword: &str) -> Result<Option<u64>, String> {
    let Some(number) = numeric(object, keyword)? else { return Ok(None) };
    number::length(number).map(Some).ok_or_else(|| format!("`{keyword}` is not a length"))
}

fn types_of(types: &Value) -> Option<Vec<Type>> {
    match types {
        Value::Array(types) if !types.is_empty() => types.iter().map(type_of).collect(),
        one => Some(vec![type_of(one)?]),
    }
}

fn type_of(name: &Value) -> Option<Type> {
    Some(match name.as_str()? {
        "null" => Type::Null,
        "boolean" => Type::Boolean,
        "object" => Type::Object,
        "array" => Type::Array,
        "number" => Type::Number,
        "integer" => Type::Integer,
        "string" => Type::String,
        _ => return None,
    })
}

fn names_of(names: &Value) -> Option<Vec<String>> {
    let names: Option<Vec<String>> = names.as_array()?.iter().map(|name| name.as_str().map(str::to_owned)).collect();
    let unique: HashSet<&String> = names.iter().flatten().collect();
    names.as_ref().filter(|names| names.len() == unique.len()).cloned()
}
