//! Reads arrays and objects: names, failures, rules of `reject`, `params` and `tags`.

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::super::argument_error::{ArgumentError, quoted, shown};
use super::super::spec::{self, Kind};
use super::{Read, Section};
use crate::failure::Trigger;
use crate::policy::reject::{Rule, Rules};
use crate::text::headers::HeaderList;
use crate::text::json::{self, Members};

impl<'a> Section<'a> {
    /// The elements of an array, each with its path.
    ///
    /// # Errors
    /// Where it is no array.
    pub fn elements(&self, name: &str) -> Read<Option<Vec<(String, &'a RawValue)>>> {
        let elements: Option<Vec<&'a RawValue>> = self.read(name, |raw| serde_json::from_str(raw).ok())?;
        let numbered = |(index, raw)| (format!("{}[{index}]", self.path(name)), raw);
        Ok(elements.map(|elements| elements.into_iter().enumerate().map(numbered).collect()))
    }

    /// An array whose elements are each deserialized and checked.
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

    /// The members of an object of objects, by name; none where it is not given.
    ///
    /// # Errors
    /// Where it is no object.
    pub fn entries(&self, name: &str) -> Read<Vec<(String, &'a str)>> {
        match (self.odd(name), self.raw(name)) {
            (Some(odd), _) => Err(self.refuse(name, odd)),
            (None, None | Some("null")) => Ok(Vec::new()),
            (None, Some(raw)) => {
                let members: Members<'a> = serde_json::from_str(raw).map_err(|_| self.refuse(name, shown(raw)))?;
                Ok(members.iter().map(|(key, raw)| (json::decoded(key).unwrap_or_default(), raw.get())).collect())
            }
        }
    }

    /// Headers or the members of a query: strings, or `null` where one is to be removed.
    ///
    /// # Errors
    /// Where it is no object, or a value is neither.
    pub fn pairs(&self, name: &str) -> Read<HeaderList> {
        let refused = |key: &str, got: String| {
            ArgumentError::expected(format!("{}.{}", self.path(name), quoted(key)), "a string or null", got)
        };
        if let Some((key, odd)) = self.odd_member(name) {
            return Err(refused(key, odd.to_owned()));
        }
        let Some(object) = self.object(name)? else { return Ok(Vec::new()) };
        let members: Members<'_> = serde_json::from_str(object.get()).unwrap_or_default();
        let each = |(key, raw): (&RawValue, &RawValue)| {
            let key = json::decoded(key).unwrap_or_default();
            match raw.get() {
                "null" => Ok((key, None)),
                text => match serde_json::from_str::<String>(text) {
                    Ok(value) => Ok((key, Some(value))),
                    Err(_) => Err(refused(&key, shown(text))),
                },
            }
        };
        members.iter().map(each).collect()
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

    /// Adds a rule; `false` for a second function.
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
}
