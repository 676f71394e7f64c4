//! A change of variables in which every column is near 0 and of size about 1: `x̃ = (x − c) / s`.
//!
//! With `w̃ = s w` and `b̃ = b + c·w` the linear predictor is the same, `x̃·w̃ + b̃ = x·w + b`, so nothing of the data has
//! to be changed; but products of columns no longer overflow, and lose few digits where a mean is far from 0.

use ndarray::Array2;

use crate::kernel::Scaling;
use crate::matrix::Matrix;
use crate::model::Parameters;
use crate::objective::Hessian;

#[derive(Clone, Debug)]
pub(crate) struct Frame {
    centre: Vec<f64>,
    scale: Vec<f64>,
    inverse_scale: Vec<f64>,
}

impl Frame {
    /// From some of the rows of `x`. They need not be all: a centre within a few standard deviations of the mean does.
    /// `centred` is false where the bias is fixed.
    pub(crate) fn of(x: &Matrix<'_>, some_rows: &[usize], centred: bool) -> Self {
        let n_cols = x.n_cols();
        let mut buffer = Vec::new();
        let mut for_each_sampled = |visit: &mut dyn FnMut(&[f64])| {
            for &row in some_rows {
                visit(x.panel(row..row + 1, &mut buffer).row(0));
            }
        };
        let mut centre = vec![0.0; n_cols];
        if centred {
            // By the distances from one of the rows, so that of equal values the mean is one of them: what a rounded mean
            // leaves of them may look like a deviation.
            let mut one = Vec::new();
            let share = 1.0 / some_rows.len() as f64;
            for_each_sampled(&mut |row| {
                if one.is_empty() {
                    one = row.to_vec();
                }
                centre.iter_mut().zip(row).zip(&one).for_each(|((sum, value), one)| *sum += (value - one) * share);
            });
            centre.iter_mut().zip(one).for_each(|(centre, one)| *centre += one);
        }
        let mut scale = vec![0.0_f64; n_cols];
        for_each_sampled(&mut |row| {
            let distances = row.iter().zip(&centre).map(|(value, centre)| (value - centre).abs());
            scale.iter_mut().zip(distances).for_each(|(scale, distance)| *scale = scale.max(distance));
        });
        Self::around(centre, scale)
    }

    /// With these centres, and the largest distance of any value from them.
    pub(crate) fn around(mut centre: Vec<f64>, mut scale: Vec<f64>) -> Self {
        // A column that is constant in the sample, or not finite there, is left as it is.
        let usable = |scale: f64| scale > f64::MIN_POSITIVE && scale < f64::MAX / 4.0;
        for (centre, scale) in centre.iter_mut().zip(&mut scale) {
            // The mean of values that hardly differ has an error as large as they do.
            if is_rounding(*scale, *centre) {
                *scale = centre.abs();
            }
            *scale = if usable(*scale) { power_of_two_below(*scale) } else { 1.0 };
            if !centre.is_finite() {
                *centre = 0.0;
            }
        }
        Self::new(centre, scale)
    }

    /// Every column as its distance from `centre` in units of `scale`.
    pub(crate) fn new(centre: Vec<f64>, scale: Vec<f64>) -> Self {
        let inverse_scale = scale.iter().map(|scale| scale.recip()).collect();
        Self { centre, scale, inverse_scale }
    }

    /// With each centre moved by so many scales.
    pub(crate) fn moved(&self, by: impl Iterator<Item = f64>) -> Self {
        let columns = self.centre.iter().zip(&self.scale).zip(by);
        Self::new(columns.map(|((centre, scale), by)| centre + scale * by).collect(), self.scale.clone())
    }

    /// Of some of the columns.
    pub(crate) fn of_columns(&self, columns: &[usize]) -> Self {
        let of = |all: &[f64]| columns.iter().map(|&column| all[column]).collect();
        Self { centre: of(&self.centre), scale: of(&self.scale), inverse_scale: of(&self.inverse_scale) }
    }

    pub(crate) fn centre(&self) -> &[f64] {
        &self.centre
    }

    pub(crate) fn scale(&self) -> &[f64] {
        &self.scale
    }

    /// `n` columns as they are.
    pub(crate) fn identity(n: usize) -> Self {
        Self { centre: vec![0.0; n], scale: vec![1.0; n], inverse_scale: vec![1.0; n] }
    }

    pub(crate) fn scaling(&self) -> Scaling<'_> {
        Scaling { centre: &self.centre, inverse_scale: &self.inverse_scale }
    }

    /// Parameters, or a step between two, of the data as they are: `(w, b)` to `(s w, b + c·w)`.
    pub(crate) fn enter(&self, outer: &Parameters) -> Parameters {
        let bias = outer.bias + self.along_centre(outer);
        let weights = outer.weights.iter().zip(&self.scale).map(|(w, scale)| w * scale).collect();
        Parameters { weights, bias }
    }

    /// The way back: `(w̃, b̃)` to `(w̃/s, b̃ − c·w)`.
    pub(crate) fn leave(&self, inner: &Parameters) -> Parameters {
        let weights = inner.weights.iter().zip(&self.inverse_scale).map(|(w, inverse)| w * inverse).collect();
        let mut outer = Parameters { weights, bias: inner.bias };
        outer.bias -= self.along_centre(&outer);
        outer
    }

    /// A gradient with respect to `(w̃, b̃)` as one with respect to `(w, b)`.
    pub(crate) fn leave_gradient(&self, inner: &Parameters) -> Parameters {
        let factors = self.scale.iter().zip(&self.centre);
        let weights = inner.weights.iter().zip(factors).map(|(g, (scale, centre))| scale * g + centre * inner.bias);
        Parameters { weights: weights.collect(), bias: inner.bias }
    }

    /// A gradient with respect to `(w, b)` as one with respect to `(w̃, b̃)`.
    pub(crate) fn enter_gradient(&self, outer: &Parameters) -> Parameters {
        let factors = self.inverse_scale.iter().zip(&self.centre);
        let weights =
            outer.weights.iter().zip(factors).map(|(g, (inverse, centre))| (g - centre * outer.bias) * inverse);
        Parameters { weights: weights.collect(), bias: outer.bias }
    }

    /// A Hessian in `(w̃, b̃)` as one in `(w, b)`, shape `(n + 1, n + 1)`, the bias last.
    pub(crate) fn leave_hessian(&self, inner: &Hessian) -> Array2<f64> {
        let n = self.centre.len();
        let (s, c, cross) = (&self.scale, &self.centre, &inner.cross);
        let with_bias = |i: usize| s[i] * cross[i] + c[i] * inner.bias;
        Array2::from_shape_fn((n + 1, n + 1), |(i, j)| match (i < n, j < n) {
            (true, true) => s[i] * inner.weights[[i, j]] * s[j] + s[i] * cross[i] * c[j] + c[i] * with_bias(j),
            (true, false) => with_bias(i),
            (false, true) => with_bias(j),
            (false, false) => inner.bias,
        })
    }

    fn along_centre(&self, outer: &Parameters) -> f64 {
        outer.weights.iter().zip(&self.centre).map(|(w, centre)| w * centre).sum()
    }
}

/// The second derivative of `(l2/2) w²` in units of a column's scale. Where columns are so small that it is beyond all
/// bounds, it is large enough to keep their weights at 0.
pub(crate) fn penalty(l2: f64, scale: f64) -> f64 {
    (l2 / scale / scale).min(1e200)
}

/// Whether values that are so far apart, around `centre`, may be equal but for rounding errors.
pub(crate) fn is_rounding(deviation: f64, centre: f64) -> bool {
    deviation <= 64.0 * f64::EPSILON * centre.abs()
}

/// The largest power of two that is not above a positive number.
pub(crate) fn power_of_two_below(value: f64) -> f64 {
    const MANTISSA: u64 = (1 << (f64::MANTISSA_DIGITS - 1)) - 1;
    if value.is_subnormal() {
        return f64::from_bits(1 << value.to_bits().ilog2());
    }
    f64::from_bits(value.to_bits() & !MANTISSA)
}
