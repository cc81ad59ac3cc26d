use proptest::prelude::*;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::*;
use crate::endpoint::Merge as _;
use crate::endpoint::chat;
use crate::events::delta::Templates;

/// The chunks as a stream has them: of each it is known what is new in it.
fn events(chunks: &[String]) -> Vec<Event> {
    let mut templates = Templates::default();
    let encoding = |data: &str| match templates.compare(data) {
        Some(alike) => Encoding::Texts(alike.texts),
        None => chat::signs(data).map_or(Encoding::Whole, |signs| chat::learn(&mut templates, data, &signs)),
    };
    let encoding: Vec<Encoding> = chunks.iter().map(String::as_str).map(encoding).collect();
    chunks.iter().zip(encoding).map(|(data, encoding)| Event { data: data.clone(), encoding }).collect()
}

/// Merges the chunks one by one, and as the events of a stream; whether the last one was merged by its texts alone.
fn merged_both_ways(chunks: &[String]) -> (Option<String>, Option<String>, bool) {
    let (mut whole, mut by_texts) = (Merge::new(Shape::Delta), Merge::new(Shape::Delta));
    chunks.iter().for_each(|chunk| whole.add_chunk(chunk));
    events(chunks).iter().for_each(|event| by_texts.add(event));
    let knows_ways = by_texts.paths.is_some();
    (whole.completion(), by_texts.completion(), knows_ways)
}

/// Chunks that differ by their content, with more in the chunk, the choice and the delta.
fn alike(chunk: &str, choice: &str, delta: &str) -> Vec<String> {
    ["a", "", "b\\\"", "c"]
        .iter()
        .map(|text| {
            format!(r#"{{"id":"c","choices":[{{"index":0,"delta":{{"content":"{text}"{delta}}}{choice}}}]{chunk}}}"#)
        })
        .collect()
}

#[test]
fn chunks_that_are_alike_are_merged_by_their_texts() {
    for chunks in [
        alike("", "", ""),
        alike(
            r#","obfuscation":"xyz","usage":null"#,
            r#","finish_reason":null,"logprobs":null"#,
            r#","role":"assistant""#,
        ),
        alike("", r#","content_filter_results":{"hate":{"filtered":false}}"#, r#","refusal":"no","tool_calls":[]"#),
        alike("", "", r#","tool_calls":[{"index":2,"function":{"arguments":"x"}}]"#),
        alike("", "", r#","tool_calls":[{"function":{"arguments":"x"}}]"#),
        alike(r#","citations":["https://a.example"],"usage":null"#, "", ""),
        // Padding, by a name that is not left out of the completion.
        alike(r#","obfuscatio\u006e":"x""#, "", ""),
    ] {
        let (whole, by_texts, knows_ways) = merged_both_ways(&chunks);
        assert_eq!(whole, by_texts);
        assert!(knows_ways, "{chunks:?}");
    }
}

#[test]
fn chunks_that_are_alike_but_add_more_than_their_texts_are_merged_whole() {
    for chunks in [
        alike("", r#","logprobs":{"content":[{"token":"t"}]}"#, ""),
        alike("", "", r#","audio":{"data":"QUJD"}"#),
        alike(
            "",
            "",
            r#","tool_calls":[{"index":0,"function":{"arguments":"x"}},{"index":1,"function":{"arguments":"y"}}]"#,
        ),
        alike("", "", r#","content":"twice""#),
        ["a", "b", "c"].map(|text| format!(r#"{{"choices":[{{"delta":{{"content":1,"content":"{text}"}}}}]}}"#)).into(),
    ] {
        let (whole, by_texts, knows_ways) = merged_both_ways(&chunks);
        assert_eq!(whole, by_texts);
        assert!(!knows_ways, "{chunks:?}");
    }
}

#[test]
fn a_different_chunk_between_like_ones_is_merged() {
    let mut chunks = alike(r#","model":"m""#, "", "");
    let last = chunks.clone();
    chunks.push(r#"{"id":"d","model":"n","choices":[{"index":0,"delta":{"content":5}}]}"#.into());
    chunks.extend(last);
    let (whole, by_texts, _) = merged_both_ways(&chunks);
    assert_eq!(whole, by_texts);
}

fn merged(chunks: &[Value]) -> Value {
    serde_json::from_str(&merged_text(&chunks.iter().map(ToString::to_string).collect::<Vec<_>>())).unwrap()
}

fn merged_text(chunks: &[String]) -> String {
    let mut merge = Merge::new(Shape::Delta);
    for chunk in chunks {
        merge.add_chunk(chunk);
    }
    merge.completion().unwrap()
}

fn chunk(choices: Value) -> Value {
    json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices})
}

#[test]
fn content_is_joined_and_the_last_finish_reason_counts() {
    let completion = merged(&[
        chunk(json!([{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": null}])),
        chunk(json!([{"index": 0, "delta": {"content": "Hel"}, "finish_reason": null}])),
        chunk(json!([{"index": 0, "delta": {"content": "lo"}, "finish_reason": null}])),
        chunk(json!([{"index": 0, "delta": {}, "finish_reason": "stop"}])),
    ]);
    assert_eq!(
        completion,
        json!({"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}
        ]})
    );
}

#[test]
fn parallel_tool_calls_are_merged_by_their_index_and_not_by_their_order() {
    let calls = |calls: Value| chunk(json!([{"index": 0, "delta": {"tool_calls": calls}}]));
    let completion = merged(&[
        calls(json!([
            {"index": 1, "id": "b", "type": "function", "function": {"name": "g", "arguments": ""}},
            {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}},
        ])),
        calls(
            json!([{"index": 0, "function": {"arguments": "{\"x\""}}, {"index": 1, "function": {"arguments": "[1"}}]),
        ),
        calls(json!([{"index": 1, "function": {"arguments": "]"}}, {"index": 0, "function": {"arguments": ":1}"}}])),
    ]);
    assert_eq!(
        completion["choices"][0]["message"]["tool_calls"],
        json!([
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{\"x\":1}"}},
            {"id": "b", "type": "function", "function": {"name": "g", "arguments": "[1]"}},
        ])
    );
}

#[test]
fn several_choices_are_kept_apart_and_sorted() {
    let completion = merged(&[
        chunk(json!([{"index": 1, "delta": {"content": "b"}}])),
        chunk(json!([{"index": 0, "delta": {"content": "a"}}, {"index": 1, "delta": {"content": "b"}}])),
    ]);
    assert_eq!(completion["choices"][0]["message"]["content"], "a");
    assert_eq!(completion["choices"][1]["message"]["content"], "bb");
}

#[test]
fn choices_without_an_index_are_identified_by_their_place() {
    let completion = merged(&[
        chunk(json!([{"delta": {"content": "a"}}, {"delta": {"content": "x"}}])),
        chunk(json!([{"index": null, "delta": {"content": "b"}}, {"index": 1, "delta": {"content": "y"}}])),
        chunk(json!([{"delta": {}, "finish_reason": "stop"}])),
    ]);
    let choices = completion["choices"].as_array().unwrap();
    assert_eq!(choices.len(), 2);
    assert_eq!(choices[0]["message"], json!({"role": "assistant", "content": "ab"}));
    assert_eq!(choices[0]["finish_reason"], "stop");
    assert_eq!(choices[1]["message"]["content"], "xy");
}

#[test]
fn tool_calls_without_an_index_are_kept_apart() {
    let call = |id: &str| chunk(json!([{"delta": {"tool_calls": [{"id": id, "function": {"name": "f"}}]}}]));
    let completion = merged(&[call("a"), call("b")]);
    let calls = &completion["choices"][0]["message"]["tool_calls"];
    assert_eq!((&calls[0]["id"], &calls[1]["id"]), (&json!("a"), &json!("b")));
}

#[test]
fn usage_may_come_in_a_last_chunk_without_choices() {
    let mut first = chunk(json!([{"index": 0, "delta": {"content": "x"}}]));
    first["usage"] = Value::Null;
    let mut last = chunk(json!([]));
    last["usage"] = json!({"total_tokens": 3});
    let completion = merged(&[first, last]);
    assert_eq!(completion["usage"], json!({"total_tokens": 3}));
    assert_eq!(completion["choices"][0]["message"]["content"], "x");
}

#[test]
fn refusal_reasoning_function_call_logprobs_and_audio_are_merged() {
    let of = |delta: Value, logprobs: Value| chunk(json!([{"index": 0, "delta": delta, "logprobs": logprobs}]));
    let completion = merged(&[
        of(
            json!({"refusal": "I ", "reasoning_content": "hm", "function_call": {"name": "f", "arguments": "{"}}),
            json!({"content": [{"token": "a"}], "refusal": null}),
        ),
        of(
            json!({"refusal": "can't", "reasoning_content": "m", "function_call": {"arguments": "}"}, "audio": {"id": "au", "data": "QU"}}),
            json!({"content": [{"token": "b"}]}),
        ),
        of(json!({"audio": {"data": "JD", "transcript": "hi", "expires_at": 5}}), Value::Null),
    ]);
    let choice = &completion["choices"][0];
    assert_eq!(
        choice["message"],
        json!({"role": "assistant", "refusal": "I can't", "reasoning_content": "hmm",
            "function_call": {"name": "f", "arguments": "{}"},
            "audio": {"id": "au", "data": "QUJD", "transcript": "hi", "expires_at": 5}})
    );
    assert_eq!(choice["logprobs"]["content"], json!([{"token": "a"}, {"token": "b"}]));
}

#[test]
fn unknown_members_are_kept() {
    let mut first = chunk(json!([{"index": 0, "delta": {"content": "x", "novelty": {"a": 1}}, "extra": "e"}]));
    first["provider"] = json!("p");
    let completion = merged(&[first, chunk(json!([{"index": 0, "delta": {"novelty": {"b": [2]}}}]))]);
    assert_eq!(completion["provider"], "p");
    assert_eq!(completion["choices"][0]["extra"], "e");
    assert_eq!(completion["choices"][0]["message"]["novelty"], json!({"a": 1, "b": [2]}));
}

#[test]
fn a_surrogate_pair_split_over_two_chunks_is_joined() {
    let piece = |content: &str| format!(r#"{{"choices":[{{"index":0,"delta":{{"content":"{content}"}}}}]}}"#);
    let text = merged_text(&[piece(r"\ud83d"), piece(r"\ude00")]);
    assert!(serde_json::from_str::<Value>(&text).is_ok_and(|value| value["choices"][0]["message"]["content"] == "😀"));
}

#[test]
fn a_text_that_is_not_a_chunk_changes_nothing() {
    let mut merge = Merge::new(Shape::Delta);
    for text in ["", "null", "[]", "5", "{"] {
        merge.add_chunk(text);
    }
    assert_eq!(merge.completion(), None);
    let deep = format!(r#"{{"choices":[{{"delta":{{"a":{}1{}}}}}]}}"#, r#"{"a":"#.repeat(50_000), "}".repeat(50_000));
    assert!(serde_json::from_str::<&RawValue>(&merged_text(&[deep])).is_ok());
}

#[test]
fn names_are_unique_for_any_number_and_spelling() {
    let names: Vec<String> = (0..300).map(|number| format!(r#""n{number}":{}"#, number + 1)).collect();
    let delta = r#"{"cont\u0065nt":"b","content":"a"}"#;
    let chunk = format!(r#"{{"choices":[{{"index":0,"delta":{delta}}}],{}}}"#, names.join(","));
    let text = merged_text(&[chunk.clone(), chunk]);
    assert_eq!(text.matches("\"n").count(), 300);
    assert!(text.contains(r#""content":"baba""#), "{text}");
}

#[test]
fn a_million_elements_and_members_are_kept_within_bounds() {
    let ones = vec!["1"; 1_000_000].join(",");
    let text = merged_text(&[format!(r#"{{"choices":[{{"delta":{{"x":[{ones}]}}}}]}}"#)]);
    assert_eq!(text.matches('1').count(), 1_000_000);
    let mut merge = Merge::new(Shape::Delta);
    let objects = vec![r#"{"a":1}"#; 1_000_000].join(",");
    merge.add_chunk(&format!(r#"{{"choices":[{{"delta":{{"x":[{objects}]}}}}]}}"#));
    assert!(merge.is_cut());
}

/// What the deltas of one choice come to.
fn message(deltas: &[Value]) -> Value {
    let chunks: Vec<Value> = deltas.iter().map(|delta| chunk(json!([{"index": 0, "delta": delta}]))).collect();
    merged(&chunks)["choices"][0]["message"].clone()
}

#[test]
fn a_call_is_a_new_one_by_its_index_or_its_id_and_name() {
    let named = |index: Option<u64>, id: &str, name: &str, arguments: &str| {
        let mut call = json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}});
        if let Some(index) = index {
            call["index"] = index.into();
        }
        json!({"tool_calls": [call]})
    };
    let piece = |arguments: &str| json!({"tool_calls": [{"function": {"arguments": arguments}}]});
    let [a, b] =
        ["a", "b"].map(|id| json!({"id": id, "type": "function", "function": {"name": id, "arguments": "{}"}}));
    for deltas in [
        vec![
            named(Some(0), "a", "a", "{}"),
            named(Some(0), "b", "b", "{"),
            json!({"tool_calls": [{"index": 0, "function": {"arguments": "}"}}]}),
        ],
        vec![named(None, "a", "a", "{"), piece("}"), named(None, "b", "b", "{}")],
        vec![
            named(None, "a", "a", "{"),
            named(None, "b", "b", "{}"),
            json!({"tool_calls": [{"id": "a", "function": {"arguments": "}"}}]}),
        ],
        vec![named(Some(0), "a", "a", "{"), named(Some(0), "a", "a", "}"), named(Some(1), "b", "b", "{}")],
        vec![named(Some(0), "a", "a", "{"), named(Some(0), "", "", "}"), named(Some(1), "b", "b", "{}")],
    ] {
        assert_eq!(message(&deltas)["tool_calls"], json!([a, b]), "{deltas:?}");
    }
}

#[test]
fn details_are_identified_by_index_and_type() {
    let detail = |kind: &str, text: &str| json!({"reasoning_details": [{"type": kind, "text": text, "index": 0}]});
    let merged = message(&[detail("a", "x"), detail("b", "1"), detail("a", "y"), detail("b", "2")]);
    assert_eq!(
        merged["reasoning_details"],
        json!([{"type": "a", "text": "xy", "index": 0}, {"type": "b", "text": "12", "index": 0}])
    );
}

#[test]
fn a_signature_ends_the_thinking_that_it_signs() {
    let thinking = |part: Value| json!({"thinking_blocks": [part]});
    let merged = message(&[
        thinking(json!({"type": "thinking", "thinking": "a"})),
        thinking(json!({"type": "thinking", "thinking": "b"})),
        thinking(json!({"type": "thinking", "thinking": "", "signature": "s"})),
        thinking(json!({"type": "thinking", "thinking": "c"})),
    ]);
    assert_eq!(
        merged["thinking_blocks"],
        json!([{"type": "thinking", "thinking": "ab", "signature": "s"}, {"type": "thinking", "thinking": "c"}])
    );
}

#[test]
fn a_value_is_never_replaced_by_an_empty_one() {
    let full = json!({"id": "c", "created": 5, "model": "m", "usage": {"total_tokens": 3}, "x": [1], "ok": true,
        "choices": [{"index": 0, "delta": {"content": "a", "audio": {"id": "au", "expires_at": 7}}, "finish_reason": "stop", "filter": {"hate": {"filtered": false}}}]});
    let empty = json!({"id": "", "created": 0, "model": null, "usage": {"total_tokens": 0}, "x": [], "ok": null,
        "choices": [{"index": 0, "delta": {"content": [], "audio": {"id": "", "expires_at": 0}}, "finish_reason": "null", "filter": {}}]});
    let alone = merged(std::slice::from_ref(&full));
    assert_eq!(merged(&[full.clone(), empty.clone()]), alone);
    assert_eq!(alone["choices"][0]["filter"], json!({"hate": {"filtered": false}}));
    // An opening that holds nothing is taken as it is, and replaced by what does.
    let after = merged(&[empty, full]);
    for path in ["/id", "/created", "/model", "/usage", "/x", "/choices/0/message", "/choices/0/finish_reason"] {
        assert_eq!(after.pointer(path), alone.pointer(path), "{path}");
    }
}

#[test]
fn a_chunks_own_message_counts_only_where_no_delta_held_anything() {
    let whole = json!({"role": "assistant", "content": "Hi"});
    let of = |choice: Value| merged(&[json!({"choices": [choice]})])["choices"][0].clone();
    for choice in [
        json!({"index": 0, "delta": {"role": "assistant", "content": ""}, "message": whole}),
        json!({"index": 0, "delta": null, "message": whole}),
        json!({"index": 0, "message": whole}),
        json!({"index": 0, "delta": {"content": "Hi"}, "message": {"role": "assistant", "content": "H"}, "text": "Hi"}),
    ] {
        assert_eq!(of(choice.clone()), json!({"index": 0, "message": whole}), "{choice}");
    }
}

#[test]
fn the_usage_of_a_choice_or_of_groq_is_the_completions_where_it_has_none() {
    let usage = json!({"total_tokens": 3});
    let of_choice =
        merged(&[json!({"choices": [{"index": 0, "delta": {"content": "a"}, "usage": usage}], "usage": null})]);
    assert_eq!((&of_choice["usage"], of_choice["choices"][0].get("usage")), (&usage, None));
    let of_groq =
        merged(&[json!({"choices": [{"index": 0, "delta": {"content": "a"}}], "x_groq": {"id": "r", "usage": usage}})]);
    assert_eq!((&of_groq["usage"], &of_groq["x_groq"]), (&usage, &json!({"id": "r"})));
    let own = merged(&[json!({"choices": [{"index": 0, "delta": {}, "usage": {"total_tokens": 9}}], "usage": usage})]);
    assert_eq!(own["usage"], usage);
}

#[test]
fn the_texts_of_completions_are_joined() {
    let mut merge = Merge::new(Shape::Text);
    for text in ["a", "", "b"] {
        merge.add_chunk(&json!({"object": "text_completion", "choices": [{"index": 0, "text": text, "logprobs": {"tokens": [text]}}]}).to_string());
    }
    let merged: Value = serde_json::from_str(&merge.completion().unwrap()).unwrap();
    assert_eq!(
        merged,
        json!({"object": "text_completion", "choices": [{"index": 0, "text": "ab", "logprobs": {"tokens": ["a", "", "b"]}}]})
    );
}

/// A text cut into pieces at these places.
fn pieces(text: &str, cuts: &[prop::sample::Index]) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(characters.len() + 1)).collect();
    at.extend([0, characters.len()]);
    at.sort_unstable();
    at.windows(2).map(|range| characters[range[0]..range[1]].iter().collect()).collect()
}

proptest! {
    #[test]
    fn a_completion_cut_into_chunks_comes_back(
        choices in prop::collection::vec((".{0,12}", prop::collection::vec(("[a-z]{1,5}", ".{0,10}"), 0..4)), 1..4),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        order in any::<u64>(),
    ) {
        let completion = json!({"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices":
            choices.iter().enumerate().map(|(index, (content, calls))| json!({
                "index": index,
                "message": {"role": "assistant", "content": content, "tool_calls": calls.iter().map(|(name, arguments)|
                    json!({"id": format!("id_{name}"), "type": "function", "function": {"name": name, "arguments": arguments}})).collect::<Vec<_>>()},
                "finish_reason": "stop",
            })).collect::<Vec<_>>()});

        // Each choice's pieces keep their order; the choices take turns in an arbitrary one.
        let mut streams: Vec<std::collections::VecDeque<Value>> = choices.iter().enumerate().map(|(index, (content, calls))| {
            let of = |delta: Value| chunk(json!([{"index": index, "delta": delta, "finish_reason": null}]));
            let mut stream = std::collections::VecDeque::from([of(json!({"role": "assistant", "content": "", "tool_calls": []}))]);
            stream.extend(pieces(content, &cuts).into_iter().map(|piece| of(json!({"content": piece}))));
            for (number, (name, arguments)) in calls.iter().enumerate() {
                stream.push_back(of(json!({"tool_calls": [{"index": number, "id": format!("id_{name}"), "type": "function", "function": {"name": name, "arguments": ""}}]})));
                stream.extend(pieces(arguments, &cuts).into_iter().map(|piece| of(json!({"tool_calls": [{"index": number, "function": {"arguments": piece}}]}))));
            }
            stream.push_back(chunk(json!([{"index": index, "delta": {}, "finish_reason": "stop"}])));
            stream
        }).collect();
        let mut chunks = Vec::new();
        let mut turn = order;
        while streams.iter().any(|stream| !stream.is_empty()) {
            turn = turn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let count = streams.len() as u64;
            if let Some(next) = streams[usize::try_from((turn >> 33) % count).unwrap()].pop_front() {
                chunks.push(next);
            }
        }
        prop_assert_eq!(merged(&chunks), completion);
    }

    #[test]
    fn a_message_of_any_providers_shape_cut_into_chunks_comes_back(
        parts in prop::collection::vec((0..3_usize, ".{1,12}"), 0..5),
        plain in any::<bool>(),
        reasoning in prop::option::of(".{1,10}"),
        details in prop::collection::vec((0..2_usize, ".{1,8}"), 0..3),
        calls in prop::collection::vec(("[a-z]{1,4}", ".{0,10}"), 0..3),
        numbering in 0..4_usize,
        snapshots in any::<bool>(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let of = |delta: Value| json!({"id": "c", "created": 1, "citations": ["https://a.example"], "usage": {"total_tokens": 1},
            "choices": [{"index": 0, "delta": delta, "finish_reason": null}]});
        let mut chunks = vec![of(json!({"role": "assistant", "content": ""}))];
        let mut message = serde_json::Map::from_iter([("role".to_owned(), json!("assistant")), ("content".to_owned(), json!(""))]);
        for (name, text) in reasoning.iter().flat_map(|text| [("reasoning_text", text), ("reasoning_content", text)]) {
            chunks.extend(pieces(text, &cuts).into_iter().map(|piece| of(Value::from_iter([(name, piece)]))));
            message.insert(name.into(), json!(text));
        }
        for (index, (kind, text)) in details.iter().enumerate() {
            let kind = ["reasoning.text", "reasoning.summary"][*kind];
            let detail = |text: &str| json!({"type": kind, "text": text, "format": "f", "index": index});
            chunks.extend(pieces(text, &cuts).iter().map(|piece| of(json!({"reasoning_details": [detail(piece)]}))));
            let whole = message.entry("reasoning_details").or_insert_with(|| json!([]));
            whole.as_array_mut().unwrap().push(detail(text));
        }
        // Neighbours of one kind are one part.
        let mut content: Vec<(usize, String)> = Vec::new();
        for (kind, text) in &parts {
            match content.last_mut() {
                Some((last, whole)) if last == kind && *kind < 2 => whole.push_str(text),
                _ => content.push((*kind, text.clone())),
            }
        }
        let part = |kind: usize, text: &str| match kind {
            0 => json!({"type": "text", "text": text}),
            1 => json!({"type": "thinking", "thinking": [{"type": "text", "text": text}]}),
            _ => json!({"type": "reference", "reference_ids": [text]}),
        };
        for (kind, text) in &content {
            match kind {
                0 if plain => chunks.extend(pieces(text, &cuts).into_iter().map(|piece| of(json!({"content": piece})))),
                2 => chunks.push(of(json!({"content": [part(2, text)]}))),
                kind => chunks.extend(pieces(text, &cuts).iter().map(|piece| of(json!({"content": [part(*kind, piece)]})))),
            }
        }
        let is_text = (plain || content.is_empty()) && content.iter().all(|(kind, _)| *kind == 0);
        let whole = if is_text { json!(content.first().map_or("", |(_, text)| text)) } else { content.iter().map(|(kind, text)| part(*kind, text)).collect() };
        message.insert("content".into(), whole);
        for (number, (name, arguments)) in calls.iter().enumerate() {
            // Each call has its index, all have one (some gateways), none has one, or none has one and all pieces have the id.
            let piece = |mut piece: Value| {
                match numbering {
                    0 => piece["index"] = json!(number),
                    1 => piece["index"] = json!(0),
                    2 => {}
                    _ => piece["id"] = json!(format!("call_{number}")),
                }
                of(json!({"tool_calls": [piece]}))
            };
            let function = |arguments: &str| json!({"name": name, "arguments": arguments});
            let id = format!("call_{number}");
            chunks.push(piece(json!({"id": id, "type": "function", "function": function("")})));
            chunks.extend(pieces(arguments, &cuts).iter().map(|text| piece(json!({"function": {"arguments": text}}))));
            let whole = message.entry("tool_calls").or_insert_with(|| json!([]));
            whole.as_array_mut().unwrap().push(json!({"id": id, "type": "function", "function": function(arguments)}));
        }
        if snapshots {
            // Perplexity: what there is so far, beside what is new.
            for chunk in &mut chunks {
                chunk["choices"][0]["message"] = json!({"role": "assistant", "content": "so far", "annotations": []});
            }
        }
        let holds = !(message.len() == 2 && message["content"] == json!(""));
        prop_assume!(holds || !snapshots);
        chunks.push(json!({"id": "", "created": 0, "usage": {"total_tokens": 9}, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}));
        let expected = json!({"id": "c", "created": 1, "citations": ["https://a.example"], "usage": {"total_tokens": 9},
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]});
        prop_assert_eq!(merged(&chunks), expected);
    }

    #[test]
    fn events_merge_to_the_same_as_chunks(chunks in prop::collection::vec(
        (0..2_usize, "[a-c]{0,2}", "(,\"content\":(\"[a-c]?\"|1|null))?(,\"refusal\":(\"[a-c]?\"|null))?(,\"tool_calls\":\\[(\\{\"index\":[01],\"function\":\\{\"arguments\":\"[a-c]?\"\\}\\})?\\])?",
            "(,\"obfuscation\":(\"[a-c]?\"|1))?(,\"obfuscation\":\"[a-c]?\")?(,\"data\":\"[a-c]\")?"),
        0..12,
    ), again in 1..4_usize) {
        let chunks: Vec<String> = chunks.iter().flat_map(|(index, text, delta, chunk)| {
            (0..again).map(move |time| {
                let text = text.repeat(time);
                format!(r#"{{"choices":[{{"index":{index},"delta":{{"content":"{text}"{delta}}}}}]{chunk}}}"#)
            })
        }).collect();
        let (whole, by_texts, _) = merged_both_ways(&chunks);
        prop_assert_eq!(whole, by_texts);
    }

    #[test]
    fn no_chunk_makes_it_panic_or_write_what_is_no_json(chunks in prop::collection::vec("[\\{\\}\\[\\]:,\"a0n-]{0,40}|\\{\"choices\":\\[\\{\"index\":[0-2],\"delta\":\\{\"content\":(\"[a-z]\"|null|5|\\[1\\])\\}\\}\\]\\}", 0..8)) {
        let mut merge = Merge::new(Shape::Delta);
        for chunk in &chunks {
            merge.add_chunk(chunk);
        }
        if let Some(text) = merge.completion() {
            prop_assert!(serde_json::from_str::<&RawValue>(&text).is_ok(), "{}", text);
        }
    }
}
