//! `exp` and `log1p` on the ranges that the sigmoid needs, free of branches and tables, so that a loop over them is
//! compiled to whatever SIMD it is dispatched to. No fused multiply-add: the same digits on every processor.

/// `1.5 · 2^52`: adding it rounds to an integer, which then stands in the low bits.
const ROUND: f64 = 6_755_399_441_055_744.0;
const LN_2_HIGH: f64 = 6.931_471_803_691_238e-1;
const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;

/// `exp(x)` for `x ≤ 0`, within 2 units in the last place; subnormal and zero where that is the value.
///
/// `x = n ln 2 + r` with `|r| ≤ ½ ln 2`, and `exp(r)` by its series, whose first term left out is below 5e-18.
#[inline(always)]
pub(super) fn exp_of_negative(x: f64) -> f64 {
    // Below −746 it is 0 all the same; NaN becomes −746 and is somebody else's to find.
    let x = x.max(-746.0);
    let rounded = x * std::f64::consts::LOG2_E + ROUND;
    let n = rounded - ROUND;
    let r = (x - n * LN_2_HIGH) - n * LN_2_LOW;

    let mut series = 1.0 / 6_227_020_800.0;
    series = series * r + 1.0 / 479_001_600.0;
    series = series * r + 1.0 / 39_916_800.0;
    series = series * r + 1.0 / 3_628_800.0;
    series = series * r + 1.0 / 362_880.0;
    series = series * r + 1.0 / 40_320.0;
    series = series * r + 1.0 / 5_040.0;
    series = series * r + 1.0 / 720.0;
    series = series * r + 1.0 / 120.0;
    series = series * r + 1.0 / 24.0;
    series = series * r + 1.0 / 6.0;
    series = series * r + 0.5;
    let power = 1.0 + (r + r * r * series);

    // 2^n in two factors, since n reaches below the smallest exponent; a bias keeps the halving unsigned.
    let n = rounded.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(2048);
    let half = n >> 1;
    let two_to = |exponent_plus_1024: u64| f64::from_bits(exponent_plus_1024.wrapping_sub(1) << 52);
    power * two_to(half) * two_to(n - half)
}

/// `log(1 + e)` for `0 ≤ e ≤ 1`, within 2 units in the last place.
///
/// With `1 + e = 2^k (1 + f)` and `f` between `√½ − 1` and `√2 − 1`, `s = f/(2+f)`:
/// `log(1+f) = f − (f²/2 − s (f²/2 + R(s²)))`, `R` the polynomial of FreeBSD's `e_log.c` (FDLIBM).
#[inline(always)]
pub(super) fn ln_1p_of_unit(e: f64) -> f64 {
    let halve = e > std::f64::consts::SQRT_2 - 1.0;
    let (f, k) = if halve { ((e - 1.0) * 0.5, 1.0) } else { (e, 0.0) };
    let s = f / (2.0 + f);
    let z = s * s;
    let mut r = 1.479_819_860_511_658_6e-1;
    r = r * z + 1.531_383_769_920_937_3e-1;
    r = r * z + 1.818_357_216_161_805e-1;
    r = r * z + 2.222_219_843_214_978_4e-1;
    r = r * z + 2.857_142_874_366_239e-1;
    r = r * z + 3.999_999_999_940_942e-1;
    r = r * z + 6.666_666_666_666_735e-1;
    r *= z;
    let half_square = 0.5 * f * f;
    k * LN_2_HIGH - ((half_square - (s * (half_square + r) + k * LN_2_LOW)) - f)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The distance in units of the last place; neighbours are 1 apart, across the subnormals too.
    fn ulps(a: f64, b: f64) -> u64 {
        a.to_bits().abs_diff(b.to_bits())
    }

    fn scattered(count: u32) -> impl Iterator<Item = f64> {
        (1..=count).map(|i| (f64::from(i) * 0.618_033_988_749_894_9).fract())
    }

    // The standard library's own functions are right to within 1 unit.
    #[test]
    fn exp_is_within_two_units_over_the_whole_range() {
        for t in scattered(400_000) {
            for x in [-t, -40.0 * t, -746.5 * t, -1e-300 * t, -708.0 - 40.0 * t] {
                assert!(ulps(exp_of_negative(x), x.exp()) <= 2, "{x:e}: {:e}, {:e}", exp_of_negative(x), x.exp());
            }
        }
        for x in [-0.0, 0.0, -5e-324, -1e-17, -745.13, -745.14, -746.0, -1e6, -1e300, f64::NEG_INFINITY] {
            assert!(ulps(exp_of_negative(x), x.exp()) <= 1, "{x:e}");
        }
    }

    #[test]
    fn ln_1p_is_within_two_units_over_the_whole_range() {
        for t in scattered(400_000) {
            for e in [t, 1e-3 * t, 1e-9 * t, 1e-300 * t, t * f64::MIN_POSITIVE, 0.4 + 0.03 * t, 1.0 - 1e-9 * t] {
                assert!(ulps(ln_1p_of_unit(e), e.ln_1p()) <= 2, "{e:e}: {:e}, {:e}", ln_1p_of_unit(e), e.ln_1p());
            }
        }
        for e in [0.0, 5e-324, f64::MIN_POSITIVE, 0.5, 1.0] {
            assert!(ulps(ln_1p_of_unit(e), e.ln_1p()) <= 1, "{e:e}");
        }
    }
}
