//! Blocks of rows of any layout and type as contiguous row-major `f64`.

use std::array;
use std::marker::PhantomData;
use std::mem;
use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::element::{Raw, RawBool};
use super::{DType, Matrix};

/// Columns are packed by square tiles, which the nearest cache holds as they are, widened and transposed.
const TILE: usize = 16;
/// A tile is transposed by square blocks, which registers hold.
const BLOCK: usize = 4;
const CACHE_LINE: isize = 64;

/// Fills `out` with the rows `rows`.
pub(super) fn pack(matrix: &Matrix<'_>, rows: Range<usize>, out: &mut [f64]) {
    match matrix.dtype {
        DType::F64 => pack_as::<f64>(matrix, rows, out),
        DType::F32 => pack_as::<f32>(matrix, rows, out),
        DType::F16 => pack_as::<half::f16>(matrix, rows, out),
        DType::I64 => pack_as::<i64>(matrix, rows, out),
        DType::I32 => pack_as::<i32>(matrix, rows, out),
        DType::I16 => pack_as::<i16>(matrix, rows, out),
        DType::I8 => pack_as::<i8>(matrix, rows, out),
        DType::U64 => pack_as::<u64>(matrix, rows, out),
        DType::U32 => pack_as::<u32>(matrix, rows, out),
        DType::U16 => pack_as::<u16>(matrix, rows, out),
        DType::U8 => pack_as::<u8>(matrix, rows, out),
        DType::Bool => pack_as::<RawBool>(matrix, rows, out),
    }
}

fn pack_as<T: Raw>(matrix: &Matrix<'_>, rows: Range<usize>, out: &mut [f64]) {
    Arch::new().dispatch(Pack { matrix, rows, out, element: PhantomData::<T> });
}

struct Pack<'p, 'a, T> {
    matrix: &'p Matrix<'a>,
    rows: Range<usize>,
    out: &'p mut [f64],
    element: PhantomData<T>,
}

impl<T: Raw> WithSimd for Pack<'_, '_, T> {
    type Output = ();

    // The loops are plain; compiled for the SIMD dispatched to, they widen several values at a time.
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { matrix, mut rows, mut out, .. } = self;
        assert!(rows.start <= rows.end && rows.end <= matrix.n_rows && out.len() == rows.len() * matrix.n_cols);
        if out.is_empty() {
            return;
        }
        if matrix.n_cols > 1 && matrix.col_stride.abs() > matrix.row_stride.abs() {
            let n_rows = rows.len() - rows.len() % TILE;
            let tiles;
            (tiles, out) = out.split_at_mut(n_rows * matrix.n_cols);
            Self::pack_columns(simd, matrix, rows.clone(), tiles);
            rows.start += n_rows;
        }
        if matrix.byte_swapped {
            Self::pack_rows::<true>(matrix, rows, out);
        } else {
            Self::pack_rows::<false>(matrix, rows, out);
        }
    }
}

impl<T: Raw> Pack<'_, '_, T> {
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

    /// Packs whole tiles; `out` ends with the last of them.
    ///
    /// Columns are read a few rows at a time, too few for the processor to foresee more of them, and there may be more
    /// columns than it follows. So the same rows of the next panel are asked for while these are packed.
    #[inline(always)]
    fn pack_columns<S: Simd>(simd: S, matrix: &Matrix<'_>, rows: Range<usize>, out: &mut [f64]) {
        let &Matrix { n_cols, row_stride, .. } = matrix;
        let size = size_of::<T>() as isize;
        let contiguous = row_stride == size;
        // Asked for from the last byte back: the cache line of the first is that in which the tile before ends.
        let last_ahead = (rows.len() + TILE - 1) as isize * row_stride + if row_stride < 0 { 0 } else { size - 1 };
        let line_step = row_stride.signum() * row_stride.abs().max(CACHE_LINE);
        let n_lines = (TILE as isize * row_stride).unsigned_abs().div_ceil(line_step.unsigned_abs().max(1));
        let (mut raw, mut wide) = ([[T::default(); TILE]; TILE], [[0.0; TILE]; TILE]);
        for first_col in (0..n_cols).step_by(TILE) {
            let cols = first_col..n_cols.min(first_col + TILE);
            for (row, out) in rows.clone().step_by(TILE).zip(out.chunks_exact_mut(TILE * n_cols)) {
                for (column, col) in raw.iter_mut().zip(cols.clone()) {
                    let address = matrix.element(row, col);
                    if contiguous {
                        // SAFETY: the column's elements lie one after the other, and all of these are in bounds.
                        *column = unsafe { read(address) };
                    } else {
                        for (i, value) in column.iter_mut().enumerate() {
                            // SAFETY: an element in bounds.
                            *value = unsafe { read(address.wrapping_offset(i as isize * row_stride)) };
                        }
                    }
                    for i in 0..n_lines {
                        prefetch(address.wrapping_offset(last_ahead - i as isize * line_step));
                    }
                }
                let raw = &mut raw[..cols.len()];
                if matrix.byte_swapped {
                    raw.as_flattened_mut().iter_mut().for_each(|value| *value = value.swap_bytes());
                }
                transpose_tile(simd, widen_columns(raw, &mut wide), out, n_cols, first_col);
            }
        }
    }
}

/// The columns as `f64`, where they are if they are that already.
#[inline(always)]
fn widen_columns<'t, T: Raw>(columns: &'t [[T; TILE]], wide: &'t mut [[f64; TILE]; TILE]) -> &'t [[f64; TILE]] {
    if let Some(columns) = T::as_f64(columns) {
        return columns;
    }
    let wide = &mut wide[..columns.len()];
    // In one run, which is long enough to be vectorised.
    for (wide, &value) in wide.as_flattened_mut().iter_mut().zip(columns.as_flattened()) {
        *wide = value.widen();
    }
    wide
}

/// Writes some columns of `TILE` rows to their place, `first_col`, in those rows.
#[inline(always)]
fn transpose_tile<S: Simd>(simd: S, columns: &[[f64; TILE]], out: &mut [f64], n_cols: usize, first_col: usize) {
    let cols = first_col..first_col + columns.len();
    let (groups, rest) = columns.as_chunks::<BLOCK>();
    let mut below = out;
    for block in 0..TILE / BLOCK {
        let mut rows: [_; BLOCK] = array::from_fn(|_| {
            let (row, rows) = mem::take(&mut below).split_at_mut(n_cols);
            below = rows;
            row[cols.clone()].as_chunks_mut::<BLOCK>()
        });
        for (group, columns) in groups.iter().enumerate() {
            let columns = columns.each_ref().map(|column| column.as_chunks::<BLOCK>().0[block]);
            for ((row, _), values) in rows.iter_mut().zip(transpose(simd, columns)) {
                row[group] = values;
            }
        }
        for (i, (_, row)) in rows.iter_mut().enumerate() {
            for (value, column) in row.iter_mut().zip(rest) {
                *value = column[block * BLOCK + i];
            }
        }
    }
}

#[inline(always)]
fn transpose<S: Simd>(_simd: S, columns: [[f64; BLOCK]; BLOCK]) -> [[f64; BLOCK]; BLOCK] {
    // The compiler makes a load for each element of the plain form below; shuffles take less than half the time.
    #[cfg(target_arch = "x86_64")]
    if let Some(avx) = avx(_simd) {
        let [a, b, c, d]: [std::arch::x86_64::__m256d; BLOCK] = pulp::cast(columns);
        let (ab_even, ab_odd) = (avx._mm256_unpacklo_pd(a, b), avx._mm256_unpackhi_pd(a, b));
        let (cd_even, cd_odd) = (avx._mm256_unpacklo_pd(c, d), avx._mm256_unpackhi_pd(c, d));
        return pulp::cast([
            avx._mm256_permute2f128_pd::<0x20>(ab_even, cd_even),
            avx._mm256_permute2f128_pd::<0x20>(ab_odd, cd_odd),
            avx._mm256_permute2f128_pd::<0x31>(ab_even, cd_even),
            avx._mm256_permute2f128_pd::<0x31>(ab_odd, cd_odd),
        ]);
    }
    array::from_fn(|row| columns.map(|column| column[row]))
}

/// AVX, if `simd` has it; known when compiled.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn avx<S: Simd>(simd: S) -> Option<pulp::core_arch::x86::Avx> {
    use pulp::x86::{V3, V4};

    let simd: &dyn std::any::Any = &simd;
    let v4 = simd.downcast_ref::<V4>().map(|v4| v4.avx);
    v4.or_else(|| simd.downcast_ref::<V3>().map(|v3| v3.avx))
}

/// Asks for what will be read soon at an address, whether or not anything is there.
#[inline(always)]
fn prefetch(_address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        // SAFETY: a hint accesses nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(_address.cast()) };
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

/// Whatever the alignment.
///
/// # Safety
///
/// The address must be that of a value in bounds, one of which every bit pattern is valid.
#[inline(always)]
unsafe fn read<V>(address: *const u8) -> V {
    // SAFETY: as promised.
    unsafe { address.cast::<V>().read_unaligned() }
}

#[cfg(test)]
mod tests {
    use half::f16;

    use super::*;

    /// Packs by every SIMD that this machine has and by the scalar path.
    fn every_way<T: Raw>(matrix: &Matrix<'_>, rows: Range<usize>, mut check: impl FnMut(&str, &[f64])) {
        let mut out = vec![0.5; rows.len() * matrix.n_cols];
        pack(matrix, rows.clone(), &mut out);
        check("this machine's SIMD", &out);
        out.fill(0.5);
        Pack { matrix, rows: rows.clone(), out: &mut out, element: PhantomData::<T> }.with_simd(pulp::Scalar::new());
        check("scalar", &out);
        #[cfg(target_arch = "x86_64")]
        if let Some(v3) = pulp::x86::V3::try_new() {
            out.fill(0.5);
            Simd::vectorize(v3, Pack { matrix, rows, out: &mut out, element: PhantomData::<T> });
            check("AVX2", &out);
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
                    every_way::<T>(&matrix, BEFORE..BEFORE + n_rows, |way, out| {
                        for (i, &found) in out.iter().enumerate() {
                            let expected = expected(i / n_cols, i % n_cols);
                            let same = found.to_bits() == expected.to_bits() || found.is_nan() && expected.is_nan();
                            let strides = (row_stride, col_stride);
                            assert!(same, "{dtype:?}, {n_rows} × {n_cols}, {strides:?}, {way}: {found}, {expected}");
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
