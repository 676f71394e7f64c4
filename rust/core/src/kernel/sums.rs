//! Sums in lanes, which SIMD of any width adds in the same order.

use pulp::Simd;

/// So many rows of a strip are summed at a time, so that strips of whole segments have the same sums however long they are.
pub(super) const SEGMENT_ROWS: usize = 128;

/// Sums, one value of every eight in each.
#[derive(Clone, Copy, Default)]
pub(super) struct Lanes([f64; 8]);

/// Whether values are finite: 0 times what is not is NaN.
#[derive(Clone, Copy, Default)]
pub(super) struct AllFinite(Lanes);

impl Lanes {
    /// Adds `Σ f(x_i)`, those of a segment among themselves first; `f(0)` is 0. In registers by name: of plain loops the
    /// compiler made twice as many instructions, most of them shuffles.
    #[inline(always)]
    pub(super) fn add<S: Simd>(&mut self, simd: S, values: &[f64], f: impl Fn(S, S::f64s) -> S::f64s) {
        for segment in values.chunks(SEGMENT_ROWS) {
            let mut sums = Self::default();
            let (blocks, tail) = segment.as_chunks();
            for block in blocks {
                sums.add_block(simd, block, &f);
            }
            if !tail.is_empty() {
                let mut last = [0.0; 8];
                last[..tail.len()].copy_from_slice(tail);
                sums.add_block(simd, &last, &f);
            }
            self.add_block(simd, &sums.0, |_, sums| sums);
        }
    }

    #[inline(always)]
    fn add_block<S: Simd>(&mut self, simd: S, block: &[f64; 8], f: impl Fn(S, S::f64s) -> S::f64s) {
        for (sum, &values) in S::as_mut_simd_f64s(&mut self.0).0.iter_mut().zip(S::as_simd_f64s(block).0) {
            *sum = simd.add_f64s(*sum, f(simd, values));
        }
    }

    pub(super) fn total(self) -> f64 {
        self.0.iter().sum()
    }
}

impl AllFinite {
    #[inline(always)]
    pub(super) fn and<S: Simd>(&mut self, simd: S, values: &[f64]) {
        self.0.add(simd, values, |simd, values| simd.mul_f64s(simd.splat_f64s(0.0), values));
    }

    pub(super) fn holds(self) -> bool {
        self.0.total() == 0.0
    }
}

/// `Σ log(1 + e_i)` for `0 ≤ e_i ≤ 1`: logarithms of products, as one logarithm takes as long as many
/// multiplications.
///
/// A product is kept in two numbers, unevaluated, with about twice the digits of one: of a tiny `e` it has as many as
/// `log1p` has. (A product and what rounding leaves of it, by a fused multiplication: Ogita, Rump & Oishi, *Accurate sum and
/// dot product*, SIAM J. Sci. Comput. 26, 2005.)
pub(super) struct Logarithms {
    high: [f64; 8],
    low: [f64; 8],
    /// Of each product.
    n_factors: usize,
    sums: Lanes,
}

impl Default for Logarithms {
    fn default() -> Self {
        Self { high: [1.0; 8], low: [0.0; 8], n_factors: 0, sums: Lanes::default() }
    }
}

impl Logarithms {
    /// Factors are at most 2, so that a product of so many is a number.
    const MOST_FACTORS: usize = 1000;

    /// They pay where a multiplication and an addition are one instruction, rounded once.
    pub(super) fn are_for<S: Simd>() -> bool {
        !S::IS_SCALAR
    }

    /// Strips of whole groups of eight give the same bits however long they are.
    #[inline(always)]
    pub(super) fn add(&mut self, e: &[f64]) {
        let (blocks, tail) = e.as_chunks::<8>();
        self.add_blocks(blocks);
        if !tail.is_empty() {
            let mut last = [0.0; 8];
            last[..tail.len()].copy_from_slice(tail);
            self.add_blocks(&[last]);
        }
    }

    #[inline(always)]
    fn add_blocks(&mut self, mut blocks: &[[f64; 8]]) {
        while !blocks.is_empty() {
            if self.n_factors == Self::MOST_FACTORS {
                self.take_logarithms();
            }
            let some;
            (some, blocks) = blocks.split_at(blocks.len().min(Self::MOST_FACTORS - self.n_factors));
            self.n_factors += some.len();
            let (mut high, mut low) = (self.high, self.low);
            for e in some {
                for lane in 0..8 {
                    (high[lane], low[lane]) = times_one_plus(high[lane], low[lane], e[lane]);
                }
            }
            (self.high, self.low) = (high, low);
        }
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

/// `(high + low) (1 + e)`.
#[inline(always)]
fn times_one_plus(high: f64, low: f64, e: f64) -> (f64, f64) {
    let one = 1.0 + e;
    let rest = e - (one - 1.0);
    let product = high * one;
    let error = high.mul_add(one, -product);
    (product, low.mul_add(one, high.mul_add(rest, error)))
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
        fn with_simd<S: Simd>(self, _: S) -> f64 {
            let mut logarithms = Logarithms::default();
            self.e.chunks(self.strip).for_each(|e| logarithms.add(e));
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
                let found = SimdKind::Best.run(SumOfLogarithms { e: &e, strip: 64 });
                let error = (found - expected).abs();
                assert!(error <= 1e-15 * expected, "{n} {what}: {found} for {expected}");
                for simd in SimdKind::all() {
                    for strip in [64, 128, 512, 10_000] {
                        let same = simd.run(SumOfLogarithms { e: &e, strip });
                        assert_eq!(found.to_bits(), same.to_bits(), "{n} {what}, {simd:?}, strips of {strip}");
                    }
                }
            }
        }
    }
}
