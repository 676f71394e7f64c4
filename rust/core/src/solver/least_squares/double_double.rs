//! Numbers of twice the working precision: an unevaluated sum of two `f64`, some 32 decimal digits.

use std::ops::{Add, AddAssign, Mul, Neg, Sub};

/// `hi + lo` with `|lo| ≤ ulp(hi) / 2`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct DoubleDouble {
    pub(super) hi: f64,
    pub(super) lo: f64,
}

/// The rounded sum and its rounding error, exactly (Knuth, The Art of Computer Programming, vol. 2, 4.2.2).
#[inline(always)]
pub(super) fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let b_part = sum - a;
    (sum, (a - (sum - b_part)) + (b - b_part))
}

/// As [`two_sum`], where `|a| ≥ |b|` (Dekker 1971).
#[inline(always)]
pub(super) fn quick_two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    (sum, b - (sum - a))
}

/// The rounded product and its rounding error, exactly but for underflow.
#[inline(always)]
pub(super) fn two_product(a: f64, b: f64) -> (f64, f64) {
    let product = a * b;
    (product, a.mul_add(b, -product))
}

impl DoubleDouble {
    pub(super) fn rounded(self) -> f64 {
        self.hi + self.lo
    }
}

impl From<f64> for DoubleDouble {
    fn from(value: f64) -> Self {
        Self { hi: value, lo: 0.0 }
    }
}

impl Add for DoubleDouble {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let (sum, error) = two_sum(self.hi, other.hi);
        let (low, low_error) = two_sum(self.lo, other.lo);
        let (sum, error) = quick_two_sum(sum, error + low);
        let (hi, lo) = quick_two_sum(sum, error + low_error);
        Self { hi, lo }
    }
}

impl AddAssign for DoubleDouble {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Neg for DoubleDouble {
    type Output = Self;

    fn neg(self) -> Self {
        Self { hi: -self.hi, lo: -self.lo }
    }
}

impl Sub for DoubleDouble {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl Mul<f64> for DoubleDouble {
    type Output = Self;

    fn mul(self, factor: f64) -> Self {
        let (product, error) = two_product(self.hi, factor);
        let (hi, lo) = quick_two_sum(product, self.lo.mul_add(factor, error));
        Self { hi, lo }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_and_products_keep_what_f64_loses() {
        let tiny = 2f64.powi(-80);
        let sum = DoubleDouble::from(1.0) + tiny.into();
        assert_eq!((sum.hi, sum.lo), (1.0, tiny));
        assert_eq!((sum - 1.0.into()).rounded(), tiny);
        // (1 + 2⁻⁸⁰) · (1 + 2⁻³⁰) = 1 + 2⁻³⁰ + 2⁻⁸⁰ + …
        let product = sum * (1.0 + 2f64.powi(-30));
        assert_eq!((product - (1.0 + 2f64.powi(-30)).into()).rounded(), tiny + 2f64.powi(-110));
        let third = 1.0 / 3.0;
        let (product, error) = two_product(third, 3.0);
        assert_eq!((product, error), (1.0, -2f64.powi(-54)));
    }
}
