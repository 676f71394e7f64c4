//! `exp` and `log1p` on the ranges that the sigmoid needs, free of branches and tables: `exp` of one value, so that a loop is
//! compiled to whatever SIMD it is dispatched to, `log1p` of a register. Polynomials are the best of their degree (Remez).

use pulp::Simd;

/// `2^n` is formed `2^64` times too large, so that it is a normal number however small.
const RAISE: f64 = 64.0;
const LOWER: f64 = 1.0 / 18_446_744_073_709_551_616.0;
/// `1.5 · 2^52`: adding it rounds to an integer, which then stands in the low bits; here plus what an exponent has there.
const ROUND: f64 = 6_755_399_441_055_744.0 + 1023.0 + RAISE;
const LN_2_HIGH: f64 = 6.931_471_803_691_238e-1;
const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;

/// `exp(x)` for `x ≤ 0`, within 2 units in the last place; subnormal and zero where that is the value.
///
/// `x = n ln 2 + r` with `|r| ≤ ½ ln 2`, and `exp(r) = 1 + (r + r² P(r))`, `P` right to 4e-18 of `exp(r)`.
#[inline(always)]
pub(super) fn exp_of_negative<S: Simd>(x: f64) -> f64 {
    // Below −746 it is 0 all the same; NaN becomes −746 and is somebody else's to find.
    let x = if x > -746.0 { x } else { -746.0 };
    let rounded = mul_add::<S>(x, std::f64::consts::LOG2_E, ROUND);
    let n = rounded - ROUND;
    let r = mul_add::<S>(n, -LN_2_LOW, mul_add::<S>(n, -LN_2_HIGH, x));

    // Two sums of every second power, so that half as many terms wait for one another.
    let square = r * r;
    let mut odd = 2.500_006_057_119_299_7e-8;
    odd = mul_add::<S>(odd, square, 2.755_758_637_806_330_6e-6);
    odd = mul_add::<S>(odd, square, 1.984_126_950_657_235e-4);
    odd = mul_add::<S>(odd, square, 8.333_333_333_494_466e-3);
    odd = mul_add::<S>(odd, square, 1.666_666_666_666_641_3e-1);
    let mut even = 2.763_024_847_658_922e-7;
    even = mul_add::<S>(even, square, 2.480_149_309_863_221_7e-5);
    even = mul_add::<S>(even, square, 1.388_888_894_363_037_2e-3);
    even = mul_add::<S>(even, square, 4.166_666_666_653_015_5e-2);
    even = mul_add::<S>(even, square, 5.000_000_000_000_011e-1);
    let power_less_1 = mul_add::<S>(square, mul_add::<S>(odd, r, even), r);

    // Of as few operations and constants as there can be: what is under way fills the processor's registers.
    let scale = f64::from_bits(rounded.to_bits() << 52) * LOWER;
    mul_add::<S>(scale, power_less_1, scale)
}

/// `a b + c`, rounded once where the SIMD dispatched to does that at no cost.
#[inline(always)]
fn mul_add<S: Simd>(a: f64, b: f64, c: f64) -> f64 {
    if S::IS_SCALAR { a * b + c } else { a.mul_add(b, c) }
}

/// `log(1 + e)` and `1/(1 + e)` for `0 ≤ e ≤ 1`, within 2 units in the last place, for a single division.
///
/// With `s = e/(2+e)` it is `2 artanh(s) = e − (e²/2 − s (e²/2 + s² R(s²)))`, where what is rounded first is small beside
/// `e`; `R` is right to 2e-18 of the whole.
#[inline(always)]
pub(super) fn ln_1p_and_inverse<S: Simd>(simd: S, e: S::f64s) -> (S::f64s, S::f64s) {
    let (half, one, two) = (simd.splat_f64s(0.5), simd.splat_f64s(1.0), simd.splat_f64s(2.0));
    let (one_plus, two_plus) = (simd.add_f64s(one, e), simd.add_f64s(two, e));
    let inverse = simd.div_f64s(one, simd.mul_f64s(one_plus, two_plus));
    let s = simd.mul_f64s(e, simd.mul_f64s(one_plus, inverse));
    let z = simd.mul_f64s(s, s);
    let square = simd.mul_f64s(z, z);
    let odd = polynomial(
        simd,
        square,
        [
            1.700_975_680_745_874e-1,
            1.210_494_481_512_113_7e-1,
            1.538_654_839_105_828e-1,
            2.222_222_395_364_387e-1,
            4.000_000_000_015_511_7e-1,
        ],
    );
    let even = polynomial(
        simd,
        square,
        [
            8.344_971_655_136_364e-2,
            1.330_112_139_609_881_7e-1,
            1.818_174_447_915_992e-1,
            2.857_142_854_811_805e-1,
            6.666_666_666_666_631e-1,
        ],
    );
    let r = simd.mul_add_e_f64s(odd, z, even);
    let half_square = simd.mul_f64s(simd.mul_f64s(half, e), e);
    let rest = simd.sub_f64s(half_square, simd.mul_f64s(s, simd.mul_add_e_f64s(r, z, half_square)));
    (simd.sub_f64s(e, rest), simd.mul_f64s(two_plus, inverse))
}

/// The first coefficient is that of the highest power.
#[inline(always)]
fn polynomial<S: Simd, const N: usize>(simd: S, x: S::f64s, coefficients: [f64; N]) -> S::f64s {
    let mut sum = simd.splat_f64s(coefficients[0]);
    for &coefficient in &coefficients[1..] {
        sum = simd.mul_add_e_f64s(sum, x, simd.splat_f64s(coefficient));
    }
    sum
}

#[cfg(test)]
mod tests {
    use pulp::WithSimd;

    use super::*;
    use crate::simd_kind::SimdKind;

    /// The distance in units of the last place; neighbours are 1 apart, across the subnormals too.
    fn ulps(a: f64, b: f64) -> u64 {
        a.to_bits().abs_diff(b.to_bits())
    }

    fn scattered(count: u32) -> impl Iterator<Item = f64> {
        (1..=count).map(|i| (f64::from(i) * 0.618_033_988_749_894_9).fract())
    }

    /// Checks what is compiled for each kind of SIMD and for none against the standard library's functions, which are
    /// right to within 1 unit.
    fn check(check: impl WithSimd<Output = ()> + Copy) {
        SimdKind::all().into_iter().for_each(|simd| simd.run(check));
    }

    #[test]
    fn exp_is_within_two_units_over_the_whole_range() {
        #[derive(Clone, Copy)]
        struct Check;
        impl WithSimd for Check {
            type Output = ();
            #[inline(always)]
            fn with_simd<S: Simd>(self, _: S) {
                let exp = exp_of_negative::<S>;
                for t in scattered(400_000) {
                    for x in [-t, -40.0 * t, -746.5 * t, -1e-300 * t, -708.0 - 40.0 * t] {
                        assert!(ulps(exp(x), x.exp()) <= 2, "{x:e}: {:e}, {:e}", exp(x), x.exp());
                    }
                }
                for x in [-0.0, 0.0, -5e-324, -1e-17, -745.13, -745.14, -746.0, -1e6, -1e300, f64::NEG_INFINITY] {
                    assert!(ulps(exp(x), x.exp()) <= 1, "{x:e}");
                }
            }
        }
        check(Check);
    }

    #[test]
    fn ln_1p_and_inverse_are_within_two_units_over_the_whole_range() {
        #[derive(Clone, Copy)]
        struct Check;
        impl WithSimd for Check {
            type Output = ();
            #[inline(always)]
            fn with_simd<S: Simd>(self, simd: S) {
                let ln_1p = |e: f64| {
                    let (ln_1p, inverse) = ln_1p_and_inverse(simd, simd.splat_f64s(e));
                    let [ln_1p, inverse] = [ln_1p, inverse].map(|value| simd.reduce_max_f64s(value));
                    assert!(ulps(inverse, 1.0 / (1.0 + e)) <= 2, "1 / (1 + {e:e}): {inverse:e}");
                    ln_1p
                };
                for t in scattered(400_000) {
                    for e in [t, 1e-3 * t, 1e-9 * t, 1e-300 * t, t * f64::MIN_POSITIVE, 0.4 + 0.03 * t, 1.0 - 1e-9 * t]
                    {
                        assert!(ulps(ln_1p(e), e.ln_1p()) <= 2, "{e:e}: {:e}, {:e}", ln_1p(e), e.ln_1p());
                    }
                }
                for e in [0.0, 5e-324, f64::MIN_POSITIVE, 0.5, 1.0] {
                    assert!(ulps(ln_1p(e), e.ln_1p()) <= 1, "{e:e}");
                }
            }
        }
        check(Check);
    }
}
