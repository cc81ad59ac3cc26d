//! Arithmetic on JSON numbers: 1 and 1.0 are equal.

use std::cmp::Ordering;

use serde_json::Number;

/// The most decimal digits that fit into an `i128` after scaling.
const MAX_DIGITS: i32 = 36;

/// Compares two numbers. Whole ones are compared exactly.
pub(super) fn compare(a: &Number, b: &Number) -> Ordering {
    match (whole(a), whole(b)) {
        (Some(a), Some(b)) => a.cmp(&b),
        _ => float(a).partial_cmp(&float(b)).unwrap_or(Ordering::Equal),
    }
}

/// Whether a number is whole, however it is written.
pub(super) fn is_whole(number: &Number) -> bool {
    whole(number).is_some() || float(number).fract() == 0.0
}

/// Whether a number is a multiple of another, by their decimal digits: 0.3 is a multiple of 0.1.
pub(super) fn is_multiple(number: &Number, of: &Number) -> bool {
    match (decimal(number), decimal(of)) {
        (Some((digits, exponent)), Some((of, of_exponent))) => {
            let shared = exponent.min(of_exponent);
            match (scaled(digits, exponent - shared), scaled(of, of_exponent - shared)) {
                (Some(digits), Some(of)) => of != 0 && digits % of == 0,
                // A factor of 10 more changes nothing about a whole number's divisor that has only 2 and 5 as factors.
                _ => (float(number) / float_of(of, of_exponent)).fract() == 0.0,
            }
        }
        _ => false,
    }
}

/// A whole number from 0, as the limits of lengths have it.
pub(super) fn length(number: &Number) -> Option<u64> {
    number.as_u64().or_else(|| {
        let float = number.as_f64()?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is whole and in the range")]
        (float >= 0.0 && float.fract() == 0.0 && float <= 1e15).then_some(float as u64)
    })
}

fn whole(number: &Number) -> Option<i128> {
    number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
}

fn float(number: &Number) -> f64 {
    number.as_f64().unwrap_or(0.0)
}

fn float_of(digits: i128, exponent: i32) -> f64 {
    format!("{digits}e{exponent}").parse().unwrap_or(f64::NAN)
}

/// Digits and the power of ten that they are multiplied by.
fn decimal(number: &Number) -> Option<(i128, i32)> {
    if let Some(whole) = whole(number) {
        return Some((whole, 0));
    }
    let text = format!("{:e}", number.as_f64()?);
    let (digits, exponent) = text.split_once('e')?;
    let (before, after) = digits.split_once('.').unwrap_or((digits, ""));
    let exponent: i32 = exponent.parse().ok()?;
    Some((format!("{before}{after}").parse().ok()?, exponent - i32::try_from(after.len()).ok()?))
}

fn scaled(digits: i128, power: i32) -> Option<i128> {
    let factor = 10_i128.checked_pow(u32::try_from(power).ok().filter(|_| power <= MAX_DIGITS)?)?;
    digits.checked_mul(factor)
}
