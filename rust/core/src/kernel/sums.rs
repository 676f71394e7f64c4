//! Sums in lanes, which SIMD of any width adds in the same order.

/// Sums, one value of every eight in each.
#[derive(Clone, Copy, Default)]
pub(super) struct Lanes([f64; 8]);

/// Whether values are finite: 0 times what is not is NaN.
#[derive(Clone, Copy, Default)]
pub(super) struct AllFinite(Lanes);

impl Lanes {
    /// Adds `Σ f(x_i)`, these among themselves first.
    #[inline(always)]
    pub(super) fn add(&mut self, values: &[f64], f: impl Fn(f64) -> f64) {
        let sums = in_lanes([values], |sum, [value]| sum + f(value));
        self.0.iter_mut().zip(sums).for_each(|(lane, sum)| *lane += sum);
    }

    pub(super) fn total(self) -> f64 {
        self.0.iter().sum()
    }
}

impl AllFinite {
    #[inline(always)]
    pub(super) fn and(&mut self, values: &[f64]) {
        self.0.add(values, |value| 0.0 * value);
    }

    pub(super) fn holds(self) -> bool {
        self.0.total() == 0.0
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
