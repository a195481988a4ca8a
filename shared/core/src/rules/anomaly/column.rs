//! Numbers in a row, each in as many bytes as the largest of them needs: a day of each of thousands of slots is held.

use std::collections::VecDeque;

/// Numbers that come in at the end and go out at the front. None is rounded.
#[derive(Debug, Clone)]
pub(super) struct Column {
    /// Bytes of each number.
    width: usize,
    bytes: VecDeque<u8>,
    /// Room is made for so many, and for no more.
    room: usize,
}

impl Column {
    /// An empty one, for about so many numbers.
    pub(super) const fn of(room: usize) -> Self {
        Self {
            width: 1,
            bytes: VecDeque::new(),
            room,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len() / self.width
    }

    pub(super) fn push(&mut self, number: u64) {
        self.widen_for(number);
        let room = self.room * self.width;
        self.bytes
            .reserve_exact(room.saturating_sub(self.bytes.len()));
        self.bytes.extend(&number.to_le_bytes()[..self.width]);
    }

    pub(super) fn pop(&mut self) -> Option<u64> {
        let first = self.get(0)?;
        self.bytes.drain(..self.width);
        Some(first)
    }

    pub(super) fn get(&self, at: usize) -> Option<u64> {
        let first = at * self.width;
        let mut number = [0; size_of::<u64>()];
        for (place, byte) in number[..self.width].iter_mut().enumerate() {
            *byte = *self.bytes.get(first + place)?;
        }
        Some(u64::from_le_bytes(number))
    }

    /// Puts a number in the place of one that is there; where none is, nothing is changed.
    pub(super) fn set(&mut self, at: usize, number: u64) {
        self.widen_for(number);
        let first = at * self.width;
        for (place, byte) in number.to_le_bytes()[..self.width].iter().enumerate() {
            if let Some(there) = self.bytes.get_mut(first + place) {
                *there = *byte;
            }
        }
    }

    /// The last `count` of them, or as many as there are.
    pub(super) fn last(&self, count: usize) -> impl Iterator<Item = u64> {
        let len = self.len();
        (len.saturating_sub(count)..len).filter_map(|at| self.get(at))
    }

    fn widen_for(&mut self, number: u64) {
        let needed = (number.max(1).ilog2() as usize / 8) + 1;
        if needed <= self.width {
            return;
        }
        let mut wide = Self {
            width: needed,
            ..Self::of(self.room)
        };
        self.last(self.len()).for_each(|number| wide.push(number));
        *self = wide;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_any_size_come_out_as_they_went_in() {
        let edges = [0, 1, 255, 256, 65_535, 65_536, (1 << 24) - 1, 1 << 24];
        let numbers = edges.into_iter().chain([u64::MAX, 3, 1 << 56, 0]);
        let numbers: Vec<u64> = numbers.collect();
        let mut column = Column::of(3);
        for (at, number) in numbers.iter().enumerate() {
            column.push(*number);
            let all: Vec<u64> = column.last(usize::MAX).collect();
            assert_eq!(all, numbers[..=at], "{number}");
        }
        column.set(1, 1 << 40);
        column.set(99, 7);
        assert_eq!((column.get(1), column.get(2)), (Some(1 << 40), Some(255)));
        assert_eq!(column.last(2).collect::<Vec<u64>>(), [1 << 56, 0]);
        assert_eq!((column.pop(), column.pop()), (Some(0), Some(1 << 40)));
        assert_eq!(column.len(), numbers.len() - 2);
        assert_eq!((Column::of(3).pop(), column.get(99)), (None, None));
    }
}
