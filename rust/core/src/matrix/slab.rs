//! Rows as they lie, for those who take eight columns of some of them at a time: what is laid out for products needs no
//! panel first.

use std::marker::PhantomData;

use pulp::Simd;

use super::block::{transpose_block, widen_columns};
use super::element::{Raw, read};
use super::panel::Pieces;
use super::{DType, Matrix, Panel};

/// Columns that are taken at a time.
pub(crate) const EIGHT: usize = 8;

/// Rows, packed where they are of another type, or neither rows nor columns are in one piece.
#[derive(Clone, Copy)]
pub(crate) enum Slab<'p> {
    /// Contiguous `f64`.
    Panel(Panel<'p>),
    /// Elements of a type that `is_taken_plain`, those of a row or those of a column one after the other.
    Plain(Matrix<'p>),
}

/// The types of most of the data that are large: code for each of them is compiled for each task and each SIMD.
pub(super) fn is_taken_plain(dtype: DType) -> bool {
    matches!(dtype, DType::F64 | DType::F32 | DType::U8)
}

/// What is done with the rows of a slab.
pub(crate) trait WithEights {
    fn with_eights(self, rows: impl Eights);
}

/// Rows of which eight columns at a time can be had.
pub(crate) trait Eights: Copy {
    /// Eights whose pieces of memory it is well to go through together.
    const TOGETHER: usize;
    type Rows<const ROWS: usize>: Copy;

    fn n_rows(&self) -> usize;
    fn n_cols(&self) -> usize;
    /// Some rows of one group.
    fn rows<const ROWS: usize>(&self, first: usize) -> Self::Rows<ROWS>;
    /// Eight columns of them; or, unless these are `WHOLE`, those that there are and zeros.
    fn eight<S: Simd, const ROWS: usize, const WHOLE: bool>(
        &self,
        simd: S,
        rows: Self::Rows<ROWS>,
        first_col: usize,
    ) -> [[f64; EIGHT]; ROWS];
}

impl<'p> Slab<'p> {
    pub(crate) fn n_rows(&self) -> usize {
        match self {
            Self::Panel(panel) => panel.n_rows(),
            Self::Plain(matrix) => matrix.n_rows,
        }
    }

    pub(crate) fn n_cols(&self) -> usize {
        match self {
            Self::Panel(panel) => panel.n_cols(),
            Self::Plain(matrix) => matrix.n_cols,
        }
    }

    /// Where in memory as many rows lie, so many slabs farther on; nothing where that is not known.
    pub(crate) fn after(&self, n_slabs: usize) -> Pieces {
        match self {
            Self::Panel(panel) => panel.after(n_slabs),
            Self::Plain(matrix) => matrix.after(n_slabs),
        }
    }

    pub(crate) fn visit(&self, task: impl WithEights) {
        match self {
            Self::Panel(panel) => task.with_eights(*panel),
            Self::Plain(matrix) => match matrix.dtype {
                DType::F64 => visit_plain::<f64>(*matrix, task),
                DType::F32 => visit_plain::<f32>(*matrix, task),
                DType::U8 => visit_plain::<u8>(*matrix, task),
                dtype => unreachable!("{dtype:?}"),
            },
        }
    }
}

impl<'p> From<Panel<'p>> for Slab<'p> {
    fn from(panel: Panel<'p>) -> Self {
        Self::Panel(panel)
    }
}

fn visit_plain<T: Raw>(matrix: Matrix<'_>, task: impl WithEights) {
    let size = size_of::<T>() as isize;
    assert!(!matrix.byte_swapped);
    if matrix.col_stride == size {
        task.with_eights(Plain::<T, false> { matrix, element: PhantomData });
    } else {
        assert_eq!(matrix.row_stride, size);
        task.with_eights(Plain::<T, true> { matrix, element: PhantomData });
    }
}

impl<'p> Eights for Panel<'p> {
    const TOGETHER: usize = usize::MAX;
    type Rows<const ROWS: usize> = [&'p [f64]; ROWS];

    #[inline(always)]
    fn n_rows(&self) -> usize {
        self.n_rows()
    }

    #[inline(always)]
    fn n_cols(&self) -> usize {
        self.n_cols()
    }

    #[inline(always)]
    fn rows<const ROWS: usize>(&self, first: usize) -> [&'p [f64]; ROWS] {
        self.block(first)
    }

    #[inline(always)]
    fn eight<S: Simd, const ROWS: usize, const WHOLE: bool>(
        &self,
        simd: S,
        rows: [&'p [f64]; ROWS],
        first_col: usize,
    ) -> [[f64; EIGHT]; ROWS] {
        let mut eights = [[0.0; EIGHT]; ROWS];
        for (eight, row) in eights.iter_mut().zip(rows) {
            *eight = if WHOLE {
                *row[first_col..].first_chunk().expect("eight columns")
            } else {
                first_eight(simd, &row[first_col..])
            };
        }
        eights
    }
}

/// The first eight, or all and zeros.
#[inline(always)]
pub(crate) fn first_eight<S: Simd>(simd: S, values: &[f64]) -> [f64; EIGHT] {
    let mut eight = [0.0; EIGHT];
    if let [register] = S::as_mut_simd_f64s(&mut eight).0 {
        // By a mask; loads of a part of a shorter register take a call.
        *register = simd.partial_load_f64s(&values[..values.len().min(EIGHT)]);
    } else {
        let (first, rest) = values.split_at(values.len().min(EIGHT / 2));
        let (low, high) = eight.split_at_mut(EIGHT / 2);
        low.copy_from_slice(&four_of(first));
        high.copy_from_slice(&four_of(rest));
    }
    eight
}

/// The first four, or all and zeros.
#[inline(always)]
fn four_of(values: &[f64]) -> [f64; 4] {
    match *values {
        [] => [0.0; 4],
        [a] => [a, 0.0, 0.0, 0.0],
        [a, b] => [a, b, 0.0, 0.0],
        [a, b, c] => [a, b, c, 0.0],
        [a, b, c, d, ..] => [a, b, c, d],
    }
}

/// Elements that lie one after the other in each column, or else in each row.
struct Plain<'p, T, const BY_COLUMNS: bool> {
    matrix: Matrix<'p>,
    element: PhantomData<T>,
}

impl<T, const BY_COLUMNS: bool> Clone for Plain<'_, T, BY_COLUMNS> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T, const BY_COLUMNS: bool> Copy for Plain<'_, T, BY_COLUMNS> {}

impl<T: Raw, const BY_COLUMNS: bool> Plain<'_, T, BY_COLUMNS> {
    /// The first `n` of eight elements, one after the other in memory; the others are zeros. Each is read by itself: of
    /// whole eights of several rows the compiler makes one gathering load, which takes longer.
    ///
    /// # Safety
    ///
    /// These must be in bounds.
    #[inline(always)]
    unsafe fn eight_of_row(address: *const u8, n: usize) -> [f64; EIGHT] {
        let mut eight = [0.0; EIGHT];
        for (i, value) in eight.iter_mut().enumerate() {
            if i < n {
                // SAFETY: as promised.
                *value = unsafe { read::<T>(address.wrapping_add(i * size_of::<T>())) }.widen();
            }
        }
        eight
    }
}

impl<T: Raw, const BY_COLUMNS: bool> Eights for Plain<'_, T, BY_COLUMNS> {
    const TOGETHER: usize = if BY_COLUMNS { 4 } else { usize::MAX };
    type Rows<const ROWS: usize> = usize;

    #[inline(always)]
    fn n_rows(&self) -> usize {
        self.matrix.n_rows
    }

    #[inline(always)]
    fn n_cols(&self) -> usize {
        self.matrix.n_cols
    }

    #[inline(always)]
    fn rows<const ROWS: usize>(&self, first: usize) -> usize {
        first
    }

    #[inline(always)]
    fn eight<S: Simd, const ROWS: usize, const WHOLE: bool>(
        &self,
        simd: S,
        first_row: usize,
        first_col: usize,
    ) -> [[f64; EIGHT]; ROWS] {
        let Self { matrix, .. } = self;
        assert!(first_row <= matrix.n_rows && ROWS <= matrix.n_rows - first_row && first_col <= matrix.n_cols);
        let n_left = matrix.n_cols - first_col;
        let n = if WHOLE { EIGHT } else { n_left };
        assert!(n <= n_left);
        if BY_COLUMNS {
            let mut columns = [[T::default(); ROWS]; EIGHT];
            for (j, column) in columns.iter_mut().enumerate() {
                if WHOLE || j < n {
                    // SAFETY: all in bounds, and one after the other.
                    *column = unsafe { read(matrix.element(first_row, first_col + j)) };
                }
            }
            return transpose_block(simd, widen_columns(&columns, &mut [[0.0; ROWS]; EIGHT]));
        }
        let mut rows = [[0.0; EIGHT]; ROWS];
        for (i, row) in rows.iter_mut().enumerate() {
            // SAFETY: so many are in bounds, and one after the other.
            *row = unsafe { Self::eight_of_row(matrix.element(first_row + i, first_col), n) };
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, ArrayView2, ShapeBuilder, s};
    use pulp::WithSimd;

    use super::*;
    use crate::matrix::Element;
    use crate::simd_kind::SimdKind;

    /// Takes all values, most of them of so many rows at a time.
    struct Take<E> {
        rows: E,
    }

    impl<E: Eights> WithSimd for Take<E> {
        type Output = Vec<f64>;

        fn with_simd<S: Simd>(self, simd: S) -> Vec<f64> {
            let Self { rows } = self;
            let (m, n) = (rows.n_rows(), rows.n_cols());
            let mut values = vec![f64::NAN; m * n];
            let mut put = |row: usize, col: usize, eight: &[f64; EIGHT]| {
                let n_left = EIGHT.min(n - col);
                values[row * n + col..][..n_left].copy_from_slice(&eight[..n_left]);
                assert!(eight[n_left..].iter().all(|&value| value == 0.0));
            };
            for col in (0..n).step_by(EIGHT) {
                let whole = m - m % 8;
                for row in (0..whole).step_by(8) {
                    let eights: [_; 8] = if col + EIGHT <= n {
                        rows.eight::<S, 8, true>(simd, rows.rows::<8>(row), col)
                    } else {
                        rows.eight::<S, 8, false>(simd, rows.rows::<8>(row), col)
                    };
                    eights.iter().enumerate().for_each(|(i, eight)| put(row + i, col, eight));
                }
                for row in whole..m {
                    let [eight] = rows.eight::<S, 1, false>(simd, rows.rows::<1>(row), col);
                    put(row, col, &eight);
                }
                for row in (0..m - m % 4).step_by(4) {
                    let eights: [_; 4] = rows.eight::<S, 4, false>(simd, rows.rows::<4>(row), col);
                    eights.iter().enumerate().for_each(|(i, eight)| put(row + i, col, eight));
                }
            }
            values
        }
    }

    struct Check<'e> {
        expected: &'e [f64],
        what: String,
    }

    impl WithEights for Check<'_> {
        fn with_eights(self, rows: impl Eights) {
            for simd in SimdKind::all() {
                assert_eq!(simd.run(Take { rows }), self.expected, "{simd:?}, {}", self.what);
            }
        }
    }

    fn check<T: Element>(x: ArrayView2<'_, T>, is_plain: bool) {
        let (shape, matrix) = (x.dim(), Matrix::from(x));
        let mut buffer = Vec::new();
        let slab = matrix.slab(0..shape.0, &mut buffer);
        let what = format!("{shape:?}, strides {:?} of {:?}", x.strides(), T::DTYPE);
        assert_eq!(matches!(slab, Slab::Plain(_)), is_plain, "{what}");
        assert_eq!((slab.n_rows(), slab.n_cols()), shape);
        slab.visit(Check { expected: &matrix.to_vec(), what });
    }

    fn check_layouts<T: Element + Default>(is_plain: bool, value: impl Fn(usize) -> T) {
        let is_wide = T::DTYPE == DType::F64;
        for (m, n) in [(2, 9), (8, 8), (9, 17), (16, 3), (10, 14), (23, 5), (40, 33), (96, 24)] {
            let values = |(i, j): (usize, usize)| value(i * 37 + j * 11);
            let by_rows = Array2::from_shape_fn((m + 2, n + 3), values);
            let by_columns = Array2::from_shape_fn((m + 2, n + 3).f(), values);
            check(by_rows.slice(s![1..=m, 2..n + 2]), is_plain && !is_wide);
            check(by_rows.slice(s![..m;-1, 2..n + 2]), is_plain && !is_wide);
            check(by_columns.slice(s![1..=m, 2..n + 2]), is_plain);
            check(by_columns.slice(s![1..=m, ..n;-1]), is_plain);
            check(by_columns.slice(s![..m;2, ..n]), false);
            check(by_rows.slice(s![..m, ..n;2]), false);
        }
    }

    #[test]
    fn eights_have_the_values_of_the_matrix() {
        check_layouts(true, |i| (i as f64 * 0.7).sin());
        check_layouts(true, |i| (i as f32 * 0.7).sin());
        check_layouts(true, |i| (i % 256) as u8);
        check_layouts(false, |i| i as i64 - 100);
    }
}
