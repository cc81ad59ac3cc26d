//! Patterns: regular expressions of ECMA-262, as `pattern` and `patternProperties` have them.

use fancy_regex::{Regex, RegexBuilder};

/// The most backtracking steps: some patterns take exponential time (ReDoS).
const MAX_BACKTRACKING: usize = 100_000;
/// The sizes in bytes that are tried for a compiled pattern, in order. A pattern that does not fit into the last is refused.
const SIZES: [usize; 3] = [8 * 1024, 64 * 1024, 1024 * 1024];
/// The size in bytes that all patterns of a schema together may take.
pub(super) const ROOM: usize = 4 * 1024 * 1024;
/// The most memory that matching one piece of a pattern may take, in bytes.
const MATCHING_BYTES: usize = 64 * 1024;

/// A compiled pattern.
#[derive(Debug)]
pub(super) struct Pattern {
    regex: Regex,
    /// How much longer matching a byte may take than with a small pattern.
    weight: usize,
}

impl Pattern {
    /// Compiles a pattern. `room` is the memory that is left for patterns, in bytes.
    ///
    /// # Errors
    /// Why it is not a valid pattern, or that there is not enough room for it.
    pub(super) fn new(pattern: &str, room: &mut usize) -> Result<Self, String> {
        let pattern = translated(pattern);
        // The crate compiles each piece between look-arounds and back-references on its own.
        let pieces = 1 + pattern.matches("(?").count() + pattern.matches('\\').count();
        let mut error = String::new();
        for size in SIZES {
            let taken = size.saturating_mul(if is_plain(&pattern) { 1 } else { pieces });
            if taken > *room {
                return Err("its patterns take too much memory".into());
            }
            let regex = RegexBuilder::new(&pattern)
                .backtrack_limit(MAX_BACKTRACKING)
                .delegate_size_limit(size)
                .delegate_dfa_size_limit(MATCHING_BYTES)
                .build();
            match regex {
                Ok(regex) => {
                    *room -= taken;
                    return Ok(Self { regex, weight: taken / SIZES[0] });
                }
                Err(why) => error = format!("a pattern cannot be read: {why}"),
            }
        }
        Err(error)
    }

    /// Whether a text matches; `None` if finding out takes too long.
    pub(super) fn is_match(&self, text: &str) -> Option<bool> {
        self.regex.is_match(text).ok()
    }

    /// How many steps of validation matching this text counts as.
    pub(super) fn steps(&self, text: &str) -> usize {
        1 + (text.len() / 16).saturating_mul(self.weight)
    }
}

/// Whether a pattern has neither look-arounds nor back-references.
fn is_plain(pattern: &str) -> bool {
    let mut escapes = pattern.match_indices('\\');
    let refers = escapes.any(|(at, _)| {
        pattern.as_bytes().get(at + 1).is_some_and(|next| next.is_ascii_digit() || matches!(next, b'k' | b'b' | b'B'))
    });
    !refers && pattern.matches("(?").count() == pattern.matches("(?:").count()
}

/// Translates a pattern of ECMA-262 to the crate's syntax: classes and escapes differ, and brackets must contain plain characters
/// only.
fn translated(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut characters = pattern.chars().peekable();
    let mut in_class = false;
    while let Some(character) = characters.next() {
        match (character, in_class) {
            ('\\', _) => escape(&mut characters, in_class, &mut out),
            ('[', false) => {
                in_class = true;
                let negated = characters.next_if_eq(&'^').is_some();
                // `[]` matches nothing, and `[^]` any character.
                if characters.next_if_eq(&']').is_some() {
                    in_class = false;
                    out.push_str(if negated { r"(?s:.)" } else { r"(?!)" });
                } else {
                    out.push_str(if negated { "[^" } else { "[" });
                }
            }
            (']', true) => {
                in_class = false;
                out.push(']');
            }
            ('[' | '&' | '~', true) => {
                out.push('\\');
                out.push(character);
            }
            ('-', true) if characters.peek() == Some(&'-') => out.push_str(r"\-"),
            ('.', false) => out.push_str(r"[^\n\r\u2028\u2029]"),
            _ => out.push(character),
        }
    }
    out
}

/// The characters of `\s` in ECMA-262.
const SPACES: &str = r"\t-\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff";

fn escape(characters: &mut std::iter::Peekable<std::str::Chars<'_>>, in_class: bool, out: &mut String) {
    let Some(escaped) = characters.next() else { return out.push('\\') };
    let class = match escaped {
        'd' | 'D' => Some("0-9"),
        'w' | 'W' => Some("0-9A-Za-z_"),
        's' | 'S' => Some(SPACES),
        _ => None,
    };
    if let Some(class) = class {
        match (escaped.is_uppercase(), in_class) {
            (true, _) => out.extend(["[^", class, "]"]),
            (false, true) => out.push_str(class),
            (false, false) => out.extend(["[", class, "]"]),
        }
        return;
    }
    match escaped {
        'u' if characters.peek() != Some(&'{') => {
            let first = hexadecimal(characters, 4);
            let is_pair = matches!(first, Some(0xd800..0xdc00)) && {
                let mut ahead = characters.clone();
                ahead.next() == Some('\\') && ahead.next() == Some('u')
            };
            let code = if is_pair {
                characters.nth(1);
                let second = hexadecimal(characters, 4).unwrap_or(0xdc00);
                first.map(|first| 0x1_0000 + ((first - 0xd800) << 10) + (second.wrapping_sub(0xdc00) & 0x3ff))
            } else {
                first
            };
            // A lone surrogate occurs in no Rust text.
            out.push_str(&format!(
                "\\x{{{:x}}}",
                code.filter(|code| char::from_u32(*code).is_some()).unwrap_or(0xfffd)
            ));
        }
        'u' => out.push_str(r"\x"),
        'c' => {
            let letter = characters.next().unwrap_or('@');
            out.push_str(&format!("\\x{{{:x}}}", u32::from(letter) % 32));
        }
        '0' => out.push_str(r"\x00"),
        'b' if in_class => out.push_str(r"\x08"),
        'B' | 'b' | 'f' | 'k' | 'n' | 'P' | 'p' | 'r' | 't' | 'v' | 'x' | '1'..='9' => out.extend(['\\', escaped]),
        // Any other letter stands for itself. In the crate's syntax `\<` and `\>` are word boundaries.
        '<' | '>' => out.push(escaped),
        _ if escaped.is_alphanumeric() => out.push(escaped),
        _ => out.extend(['\\', escaped]),
    }
}

/// Reads this many hexadecimal digits as a number.
fn hexadecimal(characters: &mut std::iter::Peekable<std::str::Chars<'_>>, digits: usize) -> Option<u32> {
    let mut number = 0;
    for _ in 0..digits {
        number = number * 16 + characters.next_if(char::is_ascii_hexdigit)?.to_digit(16)?;
    }
    Some(number)
}
