//! Arithmetic on one panel. Kernels allocate nothing: they write into what the caller hands them.

mod by_columns;
mod by_rows;
mod columns;
mod cost_slope;
mod exponential;
mod gram;
pub(crate) mod link;
mod matrix_unit;
mod next;
mod packed;
mod predict;
mod reduce;
mod strips;
mod sums;
#[cfg(test)]
mod tests;

use columns::AddColumns;
pub(crate) use columns::ColumnSums;
use cost_slope::{CostSlope, CostSlopeSums};
pub(crate) use gram::Tiles;
use link::Link;
pub(crate) use next::Next;
use next::Share;
pub(crate) use packed::{Packed, Precision, RowSums, Scaling};
pub(crate) use predict::predict;
use predict::{Predict, Readings};
use pulp::{Arch, Simd, WithSimd};
pub(crate) use strips::{Order, Ordered, Rows, StripBuffers};
pub(crate) use sums::{largest, sum, weighted_sum};

use crate::matrix::{Columns, Interleaved, Panel, Raw, Strip, WithStrip};
use crate::model::Parameters;

/// The target and the weight of each row of a panel; without weights every row counts once.
#[derive(Clone, Copy)]
pub(crate) struct Targets<'p> {
    pub(crate) y: &'p [f64],
    pub(crate) sample_weight: Option<&'p [f64]>,
}

/// Sums over rows: `Σ s_i c_i`, `Σ s_i ∂c_i/∂w` and `Σ s_i ∂c_i/∂b`, not yet divided by `Σ s_i`.
pub(crate) struct CostGradient {
    pub(crate) cost: f64,
    pub(crate) gradient: Parameters,
}

impl CostGradient {
    pub(crate) fn zeros(n_features: usize) -> Self {
        Self { cost: 0.0, gradient: Parameters::zeros(n_features) }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.cost += other.cost;
        self.gradient.add_scaled(1.0, &other.gradient);
    }
}

/// The linear model's part of a sample, common to all models: `z = x · w + b`, and the row's offset if it has one.
#[derive(Clone, Copy)]
pub(crate) struct Predictor<'p> {
    pub(crate) weights: &'p [f64],
    pub(crate) bias: f64,
    pub(crate) offset: Option<&'p [f64]>,
}

/// What a cost and its derivatives are of, over some rows. Each method adds what it is named for, weighted, and returns
/// whether every row's linear predictor was finite.
pub(crate) struct Evaluation<'a, L> {
    pub(crate) link: L,
    pub(crate) rows: Rows<'a>,
    pub(crate) targets: Targets<'a>,
    pub(crate) at: Predictor<'a>,
    pub(crate) buffers: &'a mut StripBuffers,
}

impl<L: Link> Evaluation<'_, L> {
    pub(crate) fn n_rows(&self) -> usize {
        self.targets.y.len()
    }

    pub(crate) fn cost(self, cost: &mut f64) -> bool {
        self.run(cost, Derivative::NotWanted)
    }

    pub(crate) fn cost_gradient(self, sums: &mut CostGradient) -> bool {
        let CostGradient { cost, gradient } = sums;
        self.run(cost, Derivative::gradient(gradient, None))
    }

    /// With the sums of the columns, so scaled.
    pub(crate) fn cost_gradient_column_sums(
        self,
        sums: &mut CostGradient,
        columns: &mut ColumnSums,
        scaling: Scaling<'_>,
    ) -> bool {
        let CostGradient { cost, gradient } = sums;
        self.run(cost, Derivative::gradient(gradient, Some((columns, scaling))))
    }

    /// With the derivative by the bias; writes `s_i ∂c_i/∂z_i` of each row to `slopes` and `√(s_i h_i)` to `roots`. Without
    /// weights nothing of the rows is looked at.
    pub(crate) fn cost_slopes(self, cost: &mut f64, by_bias: &mut f64, slopes: &mut [f64], roots: &mut [f64]) -> bool {
        self.run(cost, Derivative::Slopes { slopes, roots, by_bias })
    }

    fn run(self, cost: &mut f64, derivative: Derivative<'_>) -> bool {
        Arch::new().dispatch(Strips { of: self, cost, derivative })
    }
}

struct Strips<'a, L> {
    of: Evaluation<'a, L>,
    cost: &'a mut f64,
    derivative: Derivative<'a>,
}

enum Derivative<'a> {
    NotWanted,
    Gradient {
        by_weights: &'a mut [f64],
        by_bias: &'a mut f64,
        columns: Option<(&'a mut ColumnSums, Scaling<'a>)>,
    },
    /// By the linear predictor of each row, with the roots of the curvatures.
    Slopes {
        slopes: &'a mut [f64],
        roots: &'a mut [f64],
        by_bias: &'a mut f64,
    },
}

impl<'a> Derivative<'a> {
    fn gradient(gradient: &'a mut Parameters, columns: Option<(&'a mut ColumnSums, Scaling<'a>)>) -> Self {
        let Parameters { weights, bias } = gradient;
        Self::Gradient { by_weights: weights.as_slice_mut().expect("sums are contiguous"), by_bias: bias, columns }
    }
}

impl<L: Link> WithSimd for Strips<'_, L> {
    type Output = bool;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> bool {
        let Self { of, cost, mut derivative } = self;
        let Evaluation { link, rows: all, targets, at, buffers } = of;
        let StripBuffers { x, z, exponentials, ordered, .. } = buffers;
        let order = all.order();
        let (targets, offset) = order.columns(targets, at.offset, ordered);
        z.resize(all.strip_rows(), 0.0);
        exponentials.resize(all.strip_rows(), 0.0);
        let without_weights =
            matches!(derivative, Derivative::Slopes { .. }) && at.weights.iter().all(|&weight| weight == 0.0);
        let is_gradient = matches!(derivative, Derivative::Gradient { .. });
        let readings = if is_gradient { Readings::Two } else { Readings::One };
        let n_parts = usize::from(!without_weights) + usize::from(L::EXPONENTIAL) + usize::from(is_gradient);
        let mut sums = CostSlopeSums::default();
        for rows in all.strips(order) {
            // What nothing looks at need not be packed.
            let strip = (!without_weights).then(|| all.strip(order, rows.clone(), x));
            let (z, exponentials) = (&mut z[..rows.len()], &mut exponentials[..rows.len()]);
            let mut next = strip.as_ref().map_or(Next::UNKNOWN, Next::ahead_of);
            let n_lines = next.n_lines().div_ceil(n_parts.max(1));
            if let Some(strip) = &strip {
                let share = Share::of(&mut next, n_lines);
                let (weights, bias) = (at.weights, at.bias);
                simd.vectorize(Predict { strip, weights, bias, z, share, readings, as_rows: None });
            } else {
                z.fill(at.bias);
            }
            if let Some(offset) = offset {
                simd.vectorize(AddOffset { offset: &offset[rows.clone()], z });
            }
            let sample_weight = targets.sample_weight.map(|weights| &weights[rows.clone()]);
            let roots = match &mut derivative {
                Derivative::Slopes { roots, .. } => Some(&mut roots[rows.clone()]),
                _ => None,
            };
            let targets = Targets { y: &targets.y[rows.clone()], sample_weight };
            let share = Share::of(&mut next, if L::EXPONENTIAL { n_lines } else { 0 });
            let ahead = order.ahead_of_columns();
            simd.vectorize(CostSlope { link, targets, ahead, z, exponentials, roots, share, sums: &mut sums });
            match (&mut derivative, &strip) {
                (Derivative::Gradient { by_weights, columns, .. }, Some(strip)) => {
                    let share = Share::of(&mut next, n_lines);
                    simd.vectorize(Accumulate { strip, slope: z, gradient: by_weights, share });
                    if let Some((of_columns, scaling)) = columns {
                        simd.vectorize(AddColumns { strip, scaling: *scaling, sample_weight, sums: of_columns });
                    }
                }
                (Derivative::Slopes { slopes, .. }, _) => slopes[rows].copy_from_slice(z),
                _ => {}
            }
        }
        let all_finite = sums.all_finite();
        let (of_costs, of_slopes) = sums.totals();
        *cost += of_costs;
        match derivative {
            Derivative::NotWanted => {}
            Derivative::Gradient { by_bias, .. } => *by_bias += of_slopes,
            Derivative::Slopes { slopes, roots, by_bias } => {
                *by_bias += of_slopes;
                order.restore(slopes, &mut ordered.y);
                order.restore(roots, &mut ordered.y);
            }
        }
        all_finite
    }
}

/// Adds the sums of the columns of all rows; each row counts once if there are no weights.
pub(crate) fn column_sums(
    rows: Rows<'_>,
    sample_weight: Option<&[f64]>,
    scaling: Scaling<'_>,
    buffers: &mut StripBuffers,
    sums: &mut ColumnSums,
) {
    Arch::new().dispatch(SumColumns { rows, sample_weight, scaling, buffers, sums });
}

struct SumColumns<'a> {
    rows: Rows<'a>,
    sample_weight: Option<&'a [f64]>,
    scaling: Scaling<'a>,
    buffers: &'a mut StripBuffers,
    sums: &'a mut ColumnSums,
}

impl WithSimd for SumColumns<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { rows, sample_weight, scaling, buffers, sums } = self;
        let StripBuffers { x, ordered, .. } = buffers;
        let order = rows.order();
        let sample_weight = sample_weight.map(|weights| order.of(weights, &mut ordered.sample_weight));
        for strip in rows.strips(order) {
            let weights = sample_weight.map(|weights| &weights[strip.clone()]);
            let strip = &rows.strip(order, strip, x);
            simd.vectorize(AddColumns { strip, scaling, sample_weight: weights, sums });
        }
    }
}

/// A task, and the SIMD that it is compiled for.
struct By<S, T> {
    simd: S,
    task: T,
}

/// `g_j += Σ_i δ_i x_ij` over the rows of the strip.
struct Accumulate<'a> {
    strip: &'a Strip<'a>,
    slope: &'a [f64],
    gradient: &'a mut [f64],
    share: Share<'a>,
}

impl WithSimd for Accumulate<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        self.strip.visit(By { simd, task: self });
    }
}

impl<S: Simd> WithStrip for By<S, Accumulate<'_>> {
    #[inline(always)]
    fn rows<T: Raw>(self, panel: &Panel<'_, T>) {
        let Self { simd, task: Accumulate { slope, gradient, share, .. } } = self;
        by_rows::accumulate(simd, panel, slope, gradient, share);
    }

    #[inline(always)]
    fn columns<T: Raw>(self, columns: &Columns<'_, T>) {
        let Self { simd, task: Accumulate { slope, gradient, share, .. } } = self;
        by_columns::accumulate(simd, columns, slope, gradient, share);
    }

    #[inline(always)]
    fn interleaved<T: Raw>(self, rows: &Interleaved<'_, T>) {
        let Self { simd, task: Accumulate { slope, gradient, share, .. } } = self;
        by_columns::accumulate_interleaved(simd, rows, slope, gradient, share);
    }
}

/// Adds an offset to linear predictors.
struct AddOffset<'a> {
    offset: &'a [f64],
    z: &'a mut [f64],
}

impl WithSimd for AddOffset<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        self.z.iter_mut().zip(self.offset).for_each(|(z, offset)| *z += offset);
    }
}

/// Of each slice the first registers, so many, and as many values behind them.
#[inline(always)]
fn registers<S: Simd, const N: usize>(
    slices: [&[f64]; N],
    n_whole: usize,
    n_rest: usize,
) -> ([&[S::f64s]; N], [&[f64]; N]) {
    let mut parts = ([&[][..]; N], [&[][..]; N]);
    for (i, slice) in slices.into_iter().enumerate() {
        let (whole, rest) = S::as_simd_f64s(slice);
        (parts.0[i], parts.1[i]) = (&whole[..n_whole], &rest[..n_rest]);
    }
    parts
}
