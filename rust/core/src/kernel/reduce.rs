//! The sums of the lanes of several registers at once, which takes a third of the instructions that one at a time does.

use pulp::Simd;
use pulp::bytemuck::cast;

use crate::matrix::GROUP;

/// The sum of the lanes of each register.
#[inline(always)]
pub(super) fn sum_each<S: Simd>(simd: S, registers: [S::f64s; GROUP]) -> [f64; GROUP] {
    #[cfg(target_arch = "x86_64")]
    {
        let any: &dyn std::any::Any = &simd;
        if let Some(v4) = any.downcast_ref::<pulp::x86::V4>() {
            let registers: [pulp::f64x8; GROUP] = cast(registers);
            return pulp::cast(x86::sum_each_512(*v4, pulp::cast(registers)));
        }
        if let Some(v3) = any.downcast_ref::<pulp::x86::V3>() {
            let [left, right]: [[pulp::f64x4; 4]; 2] = cast(registers);
            let (left, right) = (x86::sum_each_256(*v3, pulp::cast(left)), x86::sum_each_256(*v3, pulp::cast(right)));
            return pulp::cast([left, right]);
        }
    }
    registers.map(|register| simd.reduce_sum_f64s(register))
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{__m256d, __m512d};

    use pulp::x86::{V3, V4};

    /// Neighbouring lanes are added, of two registers side by side; then neighbouring pairs, then quarters.
    #[inline(always)]
    pub(super) fn sum_each_512(simd: V4, [a, b, c, d, e, f, g, h]: [__m512d; 8]) -> __m512d {
        let left = add_quarters(simd, add_pairs(simd, a, b), add_pairs(simd, c, d));
        let right = add_quarters(simd, add_pairs(simd, e, f), add_pairs(simd, g, h));
        add_quarters(simd, left, right)
    }

    // No closures: the compiler may leave one out of line, where there is no AVX-512.
    #[inline(always)]
    fn add_pairs(simd: V4, a: __m512d, b: __m512d) -> __m512d {
        let x = simd.avx512f;
        x._mm512_add_pd(x._mm512_unpacklo_pd(a, b), x._mm512_unpackhi_pd(a, b))
    }

    #[inline(always)]
    fn add_quarters(simd: V4, a: __m512d, b: __m512d) -> __m512d {
        let x = simd.avx512f;
        x._mm512_add_pd(x._mm512_shuffle_f64x2::<0x88>(a, b), x._mm512_shuffle_f64x2::<0xDD>(a, b))
    }

    #[inline(always)]
    pub(super) fn sum_each_256(simd: V3, [a, b, c, d]: [__m256d; 4]) -> __m256d {
        let avx = simd.avx;
        let (ab, cd) = (avx._mm256_hadd_pd(a, b), avx._mm256_hadd_pd(c, d));
        avx._mm256_add_pd(avx._mm256_permute2f128_pd::<0x21>(ab, cd), avx._mm256_blend_pd::<0b1100>(ab, cd))
    }
}
