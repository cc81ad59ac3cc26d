//! Tracks a stream with choices over its events: content, finish reasons, usage, errors (contract.md, section 5).

use super::arguments::Calls;
use super::members::{self, ARGUMENTS, MEMBERS, PADDING, Role, TEXT};
use super::signs::{MAX_CHOICES, Signs, signs};
use crate::endpoint::tracker::{self, Life, Verdict};
use crate::events::delta::{Alike, Candidate, Encoding, Slot, Templates};
use crate::events::sse::SseEvent;
use crate::failure::Failure;
use crate::text::json::{self, Members};

/// Tracks a stream of `/chat/completions` or `/completions`.
#[derive(Debug, Default)]
pub struct Tracker {
    content: bool,
    finished: bool,
    choices: Vec<Choice>,
    usage: Option<String>,
    templates: Templates,
    /// For events that match the last template: which of their texts is a piece of arguments, and of which call.
    arguments: Option<Arguments>,
}

/// A choice that has appeared.
#[derive(Debug, Default)]
struct Choice {
    index: u64,
    finished: bool,
    calls: Calls,
}

#[derive(Debug)]
struct Arguments {
    text: usize,
    choice: usize,
    call: usize,
}

impl tracker::Tracker for Tracker {
    fn observe(&mut self, event: &SseEvent) -> Verdict {
        let data = event.data.as_str();
        if event.is_error {
            return Verdict::error("the stream carried an error event", data.to_owned());
        }
        if let Some(alike) = self.templates.compare(data) {
            return self.observe_alike(data, alike);
        }
        if data.trim_ascii().is_empty() {
            return Verdict::Comment;
        }
        if tracker::is_done(data) {
            return Verdict::End(self.end());
        }
        let signs = match signs(data) {
            Ok(signs) => signs,
            Err(error) => return Verdict::no_object(&error, data),
        };
        if let Some(error) = signs.error {
            return Verdict::error("the stream carried an error", error);
        }
        if let Some(reason) = signs.failed_finish {
            let message = format!("the stream ended with the finish reason {reason:?}");
            return Verdict::End(Err(Failure::bad_stream(message, None)));
        }
        Verdict::Event { life: Life::of(signs.content || signs.finishes()), encoding: self.take(data, signs) }
    }

    fn is_committed(&self) -> bool {
        self.content || self.finished
    }

    fn is_complete(&self) -> bool {
        self.finished && self.choices.iter().all(|choice| choice.finished)
    }

    fn clean_end(&self) -> Result<(), Failure> {
        self.end()?;
        if self.choices.iter().all(|choice| choice.finished) {
            return Ok(());
        }
        Err(Failure::bad_stream("the stream ended before it was complete: no finish reason and no [DONE]", None))
    }

    fn usage(&self) -> Option<&str> {
        self.usage.as_deref()
    }
}

impl Tracker {
    /// Observes an event that matches the last template, so that it has the template's choice.
    fn observe_alike(&mut self, data: &str, alike: Alike) -> Verdict {
        self.content |= alike.content;
        if let Some(Arguments { text, choice, call }) = self.arguments
            && let (Some(piece), Some(choice)) = (alike.texts.of(data).nth(text), self.choices.get_mut(choice))
        {
            choice.calls.more(call, piece);
        }
        Verdict::Event { life: Life::of(alike.content || alike.finishes), encoding: Encoding::Texts(alike.texts) }
    }

    fn take(&mut self, data: &str, signs: Signs) -> Encoding {
        self.content |= signs.content;
        self.finished |= signs.finishes();
        for (index, finished) in &signs.choices {
            if let Some((_, choice)) = self.choice(*index) {
                choice.finished |= finished;
            }
        }
        let encoding = learn(&mut self.templates, data, &signs);
        let call = if signs.calls { self.take_calls(data) } else { None };
        if let Encoding::Template(places) = &encoding {
            let text = places.iter().position(|place| *place == ARGUMENTS);
            self.arguments = text.zip(call).map(|(text, (choice, call))| Arguments { text, choice, call });
        }
        if signs.usage.is_some() {
            self.usage = signs.usage;
        }
        encoding
    }

    /// A choice and its place. Adds a new one; `None` where there is no room.
    fn choice(&mut self, index: u64) -> Option<(usize, &mut Choice)> {
        let known = self.choices.iter().position(|choice| choice.index == index);
        let place = known.or_else(|| {
            (self.choices.len() < MAX_CHOICES).then(|| {
                self.choices.push(Choice { index, ..Choice::default() });
                self.choices.len() - 1
            })
        })?;
        Some((place, self.choices.get_mut(place)?))
    }

    /// Takes the pieces of calls. Returns the places of choice and call of the last one.
    fn take_calls(&mut self, data: &str) -> Option<(usize, usize)> {
        let chunk = Members::of(data).ok()?;
        let (mut last, mut places) = (None, 0..MAX_CHOICES as u64);
        json::each_element(chunk.get("choices")?.get(), |choice| {
            let (Some(place), Ok(choice)) = (places.next(), Members::of(choice.get())) else { return };
            let delta = choice.get("delta").and_then(|raw| Members::of(raw.get()).ok());
            if let (Some(delta), Some((at, known))) = (delta, self.choice(members::index_of(&choice).unwrap_or(place)))
            {
                last = known.calls.take(&delta).map(|call| (at, call));
            }
        });
        last
    }

    /// Checks that the stream may end here: not before any content, nor in the middle of a call's arguments.
    fn end(&self) -> Result<(), Failure> {
        if !self.content && !self.finished {
            return Err(Failure::bad_stream("the stream ended without any content", None));
        }
        if self.choices.iter().any(|choice| !choice.finished && choice.calls.are_cut()) {
            return Err(Failure::bad_stream("the stream ended in the middle of a tool call's arguments", None));
        }
        Ok(())
    }
}

/// Makes an event the template for delta encoding of later ones, if its shape allows that.
pub fn learn(templates: &mut Templates, data: &str, signs: &Signs) -> Encoding {
    if signs.error.is_some() || signs.usage.is_some() || signs.failed_finish.is_some() {
        return Encoding::Whole;
    }
    templates.learn(data, || candidate(data, signs.finishes()))
}

/// The slots of a chunk. Of two members with one name the last counts, as in `JSON.parse`, which the host reads the chunk by.
fn candidate(data: &str, finishes: bool) -> Option<Candidate<'_>> {
    let chunk: Members<'_> = serde_json::from_str(data).ok()?;
    let choice = only(chunk.get("choices")?.get())?;
    let mut slots = Vec::with_capacity(4);
    let may_have_more;
    match choice.get_non_null("delta") {
        Some(delta) => {
            let delta: Members<'_> = serde_json::from_str(delta.get()).ok()?;
            for member in &MEMBERS {
                let (Some(place), Some(text)) = (member.slot, delta.get(member.name)) else { continue };
                slots.push(Slot { place, text, is_content: true });
            }
            may_have_more = delta.iter().any(|(name, value)| {
                let is_slot = || slots.iter().any(|slot: &Slot<'_>| std::ptr::eq(slot.text, value));
                match value.get().as_bytes() {
                    [b'"', b'"'] => false,
                    [b'"', ..] => !is_slot() && members::role_of(name.get()) != Role::Mark,
                    [b'{' | b'[', ..] => true,
                    _ => false,
                }
            });
            let arguments = delta.get("tool_calls").and_then(|raw| only(raw.get())).and_then(|call| {
                serde_json::from_str::<Members<'_>>(call.get("function")?.get()).ok()?.get("arguments")
            });
            slots.extend(arguments.map(|text| Slot { place: ARGUMENTS, text, is_content: true }));
        }
        None => {
            let is_content = choice.get_non_null("message").is_none();
            may_have_more = true;
            slots.extend(choice.get("text").map(|text| Slot { place: TEXT, text, is_content }));
        }
    }
    slots.extend(chunk.get(PADDING.0).map(|text| Slot { place: PADDING.1, text, is_content: false }));
    Some(Candidate {
        slots,
        finishes,
        may_have_more,
        has_content: |blank| signs(blank).is_ok_and(|signs| signs.content),
    })
}

/// The only element of an array of objects.
fn only(array: &str) -> Option<Members<'_>> {
    let (only, count) = json::first_element(array)?;
    if count == 1 { Members::of(only.get()).ok() } else { None }
}

#[cfg(test)]
#[path = "tracker_tests.rs"]
mod tests;
