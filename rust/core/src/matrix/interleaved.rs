//! Rows of a few columns that follow one another: the columns are interleaved.

use std::ops::Range;

use pulp::Simd;

use super::FEW_COLUMNS;
use super::block::columns_of_rows;
use super::element::Raw;
use super::panel::{GROUP, Pieces};
use super::registers::{Column, Group};

/// A block of rows, one after the other.
#[derive(Clone, Copy)]
pub(crate) struct Interleaved<'p, T = f64> {
    values: &'p [T],
    n_cols: usize,
    ahead: Pieces,
}

impl<'p, T: Raw> Interleaved<'p, T> {
    pub(super) fn new(values: &'p [T], n_cols: usize, ahead: Pieces) -> Self {
        assert!((2..=FEW_COLUMNS).contains(&n_cols) && values.len().is_multiple_of(n_cols));
        Self { values, n_cols, ahead }
    }

    pub(super) fn without_ahead(self) -> Self {
        Self { ahead: Pieces::NONE, ..self }
    }

    /// What to ask for while these rows are worked on.
    pub(super) fn ahead(&self) -> Pieces {
        self.ahead
    }

    pub(crate) fn n_rows(&self) -> usize {
        self.values.len() / self.n_cols
    }

    pub(crate) fn n_cols(&self) -> usize {
        self.n_cols
    }

    /// A column of some of the rows.
    #[inline(always)]
    pub(crate) fn column(&self, j: usize, rows: Range<usize>) -> OneInterleaved<'p, T> {
        let Self { values, n_cols, .. } = *self;
        let n_rows = rows.len();
        let values = &values[rows.start * n_cols..rows.end * n_cols];
        OneInterleaved { values: &values[j.min(values.len())..], n_rows, n_cols }
    }

    /// All columns of some of the rows.
    #[inline(always)]
    pub(crate) fn group<S: Simd, const N: usize>(&self, simd: S, rows: Range<usize>) -> InterleavedGroup<'p, S, T, N> {
        assert_eq!(N, self.n_cols);
        let rows = &self.values.as_chunks().0[rows];
        InterleavedGroup { simd, rows, n_whole: rows.len() / S::F64_LANES }
    }
}

/// One of the columns.
pub(crate) struct OneInterleaved<'p, T> {
    /// From the first one's to the last.
    values: &'p [T],
    n_rows: usize,
    n_cols: usize,
}

impl<S: Simd, T: Raw> Column<S> for OneInterleaved<'_, T> {
    #[inline(always)]
    fn n_whole(&self) -> usize {
        self.n_rows / S::F64_LANES
    }

    #[inline(always)]
    fn whole(&self, i: usize) -> S::f64s {
        let mut column = [0.0; GROUP];
        let of_column = self.values[i * S::F64_LANES * self.n_cols..].iter().step_by(self.n_cols);
        for (value, of_column) in column[..S::F64_LANES].iter_mut().zip(of_column) {
            *value = of_column.widen();
        }
        S::as_simd_f64s(&column).0[0]
    }

    #[inline(always)]
    fn tail(&self) -> impl Iterator<Item = f64> {
        let n_whole = self.n_rows - self.n_rows % S::F64_LANES;
        self.values.iter().step_by(self.n_cols).skip(n_whole).map(|value| value.widen())
    }
}

/// Interleaved columns by registers, taken apart as they are loaded.
pub(crate) struct InterleavedGroup<'p, S, T, const N: usize> {
    simd: S,
    rows: &'p [[T; N]],
    n_whole: usize,
}

impl<S: Simd, T: Raw, const N: usize> Group<S, N> for InterleavedGroup<'_, S, T, N> {
    #[inline(always)]
    fn n_whole(&self) -> usize {
        self.n_whole
    }

    #[inline(always)]
    fn whole(&self, i: usize) -> [S::f64s; N] {
        columns_of_rows(self.simd, &self.rows[i * S::F64_LANES..][..S::F64_LANES])
    }

    #[inline(always)]
    fn rest(&self) -> [S::f64s; N] {
        let rows = &self.rows[self.n_whole * S::F64_LANES..];
        let mut whole = [[T::default(); N]; GROUP];
        whole[..rows.len()].copy_from_slice(rows);
        columns_of_rows(self.simd, &whole[..S::F64_LANES])
    }

    /// They lie in one piece, which others ask for.
    #[inline(always)]
    fn ask_behind(&self, _: Range<usize>, _: usize, _: Option<usize>) {}
}
