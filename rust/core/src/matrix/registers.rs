//! Columns by registers: a register holds as many rows as it has lanes.

use std::array;
use std::ops::Range;

use pulp::Simd;

use super::element::{Raw, widen_each};
use super::{CACHE_LINE, prefetch};

/// A column, a register at a time.
pub(crate) trait Column<S: Simd> {
    /// How many registers are whole.
    fn n_whole(&self) -> usize;

    fn whole(&self, i: usize) -> S::f64s;

    /// The values behind those.
    fn tail(&self) -> impl Iterator<Item = f64>;
}

/// Some columns, a register of each at a time.
pub(crate) trait Group<S: Simd, const N: usize> {
    /// How many registers of each column are whole.
    fn n_whole(&self) -> usize;

    fn whole(&self, i: usize) -> [S::f64s; N];

    /// The values behind those, and zeros.
    fn rest(&self) -> [S::f64s; N];

    /// Asks for the lines that are so far behind a register of some of the columns, where that begins one.
    fn ask_behind(&self, columns: Range<usize>, i: usize, distance: Option<usize>);
}

/// A column by registers of as many `f64` as there are lanes, widened as each is taken; and what is left of it.
pub(crate) struct Registers<'p, S, T> {
    simd: S,
    values: &'p [T],
    n_whole: usize,
}

impl<'p, S: Simd, T: Raw> Registers<'p, S, T> {
    #[inline(always)]
    pub(crate) fn of(simd: S, values: &'p [T]) -> Self {
        Self { simd, values, n_whole: values.len() / S::F64_LANES }
    }

    /// Those of columns that are as long as each other.
    #[inline(always)]
    pub(crate) fn of_each<const N: usize>(simd: S, columns: [&'p [T]; N]) -> [Self; N] {
        let n_rows = columns.first().map_or(0, |column| column.len());
        array::from_fn(|j| Self::of(simd, &columns[j][..n_rows]))
    }

    /// How many are whole.
    #[inline(always)]
    pub(crate) fn n_whole(&self) -> usize {
        self.n_whole
    }

    #[inline(always)]
    pub(crate) fn whole(&self, i: usize) -> S::f64s {
        assert!(i < self.n_whole);
        // SAFETY: so many whole registers of values are in bounds.
        T::widen_whole(self.simd, unsafe { self.values.get_unchecked(i * S::F64_LANES..(i + 1) * S::F64_LANES) })
    }

    /// The values behind those.
    #[inline(always)]
    pub(crate) fn tail_values(&self) -> &'p [T] {
        &self.values[self.n_whole * S::F64_LANES..]
    }

    /// The same in a register, and zeros.
    #[inline(always)]
    pub(crate) fn rest(&self) -> S::f64s {
        widen_each::<S, T>(self.tail_values())
    }

    /// Asks for the line that is so far behind a whole register, where that begins one.
    #[inline(always)]
    pub(crate) fn ask_behind(&self, i: usize, distance: usize) {
        let offset = i * S::F64_LANES * size_of::<T>();
        if offset.is_multiple_of(CACHE_LINE) {
            prefetch(self.values.as_ptr().cast::<u8>().wrapping_add(offset).wrapping_add(distance));
        }
    }
}

/// A register of these values, widened.
#[inline(always)]
pub(crate) fn register<S: Simd, T: Raw>(simd: S, values: &[T], i: usize) -> S::f64s {
    T::widen_whole(simd, &values[i * S::F64_LANES..][..S::F64_LANES])
}

impl<S: Simd, T: Raw> Column<S> for Registers<'_, S, T> {
    #[inline(always)]
    fn n_whole(&self) -> usize {
        self.n_whole
    }

    #[inline(always)]
    fn whole(&self, i: usize) -> S::f64s {
        self.whole(i)
    }

    #[inline(always)]
    fn tail(&self) -> impl Iterator<Item = f64> {
        self.tail_values().iter().map(|value| value.widen())
    }
}

impl<S: Simd, T: Raw, const N: usize> Group<S, N> for [Registers<'_, S, T>; N] {
    #[inline(always)]
    fn n_whole(&self) -> usize {
        self[0].n_whole
    }

    #[inline(always)]
    fn whole(&self, i: usize) -> [S::f64s; N] {
        array::from_fn(|j| self[j].whole(i))
    }

    #[inline(always)]
    fn rest(&self) -> [S::f64s; N] {
        array::from_fn(|j| self[j].rest())
    }

    #[inline(always)]
    fn ask_behind(&self, columns: Range<usize>, i: usize, distance: Option<usize>) {
        if let Some(distance) = distance {
            self[columns].iter().for_each(|column| column.ask_behind(i, distance));
        }
    }
}
