//! The caller's data as it is, and panels of it: blocks of rows as contiguous `f64`.
//!
//! Unsafe code that touches data lives in this module alone. A [`Matrix`] fixes its bounds when it is made; no value read from it ever sizes or indexes anything.

#![allow(unsafe_code)]

mod block;
mod element;
mod interleaved;
mod pack;
mod panel;
mod registers;
mod slab;

use std::array;
use std::marker::PhantomData;
use std::ops::Range;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2};

pub(crate) use element::Raw;
pub use element::{DType, Element};
pub(crate) use interleaved::Interleaved;
pub(crate) use panel::{Columns, GROUP, Panel, Pieces, Strip, WithStrip};
use panel::{Source, Strides};
pub(crate) use registers::{Column, Group, Registers, register};
pub(crate) use slab::{EIGHT, Eights, Slab, WithEights, first_eight};

use crate::error::Error;
use crate::processor::reads_long_columns;

/// Up to so many columns a row fills too little of a register; they are worked on column by column. A row of more fills one of
/// any SIMD at least, which kernels by rows rely on.
pub(crate) const FEW_COLUMNS: usize = GROUP - 1;
/// Of columns that lie apart memory delivers so many rows each nearly as fast as more.
pub(crate) const LONG_PIECE_ROWS: usize = 256;
pub(crate) const CACHE_LINE: usize = 64;
/// Memory is asked for so many bytes before it is used: some strips, so that it has come by then.
const DISTANCE: usize = 16 << 10;

/// Asks for what will be read soon at an address, whether or not anything is there.
///
/// Into the second-level cache: of what is under way to the first the processor keeps account of fewer lines than memory
/// can deliver in the time that it takes to answer.
#[inline(always)]
pub(crate) fn prefetch(_address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        // SAFETY: a hint accesses nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(_address.cast()) };
    }
}

/// Fills `out` with values that lie row by row, column by column.
pub(crate) fn transpose(values: &[f64], (n_rows, n_cols): (usize, usize), out: &mut Vec<f64>) {
    let values = ArrayView2::from_shape((n_rows, n_cols), values).expect("as many values");
    Matrix::pack(&[Matrix::from(values).transposed()], out);
}

/// A view of dense data of any layout and any [`DType`], never copied whole.
///
/// Made from an [`ArrayView2`] with one sample a row, or from an [`ArrayView1`], which becomes a single column:
///
/// ```
/// use ndarray::array;
/// use steepest::Matrix;
///
/// let x = array![[1u8, 2], [3, 4], [5, 6]];
/// assert_eq!(Matrix::from(x.view()).shape(), (3, 2));
/// assert_eq!(Matrix::from(x.t()).shape(), (2, 3));
/// assert_eq!(Matrix::from(x.column(0)).shape(), (3, 1));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    data: *const u8,
    n_rows: usize,
    n_cols: usize,
    /// Distances in bytes; any sign, any alignment.
    row_stride: isize,
    col_stride: isize,
    dtype: DType,
    byte_swapped: bool,
    lifetime: PhantomData<&'a [u8]>,
}

// SAFETY: a Matrix is a shared view: it only ever reads, and every bit pattern is a valid value of what it reads.
unsafe impl Send for Matrix<'_> {}
// SAFETY: as above.
unsafe impl Sync for Matrix<'_> {}

impl<'a> Matrix<'a> {
    /// A view of foreign memory, strides in bytes.
    ///
    /// # Safety
    ///
    /// For every `i < n_rows` and `j < n_cols`, the `dtype.size()` bytes at `data + i·row_stride + j·col_stride` must
    /// lie inside one allocation that stays readable for `'a`. Alignment does not matter. Should another thread
    /// write there meanwhile, sums come out arbitrary but nothing else happens.
    #[must_use]
    pub unsafe fn from_raw_parts(
        data: *const u8,
        (n_rows, n_cols): (usize, usize),
        (row_stride, col_stride): (isize, isize),
        dtype: DType,
        byte_swapped: bool,
    ) -> Self {
        Self { data, n_rows, n_cols, row_stride, col_stride, dtype, byte_swapped, lifetime: PhantomData }
    }

    /// Rows and columns, `(m, n)`.
    #[must_use]
    pub fn shape(&self) -> (usize, usize) {
        (self.n_rows, self.n_cols)
    }

    /// The number of rows `m`.
    #[must_use]
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// The number of columns `n`.
    #[must_use]
    pub fn n_cols(&self) -> usize {
        self.n_cols
    }

    /// Rows as columns and columns as rows; nothing moves.
    pub(crate) fn transposed(&self) -> Self {
        let Self { n_rows, n_cols, row_stride, col_stride, .. } = *self;
        Self { n_rows: n_cols, n_cols: n_rows, row_stride: col_stride, col_stride: row_stride, ..*self }
    }

    /// Every `step`th row from the `first` on.
    pub(crate) fn every(&self, step: usize, first: usize) -> Self {
        let row_stride = self.row_stride * step as isize;
        let rest = self.rows(first..self.n_rows);
        Self { n_rows: rest.n_rows.div_ceil(step), row_stride, ..rest }
    }

    /// Some of the rows.
    pub(crate) fn rows(&self, range: Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= self.n_rows);
        Self { data: self.element(range.start, 0), n_rows: range.len(), ..*self }
    }

    /// Some of the columns.
    pub(crate) fn columns(&self, range: Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= self.n_cols);
        Self { data: self.element(0, range.start), n_cols: range.len(), ..*self }
    }

    /// All values as `f64`, row by row: a copy, for what is small.
    #[must_use]
    pub fn to_vec(&self) -> Vec<f64> {
        let mut values = Vec::new();
        Self::pack(&[*self], &mut values);
        values
    }

    /// The rows of `rows` as a panel: the caller's own memory where each row is contiguous, aligned `f64` there, else
    /// packed into `buffer`.
    pub(crate) fn panel<'p>(&self, rows: Range<usize>, buffer: &'p mut Vec<f64>) -> Panel<'p>
    where
        'a: 'p,
    {
        let some = self.rows(rows);
        let shape = some.shape();
        if self.rows_are_plain::<f64>() {
            return some.rows_in_place();
        }
        Self::pack(&[some], buffer);
        let strides = Strides::even(self.n_cols as isize);
        // SAFETY: pack has just filled n_rows · n_cols values, borrowed for 'p.
        unsafe { Panel::new(buffer.as_ptr(), shape, strides) }.from(some.source())
    }

    /// The rows of eight ranges, `rows` and those that follow it by `apart`, by twice that and so on, as a panel of groups
    /// that have a row of each; borrowed or packed like [`Matrix::panel`].
    pub(crate) fn panel_of_lanes<'p>(&self, rows: Range<usize>, apart: usize, buffer: &'p mut Vec<f64>) -> Panel<'p>
    where
        'a: 'p,
    {
        if self.rows_are_plain::<f64>() {
            return self.lanes_in_place(rows, apart);
        }
        let n_rows = rows.len();
        let (lanes, source) = self.lanes(rows, apart);
        Self::pack(&lanes, buffer);
        let strides = Strides { row: (n_rows * self.n_cols) as isize, group: self.n_cols as isize };
        // SAFETY: pack has just filled GROUP · n_rows · n_cols values, lane by lane, borrowed for 'p.
        unsafe { Panel::new(buffer.as_ptr(), (GROUP * n_rows, self.n_cols), strides) }.from(source)
    }

    /// The same as a strip.
    pub(crate) fn strip_of_lanes<'p>(&self, rows: Range<usize>, apart: usize, buffer: &'p mut Vec<f64>) -> Strip<'p>
    where
        'a: 'p,
    {
        if self.rows_are_plain::<f32>() {
            Strip::RowsOfF32(self.lanes_in_place(rows, apart))
        } else {
            Strip::Rows(self.panel_of_lanes(rows, apart, buffer))
        }
    }

    fn lanes(&self, rows: Range<usize>, apart: usize) -> ([Self; GROUP], Source) {
        let lanes: [_; GROUP] = array::from_fn(|lane| self.rows(rows.start + lane * apart..rows.end + lane * apart));
        let strides = Strides { row: self.row_stride * apart as isize, group: self.row_stride };
        let ahead = self.row_stride.wrapping_mul(rows.len() as isize) as usize;
        let source = Source { strides, ahead, ..lanes[0].source() };
        (lanes, source)
    }

    fn lanes_in_place<T: Raw + Element>(&self, rows: Range<usize>, apart: usize) -> Panel<'a, T> {
        assert!(self.rows_are_plain::<T>());
        let shape = (GROUP * rows.len(), self.n_cols);
        let (lanes, source) = self.lanes(rows, apart);
        let size = size_of::<T>() as isize;
        let strides = Strides { row: source.strides.row / size, group: source.strides.group / size };
        // SAFETY: type, alignment, stride and byte order have been checked; the rows of all lanes are in bounds.
        unsafe { Panel::new(lanes[0].data.cast(), shape, strides) }.from(source)
    }

    /// The rows of `rows` for those who take eight columns at a time: packed where they are of another type than these can
    /// have, or neither rows nor columns are plain.
    pub(crate) fn slab<'p>(&self, rows: Range<usize>, buffer: &'p mut Vec<f64>) -> Slab<'p>
    where
        'a: 'p,
    {
        let size = self.dtype.size() as isize;
        let is_plain = !self.byte_swapped && (self.row_stride == size || self.col_stride == size);
        if slab::is_taken_plain(self.dtype) && is_plain && !self.rows_are_plain::<f64>() {
            Slab::Plain(self.rows(rows))
        } else {
            self.panel(rows, buffer).into()
        }
    }

    /// The same of some of the columns, which are packed.
    pub(crate) fn slab_of_columns<'p>(
        &self,
        rows: Range<usize>,
        columns: &[usize],
        buffer: &'p mut Vec<f64>,
    ) -> Slab<'p> {
        let some = self.rows(rows);
        let shape = (some.n_rows, columns.len());
        if !some.is_by_columns() {
            buffer.resize(some.n_rows * columns.len(), 0.0);
            pack::pack(&[some], Some(columns), buffer);
            // SAFETY: pack has just filled so many values, row by row, borrowed for 'p.
            return unsafe { Panel::new(buffer.as_ptr(), shape, Strides::even(columns.len() as isize)) }.into();
        }
        let one_each: Vec<_> = columns.iter().map(|&column| some.columns(column..column + 1)).collect();
        Self::pack(&one_each, buffer);
        let size = size_of::<f64>() as isize;
        let strides = (size, some.n_rows as isize * size);
        // SAFETY: pack has just filled so many values, column by column, borrowed for 'p.
        Slab::Plain(unsafe { Matrix::from_raw_parts(buffer.as_ptr().cast(), shape, strides, DType::F64, false) })
    }

    pub(crate) fn is_f64(&self) -> bool {
        self.dtype == DType::F64
    }

    pub(crate) fn is_f32(&self) -> bool {
        self.dtype == DType::F32
    }

    /// Whether there are more than a few columns, and each lies in one place rather than each row.
    pub(crate) fn is_by_columns(&self) -> bool {
        self.n_cols > FEW_COLUMNS && self.col_stride.abs() > self.row_stride.abs()
    }

    /// The rows of `rows` in the form that kernels take: by columns where these are few or lie together; borrowed or packed
    /// like [`Matrix::panel`].
    pub(crate) fn strip<'p>(&self, rows: Range<usize>, buffer: &'p mut Vec<f64>) -> Strip<'p>
    where
        'a: 'p,
    {
        if self.n_cols <= FEW_COLUMNS || self.is_by_columns() {
            self.strip_of_columns(rows, buffer)
        } else if self.rows_are_plain::<f32>() {
            Strip::RowsOfF32(self.rows(rows).rows_in_place())
        } else {
            Strip::Rows(self.panel(rows, buffer))
        }
    }

    fn rows_in_place<T: Raw + Element>(&self) -> Panel<'a, T> {
        assert!(self.rows_are_plain::<T>());
        let strides = Strides::even(self.row_stride / size_of::<T>() as isize);
        // SAFETY: type, alignment, stride and byte order have been checked; the rows are in bounds.
        unsafe { Panel::new(self.data.cast(), self.shape(), strides) }.from(self.source())
    }

    /// The size of an element where a strip by columns is borrowed; none where it is packed.
    pub(crate) fn size_in_place(&self) -> Option<usize> {
        // Also where columns lie so far apart that they share their places in the caches: to pack them took half as long again.
        let in_place = match self.dtype {
            DType::F64 => self.transposed().rows_are_plain::<f64>(),
            DType::F32 => self.transposed().rows_are_plain::<f32>(),
            DType::U8 => self.transposed().rows_are_plain::<u8>(),
            _ => false,
        };
        in_place.then(|| self.dtype.size())
    }

    fn strip_of_columns<'p>(&self, rows: Range<usize>, buffer: &'p mut Vec<f64>) -> Strip<'p>
    where
        'a: 'p,
    {
        let some = self.rows(rows);
        if some.size_in_place().is_some() {
            return match some.dtype {
                DType::F64 => Strip::Columns(some.columns_in_place()),
                DType::F32 => Strip::ColumnsOfF32(some.columns_in_place()),
                DType::U8 => Strip::ColumnsOfU8(some.columns_in_place()),
                dtype => unreachable!("{dtype:?}"),
            };
        }
        if (2..=FEW_COLUMNS).contains(&some.n_cols) && some.follow_one_another() {
            if some.rows_are_plain::<f64>() {
                return Strip::Interleaved(some.interleaved());
            } else if some.rows_are_plain::<f32>() {
                return Strip::InterleavedOfF32(some.interleaved());
            }
        }
        Self::pack(&[some.transposed()], buffer);
        // SAFETY: pack has just filled n_cols · n_rows values, borrowed for 'p.
        let columns = unsafe { Columns::new(buffer.as_ptr(), some.shape(), some.n_rows as isize) };
        Strip::Columns(columns.with_ahead_of_source(some.ahead()))
    }

    fn interleaved<T: Raw + Element>(&self) -> Interleaved<'a, T> {
        assert!(self.rows_are_plain::<T>() && self.follow_one_another());
        // SAFETY: type, alignment, stride and byte order have been checked; they lie one after the other, in bounds.
        let values = unsafe { std::slice::from_raw_parts(self.data.cast(), self.n_rows * self.n_cols) };
        Interleaved::new(values, self.n_cols, self.ahead())
    }

    fn columns_in_place<T: Raw + Element>(&self) -> Columns<'a, T> {
        const COLUMN_DISTANCE: usize = 1024;
        assert!(self.transposed().rows_are_plain::<T>());
        let size = size_of::<T>();
        // At least the next strip, as neither reading of this one brings it; of a long one the next rows.
        let distance = (DISTANCE / self.n_cols.max(1)).max(COLUMN_DISTANCE.min(self.n_rows * size));
        // SAFETY: type, alignment, stride and byte order have been checked; the rows are in bounds.
        let columns = unsafe { Columns::new(self.data.cast(), self.shape(), self.col_stride / size as isize) };
        columns.with_ahead(distance, self.n_cols <= FEW_COLUMNS || !reads_long_columns())
    }

    /// The rows of `rows` of a matrix with one column, as a slice; borrowed or packed like [`Matrix::panel`].
    pub(crate) fn column<'p>(&self, rows: Range<usize>, buffer: &'p mut Vec<f64>) -> &'p [f64]
    where
        'a: 'p,
    {
        assert!(self.n_cols == 1);
        let some = self.rows(rows);
        if self.rows_are_plain::<f64>() && self.row_stride == size_of::<f64>() as isize {
            // SAFETY: aligned f64 in native byte order, one after the other, in bounds.
            return unsafe { std::slice::from_raw_parts(some.data.cast(), some.n_rows) };
        }
        Self::pack(&[some], buffer);
        buffer
    }

    /// Why a linear predictor of these rows came out not finite: [`Error::NonFiniteMatrix`] with the first value, by row
    /// and then by column, that is not finite, or [`Error::Overflow`] if there is none.
    pub(crate) fn why_not_finite(&self, rows: Range<usize>, argument: &'static str) -> Error {
        let mut buffer = Vec::new();
        for row in rows {
            let values = self.panel(row..row + 1, &mut buffer).row(0);
            if let Some(column) = values.iter().position(|value| !value.is_finite()) {
                return Error::NonFiniteMatrix { argument, row, column, value: values[column] };
            }
        }
        Error::Overflow
    }

    /// # Errors
    ///
    /// [`Error::Empty`].
    pub(crate) fn check_not_empty(&self) -> Result<(), Error> {
        if self.n_rows == 0 || self.n_cols == 0 {
            return Err(Error::Empty { n_rows: self.n_rows, n_cols: self.n_cols });
        }
        Ok(())
    }

    /// Where in memory as many rows lie, so many times their number farther on; nothing where neither rows nor columns are in
    /// one piece.
    fn after(&self, n_times: usize) -> Pieces {
        let size = self.dtype.size();
        let first = self.element(n_times * self.n_rows, 0);
        if self.row_stride == size as isize {
            let n_bytes = self.n_rows * size;
            Pieces { first, n_pieces: self.n_cols, n_bytes, stride: self.col_stride, ..Pieces::NONE }
        } else {
            self.source().pieces(first, self.n_rows)
        }
    }

    /// What to ask for while these rows, packed, are worked on.
    fn ahead(&self) -> Pieces {
        if self.row_stride == self.dtype.size() as isize {
            let n_bytes = self.n_rows * self.n_cols * self.dtype.size();
            self.after(DISTANCE.div_ceil(n_bytes.max(1)))
        } else {
            self.source().pieces_ahead(self.n_rows)
        }
    }

    /// Known where each row lies in one piece.
    fn source(&self) -> Source {
        let row_bytes = self.n_cols * self.dtype.size();
        if self.n_cols == 1 || self.col_stride != self.dtype.size() as isize {
            return Source::UNKNOWN;
        }
        let n_rows = DISTANCE.div_ceil(row_bytes.max(1)) as isize;
        let ahead = if self.follow_one_another() { DISTANCE } else { self.row_stride.wrapping_mul(n_rows) as usize };
        Source { address: self.data, row_bytes, strides: Strides::even(self.row_stride), ahead }
    }

    /// Whether the next row begins where a row ends.
    fn follow_one_another(&self) -> bool {
        self.row_stride == (self.n_cols * self.dtype.size()) as isize
    }

    fn element(&self, row: usize, col: usize) -> *const u8 {
        self.data.wrapping_offset(row as isize * self.row_stride + col as isize * self.col_stride)
    }

    fn rows_are_plain<T: Element>(&self) -> bool {
        let size = size_of::<T>() as isize;
        self.dtype == T::DTYPE
            && !self.byte_swapped
            && self.data.cast::<T>().is_aligned()
            && self.row_stride % size == 0
            && (self.n_cols == 1 || self.col_stride == size)
    }

    /// One after the other; they are alike but for where they begin.
    fn pack(matrices: &[Self], buffer: &mut Vec<f64>) {
        buffer.resize(matrices.iter().map(|matrix| matrix.n_rows * matrix.n_cols).sum(), 0.0);
        pack::pack(matrices, None, buffer);
    }
}

impl<'a, T: Element> From<ArrayView2<'a, T>> for Matrix<'a> {
    fn from(view: ArrayView2<'a, T>) -> Self {
        let size = size_of::<T>() as isize;
        let strides = (view.strides()[0] * size, view.strides()[1] * size);
        // SAFETY: an ArrayView2 of T promises exactly this for 'a.
        unsafe { Self::from_raw_parts(view.as_ptr().cast(), view.dim(), strides, T::DTYPE, false) }
    }
}

impl<'a, T: Element> From<&'a Array2<T>> for Matrix<'a> {
    fn from(array: &'a Array2<T>) -> Self {
        Self::from(array.view())
    }
}

impl<'a, T: Element> From<&'a Array1<T>> for Matrix<'a> {
    fn from(array: &'a Array1<T>) -> Self {
        Self::from(array.view())
    }
}

impl<'a, T: Element> From<ArrayView1<'a, T>> for Matrix<'a> {
    fn from(view: ArrayView1<'a, T>) -> Self {
        Self::from(view.insert_axis(ndarray::Axis(1)))
    }
}
