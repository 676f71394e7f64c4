//! Blocks of rows as `f64`: row by row, or column by column where these are few or lie together.

use std::array;
use std::marker::PhantomData;
use std::ops::Range;

use super::element::Raw;
use super::interleaved::Interleaved;

/// Rows that kernels take together.
pub(crate) const GROUP: usize = 8;

/// Where rows lie: so far from each to the next in a group, and so far from a group to the next.
#[derive(Clone, Copy)]
pub(super) struct Strides {
    pub(super) row: isize,
    pub(super) group: isize,
}

impl Strides {
    /// Rows as far apart as each other.
    pub(super) fn even(row: isize) -> Self {
        Self { row, group: row.wrapping_mul(GROUP as isize) }
    }

    #[inline(always)]
    fn offset(self, row: usize) -> isize {
        self.group.wrapping_mul((row / GROUP) as isize).wrapping_add(self.row.wrapping_mul((row % GROUP) as isize))
    }
}

/// A block of rows, each contiguous; they may lie apart. They are `f64`, or of a type that is widened as it is loaded.
#[derive(Clone, Copy)]
pub(crate) struct Panel<'p, T = f64> {
    data: *const T,
    n_rows: usize,
    n_cols: usize,
    /// In elements.
    strides: Strides,
    source: Source,
    lifetime: PhantomData<&'p [T]>,
}

/// Where a panel's rows come from: in memory, how many bytes each, how many from one to the next, and how far behind is what
/// to ask for while they are worked on; null where nothing is known.
#[derive(Clone, Copy)]
pub(super) struct Source {
    pub(super) address: *const u8,
    pub(super) row_bytes: usize,
    pub(super) strides: Strides,
    pub(super) ahead: usize,
}

impl Source {
    pub(super) const UNKNOWN: Self =
        Self { address: std::ptr::null(), row_bytes: 0, strides: Strides { row: 0, group: 0 }, ahead: 0 };

    #[inline(always)]
    pub(super) fn row(&self, i: usize) -> *const u8 {
        self.address.wrapping_offset(self.strides.offset(i))
    }

    /// Ahead of so many rows, as many.
    pub(super) fn pieces_ahead(&self, n_rows: usize) -> Pieces {
        self.pieces(self.address.wrapping_add(self.ahead), n_rows)
    }

    /// So many rows as far apart as these; nothing where that is not known.
    pub(super) fn pieces(&self, first: *const u8, n_rows: usize) -> Pieces {
        let &Self { address, row_bytes, strides, .. } = self;
        if address.is_null() {
            return Pieces::NONE;
        }
        // Rows in lanes are neighbours of the next group's rows.
        let is_in_lanes = strides.group != Strides::even(strides.row).group;
        let (n_lanes, stride) = if is_in_lanes { (GROUP, strides.group) } else { (1, strides.row) };
        let n_rows = n_rows / n_lanes;
        let (n_pieces, n_bytes) =
            if stride == row_bytes as isize { (1, n_rows * row_bytes) } else { (n_rows, row_bytes) };
        Pieces { first, n_pieces, n_bytes, stride, n_lanes, apart: strides.row }
    }
}

/// Pieces of memory, as far apart as each other; and the same again in several lanes.
#[derive(Clone, Copy)]
pub(crate) struct Pieces {
    pub(crate) first: *const u8,
    pub(crate) n_pieces: usize,
    pub(crate) n_bytes: usize,
    pub(crate) stride: isize,
    pub(crate) n_lanes: usize,
    /// From lane to lane.
    pub(crate) apart: isize,
}

impl Pieces {
    pub(crate) const NONE: Self =
        Self { first: std::ptr::null(), n_pieces: 0, n_bytes: 0, stride: 0, n_lanes: 1, apart: 0 };
}

impl<'p, T: Raw> Panel<'p, T> {
    /// # Safety
    ///
    /// For every `i < n_rows`, the `n_cols` values that begin where `strides` says must be aligned and readable for `'p`.
    pub(super) unsafe fn new(data: *const T, (n_rows, n_cols): (usize, usize), strides: Strides) -> Self {
        Self { data, n_rows, n_cols, strides, source: Source::UNKNOWN, lifetime: PhantomData }
    }

    pub(super) fn from(self, source: Source) -> Self {
        Self { source, ..self }
    }

    fn without_ahead(self) -> Self {
        self.from(Source::UNKNOWN)
    }

    pub(crate) fn n_cols(&self) -> usize {
        self.n_cols
    }

    pub(crate) fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// The rows of `range`, which begins with a group, as a panel of their own.
    pub(crate) fn rows(&self, range: Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= self.n_rows && range.start.is_multiple_of(GROUP));
        let data = self.data.wrapping_offset(self.strides.offset(range.start));
        let address = self.source.row(range.start);
        Self { data, n_rows: range.len(), source: Source { address, ..self.source }, ..*self }
    }

    /// Row `i`, of length `n_cols`. Slices of single rows, never of the whole block: what lies between two rows
    /// may be anything, even somebody's exclusive borrow.
    #[inline(always)]
    pub(crate) fn row(&self, i: usize) -> &'p [T] {
        let [row] = self.block(i);
        row
    }

    /// Rows `first` to `first + R − 1`, of one group.
    #[inline(always)]
    pub(crate) fn block<const R: usize>(&self, first: usize) -> [&'p [T]; R] {
        assert!(first < self.n_rows && R <= self.n_rows - first && first % GROUP + R <= GROUP);
        let start = self.strides.offset(first);
        array::from_fn(|i| {
            // SAFETY: the row is in bounds, and the rest is what new was promised.
            unsafe {
                let start = self.data.offset(start + i as isize * self.strides.row);
                std::slice::from_raw_parts(start, self.n_cols)
            }
        })
    }

    /// How many bytes behind a value is what to ask for while it is worked on; none where that is not known.
    #[inline(always)]
    pub(crate) fn ahead(&self) -> Option<usize> {
        self.is_in_place().then_some(self.source.ahead)
    }

    /// Where in memory as many rows lie, so many panels farther on; nothing where that is not known.
    pub(crate) fn after(&self, n_panels: usize) -> Pieces {
        self.source.pieces(self.source.row(n_panels * self.n_rows), self.n_rows)
    }

    /// As many rows as these, ahead of where they were packed from.
    fn ahead_of_source(&self) -> Pieces {
        if self.is_in_place() { Pieces::NONE } else { self.source.pieces_ahead(self.n_rows) }
    }

    fn is_in_place(&self) -> bool {
        self.source.address == self.data.cast()
    }
}

/// A block of rows, each column contiguous; they may lie apart, by `col_stride` elements.
#[derive(Clone, Copy)]
pub(crate) struct Columns<'p, T = f64> {
    data: *const T,
    n_rows: usize,
    n_cols: usize,
    col_stride: isize,
    ahead: Option<usize>,
    ahead_again: Option<usize>,
    ahead_of_source: Pieces,
    lifetime: PhantomData<&'p [T]>,
}

impl<'p, T: Raw> Columns<'p, T> {
    /// # Safety
    ///
    /// For every `j < n_cols`, the `n_rows` values at `data + j·col_stride` must be aligned and readable for `'p`.
    pub(super) unsafe fn new(data: *const T, (n_rows, n_cols): (usize, usize), col_stride: isize) -> Self {
        let (ahead, ahead_of_source) = (None, Pieces::NONE);
        Self { data, n_rows, n_cols, col_stride, ahead, ahead_again: ahead, ahead_of_source, lifetime: PhantomData }
    }

    /// The second of two readings asks for its part of it, or the first for all.
    pub(super) fn with_ahead(self, distance: usize, second_asks: bool) -> Self {
        Self { ahead: Some(distance), ahead_again: second_asks.then_some(distance), ..self }
    }

    fn without_ahead(self) -> Self {
        Self { ahead: None, ahead_again: None, ahead_of_source: Pieces::NONE, ..self }
    }

    /// Packed from what lies before these pieces.
    pub(super) fn with_ahead_of_source(self, pieces: Pieces) -> Self {
        Self { ahead_of_source: pieces, ..self }
    }

    /// How many bytes behind a value is what to ask for while it is worked on; none where nothing is known.
    #[inline(always)]
    pub(crate) fn ahead(&self) -> Option<usize> {
        self.ahead
    }

    /// The same for the second reading of two.
    #[inline(always)]
    pub(crate) fn ahead_again(&self) -> Option<usize> {
        self.ahead_again
    }

    /// From a column to another, so many columns farther on, in bytes.
    #[inline(always)]
    pub(crate) fn apart(&self, n_cols: isize) -> isize {
        self.col_stride.wrapping_mul(n_cols).wrapping_mul(size_of::<T>() as isize)
    }

    pub(crate) fn n_cols(&self) -> usize {
        self.n_cols
    }

    pub(crate) fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// Some of the columns.
    #[inline(always)]
    pub(crate) fn part(&self, first: usize, n_cols: usize) -> Self {
        assert!(first <= self.n_cols && n_cols <= self.n_cols - first);
        Self { data: self.data.wrapping_offset(first as isize * self.col_stride), n_cols, ..*self }
    }

    /// Some of the rows.
    #[inline(always)]
    pub(crate) fn rows(&self, range: Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= self.n_rows);
        Self { data: self.data.wrapping_add(range.start), n_rows: range.len(), ..*self }
    }

    /// All columns, each of length `n_rows`.
    #[inline(always)]
    pub(crate) fn all<const N: usize>(&self) -> [&'p [T]; N] {
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
    RowsOfF32(Panel<'p, f32>),
    Columns(Columns<'p>),
    ColumnsOfF32(Columns<'p, f32>),
    ColumnsOfU8(Columns<'p, u8>),
    Interleaved(Interleaved<'p>),
    InterleavedOfF32(Interleaved<'p, f32>),
}

/// What is done with a strip, by its form.
pub(crate) trait WithStrip {
    fn rows<T: Raw>(self, rows: &Panel<'_, T>);
    fn columns<T: Raw>(self, columns: &Columns<'_, T>);
    fn interleaved<T: Raw>(self, rows: &Interleaved<'_, T>);
}

impl Strip<'_> {
    #[inline(always)]
    pub(crate) fn visit(&self, task: impl WithStrip) {
        match self {
            Self::Rows(panel) => task.rows(panel),
            Self::RowsOfF32(panel) => task.rows(panel),
            Self::Columns(columns) => task.columns(columns),
            Self::ColumnsOfF32(columns) => task.columns(columns),
            Self::ColumnsOfU8(columns) => task.columns(columns),
            Self::Interleaved(rows) => task.interleaved(rows),
            Self::InterleavedOfF32(rows) => task.interleaved(rows),
        }
    }

    /// Without what is ahead: for kernels beside others that ask for it.
    pub(crate) fn without_ahead(self) -> Self {
        match self {
            Self::Rows(panel) => Self::Rows(panel.without_ahead()),
            Self::RowsOfF32(panel) => Self::RowsOfF32(panel.without_ahead()),
            Self::Columns(columns) => Self::Columns(columns.without_ahead()),
            Self::ColumnsOfF32(columns) => Self::ColumnsOfF32(columns.without_ahead()),
            Self::ColumnsOfU8(columns) => Self::ColumnsOfU8(columns.without_ahead()),
            Self::Interleaved(rows) => Self::Interleaved(rows.without_ahead()),
            Self::InterleavedOfF32(rows) => Self::InterleavedOfF32(rows.without_ahead()),
        }
    }

    /// What to ask for while the strip is worked on, where its kernels do not ask for it themselves; nothing where that is not
    /// known.
    pub(crate) fn ahead_of_source(&self) -> Pieces {
        match self {
            Self::Rows(panel) => panel.ahead_of_source(),
            Self::Columns(columns) => columns.ahead_of_source,
            Self::Interleaved(rows) => rows.ahead(),
            Self::InterleavedOfF32(rows) => rows.ahead(),
            // Never packed.
            Self::RowsOfF32(_) | Self::ColumnsOfF32(_) | Self::ColumnsOfU8(_) => Pieces::NONE,
        }
    }
}
