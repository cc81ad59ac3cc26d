//! `cargo bench -p openpipe-core`: what each call and each event costs where nothing waits, in time and in bytes per second.

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use openpipe_core::text::body::{Edit, RequestBody};

mod inputs;

fn main() {
    divan::main();
}

const KB: usize = 1024;

mod body {
    use super::*;

    #[divan::bench(args = [KB, 32 * KB])]
    fn scan(bencher: Bencher<'_, '_>, bytes: usize) {
        let text = inputs::request(bytes);
        bencher
            .counter(BytesCount::of_str(&text))
            .with_inputs(|| text.clone())
            .bench_values(|text| RequestBody::parse(black_box(text)));
    }

    #[divan::bench(args = [KB, 32 * KB])]
    fn splice(bencher: Bencher<'_, '_>, bytes: usize) {
        let text = inputs::request(bytes);
        let count = BytesCount::of_str(&text);
        let body = RequestBody::parse(text);
        let edit = Edit { model: Some("gpt-4-turbo"), drop_unstored_metadata: true, ..Edit::default() };
        bencher.counter(count).bench(|| black_box(&body).as_ref().map(|body| body.edited(black_box(&edit))));
    }
}

mod sse {
    use super::*;

    /// 200 events, in pieces as a socket gives them, or worse.
    #[divan::bench(args = [16 * KB, 300, 1])]
    fn events_200(bencher: Bencher<'_, '_>, piece: usize) {
        let stream = inputs::stream(200);
        bencher
            .counter(BytesCount::of_slice(&stream))
            .counter(ItemsCount::new(201_usize))
            .bench(|| inputs::decode(black_box(&stream), piece));
    }

    /// One event of 10 MB, at once or in pieces.
    #[divan::bench(args = [16 * KB * KB, 16 * KB, 1], sample_count = 20)]
    fn event_10_mb(bencher: Bencher<'_, '_>, piece: usize) {
        let stream = inputs::large_event(10_000_000);
        bencher.counter(BytesCount::of_slice(&stream)).bench(|| inputs::decode(black_box(&stream), piece));
    }
}

mod chunks {
    use super::*;

    fn size(chunks: &[String]) -> BytesCount {
        BytesCount::new(chunks.iter().map(String::len).sum::<usize>())
    }

    #[divan::bench]
    fn signs_200(bencher: Bencher<'_, '_>) {
        let chunks = inputs::chunks(200);
        bencher.counter(size(&chunks)).counter(ItemsCount::new(200_usize)).bench(|| inputs::signs(black_box(&chunks)));
    }

    #[divan::bench]
    fn told_200(bencher: Bencher<'_, '_>) {
        let chunks = inputs::chunks(200);
        let count = size(&chunks);
        bencher
            .counter(count)
            .counter(ItemsCount::new(200_usize))
            .with_inputs(|| chunks.clone())
            .bench_values(|chunks| inputs::told(black_box(chunks)));
    }

    #[divan::bench]
    fn merge_200(bencher: Bencher<'_, '_>) {
        let chunks = inputs::chunks(200);
        bencher.counter(size(&chunks)).counter(ItemsCount::new(200_usize)).bench(|| inputs::merged(black_box(&chunks)));
    }

    #[divan::bench]
    fn merge_200_events(bencher: Bencher<'_, '_>) {
        let chunks = inputs::chunks(200);
        let count = size(&chunks);
        let events = inputs::events(chunks);
        bencher.counter(count).counter(ItemsCount::new(200_usize)).bench(|| inputs::merged_events(black_box(&events)));
    }
}

mod headers {
    use super::*;

    #[divan::bench]
    fn op_tags(bencher: Bencher<'_, '_>) {
        let tags = inputs::tags();
        bencher.counter(BytesCount::of_str(&tags)).bench(|| inputs::header(black_box(&tags)));
    }
}
