//! `/embeddings`: one vector for each input, all of one length (contract.md, section 9).

use base64::Engine as _;
use serde_json::value::RawValue;

use super::accepted::{self, Accepted, Refusal};
use super::carried;
use crate::text::json::{self, Members};

/// The vectors that a request asks for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Requested {
    /// How many: one for each input. A text, or an array of numbers, is one input. `None` where `input` is malformed.
    vectors: Option<usize>,
    dimensions: Option<usize>,
    as_base64: bool,
}

impl Requested {
    fn of(request: &[u8]) -> Self {
        let Ok(members) = serde_json::from_slice::<Members<'_>>(request) else { return Self::default() };
        Self {
            vectors: members.get("input").and_then(inputs),
            dimensions: members.get("dimensions").and_then(|raw| raw.get().parse().ok()),
            as_base64: members.get("encoding_format").is_some_and(|raw| json::is_quoted(raw.get(), "base64")),
        }
    }
}

fn inputs(input: &RawValue) -> Option<usize> {
    match input.get().as_bytes() {
        [b'"', ..] => Some(1),
        [b'[', ..] => {
            let inputs: Vec<&RawValue> = serde_json::from_str(input.get()).ok()?;
            let is_number =
                |raw: &RawValue| raw.get().starts_with(|first: char| first == '-' || first.is_ascii_digit());
            Some(if inputs.first().is_some_and(|first| is_number(first)) { 1 } else { inputs.len() })
        }
        _ => None,
    }
}

/// Accepts a valid answer to this request. If the request asks for base64 and the server sends arrays, the numbers are packed: OpenAI's
/// clients decode any vector as base64, and would turn arrays into empty vectors without an error.
///
/// # Errors
/// Why it is not a valid answer.
pub(super) fn accept(text: String, request: &[u8]) -> Result<Accepted, Refusal> {
    let requested = Requested::of(request);
    let members = accepted::object(&text)?;
    let data = members.get("data").and_then(|raw| Some((raw.get(), count_of_objects(raw.get())?)));
    if carried::is_error(members.get("error"), data.is_some(), false)
        || (data.is_none() && carried::is_marked(&members))
    {
        return Err(Refusal::error(text));
    }
    let Some((data, count)) = data else {
        return Err(Refusal::because("the response has no embeddings: it has no array `data`"));
    };
    let expected = requested.vectors.unwrap_or(count);
    if count != expected {
        return Err(Refusal::because(format!("the response has {count} vectors for {expected} inputs")));
    }
    let vectors = vectors(data, count, &requested)?;
    let usage = members.get_non_null("usage").map(|usage| usage.get().to_owned());
    let packed = requested.as_base64.then(|| packed(&text, &vectors)).flatten();
    Ok(Accepted { text: packed.unwrap_or(text), usage })
}

/// How many objects an array holds; `None` where it is no array, or holds something else.
fn count_of_objects(array: &str) -> Option<usize> {
    let (mut count, mut are_objects) = (0, true);
    let is_array = json::each_element(array, |element| {
        count += 1;
        are_objects &= element.get().starts_with('{');
    });
    (is_array && are_objects).then_some(count)
}

/// The vectors, after the checks: each index once, all of one length, the requested dimensions.
fn vectors<'a>(data: &'a str, count: usize, requested: &Requested) -> Result<Vec<&'a RawValue>, Refusal> {
    let mut checked = Vectors { seen: vec![false; count], length: requested.dimensions, all: Vec::new() };
    let mut refusal = None;
    // The members of one object at a time: those of all may take a hundred times their text.
    json::each_element(data, |item| {
        if refusal.is_none() {
            refusal = checked.add(item).err();
        }
    });
    refusal.map_or(Ok(checked.all), Err)
}

/// The vectors of a response so far.
struct Vectors<'a> {
    /// Whether each index has appeared.
    seen: Vec<bool>,
    /// The length of each vector: the requested one, else that of the first.
    length: Option<usize>,
    all: Vec<&'a RawValue>,
}

impl<'a> Vectors<'a> {
    fn add(&mut self, item: &'a RawValue) -> Result<(), Refusal> {
        let item = Members::of(item.get()).unwrap_or_default();
        let index = item.get("index").and_then(|raw| raw.get().parse::<usize>().ok());
        let last = self.seen.len().saturating_sub(1);
        let Some(seen) = index.and_then(|index| self.seen.get_mut(index)).filter(|seen| !**seen) else {
            return Err(Refusal::because(format!("the response's indices are not 0 to {last}, each once")));
        };
        *seen = true;
        let Some(vector) = item.get("embedding") else {
            return Err(Refusal::because("the response has no vector for an input"));
        };
        let Some(numbers) = length_of(vector).filter(|numbers| *numbers > 0) else {
            return Err(Refusal::because("the response has a vector that is malformed or empty"));
        };
        let expected = *self.length.get_or_insert(numbers);
        if numbers != expected {
            return Err(Refusal::because(format!(
                "the response has a vector of {numbers} numbers, and not {expected}"
            )));
        }
        self.all.push(vector);
        Ok(())
    }
}

/// The length of a vector, which is an array of numbers, or 32-bit floats as base64; `None` where it is neither.
fn length_of(vector: &RawValue) -> Option<usize> {
    if vector.get().starts_with('[') {
        return serde_json::from_str::<Vec<f64>>(vector.get()).ok().map(|numbers| numbers.len());
    }
    let text = serde_json::from_str::<std::borrow::Cow<'_, str>>(vector.get()).ok()?;
    let bytes = base64::engine::general_purpose::STANDARD.decode(text.as_bytes()).ok()?;
    bytes.len().is_multiple_of(4).then_some(bytes.len() / 4)
}

/// The answer with its arrays of numbers as base64; `None` where it has no arrays.
fn packed(text: &str, vectors: &[&RawValue]) -> Option<String> {
    let arrays: Vec<&RawValue> = vectors.iter().copied().filter(|vector| vector.get().starts_with('[')).collect();
    if arrays.is_empty() {
        return None;
    }
    let mut out = String::with_capacity(text.len() / 2);
    let mut from = 0;
    for array in arrays {
        let numbers: Vec<f32> = serde_json::from_str(array.get()).ok()?;
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        let start = (array.get().as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
        out.push_str(text.get(from..start)?);
        out.push('"');
        base64::engine::general_purpose::STANDARD.encode_string(bytes, &mut out);
        out.push('"');
        from = start + array.get().len();
    }
    out.push_str(text.get(from..)?);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(input: &str, more: &str) -> Vec<u8> {
        format!(r#"{{"model":"m","input":{input}{more}}}"#).into_bytes()
    }

    fn answer(vectors: &[(&str, &str)]) -> String {
        let data: Vec<String> =
            vectors.iter().map(|(index, vector)| format!(r#"{{"index":{index},"embedding":{vector}}}"#)).collect();
        format!(r#"{{"object":"list","data":[{}],"usage":{{"total_tokens":2}}}}"#, data.join(","))
    }

    #[test]
    fn a_text_or_an_array_of_numbers_is_one_input() {
        for (input, vectors) in
            [("\"a\"", 1), ("[1,2,3]", 1), (r#"["a","b"]"#, 2), ("[[1,2],[3]]", 2), (r#"["a"]"#, 1), ("[]", 0)]
        {
            assert_eq!(Requested::of(&request(input, "")).vectors, Some(vectors), "{input}");
        }
    }

    #[test]
    fn every_input_has_one_vector_and_all_have_one_length() {
        let two = request(r#"["a","b"]"#, "");
        for (vectors, good) in [
            (vec![("0", "[1,2]"), ("1", "[3,4]")], true),
            (vec![("1", "[1,2]"), ("0", "[3,4]")], true),
            (vec![("0", "\"AACAPwAAAEA=\""), ("1", "[3,4]")], true),
            (vec![("0", "[1,2]")], false),
            (vec![("0", "[1,2]"), ("0", "[3,4]")], false),
            (vec![("0", "[1,2]"), ("2", "[3,4]")], false),
            (vec![("0", "[1,2]"), ("null", "[3,4]")], false),
            (vec![("0", "[1,2]"), ("1", "[3]")], false),
            (vec![("0", "[]"), ("1", "[]")], false),
            (vec![("0", "[1,null]"), ("1", "[3,4]")], false),
            (vec![("0", "\"AAA=\""), ("1", "[3,4]")], false),
            (vec![("0", "null"), ("1", "[3,4]")], false),
        ] {
            assert_eq!(accept(answer(&vectors), &two).is_ok(), good, "{vectors:?}");
        }
        for text in ["{}", "[]", r#"{"data":null}"#, r#"{"data":[1,2]}"#, r#"{"error":{"code":429},"data":[]}"#] {
            assert!(accept(text.into(), &two).is_err(), "{text}");
        }
    }

    #[test]
    fn an_error_that_a_provider_marks_in_its_own_way_is_refused_in_its_words() {
        let text = r#"{"object":"error","message":"no such model","code":404}"#;
        let failure = accept(text.into(), &request(r#""a""#, "")).unwrap_err().failure(None);
        assert!(failure.message.contains("no such model"), "{}", failure.message);
        let with_data = answer(&[("0", "[1]")]).replacen('{', r#"{"object":"error","#, 1);
        assert!(accept(with_data, &request(r#""a""#, "")).is_ok());
    }

    #[test]
    fn the_dimensions_are_those_of_the_request() {
        let one = answer(&[("0", "[1,2]")]);
        assert!(accept(one.clone(), &request("\"a\"", ",\"dimensions\":2")).is_ok());
        let failure = accept(one, &request("\"a\"", ",\"dimensions\":3")).unwrap_err().failure(None);
        assert!(failure.message.contains("2 numbers, and not 3"), "{}", failure.message);
    }

    #[test]
    fn numbers_are_packed_where_base64_was_asked_for() {
        let base64 = request(r#"["a","b"]"#, r#","encoding_format":"base64""#);
        let accepted = accept(answer(&[("0", "[1,2]"), ("1", "\"AACAPwAAAEA=\"")]), &base64).ok().unwrap();
        assert_eq!(accepted.text, answer(&[("0", "\"AACAPwAAAEA=\""), ("1", "\"AACAPwAAAEA=\"")]));
        assert_eq!(accepted.usage.as_deref(), Some(r#"{"total_tokens":2}"#));
        let numbers = answer(&[("0", "[1,2]"), ("1", "[1,2]")]);
        assert_eq!(accept(numbers.clone(), &request(r#"["a","b"]"#, "")).ok().unwrap().text, numbers);
    }
}
