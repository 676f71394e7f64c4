//! Blocks of rows of any layout and type as contiguous row-major `f64`.

use std::array;
use std::marker::PhantomData;
use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::block::{BLOCK, SMALL_BLOCK, transpose_block, widen_columns};
use super::element::{Raw, RawBool, read};
use super::{DType, Matrix, prefetch};

/// Bytes of a column before they are read.
const COLUMN_DISTANCE: usize = 1024;
const CACHE_LINE: isize = super::CACHE_LINE as isize;

/// Fills `out` with all rows of matrices that are alike but for where they begin, one matrix after the other; of some of their
/// columns, if not all are wanted.
pub(super) fn pack(matrices: &[Matrix<'_>], columns: Option<&[usize]>, out: &mut [f64]) {
    let [first, ..] = matrices else { return };
    match first.dtype {
        DType::F64 => pack_as::<f64>(matrices, columns, out),
        DType::F32 => pack_as::<f32>(matrices, columns, out),
        DType::F16 => pack_as::<half::f16>(matrices, columns, out),
        DType::I64 => pack_as::<i64>(matrices, columns, out),
        DType::I32 => pack_as::<i32>(matrices, columns, out),
        DType::I16 => pack_as::<i16>(matrices, columns, out),
        DType::I8 => pack_as::<i8>(matrices, columns, out),
        DType::U64 => pack_as::<u64>(matrices, columns, out),
        DType::U32 => pack_as::<u32>(matrices, columns, out),
        DType::U16 => pack_as::<u16>(matrices, columns, out),
        DType::U8 => pack_as::<u8>(matrices, columns, out),
        DType::Bool => pack_as::<RawBool>(matrices, columns, out),
    }
}

fn pack_as<T: Raw>(matrices: &[Matrix<'_>], columns: Option<&[usize]>, out: &mut [f64]) {
    Arch::new().dispatch(Pack { matrices, columns, out, element: PhantomData::<T> });
}

struct Pack<'p, 'a, T> {
    matrices: &'p [Matrix<'a>],
    columns: Option<&'p [usize]>,
    out: &'p mut [f64],
    element: PhantomData<T>,
}

impl<T: Raw> WithSimd for Pack<'_, '_, T> {
    type Output = ();

    // The loops are plain; compiled for the SIMD dispatched to, they widen several values at a time.
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { matrices, columns, mut out, .. } = self;
        for matrix in matrices {
            let n_cols = columns.map_or(matrix.n_cols, <[usize]>::len);
            let one = out.split_off_mut(..matrix.n_rows * n_cols).expect("room for all");
            match columns {
                None => Self::pack_one(simd, matrix, one),
                Some(columns) if matrix.byte_swapped => Self::pack_columns_of_rows::<true>(matrix, columns, one),
                Some(columns) => Self::pack_columns_of_rows::<false>(matrix, columns, one),
            }
        }
        assert!(out.is_empty());
    }
}

impl<T: Raw> Pack<'_, '_, T> {
    #[inline(always)]
    fn pack_one<S: Simd>(simd: S, matrix: &Matrix<'_>, mut out: &mut [f64]) {
        let mut rows = 0..matrix.n_rows;
        if out.is_empty() {
            return;
        }
        if matrix.n_cols > 1 && matrix.col_stride.abs() > matrix.row_stride.abs() {
            let n_rows = rows.len() - rows.len() % BLOCK;
            let blocks;
            (blocks, out) = out.split_at_mut(n_rows * matrix.n_cols);
            Self::pack_columns(simd, matrix, blocks);
            rows.start = n_rows;
            // Others that few are not worth more code.
            let plain = matrix.row_stride == size_of::<T>() as isize && !matrix.byte_swapped;
            if plain && rows.len() >= SMALL_BLOCK {
                let block;
                (block, out) = out.split_at_mut(SMALL_BLOCK * matrix.n_cols);
                Self::pack_small_block(simd, matrix, n_rows, block);
                rows.start += SMALL_BLOCK;
            }
        }
        if matrix.byte_swapped {
            Self::pack_rows::<true>(matrix, rows, out);
        } else {
            Self::pack_rows::<false>(matrix, rows, out);
        }
    }

    #[inline(always)]
    fn pack_rows<const SWAP: bool>(matrix: &Matrix<'_>, rows: Range<usize>, out: &mut [f64]) {
        let &Matrix { n_cols, row_stride, col_stride, .. } = matrix;
        let size = size_of::<T>() as isize;
        if n_cols == 1 {
            // SAFETY: these rows of the only column are in bounds.
            unsafe { widen::<T, SWAP>(matrix.element(rows.start, 0), row_stride, out) };
        } else if col_stride == size && row_stride == n_cols as isize * size {
            // SAFETY: these rows are in bounds and follow one another without a gap.
            unsafe { widen::<T, SWAP>(matrix.element(rows.start, 0), size, out) };
        } else {
            for (row, values) in rows.zip(out.chunks_exact_mut(n_cols)) {
                // SAFETY: this row is in bounds.
                unsafe { widen::<T, SWAP>(matrix.element(row, 0), col_stride, values) };
            }
        }
    }

    /// Some columns, row by row.
    #[inline(always)]
    fn pack_columns_of_rows<const SWAP: bool>(matrix: &Matrix<'_>, columns: &[usize], out: &mut [f64]) {
        if columns.is_empty() {
            return;
        }
        assert!(columns.iter().all(|&column| column < matrix.n_cols) && out.len() == matrix.n_rows * columns.len());
        for (row, values) in out.chunks_exact_mut(columns.len()).enumerate() {
            for (value, &column) in values.iter_mut().zip(columns) {
                // SAFETY: this row and this column are in bounds.
                *value = to_f64::<T, SWAP>(unsafe { read(matrix.element(row, column)) });
            }
        }
    }

    /// As many elements of a column, which lie one after the other; what lies `ahead` of them is asked for.
    #[inline(always)]
    fn load<const N: usize>(matrix: &Matrix<'_>, first_row: usize, col: usize, ahead: Option<usize>) -> [T; N] {
        debug_assert!(matrix.row_stride == size_of::<T>() as isize && first_row + N <= matrix.n_rows);
        let address = matrix.element(first_row, col);
        if let Some(ahead) = ahead {
            prefetch(address.wrapping_add(ahead));
        }
        // SAFETY: they lie one after the other, and all of them are in bounds.
        unsafe { read(address) }
    }

    /// Packs four rows, four columns at a time; each column's elements lie one after the other.
    #[inline(always)]
    fn pack_small_block<S: Simd>(simd: S, matrix: &Matrix<'_>, first_row: usize, out: &mut [f64]) {
        let n_cols = matrix.n_cols;
        let [a, b, c, d]: [&mut [f64]; SMALL_BLOCK] = {
            let mut rows = out.chunks_exact_mut(n_cols);
            array::from_fn(|_| rows.next().expect("four rows"))
        };
        let groups = a.as_chunks_mut::<SMALL_BLOCK>().0.iter_mut().zip(b.as_chunks_mut::<SMALL_BLOCK>().0);
        let groups = groups.zip(c.as_chunks_mut::<SMALL_BLOCK>().0.iter_mut().zip(d.as_chunks_mut::<SMALL_BLOCK>().0));
        let mut wide = [[0.0; SMALL_BLOCK]; SMALL_BLOCK];
        for (group, ((a, b), (c, d))) in groups.enumerate() {
            let first = group * SMALL_BLOCK;
            let mut raw = [[T::default(); SMALL_BLOCK]; SMALL_BLOCK];
            for (j, column) in raw.iter_mut().enumerate() {
                *column = Self::load(matrix, first_row, first + j, None);
            }
            [*a, *b, *c, *d] = transpose_block(simd, widen_columns(&raw, &mut wide));
        }
        for col in n_cols - n_cols % SMALL_BLOCK..n_cols {
            let [w, x, y, z] = Self::load(matrix, first_row, col, None);
            (a[col], b[col], c[col], d[col]) = (w.widen(), x.widen(), y.widen(), z.widen());
        }
    }

    /// Packs whole blocks of rows; `out` ends with the last of them.
    ///
    /// Columns are read a few rows at a time, and there may be more of them than the processor follows. So what comes soon is
    /// asked for: of contiguous columns further rows, of others the same rows of the next panel.
    #[inline(always)]
    fn pack_columns<S: Simd>(simd: S, matrix: &Matrix<'_>, out: &mut [f64]) {
        const B: usize = BLOCK;
        if out.is_empty() {
            return;
        }
        let &Matrix { n_rows, n_cols, row_stride, .. } = matrix;
        let size = size_of::<T>() as isize;
        let plain = row_stride == size && !matrix.byte_swapped;
        // So few rows are mostly the columns of others, whose kernels ask for what lies behind.
        let ahead = (n_rows > B).then_some(COLUMN_DISTANCE);
        // Asked for from the last byte back: the cache line of the first is that in which the block before ends.
        let last_ahead = row_stride.wrapping_mul((n_rows + B - 1) as isize) + if row_stride < 0 { 0 } else { size - 1 };
        let line_step = row_stride.signum() * row_stride.abs().max(CACHE_LINE);
        let n_lines = (B as isize * row_stride).unsigned_abs().div_ceil(line_step.unsigned_abs().max(1));
        let mut wide = [[0.0; B]; B];
        for first_col in (0..n_cols).step_by(B) {
            let n = B.min(n_cols - first_col);
            if plain && n == B {
                for (block, out) in out.chunks_exact_mut(B * n_cols).enumerate() {
                    // Their number being constant, they are never anywhere but in registers.
                    let mut raw = [[T::default(); B]; B];
                    for (j, column) in raw.iter_mut().enumerate() {
                        *column = Self::load(matrix, block * B, first_col + j, ahead);
                    }
                    let rows = transpose_block(simd, widen_columns(&raw, &mut wide));
                    for (i, values) in rows.iter().enumerate() {
                        *out[i * n_cols + first_col..].first_chunk_mut().expect("B columns") = *values;
                    }
                }
                continue;
            }
            let mut raw = [[T::default(); B]; B];
            for (block, out) in out.chunks_exact_mut(B * n_cols).enumerate() {
                for (j, column) in raw[..n].iter_mut().enumerate() {
                    if plain {
                        *column = Self::load(matrix, block * B, first_col + j, ahead);
                        continue;
                    }
                    let address = matrix.element(block * B, first_col + j);
                    for (i, value) in column.iter_mut().enumerate() {
                        // SAFETY: an element in bounds.
                        *value = unsafe { read(address.wrapping_offset(i as isize * row_stride)) };
                        *value = if matrix.byte_swapped { value.swap_bytes() } else { *value };
                    }
                    for i in 0..n_lines {
                        prefetch(address.wrapping_offset(last_ahead - i as isize * line_step));
                    }
                }
                let rows = transpose_block(simd, widen_columns(&raw, &mut wide));
                for (row, values) in out.chunks_exact_mut(n_cols).zip(&rows) {
                    row[first_col..first_col + n].copy_from_slice(&values[..n]);
                }
            }
        }
    }
}

/// Widens elements `stride` bytes apart.
///
/// # Safety
///
/// All must be in bounds.
#[inline(always)]
unsafe fn widen<T: Raw, const SWAP: bool>(address: *const u8, stride: isize, out: &mut [f64]) {
    let size = size_of::<T>() as isize;
    // A constant stride can be vectorised.
    if stride == size {
        for (i, value) in out.iter_mut().enumerate() {
            // SAFETY: as promised.
            *value = to_f64::<T, SWAP>(unsafe { read(address.wrapping_offset(i as isize * size)) });
        }
    } else {
        for (i, value) in out.iter_mut().enumerate() {
            // SAFETY: as promised.
            *value = to_f64::<T, SWAP>(unsafe { read(address.wrapping_offset(i as isize * stride)) });
        }
    }
}

#[inline(always)]
fn to_f64<T: Raw, const SWAP: bool>(value: T) -> f64 {
    if SWAP { value.swap_bytes().widen() } else { value.widen() }
}

#[cfg(test)]
mod tests {
    use half::f16;

    use super::*;
    use crate::simd_kind::SimdKind;

    /// Packs by every SIMD that this machine has and by the scalar path.
    fn every_way<T: Raw>(matrix: &Matrix<'_>, mut check: impl FnMut(SimdKind, &[f64])) {
        let mut out = vec![0.5; matrix.n_rows * matrix.n_cols];
        for simd in SimdKind::all() {
            out.fill(0.5);
            let matrices = std::slice::from_ref(matrix);
            simd.run(Pack { matrices, columns: None, out: &mut out, element: PhantomData::<T> });
            check(simd, &out);
            let columns: Vec<usize> = (0..matrix.n_cols).rev().step_by(2).collect();
            let mut some = vec![0.5; matrix.n_rows * columns.len()];
            simd.run(Pack { matrices, columns: Some(&columns), out: &mut some, element: PhantomData::<T> });
            for (all, some) in out.chunks_exact(matrix.n_cols).zip(some.chunks_exact(columns.len())) {
                let expected = columns.iter().map(|&column| all[column].to_bits());
                assert!(expected.eq(some.iter().map(|value| value.to_bits())), "{simd:?}, columns {columns:?}");
            }
        }
    }

    /// Any bits, in memory that ends where the last element does, against an element at a time.
    fn check_layouts<T: Raw, const SIZE: usize>(dtype: DType, value: impl Fn([u8; SIZE]) -> f64) {
        const BEFORE: usize = 2;
        const AFTER: usize = 1;
        let size = SIZE as isize;
        for (n_rows, n_cols) in (1..=20).flat_map(|m| (1..=20).map(move |n| (m, n))).chain([(33, 34), (50, 3), (3, 50)])
        {
            let all_rows = n_rows + BEFORE + AFTER;
            let (m, n) = (all_rows as isize, n_cols as isize);
            for (row_stride, col_stride) in [
                (n * size, size),
                (n * size + 3, size),
                (2 * n * size, 2 * size),
                (-n * size, -size),
                (size, m * size),
                (size, m * size + 5),
                (2 * size, 2 * m * size),
                (-size, -m * size),
                (size, -m * size),
                (0, size),
                (size, 0),
            ] {
                let extents = [(m - 1) * row_stride, (n - 1) * col_stride];
                let first = -extents.iter().filter(|extent| **extent < 0).sum::<isize>();
                let span = (extents.iter().map(|extent| extent.abs()).sum::<isize>() + size) as usize;
                for (offset, swap) in [(0, false), (1, false), (8, true)] {
                    let mut state = span as u32;
                    let memory: Vec<u8> = (0..offset + span)
                        .map(|_| {
                            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                            if dtype == DType::Bool { (state >> 31) as u8 } else { (state >> 24) as u8 }
                        })
                        .collect();
                    let start = offset + first as usize;
                    let expected = |row: usize, col: usize| {
                        let at = start as isize + (row + BEFORE) as isize * row_stride + col as isize * col_stride;
                        let mut bytes: [u8; SIZE] = memory[at as usize..][..SIZE].try_into().unwrap();
                        if swap {
                            bytes.reverse();
                        }
                        value(bytes)
                    };
                    // SAFETY: `memory` has every element at these strides.
                    let matrix = unsafe {
                        let (shape, strides) = ((all_rows, n_cols), (row_stride, col_stride));
                        Matrix::from_raw_parts(memory[start..].as_ptr(), shape, strides, dtype, swap)
                    };
                    every_way::<T>(&matrix.rows(BEFORE..BEFORE + n_rows), |way, out| {
                        for (i, &found) in out.iter().enumerate() {
                            let expected = expected(i / n_cols, i % n_cols);
                            let same = found.to_bits() == expected.to_bits() || found.is_nan() && expected.is_nan();
                            let strides = (row_stride, col_stride);
                            assert!(same, "{dtype:?}, {n_rows} × {n_cols}, {strides:?}, {way:?}: {found}, {expected}");
                        }
                    });
                }
            }
        }
    }

    #[test]
    fn floats_are_packed_from_any_layout() {
        check_layouts::<f64, 8>(DType::F64, f64::from_ne_bytes);
        check_layouts::<f32, 4>(DType::F32, |bytes| f32::from_ne_bytes(bytes).into());
        check_layouts::<f16, 2>(DType::F16, |bytes| f16::from_ne_bytes(bytes).to_f64());
    }

    #[test]
    fn signed_integers_are_packed_from_any_layout() {
        check_layouts::<i64, 8>(DType::I64, |bytes| i64::from_ne_bytes(bytes) as f64);
        check_layouts::<i32, 4>(DType::I32, |bytes| i32::from_ne_bytes(bytes).into());
        check_layouts::<i16, 2>(DType::I16, |bytes| i16::from_ne_bytes(bytes).into());
        check_layouts::<i8, 1>(DType::I8, |bytes| i8::from_ne_bytes(bytes).into());
    }

    #[test]
    fn unsigned_integers_and_booleans_are_packed_from_any_layout() {
        check_layouts::<u64, 8>(DType::U64, |bytes| u64::from_ne_bytes(bytes) as f64);
        check_layouts::<u32, 4>(DType::U32, |bytes| u32::from_ne_bytes(bytes).into());
        check_layouts::<u16, 2>(DType::U16, |bytes| u16::from_ne_bytes(bytes).into());
        check_layouts::<u8, 1>(DType::U8, |bytes| u8::from_ne_bytes(bytes).into());
        check_layouts::<RawBool, 1>(DType::Bool, |[byte]| byte.into());
    }
}
