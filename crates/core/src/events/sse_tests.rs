use proptest::prelude::*;

use super::*;

/// What a stream decodes to, fed in pieces of these sizes (the last one repeated), with a clean end.
fn decoded(bytes: &[u8], sizes: &[usize]) -> Vec<SseEvent> {
    let mut decoder = Decoder::new(1 << 20);
    let mut events = Vec::new();
    let mut rest = bytes;
    let mut sizes = sizes.iter().chain(std::iter::repeat(sizes.last().unwrap()));
    while !rest.is_empty() {
        let (piece, tail) = rest.split_at((*sizes.next().unwrap()).clamp(1, rest.len()));
        decoder.feed(piece, &mut events).unwrap();
        rest = tail;
    }
    decoder.finish(&mut events).unwrap();
    events
}

fn data(text: &str) -> Vec<String> {
    decoded(text.as_bytes(), &[usize::MAX]).into_iter().map(|event| event.data).collect()
}

#[test]
fn every_line_ending_of_the_standard_ends_a_line() {
    for text in [
        "data: a\n\ndata: b\n\n",
        "data: a\r\n\r\ndata: b\r\n\r\n",
        "data: a\r\rdata: b\r\r",
        "data: a\r\n\ndata: b\n\r\n",
    ] {
        assert_eq!(data(text), ["a", "b"], "{text:?}");
    }
}

#[test]
fn comments_and_unknown_fields_are_ignored() {
    assert_eq!(data(": keep-alive\n\n:\nid: 1\nretry: 5\nfoo\ndata: a\n\n: bye\n\n"), ["a"]);
}

#[test]
fn several_data_lines_are_joined() {
    assert_eq!(data("data: a\ndata\ndata:b\ndata:  c\n\n"), ["a\n\nb\n c"]);
}

#[test]
fn an_event_named_error_is_marked_and_the_next_is_not() {
    let events = decoded(b"event: error\ndata: {}\n\ndata: {}\n\nevent: error\n\ndata: x\n\n", &[7]);
    assert_eq!(events.iter().map(|event| event.is_error).collect::<Vec<_>>(), [true, false, false]);
}

#[test]
fn non_standard_forms_of_an_error_are_events_of_that_type() {
    let error = |data: &str| SseEvent { data: data.into(), is_error: true };
    let plain = |data: &str| SseEvent { data: data.into(), is_error: false };
    for (text, expected) in [
        ("data: a\n\nerror: {\"code\":500}\n\ndata: b\n\n", vec![plain("a"), error("{\"code\":500}"), plain("b")]),
        ("data: a\nerror:x\n\n", vec![plain("a"), error("x")]),
        ("data: a\n\n{\"error\":1}\ndata: b\n\n", vec![plain("a"), error("{\"error\":1}"), plain("b")]),
        ("{\"error\":1}", vec![error("{\"error\":1}")]),
        (
            "{\n  \"error\": {\n    \"a\": 1\n  }\n}\ndata: b\n\n",
            vec![error("{\n  \"error\": {\n    \"a\": 1\n  }\n}"), plain("b")],
        ),
        ("{ \"error\":\n1 }\n\n", vec![error("{ \"error\":\n1 }")]),
        ("errors: 1\nerrata\n\n", vec![]),
    ] {
        for size in [1, 7, usize::MAX] {
            assert_eq!(decoded(text.as_bytes(), &[size]), expected, "{text:?}");
        }
    }
}

#[test]
fn the_last_event_needs_no_blank_line_at_a_clean_end() {
    assert_eq!(data("data: a\n\ndata: [DONE]"), ["a", "[DONE]"]);
    assert_eq!(data("data: a\n\ndata: b\n"), ["a", "b"]);
    assert_eq!(data("data: a\n\n"), ["a"]);
    assert_eq!(data(""), [] as [&str; 0]);
}

#[test]
fn a_data_line_in_many_pieces_is_one_value() {
    let long = "x".repeat(50_000);
    let stream = format!("\u{feff}data:{long}\r\ndata: {long}\n\ndata\ndatabase: no\ndata\n\n");
    for size in [1, 4, 5, 6, 8, 9, 4096] {
        let events: Vec<_> = decoded(stream.as_bytes(), &[size]).into_iter().map(|event| event.data).collect();
        assert_eq!(events, [format!("{long}\n{long}"), "\n".to_owned()], "{size}");
    }
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_first_field() {
    assert_eq!(data("\u{feff}data: a\n\n"), ["a"]);
    assert_eq!(data("data: \u{feff}a\n\n"), ["\u{feff}a"]);
}

#[test]
fn bytes_that_are_not_utf8_are_replaced() {
    let events = decoded(b"data: a\xff\n\n", &[1]);
    assert_eq!(events[0].data, "a\u{fffd}");
}

#[test]
fn an_event_over_the_bound_is_refused_before_it_is_held() {
    let mut events = Vec::new();
    let mut one_line = Decoder::new(10);
    assert_eq!(one_line.feed(b"data: 0123456789", &mut events), Err(TooLarge));
    let mut many_lines = Decoder::new(10);
    assert_eq!(many_lines.feed(&b"data: 01\n".repeat(9), &mut events), Err(TooLarge));
    assert!(events.is_empty());
}

/// The events that come before the bound is passed, and whether it was.
fn bounded(bytes: &[u8], size: usize, bound: usize) -> (Vec<SseEvent>, bool) {
    let (mut decoder, mut events) = (Decoder::new(bound), Vec::new());
    let fits = bytes.chunks(size).all(|piece| decoder.feed(piece, &mut events).is_ok());
    if fits {
        decoder.finish(&mut events).unwrap();
    }
    (events, fits)
}

proptest! {
    #[test]
    fn whether_an_event_is_too_large_does_not_depend_on_how_it_is_split(
        lines in prop::collection::vec("(data: ?[a-z]{0,12}|: c|event: error|id)?(\n|\r|\r\n|\n\n)", 0..12),
        size in 1_usize..20,
        bound in 0_usize..60,
    ) {
        let stream = lines.concat();
        let whole = bounded(stream.as_bytes(), stream.len().max(1), bound);
        prop_assert!(whole.0.iter().all(|event| event.data.len() <= bound));
        prop_assert_eq!(bounded(stream.as_bytes(), size, bound), whole);
    }

    #[test]
    fn where_the_bytes_are_split_changes_nothing(
        text in "(data: ?[a-zé😀{}]{0,12}|:[a-z]{0,3}|event: error|[a-z]{0,4})?(\n|\r|\r\n|\n\n|\r\n\r\n){0,1}".prop_map(|line| line),
        lines in prop::collection::vec("(data: ?[a-zé😀]{0,12}|: c|event: error|id)?(\n|\r|\r\n|\n\n)", 0..12),
        sizes in prop::collection::vec(1_usize..9, 1..24),
    ) {
        let whole = format!("{text}{}", lines.concat());
        prop_assert_eq!(decoded(whole.as_bytes(), &[usize::MAX]), decoded(whole.as_bytes(), &sizes));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), sizes in prop::collection::vec(1_usize..50, 1..9)) {
        prop_assert_eq!(decoded(&bytes, &[usize::MAX]), decoded(&bytes, &sizes));
    }
}

#[test]
fn the_line_breaks_of_raw_json_count_against_the_bound() {
    let raw = format!("{{\n{}", "a\n".repeat(20));
    let (mut decoder, mut events) = (Decoder::new(30), Vec::new());
    assert_eq!(decoder.feed(raw.as_bytes(), &mut events), Err(TooLarge));
}
