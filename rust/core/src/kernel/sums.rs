//! Sums over rows.

use pulp::Simd;

use crate::matrix::GROUP;

/// So many rows of a strip are summed at a time, so that strips of whole segments have the same sums however long they are.
pub(super) const SEGMENT_ROWS: usize = 128;

/// Sums in the lanes of a register.
#[derive(Clone, Copy, Default)]
pub(super) struct Lanes([f64; GROUP]);

/// Whether values are finite: 0 times what is not is NaN.
#[derive(Clone, Copy, Default)]
pub(super) struct AllFinite(Lanes);

impl Lanes {
    #[inline(always)]
    pub(super) fn register<S: Simd>(&self) -> S::f64s {
        S::as_simd_f64s(&self.0).0[0]
    }

    #[inline(always)]
    pub(super) fn set<S: Simd>(&mut self, sums: S::f64s) {
        S::as_mut_simd_f64s(&mut self.0).0[0] = sums;
    }

    pub(super) fn total(self) -> f64 {
        self.0.iter().sum()
    }
}

impl AllFinite {
    #[inline(always)]
    pub(super) fn and<S: Simd>(&mut self, simd: S, values: &[f64]) {
        let (registers, tail) = S::as_simd_f64s(values);
        let mut sums = self.register::<S>();
        for &values in registers {
            sums = Self::and_register(simd, sums, values);
        }
        sums = Self::and_register(simd, sums, simd.partial_load_f64s(tail));
        self.set::<S>(sums);
    }

    #[inline(always)]
    pub(super) fn register<S: Simd>(&self) -> S::f64s {
        self.0.register::<S>()
    }

    #[inline(always)]
    pub(super) fn and_register<S: Simd>(simd: S, sums: S::f64s, values: S::f64s) -> S::f64s {
        simd.mul_add_e_f64s(simd.splat_f64s(0.0), values, sums)
    }

    #[inline(always)]
    pub(super) fn set<S: Simd>(&mut self, sums: S::f64s) {
        self.0.set::<S>(sums);
    }

    pub(super) fn holds(self) -> bool {
        self.0.total() == 0.0
    }
}

/// `Σ log(1 + e_i)` for `0 ≤ e_i ≤ 1`: logarithms of products, one of each lane, as one logarithm takes as long as many
/// multiplications.
pub(super) struct Logarithms {
    high: [f64; GROUP],
    low: [f64; GROUP],
    /// Of each product.
    n_factors: usize,
    sums: Lanes,
}

impl Default for Logarithms {
    fn default() -> Self {
        Self { high: [1.0; GROUP], low: [0.0; GROUP], n_factors: 0, sums: Lanes::default() }
    }
}

/// `Π (1 + e_i)` in each lane.
///
/// A product is kept in two numbers, unevaluated, with about twice the digits of one: of a tiny `e` it has as many as
/// `log1p` has. (A product and what rounding leaves of it, by a fused multiplication: Ogita, Rump & Oishi, *Accurate sum and
/// dot product*, SIAM J. Sci. Comput. 26, 2005.)
pub(super) struct Products<S: Simd> {
    high: S::f64s,
    low: S::f64s,
}

impl<S: Simd> Products<S> {
    #[inline(always)]
    pub(super) fn times_one_plus(&mut self, simd: S, e: S::f64s) {
        let unit = simd.splat_f64s(1.0);
        let one = simd.add_f64s(unit, e);
        let rest = simd.sub_f64s(e, simd.sub_f64s(one, unit));
        let product = simd.mul_f64s(self.high, one);
        let error = simd.mul_add_f64s(self.high, one, simd.neg_f64s(product));
        self.low = simd.mul_add_f64s(self.low, one, simd.mul_add_f64s(self.high, rest, error));
        self.high = product;
    }
}

impl Logarithms {
    /// Factors are at most 2, so that a product of so many is a number.
    const MOST_FACTORS: usize = 1000;

    /// They pay where a multiplication and an addition are one instruction, rounded once.
    pub(super) fn are_for<S: Simd>() -> bool {
        !S::IS_SCALAR
    }

    #[inline(always)]
    pub(super) fn products<S: Simd>(&self) -> Products<S> {
        Products { high: S::as_simd_f64s(&self.high).0[0], low: S::as_simd_f64s(&self.low).0[0] }
    }

    #[inline(always)]
    pub(super) fn set_products<S: Simd>(&mut self, products: &Products<S>) {
        S::as_mut_simd_f64s(&mut self.high).0[0] = products.high;
        S::as_mut_simd_f64s(&mut self.low).0[0] = products.low;
    }

    /// So that products bear so many more factors, at most [`Self::MOST_FACTORS`]. Asked for as many rows each time, strips of whole
    /// multiples of these have the same sums however long they are.
    #[inline(always)]
    pub(super) fn make_room<S: Simd>(&mut self, products: &mut Products<S>, n_factors: usize) {
        if self.n_factors + n_factors > Self::MOST_FACTORS {
            self.set_products(products);
            self.take_logarithms();
            *products = self.products();
        }
        self.n_factors += n_factors;
    }

    fn take_logarithms(&mut self) {
        if self.n_factors == 0 {
            return;
        }
        for ((sum, high), low) in self.sums.0.iter_mut().zip(self.high).zip(self.low) {
            *sum += if high < 2.0 { ((high - 1.0) + low).ln_1p() } else { high.ln() + low / high };
        }
        *self = Self { sums: self.sums, ..Self::default() };
    }

    pub(super) fn total(mut self) -> f64 {
        self.take_logarithms();
        self.sums.total()
    }
}

/// `Σ f(x_i)`.
#[inline(always)]
pub(crate) fn sum(values: &[f64], f: impl Fn(f64) -> f64) -> f64 {
    in_lanes([values], |sum, [value]| sum + f(value)).iter().sum()
}

/// `Σ s_i f(x_i)`.
#[inline(always)]
pub(crate) fn weighted_sum(values: &[f64], weights: &[f64], f: impl Fn(f64) -> f64) -> f64 {
    in_lanes([values, weights], |sum, [value, weight]| sum + weight * f(value)).iter().sum()
}

/// The largest of some numbers and 0.
#[inline(always)]
pub(crate) fn largest(values: &[f64]) -> f64 {
    in_lanes([values], |largest, [value]| if value > largest { value } else { largest }).into_iter().fold(0.0, f64::max)
}

/// Folds slices of one length from 0 on.
#[inline(always)]
fn in_lanes<const N: usize>(slices: [&[f64]; N], f: impl Fn(f64, [f64; N]) -> f64) -> [f64; 8] {
    let mut lanes = [0.0; 8];
    let parts = slices.map(|slice| slice.as_chunks::<8>());
    let n_blocks = parts[0].0.len();
    let blocks = parts.map(|(blocks, _)| &blocks[..n_blocks]);
    for i in 0..n_blocks {
        for (lane, result) in lanes.iter_mut().enumerate() {
            *result = f(*result, blocks.map(|blocks| blocks[i][lane]));
        }
    }
    for (lane, result) in lanes.iter_mut().enumerate().take(parts[0].1.len()) {
        *result = f(*result, parts.map(|(_, tail)| tail[lane]));
    }
    lanes
}

#[cfg(test)]
mod tests {
    use pulp::WithSimd;

    use super::*;
    use crate::simd_kind::SimdKind;

    /// `Σ log(1 + e_i)`, of strips of so many.
    struct SumOfLogarithms<'a> {
        e: &'a [f64],
        strip: usize,
    }

    impl WithSimd for SumOfLogarithms<'_> {
        type Output = f64;

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> f64 {
            let mut logarithms = Logarithms::default();
            for strip in self.e.chunks(self.strip) {
                let mut products = logarithms.products::<S>();
                for e in strip.chunks(64) {
                    logarithms.make_room(&mut products, e.len().div_ceil(S::F64_LANES));
                    let (e, tail) = S::as_simd_f64s(e);
                    e.iter().for_each(|&e| products.times_one_plus(simd, e));
                    products.times_one_plus(simd, simd.partial_load_f64s(tail));
                }
                logarithms.set_products(&products);
            }
            logarithms.total()
        }
    }

    /// In halves of halves, so that rounding counts for little.
    fn sum_of_logarithms(e: &[f64]) -> f64 {
        if let &[] | &[_] = e {
            return e.iter().map(|e| e.ln_1p()).sum();
        }
        let (left, right) = e.split_at(e.len() / 2);
        sum_of_logarithms(left) + sum_of_logarithms(right)
    }

    #[test]
    fn logarithms_of_products_have_all_digits_however_many_or_small() {
        let scattered = |i: usize| (i as f64 * 0.618_033_988_749_894_9).fract();
        let all_ones = |_: usize| 1.0;
        let of_any_size = |i: usize| scattered(i).powi(1 + i as i32 % 300);
        let cases: [(&str, &dyn Fn(usize) -> f64); 7] = [
            ("up to 1", &scattered),
            ("ones", &all_ones),
            ("of any size", &of_any_size),
            ("1e-8", &|i| 1e-8 * scattered(i)),
            ("1e-20", &|i| 1e-20 * scattered(i)),
            ("subnormal", &|i| 1e-310 * scattered(i)),
            ("zeros", &|_| 0.0),
        ];
        for (what, e) in cases {
            for n in (0..=17).chain([100, 7_999, 8_000, 8_001, 30_000]) {
                let e: Vec<_> = (0..n).map(e).collect();
                let expected = sum_of_logarithms(&e);
                for simd in SimdKind::all() {
                    let found = simd.run(SumOfLogarithms { e: &e, strip: 64 });
                    let error = (found - expected).abs();
                    assert!(error <= 1e-15 * expected, "{n} {what}, {simd:?}: {found} for {expected}");
                    for strip in [128, 512, 10_048] {
                        let same = simd.run(SumOfLogarithms { e: &e, strip });
                        assert_eq!(found.to_bits(), same.to_bits(), "{n} {what}, {simd:?}, strips of {strip}");
                    }
                }
            }
        }
    }
}
