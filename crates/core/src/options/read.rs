//! Reads an `openpipe` object: each member by its row in [`super::spec`], with every check. What is malformed is an
//! [`ArgumentError`]; a member that is not known is a warning.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::spec::{self, Kind, Place};
use super::{Identity, Limit, nearest_name};
use crate::endpoint::Endpoint;
use crate::failure::Trigger;
use crate::policy::reject::{Rule, Rules};
use crate::text::json::{self, Members};

/// A malformed argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArgumentError {
    /// The option, by its path.
    pub option: String,
    /// What it must be; without `got`, what is wrong with it.
    pub expected: String,
    /// What was given, where it may be repeated.
    pub got: Option<String>,
}

impl ArgumentError {
    /// An option that must be something else.
    pub fn expected(option: impl Into<String>, expected: impl Into<String>, got: impl Into<String>) -> Self {
        Self { option: option.into(), expected: expected.into(), got: Some(got.into()) }
    }

    /// An option of which something else is wrong.
    pub fn other(option: impl Into<String>, what: impl Into<String>) -> Self {
        Self { option: option.into(), expected: what.into(), got: None }
    }
}

impl fmt::Display for ArgumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.got {
            Some(got) => write!(f, "`{}` must be {}, got {got}", self.option, self.expected),
            None => write!(f, "`{}` {}", self.option, self.expected),
        }
    }
}

/// A custom client, which stays with the host.
#[derive(Debug, Clone, Deserialize)]
pub struct ClientRef {
    /// The number by which the host knows it.
    pub number: u32,
    /// Who it is.
    #[serde(default)]
    pub identity: Identity,
    /// The endpoints that it has a method for.
    pub endpoints: Option<Vec<Endpoint>>,
}

/// What a host says of values that JSON cannot hold, by the path at which each stands: `openpipe.fallback[0].client`.
#[derive(Debug, Clone, Default)]
pub struct Aside {
    /// What stands there, in words.
    pub odd: HashMap<String, String>,
    /// The custom clients.
    pub clients: HashMap<String, ClientRef>,
    /// The numbers by which the host knows the functions of `reject`.
    pub functions: HashMap<String, u32>,
    /// It comes with a body: what is not to be taken from there does nothing.
    pub is_from_body: bool,
}

/// A string that is longer may be a key, and is not repeated.
const MAX_SHOWN: usize = 16;
/// A name that is longer is cut, and not compared with others.
const MAX_NAME: usize = 64;
/// At most this many unknown members of one object get a warning.
const MAX_WARNED: usize = 8;

/// What a JSON value is, for a message.
pub(super) fn shown(raw: &str) -> String {
    match raw.as_bytes().first() {
        Some(b'[') => "an array".into(),
        Some(b'{') => "an object".into(),
        Some(b'"') => match serde_json::from_str::<String>(raw) {
            Ok(text) if text.encode_utf16().count() <= MAX_SHOWN => json::ascii(&json::string(&text)),
            Ok(text) => format!("a string of {} characters", text.encode_utf16().count()),
            Err(_) => "a string".into(),
        },
        _ => raw.chars().take(32).collect(),
    }
}

/// A name from outside, as a message repeats it: cut, and quoted where it has other characters than a name has.
#[must_use]
pub fn quoted(name: &str) -> String {
    let cut = cut(name);
    let is_plain = cut.chars().all(|character| character.is_ascii_alphanumeric() || "_-$.…".contains(character));
    if is_plain { cut } else { json::ascii(&json::string(&cut)) }
}

/// A name from outside for a message, always in quotes: cut, and escaped so that it forges no line.
#[must_use]
pub fn in_quotes(name: &str) -> String {
    json::ascii(&json::string(&cut(name)))
}

fn cut(name: &str) -> String {
    let cut: String = name.chars().take(MAX_NAME).collect();
    if cut.len() < name.len() { cut + "…" } else { cut }
}

enum Given<'a> {
    Nothing,
    Odd(String),
    Json(&'a str),
}

/// One object of options.
#[derive(Debug)]
pub struct Section<'a> {
    place: Place,
    path: String,
    members: Members<'a>,
    aside: &'a Aside,
}

type Read<T> = Result<T, ArgumentError>;

impl<'a> Section<'a> {
    /// The object that a text is. Its unknown members are warned of.
    ///
    /// # Errors
    /// Where it is no object.
    pub fn new(place: Place, path: &str, text: &'a str, aside: &'a Aside, warnings: &mut Vec<String>) -> Read<Self> {
        if let Some(odd) = aside.odd.get(path) {
            return Err(ArgumentError::expected(path, "an object", odd));
        }
        let Ok(members) = serde_json::from_str::<Members<'a>>(text) else {
            // A string in its place may be a key, and is not repeated.
            let got = if text.starts_with('"') { "a string".into() } else { shown(text) };
            return Err(ArgumentError::expected(path, "an object", got));
        };
        let section = Self { place, path: path.to_owned(), members, aside };
        section.warn_of_unknown(warnings);
        Ok(section)
    }

    fn warn_of_unknown(&self, warnings: &mut Vec<String>) {
        let mut unknown = self.members.iter().filter_map(|(name, _)| {
            let name = json::decoded(name).unwrap_or_default();
            (!self.knows(&name)).then_some(name)
        });
        for name in unknown.by_ref().take(MAX_WARNED) {
            let nearest = (name.len() <= MAX_NAME)
                .then(|| nearest_name(&name, &spec::names(self.place).map(str::to_owned).collect::<Vec<_>>()))
                .flatten();
            let hint = nearest.map_or(" and does nothing".to_owned(), |name| format!("; did you mean `{name}`?"));
            warnings.push(format!("`{}.{}` is not known{hint}", self.path, quoted(&name)));
        }
        let more = unknown.count();
        if more > 0 {
            warnings.push(format!("`{}` has {more} more members that are not known", self.path));
        }
    }

    /// Where the object stands.
    #[must_use]
    pub fn place(&self) -> Place {
        self.place
    }

    /// The first member that is not known.
    #[must_use]
    pub fn unknown(&self) -> Option<String> {
        let name = |name: &RawValue| json::decoded(name).unwrap_or_default();
        self.members.iter().map(|(key, _)| name(key)).find(|name| !self.knows(name))
    }

    fn knows(&self, name: &str) -> bool {
        spec::find(self.place, name).is_some()
            || (self.place == Place::Client && name == "baseURL")
            || (self.place == Place::Upstream && name == "baseUrl")
    }

    /// The path of a member.
    #[must_use]
    pub fn path(&self, name: &str) -> String {
        format!("{}.{name}", self.path)
    }

    /// What the host keeps of values.
    #[must_use]
    pub fn aside(&self) -> &'a Aside {
        self.aside
    }

    /// The text of a member, `null` included.
    #[must_use]
    pub fn raw(&self, name: &str) -> Option<&'a str> {
        self.members.get(name).map(RawValue::get)
    }

    /// What the host says of a value that JSON cannot hold.
    #[must_use]
    pub fn odd(&self, name: &str) -> Option<&'a str> {
        if self.aside.odd.is_empty() {
            return None;
        }
        self.aside.odd.get(&self.path(name)).map(String::as_str)
    }

    /// A member of the object at `name` that JSON cannot hold.
    #[must_use]
    pub fn odd_member(&self, name: &str) -> Option<(&'a str, &'a str)> {
        if self.aside.odd.is_empty() {
            return None;
        }
        let start = self.path(name) + ".";
        self.aside.odd.iter().find_map(|(path, odd)| Some((path.strip_prefix(&start)?, odd.as_str())))
    }

    fn given(&self, name: &str) -> Given<'a> {
        match (self.odd(name), self.raw(name)) {
            (Some(odd), _) => Given::Odd(odd.to_owned()),
            (None, None | Some("null")) => Given::Nothing,
            (None, Some(raw)) => Given::Json(raw),
        }
    }

    fn kind(&self, name: &str) -> Kind {
        spec::find(self.place, name).map_or(Kind::Elsewhere, |option| option.kind)
    }

    /// The refusal of a member.
    pub fn refuse(&self, name: &str, got: impl Into<String>) -> ArgumentError {
        ArgumentError::expected(self.path(name), self.kind(name).expected(), got)
    }

    fn read<T>(&self, name: &str, parse: impl FnOnce(&'a str) -> Option<T>) -> Read<Option<T>> {
        match self.given(name) {
            Given::Nothing => Ok(None),
            Given::Odd(odd) => Err(self.refuse(name, odd)),
            Given::Json(raw) => parse(raw).map(Some).ok_or_else(|| self.refuse(name, shown(raw))),
        }
    }

    /// A time limit.
    ///
    /// # Errors
    /// As for every member: where it is malformed.
    pub fn time(&self, name: &str) -> Read<Option<Limit>> {
        if self.odd(name) == Some("Infinity") {
            return Ok(Some(Limit(None)));
        }
        self.read(name, |raw| {
            let milliseconds = raw.parse::<f64>().ok().filter(|milliseconds| *milliseconds > 0.0)?;
            // What does not fit into a `Duration` is as good as no limit.
            Some(Limit(Duration::try_from_secs_f64(milliseconds / 1000.0).ok()))
        })
    }

    /// A member of the breaker's policy, which takes no `null`.
    ///
    /// # Errors
    /// Where it is malformed.
    pub fn number(&self, name: &str) -> Read<Option<f64>> {
        let kind = self.kind(name);
        let fits = |number: f64| match kind {
            Kind::Count { most } => number >= 1.0 && number <= most && number.fract() == 0.0,
            Kind::Share => number > 0.0 && number <= 1.0,
            Kind::BoundedTime { most } => number > 0.0 && number <= most,
            _ => false,
        };
        if self.odd(name).is_none() && self.raw(name) == Some("null") {
            return Err(self.refuse(name, "null"));
        }
        self.read(name, |raw| raw.parse::<f64>().ok().filter(|number| fits(*number)))
    }

    /// A size.
    ///
    /// # Errors
    /// Where it is malformed.
    pub fn bytes(&self, name: &str) -> Read<Option<u64>> {
        if self.odd(name) == Some("Infinity") {
            return Ok(Some(u64::MAX));
        }
        self.read(name, |raw| {
            let number = raw.parse::<f64>().ok()?;
            let fits = number >= 1.0 && number.fract() == 0.0 && number <= 9_007_199_254_740_991.0;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole number within bounds")]
            fits.then_some(number as u64)
        })
    }

    /// A number of retries.
    ///
    /// # Errors
    /// Where it is malformed.
    pub fn retries(&self, name: &str) -> Read<Option<u32>> {
        self.read(name, |raw| {
            let number = raw.parse::<f64>().ok().filter(|number| *number >= 0.0 && number.fract() == 0.0)?;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole number within bounds")]
            let whole = number.min(f64::from(u32::MAX)) as u32;
            Some(whole)
        })
    }

    /// `true` or `false`.
    ///
    /// # Errors
    /// Where it is malformed.
    pub fn flag(&self, name: &str) -> Read<Option<bool>> {
        self.read(name, |raw| raw.parse().ok())
    }

    /// A non-empty text.
    ///
    /// # Errors
    /// Where it is malformed.
    pub fn text(&self, name: &str) -> Read<Option<String>> {
        self.read(name, |raw| serde_json::from_str(raw).ok().filter(|text: &String| !text.is_empty()))
    }

    /// A text that may be a key, of which an error says no more than its type. An empty one counts as not given.
    ///
    /// # Errors
    /// Where it is malformed.
    pub fn secret_text(&self, name: &str) -> Read<Option<String>> {
        let refuse = |got: &str| {
            let got = if got.starts_with("an ") || got.starts_with("a ") { got.to_owned() } else { "a value".into() };
            ArgumentError::expected(self.path(name), "a string", got)
        };
        match self.given(name) {
            Given::Nothing => Ok(None),
            Given::Odd(odd) => Err(refuse(&odd)),
            Given::Json(raw) if raw.starts_with('"') => {
                Ok(serde_json::from_str(raw).ok().filter(|text: &String| !text.is_empty()))
            }
            Given::Json(raw) => Err(refuse(match raw.as_bytes().first() {
                Some(b'[') => "an array",
                Some(b'{') => "an object",
                Some(b't' | b'f') => "a boolean",
                _ => "a number",
            })),
        }
    }

    /// A text that must be there.
    ///
    /// # Errors
    /// Where it is missing or malformed.
    pub fn required_text(&self, name: &str) -> Read<String> {
        let got = if self.raw(name) == Some("null") { "null" } else { "undefined" };
        self.text(name)?.ok_or_else(|| self.refuse(name, got))
    }

    /// One of the spec's choices.
    ///
    /// # Errors
    /// Where it is malformed.
    pub fn choice<T: DeserializeOwned>(&self, name: &str) -> Read<Option<T>> {
        let Kind::Choice(choices) = self.kind(name) else { return Ok(None) };
        self.read(name, |raw| {
            let text: String = serde_json::from_str(raw).ok()?;
            choices.contains(&text.as_str()).then(|| serde_json::from_str(raw).ok()).flatten()
        })
    }

    /// Anything that its type reads, `null` not among it.
    ///
    /// # Errors
    /// Where it is malformed.
    pub fn value<T: DeserializeOwned>(&self, name: &str) -> Read<Option<T>> {
        self.read(name, |raw| serde_json::from_str(raw).ok())
    }

    /// The elements of an array, each with its path and what the host says of it.
    ///
    /// # Errors
    /// Where it is no array.
    pub fn elements(&self, name: &str) -> Read<Option<Vec<(String, &'a RawValue)>>> {
        let elements: Option<Vec<&'a RawValue>> = self.read(name, |raw| serde_json::from_str(raw).ok())?;
        let numbered = |(index, raw)| (format!("{}[{index}]", self.path(name)), raw);
        Ok(elements.map(|elements| elements.into_iter().enumerate().map(numbered).collect()))
    }

    /// An array of something, each read from its text.
    fn array<T: DeserializeOwned>(
        &self,
        name: &str,
        expected: &dyn Fn() -> String,
        fits: impl Fn(&T) -> bool,
    ) -> Read<Option<Vec<T>>> {
        let Some(elements) = self.elements(name)? else { return Ok(None) };
        let each = |(path, raw): (String, &RawValue)| {
            let got = self.aside.odd.get(&path);
            let element = serde_json::from_str(raw.get()).ok().filter(|element| got.is_none() && fits(element));
            element.ok_or_else(|| {
                ArgumentError::expected(path, expected(), got.cloned().unwrap_or_else(|| shown(raw.get())))
            })
        };
        elements.into_iter().map(each).collect::<Read<_>>().map(Some)
    }

    /// Texts.
    ///
    /// # Errors
    /// Where it is malformed.
    pub fn names(&self, name: &str) -> Read<Option<Vec<String>>> {
        self.array(name, &|| Kind::Text.expected(), |text: &String| !text.is_empty())
    }

    /// Kinds of failure and status codes.
    ///
    /// # Errors
    /// Where it is malformed.
    pub fn triggers(&self, name: &str) -> Read<Option<Vec<Trigger>>> {
        let fits = |trigger: &Trigger| match trigger {
            Trigger::Status(status) => (100..=599).contains(status),
            Trigger::Kind(_) => true,
        };
        self.array(name, &spec::expected_trigger, fits)
    }

    /// `reject`: `null` and an empty array are no rules.
    ///
    /// # Errors
    /// Where it is malformed.
    pub fn rules(&self, name: &str) -> Read<Option<Rules>> {
        let path = self.path(name);
        let mut rules = Rules::default();
        match (self.odd(name), self.raw(name)) {
            (None, None) => return Ok(None),
            (None, Some("null")) => {}
            (None, Some(raw)) if raw.starts_with('[') => {
                for (path, raw) in self.elements(name)?.unwrap_or_default() {
                    if !self.add_rule(&mut rules, &path, Some(raw.get()))? {
                        return Err(self.refuse(name, "two functions"));
                    }
                }
            }
            (_, raw) => drop(self.add_rule(&mut rules, &path, raw)?),
        }
        Ok(Some(rules))
    }

    /// Adds a rule, unless it is a second function.
    fn add_rule(&self, rules: &mut Rules, path: &str, raw: Option<&str>) -> Read<bool> {
        if let Some(number) = self.aside.functions.get(path) {
            return Ok(rules.function.replace(*number).is_none());
        }
        let rule = raw.and_then(|raw| serde_json::from_str::<Rule>(raw).ok());
        match (rule, self.aside.odd.get(path)) {
            (Some(rule), None) => {
                if !rules.names.contains(&rule) {
                    rules.names.push(rule);
                }
                Ok(true)
            }
            (_, odd) => {
                let got = odd.cloned().unwrap_or_else(|| shown(raw.unwrap_or("null")));
                Err(ArgumentError::expected(path, spec::expected_rule(), got))
            }
        }
    }

    /// An object, as text.
    ///
    /// # Errors
    /// Where it is no object.
    pub fn object(&self, name: &str) -> Read<Option<Box<RawValue>>> {
        self.read(name, |raw| {
            raw.starts_with('{').then(|| serde_json::from_str::<&RawValue>(raw).ok().map(ToOwned::to_owned)).flatten()
        })
    }

    /// `tags`.
    ///
    /// # Errors
    /// Where it is malformed.
    pub fn tags(&self, name: &str) -> Read<Option<Map<String, Value>>> {
        const TAG: &str = "a string, a finite number, a boolean or null";
        let Some(members): Option<Members<'a>> = self.read(name, |raw| serde_json::from_str(raw).ok())? else {
            return Ok(None);
        };
        let mut tags = Map::new();
        if let Some((key, odd)) = self.odd_member(name) {
            return Err(ArgumentError::expected(format!("{}.{}", self.path(name), quoted(key)), TAG, odd));
        }
        for (key, raw) in members.iter() {
            let key = json::decoded(key).unwrap_or_default();
            let path = |key: &str| format!("{}.{}", self.path(name), quoted(key));
            let value = match raw.get().as_bytes().first() {
                Some(b'[' | b'{') => None,
                _ => serde_json::from_str::<Value>(raw.get()).ok(),
            };
            let Some(value) = value else { return Err(ArgumentError::expected(path(&key), TAG, shown(raw.get()))) };
            tags.insert(key, value);
        }
        Ok(Some(tags))
    }

    /// Whether a function is there.
    ///
    /// # Errors
    /// Where something else is.
    pub fn function(&self, name: &str) -> Read<bool> {
        match self.given(name) {
            Given::Nothing => Ok(false),
            Given::Odd(odd) if odd == "a function" => Ok(true),
            Given::Odd(odd) => Err(self.refuse(name, odd)),
            Given::Json(raw) => Err(self.refuse(name, shown(raw))),
        }
    }

    /// A custom client.
    ///
    /// # Errors
    /// Where it is none.
    pub fn client(&self, name: &str) -> Read<Option<ClientRef>> {
        if let Some(client) = self.aside.clients.get(&self.path(name)) {
            return Ok(Some(client.clone()));
        }
        self.read(name, |_| None)
    }
}
