//! A block of rows, each contiguous in memory as `f64`.

use std::marker::PhantomData;
use std::ops::Range;

/// A block of rows as contiguous row-major `f64`; rows may lie apart, by `row_stride` elements.
#[derive(Clone, Copy)]
pub(crate) struct Panel<'p> {
    data: *const f64,
    n_rows: usize,
    n_cols: usize,
    row_stride: isize,
    lifetime: PhantomData<&'p [f64]>,
}

impl<'p> Panel<'p> {
    /// # Safety
    ///
    /// For every `i < n_rows`, the `n_cols` values at `data + i·row_stride` must be aligned and readable for `'p`.
    pub(super) unsafe fn new(data: *const f64, n_rows: usize, n_cols: usize, row_stride: isize) -> Self {
        Self { data, n_rows, n_cols, row_stride, lifetime: PhantomData }
    }

    pub(crate) fn n_cols(&self) -> usize {
        self.n_cols
    }

    pub(crate) fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// The rows of `range`, as a panel of their own.
    pub(crate) fn rows(&self, range: Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= self.n_rows);
        let data = self.data.wrapping_offset(range.start as isize * self.row_stride);
        Self { data, n_rows: range.len(), ..*self }
    }

    /// Row `i`, of length `n_cols`. Slices of single rows, never of the whole block: what lies between two rows
    /// may be anything, even somebody's exclusive borrow.
    #[inline(always)]
    pub(crate) fn row(&self, i: usize) -> &'p [f64] {
        assert!(i < self.n_rows);
        // SAFETY: i is in bounds, and the rest is what new was promised.
        unsafe { std::slice::from_raw_parts(self.data.offset(i as isize * self.row_stride), self.n_cols) }
    }
}
