use openpipe_core::call::Meta;

use super::*;

fn post_with_calls(count: u32) -> Arc<Post> {
    let post = Arc::new(Post::default());
    for _ in 0..count {
        post.enter(Arc::new(Handle::default()));
    }
    post
}

fn event(bytes: usize) -> Event {
    Event { data: format!("\"{}\"", "a".repeat(bytes)), encoding: openpipe_core::events::delta::Encoding::Whole }
}

/// The messages of the next delivery, and the length of all its texts.
fn delivery(post: &Arc<Post>) -> (Vec<serde_json::Value>, usize) {
    let texts = post.take();
    let length = texts.iter().map(|text| text.0.len()).sum();
    (serde_json::from_str(&texts[0].0).unwrap(), length)
}

#[test]
fn what_is_more_than_one_delivery_comes_as_several_in_order() {
    let post = post_with_calls(10);
    for call in 0..10 {
        let meta = Meta {
            head: None,
            served_by: "primary",
            upstream: "openai",
            alias: None,
            model: "m",
            attempts: &[],
            duration_ms: 1.0,
            usage: None,
        };
        let body = "a".repeat(3 * 1024 * 1024);
        post.send(call, Message::Completion { request_id: None, ticket: None, status: None, body, meta: &meta });
    }
    let mut calls = Vec::new();
    loop {
        let (messages, length) = delivery(&post);
        if messages.is_empty() {
            break;
        }
        assert!(length <= DELIVERY_BYTES + 1024, "{length}");
        calls.extend(messages.iter().map(|message| message[0].as_u64().unwrap()));
    }
    assert_eq!(calls, (0..10).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_batch_of_events_that_is_more_than_one_delivery_is_cut_and_its_bytes_are_counted_once() {
    let post = post_with_calls(1);
    let events: Vec<_> = (0..5).map(|_| event(3 * 1024 * 1024)).collect();
    let bytes = events.iter().map(Event::kept_bytes).sum();
    assert!(post.reserve(bytes).is_ok());
    post.send_events(0, Form::Chunks, bytes, &events);

    let (mut count, mut counted) = (0, 0);
    for _ in 0..3 {
        let (messages, length) = delivery(&post);
        assert!(length <= DELIVERY_BYTES + 1024, "{length}");
        count += messages[0][3].as_array().unwrap().len();
        counted += messages[0][2].as_u64().unwrap() as usize;
    }
    assert_eq!((count, counted), (5, bytes));
    assert_eq!(delivery(&post).0.len(), 0);
    assert_eq!(post.lock().event_bytes, 0);
}

#[tokio::test]
async fn events_wait_where_too_many_of_all_streams_are_on_their_way() {
    let post = post_with_calls(2);
    assert!(post.reserve(WAITING_EVENT_BYTES).is_ok());
    post.send_events(0, Form::Chunks, WAITING_EVENT_BYTES, &[event(10)]);
    let Err(room) = post.reserve(1) else { panic!("there is no room") };
    delivery(&post);
    room.await;
    assert!(post.reserve(1).is_ok());
}

#[tokio::test]
async fn the_room_of_a_stream_that_was_left_is_given_back() {
    let post = post_with_calls(1);
    assert!(post.reserve(10).is_ok());
    post.forget(0);
    post.send_events(0, Form::Chunks, 10, &[event(1)]);
    assert_eq!(post.lock().event_bytes, 0);
    assert_eq!(delivery(&post).0.len(), 0);
}

#[tokio::test]
async fn events_of_a_call_that_one_delivery_takes_come_as_one_message_before_what_is_sent_after_them() {
    let post = post_with_calls(2);
    let wire = Form::Wire { named: false };
    for call in [0, 1, 0, 1] {
        assert!(post.reserve(7).is_ok());
        post.send_events(call, wire, 7, &[event(1)]);
    }
    post.send(0, Message::Warning { message: "w" });
    assert!(post.reserve(3).is_ok());
    post.send_events(0, wire, 3, &[event(2)]);

    let texts = post.take();
    let messages: Vec<(u32, String, serde_json::Value)> = serde_json::from_str(&texts[0].0).unwrap();
    let seen: Vec<_> = messages.iter().map(|(call, name, rest)| format!("{call} {name} {rest}")).collect();
    assert_eq!(seen, ["0 wire 14", "0 warning \"w\"", "0 wire 3", "1 wire 14"]);
    let two = "data: \"a\"\n\ndata: \"a\"\n\n";
    assert_eq!(texts[1..].iter().map(|text| text.0.as_str()).collect::<Vec<_>>(), [two, "data: \"aa\"\n\n", two]);
    assert_eq!(post.lock().event_bytes, 0);
}

fn is_woken(post: &Post) -> bool {
    post.woken.load(Ordering::Acquire)
}

#[tokio::test]
async fn with_few_open_calls_a_message_wakes_javascript_at_once() {
    let post = post_with_calls(FEW_CALLS.try_into().unwrap());
    post.send(0, Message::Warning { message: "a" });
    assert!(is_woken(&post));
}

#[tokio::test]
async fn with_many_open_calls_one_wake_up_brings_the_messages_of_all_tasks_that_are_ready() {
    let post = post_with_calls(u32::try_from(FEW_CALLS).unwrap() + 1);
    let mut tasks = tokio::task::JoinSet::new();
    for call in 0..3 {
        let post = Arc::clone(&post);
        tasks.spawn(async move {
            post.send(call, Message::Warning { message: "a" });
            is_woken(&post)
        });
    }
    assert_eq!(tasks.join_all().await, [false; 3]);
    while !is_woken(&post) {
        tokio::task::yield_now().await;
    }
    assert_eq!(delivery(&post).0.len(), 3);
}

#[test]
fn a_message_that_no_task_of_the_runtime_sends_wakes_javascript_at_once() {
    let post = post_with_calls(u32::try_from(FEW_CALLS).unwrap() + 1);
    post.send(0, Message::Warning { message: "a" });
    assert!(is_woken(&post));
}
