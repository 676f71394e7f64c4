//! Small blocks of columns, which registers hold, as rows.

use std::array;

use pulp::Simd;

use super::element::Raw;

/// Columns are transposed by blocks of so many rows and columns; what is left of them by smaller ones.
pub(super) const BLOCK: usize = 8;
pub(super) const SMALL_BLOCK: usize = 4;

/// The columns as `f64`, where they are if they are that already.
#[inline(always)]
pub(super) fn widen_columns<'t, T: Raw, const ROWS: usize, const COLS: usize>(
    columns: &'t [[T; ROWS]; COLS],
    wide: &'t mut [[f64; ROWS]; COLS],
) -> &'t [[f64; ROWS]; COLS] {
    if let Some(columns) = T::as_f64(columns) {
        return columns;
    }
    // In one run, which is long enough to be vectorised.
    for (wide, &value) in wide.as_flattened_mut().iter_mut().zip(columns.as_flattened()) {
        *wide = value.widen();
    }
    wide
}

/// The compiler makes a load for each element of the plain form; shuffles take less than half the time.
#[inline(always)]
pub(super) fn transpose_block<S: Simd, const ROWS: usize, const COLS: usize>(
    _simd: S,
    columns: &[[f64; ROWS]; COLS],
) -> [[f64; COLS]; ROWS] {
    #[cfg(target_arch = "x86_64")]
    if ROWS.is_multiple_of(SMALL_BLOCK) && COLS.is_multiple_of(SMALL_BLOCK) {
        use std::any::Any;

        use pulp::bytemuck::cast;
        use pulp::x86::{V3, V4};

        let (simd, columns_any): (&dyn Any, &dyn Any) = (&_simd, columns);
        let v4 = simd.downcast_ref::<V4>();
        if let Some(v4) = v4
            && let Some(columns) = columns_any.downcast_ref::<[[f64; 8]; 8]>()
        {
            let rows: [[f64; 8]; 8] = pulp::cast(x86::transpose_8(*v4, pulp::cast(*columns)));
            return *(&rows as &dyn Any).downcast_ref().expect("eight by eight");
        }
        let avx = v4.map(|v4| v4.avx).or_else(|| simd.downcast_ref::<V3>().map(|v3| v3.avx));
        if let Some(avx) = avx {
            let mut rows = [[0.0; COLS]; ROWS];
            for i in (0..ROWS).step_by(SMALL_BLOCK) {
                for j in (0..COLS).step_by(SMALL_BLOCK) {
                    let block: [[f64; 4]; 4] = array::from_fn(|k| *columns[j + k][i..].first_chunk().expect("four"));
                    let block: [[f64; 4]; 4] = cast(x86::transpose_4(avx, cast(block)));
                    for (row, values) in rows[i..].iter_mut().zip(&block) {
                        row[j..j + SMALL_BLOCK].copy_from_slice(values);
                    }
                }
            }
            return rows;
        }
    }
    array::from_fn(|row| array::from_fn(|column| columns[column][row]))
}

/// A register of each column, from as many rows as it has lanes.
#[inline(always)]
pub(super) fn columns_of_rows<S: Simd, T: Raw, const N: usize>(simd: S, rows: &[[T; N]]) -> [S::f64s; N] {
    #[cfg(target_arch = "x86_64")]
    {
        use std::any::Any;

        use pulp::bytemuck::cast;
        use pulp::x86::{V3, V4};

        let any: &dyn Any = &simd;
        if let (Some(v3), Some(rows)) = (any.downcast_ref::<V3>(), rows.as_array::<4>()) {
            return x86::columns_of_4(v3.avx, rows).map(|column| cast(pulp::cast::<_, pulp::f64x4>(column)));
        }
        if let (Some(v4), Some(rows)) = (any.downcast_ref::<V4>(), rows.as_array::<8>()) {
            return x86::columns_of_8(*v4, rows).map(|column| cast(pulp::cast::<_, pulp::f64x8>(column)));
        }
    }
    let _ = simd;
    array::from_fn(|j| {
        let mut column = [0.0; BLOCK];
        for (value, row) in column.iter_mut().zip(rows) {
            *value = row[j].widen();
        }
        S::as_simd_f64s(&column).0[0]
    })
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{__m128d, __m256d, __m512d};

    use pulp::bytemuck::cast;
    use pulp::core_arch::x86::Avx;
    use pulp::x86::V4;

    use super::Raw;

    /// Pairs of neighbouring columns, whose halves come from memory: so only one shuffle a column is needed.
    #[inline(always)]
    pub(super) fn columns_of_4<T: Raw, const N: usize>(avx: Avx, rows: &[[T; N]; 4]) -> [__m256d; N] {
        const { assert!(N >= 2) }
        let [a, b, c, d] = rows;
        let mut columns = [avx._mm256_setzero_pd(); N];
        // Of an odd number the last is paired with the one before once more.
        for j in (0..N).step_by(2).map(|j| j.min(N - 2)) {
            let (even, odd) = (two_rows(avx, [a, c], j), two_rows(avx, [b, d], j));
            columns[j] = avx._mm256_unpacklo_pd(even, odd);
            columns[j + 1] = avx._mm256_unpackhi_pd(even, odd);
        }
        columns
    }

    /// Two neighbours of each of two rows.
    #[inline(always)]
    fn two_rows<T: Raw, const N: usize>(avx: Avx, rows: [&[T; N]; 2], j: usize) -> __m256d {
        let [a, b]: [__m128d; 2] = rows.map(|row| cast([row[j].widen(), row[j + 1].widen()]));
        avx._mm256_insertf128_pd::<1>(avx._mm256_castpd128_pd256(a), b)
    }

    // No closure, as in four_rows.
    #[inline(always)]
    pub(super) fn columns_of_8<T: Raw, const N: usize>(simd: V4, rows: &[[T; N]; 8]) -> [__m512d; N] {
        let x = simd.avx512f;
        let low = columns_of_4(simd.avx, rows.first_chunk().expect("four of eight"));
        let high = columns_of_4(simd.avx, rows.last_chunk().expect("four of eight"));
        let mut columns = [x._mm512_setzero_pd(); N];
        for j in 0..N {
            columns[j] = x._mm512_insertf64x4::<1>(x._mm512_castpd256_pd512(low[j]), high[j]);
        }
        columns
    }

    #[inline(always)]
    pub(super) fn transpose_4(avx: Avx, [a, b, c, d]: [__m256d; 4]) -> [__m256d; 4] {
        let (ab_even, ab_odd) = (avx._mm256_unpacklo_pd(a, b), avx._mm256_unpackhi_pd(a, b));
        let (cd_even, cd_odd) = (avx._mm256_unpacklo_pd(c, d), avx._mm256_unpackhi_pd(c, d));
        [
            avx._mm256_permute2f128_pd::<0x20>(ab_even, cd_even),
            avx._mm256_permute2f128_pd::<0x20>(ab_odd, cd_odd),
            avx._mm256_permute2f128_pd::<0x31>(ab_even, cd_even),
            avx._mm256_permute2f128_pd::<0x31>(ab_odd, cd_odd),
        ]
    }

    /// Pairs of columns by rows 0, 2, 4, 6 and by rows 1, 3, 5, 7; of these the halves; and of these the halves.
    #[inline(always)]
    pub(super) fn transpose_8(simd: V4, [a, b, c, d, e, f, g, h]: [__m512d; 8]) -> [__m512d; 8] {
        let x = simd.avx512f;
        let even = [
            x._mm512_unpacklo_pd(a, b),
            x._mm512_unpacklo_pd(c, d),
            x._mm512_unpacklo_pd(e, f),
            x._mm512_unpacklo_pd(g, h),
        ];
        let odd = [
            x._mm512_unpackhi_pd(a, b),
            x._mm512_unpackhi_pd(c, d),
            x._mm512_unpackhi_pd(e, f),
            x._mm512_unpackhi_pd(g, h),
        ];
        let ([r0, r2, r4, r6], [r1, r3, r5, r7]) = (four_rows(simd, even), four_rows(simd, odd));
        [r0, r1, r2, r3, r4, r5, r6, r7]
    }

    // No closure: the compiler may leave one out of line, where there is no AVX-512.
    #[inline(always)]
    fn four_rows(simd: V4, [ab, cd, ef, gh]: [__m512d; 4]) -> [__m512d; 4] {
        let x = simd.avx512f;
        let left_low = x._mm512_shuffle_f64x2::<0x88>(ab, cd);
        let left_high = x._mm512_shuffle_f64x2::<0xDD>(ab, cd);
        let right_low = x._mm512_shuffle_f64x2::<0x88>(ef, gh);
        let right_high = x._mm512_shuffle_f64x2::<0xDD>(ef, gh);
        [
            x._mm512_shuffle_f64x2::<0x88>(left_low, right_low),
            x._mm512_shuffle_f64x2::<0x88>(left_high, right_high),
            x._mm512_shuffle_f64x2::<0xDD>(left_low, right_low),
            x._mm512_shuffle_f64x2::<0xDD>(left_high, right_high),
        ]
    }
}
