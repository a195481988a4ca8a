//! Rows of numbers kept small: most buckets hold nothing, and few need more than three bytes.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Above this a number is kept as this: $17 million in five minutes.
const MOST: u64 = 1 << 44;

/// The most bytes that a number takes.
const LONGEST: usize = 10;

/// Room that is made at a time: rows of thousands of slots are held at once, and are not to have twice what they need.
const ROOM: usize = 16;

/// Bytes that grow at one end and shrink at the other; written down as hexadecimal digits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Packed(VecDeque<u8>);

impl Packed {
    pub(super) fn push(&mut self, mut number: u64) {
        if self.0.capacity() - self.0.len() < LONGEST {
            self.0.reserve_exact(ROOM);
        }
        while number >= 0x80 {
            self.0.push_back(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push_back(number as u8);
    }

    pub(super) fn pop(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.0.pop_front()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        Some(number)
    }
}

impl From<Packed> for String {
    fn from(packed: Packed) -> Self {
        let digit = |half: u8| char::from_digit(half.into(), 16).unwrap_or('0');
        let digits = |byte: u8| [digit(byte >> 4), digit(byte & 0xf)];
        packed.0.into_iter().flat_map(digits).collect()
    }
}

impl TryFrom<String> for Packed {
    type Error = NotPacked;

    fn try_from(text: String) -> Result<Self, NotPacked> {
        let half = |byte: u8| char::from(byte).to_digit(16).ok_or(NotPacked);
        let mut bytes = VecDeque::with_capacity(text.len() / 2 + ROOM);
        for pair in text.as_bytes().chunks(2) {
            let [high, low] = *pair else {
                return Err(NotPacked);
            };
            bytes.push_back((half(high)? << 4 | half(low)?) as u8);
        }
        Ok(Self(bytes))
    }
}

/// What was written down is no row of numbers.
#[derive(Debug, thiserror::Error)]
#[error("a packed row is not an even number of hexadecimal digits")]
pub(super) struct NotPacked;

/// The last `most` numbers, each known or not, with their sum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stretch {
    most: u16,
    held: u16,
    known: u16,
    sum: u64,
    numbers: Packed,
}

impl Stretch {
    pub(super) const fn of(most: u16) -> Self {
        Self {
            most,
            held: 0,
            known: 0,
            sum: 0,
            numbers: Packed(VecDeque::new()),
        }
    }

    /// Takes a number in; gives back the one that is too old now.
    pub(super) fn push(&mut self, number: Option<u64>) -> Option<Option<u64>> {
        match number {
            Some(number) => {
                let number = number.min(MOST);
                self.numbers.push(number + 1);
                self.sum += number;
                self.known += 1;
            }
            None => self.numbers.push(0),
        }
        if self.held < self.most {
            self.held += 1;
            return None;
        }
        let number = self.numbers.pop()?.checked_sub(1);
        if let Some(number) = number {
            self.sum = self.sum.saturating_sub(number);
            self.known = self.known.saturating_sub(1);
        }
        Some(number)
    }

    pub(super) const fn sum(&self) -> u64 {
        self.sum
    }

    pub(super) const fn known(&self) -> u32 {
        self.known as u32
    }

    pub(super) const fn held(&self) -> u32 {
        self.held as u32
    }
}

/// The largest of what was seen lately: what can never be the largest again is forgotten.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Peaks(VecDeque<(u32, u64)>);

impl Peaks {
    /// Takes in what ended at `end`, and drops what ended `keep` or more before.
    pub(super) fn push(&mut self, end: u32, value: u64, keep: u32) {
        while self.0.back().is_some_and(|&(_, last)| last <= value) {
            self.0.pop_back();
        }
        self.0.push_back((end, value));
        while self.0.front().is_some_and(|&(at, _)| at + keep <= end) {
            self.0.pop_front();
        }
    }

    /// The largest that ended after `after`.
    pub(super) fn largest(&self, after: Option<u32>) -> Option<u64> {
        let first = match after {
            Some(after) => self.0.partition_point(|&(at, _)| at <= after),
            None => 0,
        };
        self.0.get(first).map(|&(_, value)| value)
    }
}

impl Serialize for Peaks {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut packed = Packed::default();
        let mut before = 0;
        for &(at, value) in &self.0 {
            packed.push(u64::from(at - before));
            packed.push(value);
            before = at;
        }
        packed.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Peaks {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut packed = Packed::deserialize(deserializer)?;
        let mut peaks = VecDeque::new();
        let mut at = 0u32;
        while let (Some(later), Some(value)) = (packed.pop(), packed.pop()) {
            at = at.saturating_add(u32::try_from(later).unwrap_or(u32::MAX));
            peaks.push_back((at, value));
        }
        Ok(Self(peaks))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_sums_what_it_holds_and_survives_being_written_down() {
        let mut stretch = Stretch::of(3);
        let numbers = [Some(0), None, Some(127), Some(300), Some(u64::MAX), None];
        let out: Vec<_> = numbers.iter().map(|&n| stretch.push(n)).collect();
        let kept = [None, None, None, Some(Some(0)), Some(None), Some(Some(127))];
        assert_eq!(out, kept);
        assert_eq!((stretch.sum(), stretch.known()), (300 + MOST, 2));
        let text = serde_json::to_string(&stretch).unwrap();
        assert_eq!(serde_json::from_str::<Stretch>(&text).unwrap(), stretch);
        for bad in ["\"0\"", "\"0g\""] {
            assert!(serde_json::from_str::<Packed>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn peaks_are_the_largest_of_any_last_stretch() {
        let values = [5, 9, 2, 7, 7, 1, 3, 0, 0, 4];
        let mut peaks = Peaks::default();
        for (end, &value) in (100..).zip(&values) {
            peaks.push(end, value, 4);
            let seen = &values[..=(end - 100) as usize];
            let last = |n: usize| seen.iter().rev().take(n).max().copied();
            assert_eq!(peaks.largest(None), last(4), "{end}");
            assert_eq!(peaks.largest(Some(end - 2)), last(2), "{end}");
        }
        let text = serde_json::to_string(&peaks).unwrap();
        assert_eq!(serde_json::from_str::<Peaks>(&text).unwrap(), peaks);
    }
}
