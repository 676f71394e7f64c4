//! Blocks of rows as `f64`: row by row, or column by column where these are few or lie together.

use std::array;
use std::marker::PhantomData;
use std::ops::Range;

use super::{CACHE_LINE, DISTANCE, prefetch};

/// A block of rows, each contiguous; they may lie apart, by `row_stride` elements.
#[derive(Clone, Copy)]
pub(crate) struct Panel<'p> {
    data: *const f64,
    n_rows: usize,
    n_cols: usize,
    row_stride: isize,
    ahead: Ahead,
    lifetime: PhantomData<&'p [f64]>,
}

/// What will be read from memory some time after the first row, how many bytes a row and how far from one to the next;
/// null where nothing is known.
#[derive(Clone, Copy)]
pub(super) struct Ahead {
    pub(super) address: *const u8,
    pub(super) row_bytes: usize,
    pub(super) row_stride: isize,
}

impl Ahead {
    pub(super) const UNKNOWN: Self = Self { address: std::ptr::null(), row_bytes: 0, row_stride: 0 };
}

/// Pieces of memory, as far apart as each other.
#[derive(Clone, Copy)]
pub(crate) struct Pieces {
    pub(crate) first: *const u8,
    pub(crate) n_pieces: usize,
    pub(crate) n_bytes: usize,
    pub(crate) stride: isize,
}

impl Pieces {
    pub(crate) const NONE: Self = Self { first: std::ptr::null(), n_pieces: 0, n_bytes: 0, stride: 0 };
}

impl<'p> Panel<'p> {
    /// # Safety
    ///
    /// For every `i < n_rows`, the `n_cols` values at `data + i·row_stride` must be aligned and readable for `'p`.
    pub(super) unsafe fn new(data: *const f64, (n_rows, n_cols): (usize, usize), row_stride: isize) -> Self {
        Self { data, n_rows, n_cols, row_stride, ahead: Ahead::UNKNOWN, lifetime: PhantomData }
    }

    pub(super) fn with_ahead(self, ahead: Ahead) -> Self {
        Self { ahead, ..self }
    }

    /// Without what is ahead: for kernels beside others that ask for it.
    pub(crate) fn without_ahead(self) -> Self {
        self.with_ahead(Ahead::UNKNOWN)
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
        let address = self.ahead(range.start).unwrap_or(std::ptr::null());
        Self { data, n_rows: range.len(), ahead: Ahead { address, ..self.ahead }, ..*self }
    }

    /// Row `i`, of length `n_cols`. Slices of single rows, never of the whole block: what lies between two rows
    /// may be anything, even somebody's exclusive borrow.
    #[inline(always)]
    pub(crate) fn row(&self, i: usize) -> &'p [f64] {
        let [row] = self.block(i);
        row
    }

    /// Rows `first` to `first + R − 1`.
    #[inline(always)]
    pub(crate) fn block<const R: usize>(&self, first: usize) -> [&'p [f64]; R] {
        assert!(first < self.n_rows && R <= self.n_rows - first);
        array::from_fn(|i| {
            // SAFETY: the row is in bounds, and the rest is what new was promised.
            unsafe {
                let start = self.data.offset((first + i) as isize * self.row_stride);
                std::slice::from_raw_parts(start, self.n_cols)
            }
        })
    }

    /// Of row `i` the columns `col` to `col + N − 1`.
    #[inline(always)]
    pub(crate) fn part_of_row<const N: usize>(&self, i: usize, col: usize) -> &'p [f64; N] {
        self.row(i)[col..].first_chunk().expect("N columns")
    }

    /// An address to ask for while row `i` is worked on.
    #[inline(always)]
    pub(crate) fn ahead(&self, i: usize) -> Option<*const u8> {
        let Ahead { address, row_stride, .. } = self.ahead;
        (!address.is_null()).then(|| address.wrapping_offset(i as isize * row_stride))
    }

    /// Whether the rows of [`Panel::ahead`] are `f64` that follow one another.
    #[inline(always)]
    pub(crate) fn is_plain_ahead(&self) -> bool {
        let row_bytes = self.n_cols * size_of::<f64>();
        self.ahead.row_bytes == row_bytes && self.ahead.row_stride == row_bytes as isize
    }

    /// Asks for what is ahead of some rows.
    #[inline(always)]
    pub(crate) fn ask_for(&self, rows: Range<usize>) {
        let Ahead { row_bytes, row_stride, .. } = self.ahead;
        // Rows that follow one another are one.
        let (rows, n_bytes) = if row_stride == row_bytes as isize {
            (rows.start..rows.start + 1, rows.len() * row_bytes)
        } else {
            (rows, row_bytes)
        };
        for address in rows.filter_map(|i| self.ahead(i)) {
            for line in (0..n_bytes).step_by(CACHE_LINE) {
                prefetch(address.wrapping_add(line));
            }
        }
    }

    /// Where in memory as many rows behind the last lie; nothing where that is not known.
    pub(crate) fn after(&self) -> Pieces {
        let Ahead { address, row_bytes, row_stride } = self.ahead;
        if address.is_null() {
            return Pieces::NONE;
        }
        // What is ahead is so many rows ahead.
        let n_rows = DISTANCE.div_ceil(row_bytes.max(1));
        if row_stride == row_bytes as isize {
            let first = address.wrapping_sub(DISTANCE).wrapping_add(self.n_rows * row_bytes);
            return Pieces { first, n_pieces: 1, n_bytes: self.n_rows * row_bytes, stride: 0 };
        }
        let first = address.wrapping_offset((self.n_rows as isize - n_rows as isize).wrapping_mul(row_stride));
        Pieces { first, n_pieces: self.n_rows, n_bytes: row_bytes, stride: row_stride }
    }
}

/// A block of rows, each column contiguous; they may lie apart, by `col_stride` elements.
#[derive(Clone, Copy)]
pub(crate) struct Columns<'p> {
    data: *const f64,
    n_rows: usize,
    n_cols: usize,
    col_stride: isize,
    ahead: Option<usize>,
    lifetime: PhantomData<&'p [f64]>,
}

impl<'p> Columns<'p> {
    /// # Safety
    ///
    /// For every `j < n_cols`, the `n_rows` values at `data + j·col_stride` must be aligned and readable for `'p`.
    pub(super) unsafe fn new(data: *const f64, (n_rows, n_cols): (usize, usize), col_stride: isize) -> Self {
        Self { data, n_rows, n_cols, col_stride, ahead: None, lifetime: PhantomData }
    }

    pub(super) fn with_ahead(self, distance: usize) -> Self {
        Self { ahead: Some(distance), ..self }
    }

    /// How many bytes behind a value is what to ask for while it is worked on; none where nothing is known.
    #[inline(always)]
    pub(crate) fn ahead(&self) -> Option<usize> {
        self.ahead
    }

    pub(crate) fn n_cols(&self) -> usize {
        self.n_cols
    }

    /// Some of the columns.
    #[inline(always)]
    pub(crate) fn part(&self, first: usize, n_cols: usize) -> Self {
        assert!(first <= self.n_cols && n_cols <= self.n_cols - first);
        Self { data: self.data.wrapping_offset(first as isize * self.col_stride), n_cols, ..*self }
    }

    /// All columns, each of length `n_rows`.
    #[inline(always)]
    pub(crate) fn all<const N: usize>(&self) -> [&'p [f64]; N] {
        assert_eq!(N, self.n_cols);
        array::from_fn(|j| {
            // SAFETY: the column is in bounds, and the rest is what new was promised.
            unsafe { std::slice::from_raw_parts(self.data.offset(j as isize * self.col_stride), self.n_rows) }
        })
    }
}

/// A block of rows in the form in which the kernels take it.
pub(crate) enum Strip<'p> {
    Rows(Panel<'p>),
    Columns(Columns<'p>),
}
