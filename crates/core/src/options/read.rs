//! Reads an `openpipe` object: each member by its row in [`super::spec`], with every check. What is malformed is an
//! [`ArgumentError`]; a member that is not known is a warning.

mod lists;
mod values;

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::argument_error::MAX_NAME;
pub(super) use super::argument_error::shown;
pub use super::argument_error::{ArgumentError, in_quotes, quoted};
use super::spec::{self, Kind, Place};
use super::{Identity, nearest_name};
use crate::endpoint::Endpoint;
use crate::text::json::{self, Members};

/// The most unknown members of one object that get a warning each.
const MAX_WARNED: usize = 8;

/// A custom client, which stays with the host.
#[derive(Debug, Clone, Deserialize)]
pub struct ClientRef {
    /// Its number in the host.
    pub number: u32,
    /// Identifies its upstream.
    #[serde(default)]
    pub identity: Identity,
    /// The endpoints that it has a method for; `None` if unknown, so that any is tried.
    pub endpoints: Option<Vec<Endpoint>>,
}

/// The values that JSON cannot hold, which a host passes beside the JSON, by path: `openpipe.fallback[0].client`.
#[derive(Debug, Clone, Default)]
pub struct Aside {
    /// Descriptions of the values for error messages: `a function`, `NaN`.
    pub odd: HashMap<String, String>,
    /// The custom clients.
    pub clients: HashMap<String, ClientRef>,
    /// The numbers of the `reject` functions in the host.
    pub functions: HashMap<String, u32>,
    /// The options are from a request's body: those that a body may not set do nothing.
    pub is_from_body: bool,
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
    /// Parses the text of an object, and warns of its unknown members.
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
        let names = self.members.iter().map(|(name, _)| json::decoded(name).unwrap_or_default());
        let mut unknown = names.chain(self.clients_aside()).filter(|name| !self.knows(name));
        for name in unknown.by_ref().take(MAX_WARNED) {
            let nearest = (name.len() <= MAX_NAME)
                .then(|| nearest_name(&name, &spec::names(self.place).map(str::to_owned).collect::<Vec<_>>()))
                .flatten();
            let hint = nearest.map_or(" and does nothing".to_owned(), |name| format!("; did you mean `{name}`?"));
            let is_of_call = self.place == Place::Body && spec::find(Place::Call, &name).is_some();
            let why = match is_of_call {
                true => "is not taken from a body: it belongs in the request options".to_owned(),
                false => format!("is not known{hint}"),
            };
            warnings.push(format!("`{}.{}` {why}", self.path, quoted(&name)));
        }
        let more = unknown.count();
        if more > 0 {
            warnings.push(format!("`{}` has {more} more members that are not known", self.path));
        }
    }

    /// The members of this object that are custom clients, or values of a wrong type in their place. They are not in its JSON.
    fn clients_aside(&self) -> impl Iterator<Item = String> {
        // Most calls have nothing aside: no path is made for them.
        let is_empty = self.aside.clients.is_empty() && self.aside.odd.is_empty();
        let is_there = move |name: &&str| {
            if is_empty {
                return false;
            }
            let path = self.path(name);
            self.aside.clients.contains_key(&path) || self.aside.odd.contains_key(&path)
        };
        ["client", "fallbackClient"].into_iter().filter(is_there).map(str::to_owned)
    }

    /// The kind of object.
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

    /// The values that are passed beside the JSON.
    #[must_use]
    pub fn aside(&self) -> &'a Aside {
        self.aside
    }

    /// The text of a member, `null` included.
    #[must_use]
    pub fn raw(&self, name: &str) -> Option<&'a str> {
        self.members.get(name).map(RawValue::get)
    }

    /// The description of a member that JSON cannot hold; `None` where JSON holds it.
    #[must_use]
    pub fn odd(&self, name: &str) -> Option<&'a str> {
        if self.aside.odd.is_empty() {
            return None;
        }
        self.aside.odd.get(&self.path(name)).map(String::as_str)
    }

    /// The first member of the object at `name` that JSON cannot hold: its name and description.
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

    /// The error of a malformed member.
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
}
