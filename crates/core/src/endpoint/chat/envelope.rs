//! The outer object of completions and of the chunks of streams: `choices`, `error`, `usage` and `x_groq`.
//!
//! It is read in a single pass, which takes half the time of one pass for each level. An object of an unusual shape (a duplicate name,
//! an element of `choices` that is not an object) is read member by member.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::text::json::{self, Members};

/// Accumulates what is needed of the choices while they are read, without a list of them: there may be very many.
pub(super) trait Choices<'a>: Default {
    /// One of them.
    type Choice: Deserialize<'a>;

    /// A choice of these members.
    fn choice(members: &Members<'a>) -> Self::Choice;

    /// Adds the next choice.
    fn add(&mut self, choice: Self::Choice);

    /// Adds an element that is not an object.
    fn add_other(&mut self);
}

/// An object with choices.
#[derive(Deserialize)]
#[serde(bound(deserialize = "C: Choices<'de>"))]
pub(super) struct Envelope<'a, C> {
    #[serde(default, deserialize_with = "accumulated")]
    pub(super) choices: Option<C>,
    #[serde(borrow)]
    pub(super) error: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) usage: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) x_groq: Option<&'a RawValue>,
}

impl<'a, C: Choices<'a>> Envelope<'a, C> {
    /// Reads one in a single pass.
    ///
    /// # Errors
    /// The shape is unusual, or the text is not a JSON object.
    pub(super) fn in_one_pass(text: &'a str) -> Result<Self, serde_json::Error> {
        serde_json::from_str::<Strict<Self>>(text).map(|Strict(envelope)| envelope)
    }

    /// Reads one member by member.
    pub(super) fn of(members: &Members<'a>) -> Self {
        let choices = members.get("choices").and_then(|raw| {
            let mut choices = C::default();
            let is_array = json::each_element(raw.get(), |choice| match Members::of(choice.get()) {
                Ok(members) => choices.add(C::choice(&members)),
                Err(_) => choices.add_other(),
            });
            is_array.then_some(choices)
        });
        let [error, usage, x_groq] = ["error", "usage", "x_groq"].map(|name| members.get_non_null(name));
        Self { choices, error, usage, x_groq }
    }
}

/// Deserializes a struct from an object only: the derived code takes an array as well.
struct Strict<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Strict<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }
        deserializer.deserialize_map(ObjectVisitor(PhantomData)).map(Self)
    }
}

/// Reads `choices`; `null` is none.
fn accumulated<'de, D: Deserializer<'de>, C: Choices<'de>>(deserializer: D) -> Result<Option<C>, D::Error> {
    struct Accumulated<C>(C);
    impl<'de, C: Choices<'de>> Deserialize<'de> for Accumulated<C> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct ChoicesVisitor<C>(PhantomData<C>);
            impl<'de, C: Choices<'de>> Visitor<'de> for ChoicesVisitor<C> {
                type Value = C;

                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("a JSON array")
                }

                fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<C, A::Error> {
                    let mut choices = C::default();
                    while let Some(Strict(choice)) = array.next_element::<Strict<C::Choice>>()? {
                        choices.add(choice);
                    }
                    Ok(choices)
                }
            }
            deserializer.deserialize_seq(ChoicesVisitor(PhantomData)).map(Self)
        }
    }
    Ok(Option::<Accumulated<C>>::deserialize(deserializer)?.map(|Accumulated(choices)| choices))
}
