//! Arithmetic on one panel. Kernels allocate nothing: they write into what the caller hands them.

mod columns;
mod exponential;
mod gram;
pub(crate) mod link;
mod products;

pub(crate) use columns::ColumnSums;
pub(crate) use gram::{Packed, Scaling, TILE, Tiles, add_products};
use link::Link;
pub(crate) use products::{accumulate, predict};
use pulp::{Arch, Simd, WithSimd};

use crate::matrix::Panel;
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

/// Adds the panel's weighted cost and gradient to `sums`, and writes `√(s_i h_i)` of each row to `roots` if they are
/// wanted. `scratch` is resized as needed.
///
/// Returns whether every row's linear predictor was finite.
pub(crate) fn cost_gradient<L: Link>(
    link: L,
    panel: &Panel<'_>,
    targets: Targets<'_>,
    at: Predictor<'_>,
    scratch: &mut Vec<f64>,
    sums: &mut CostGradient,
    mut roots: Option<&mut [f64]>,
) -> bool {
    let gradient = sums.gradient.weights.as_slice_mut().expect("sums are contiguous");
    for_each_strip(panel, targets, at, scratch, |strip, targets, z, costs| {
        if let Some(roots) = &mut roots {
            let roots = roots.split_off_mut(..z.len()).expect("one root a row");
            Arch::new().dispatch(RootCurvature { link, z, sample_weight: targets.sample_weight, roots });
        }
        let (cost, slope) = cost_slope(link, targets, z, costs);
        sums.cost += cost;
        sums.gradient.bias += slope;
        accumulate(strip, z, gradient);
    })
}

struct RootCurvature<'a, L> {
    link: L,
    z: &'a [f64],
    sample_weight: Option<&'a [f64]>,
    roots: &'a mut [f64],
}

impl<L: Link> WithSimd for RootCurvature<'_, L> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { link, z, sample_weight, roots } = self;
        for (root, &z) in roots.iter_mut().zip(z) {
            *root = link.root_curvature::<S>(z);
        }
        if let Some(weights) = sample_weight {
            for (root, weight) in roots.iter_mut().zip(weights) {
                *root *= weight.sqrt();
            }
        }
    }
}

/// Adds the panel's weighted cost to `sum`. `scratch` is resized as needed.
///
/// Returns whether every row's linear predictor was finite.
pub(crate) fn cost<L: Link>(
    link: L,
    panel: &Panel<'_>,
    targets: Targets<'_>,
    at: Predictor<'_>,
    scratch: &mut Vec<f64>,
    sum: &mut f64,
) -> bool {
    for_each_strip(panel, targets, at, scratch, |_, targets, z, costs| {
        *sum += cost_slope(link, targets, z, costs).0;
    })
}

/// A strip fills at most this much of the first-level cache, where its rows still are when they are used the second
/// time, beside everything else that is there.
const STRIP_BYTES: usize = 4 << 10;
const MIN_STRIP_ROWS: usize = 8;

/// Rows of `n_cols` columns that make a strip.
pub(crate) fn strip_rows(n_cols: usize) -> usize {
    let strip_rows = (STRIP_BYTES / size_of::<f64>() / n_cols.max(1)).max(MIN_STRIP_ROWS);
    strip_rows - strip_rows % MIN_STRIP_ROWS
}

/// Visits a few rows at a time with their targets and their linear predictors, which may be overwritten, and room
/// for their costs.
fn for_each_strip(
    panel: &Panel<'_>,
    targets: Targets<'_>,
    at: Predictor<'_>,
    scratch: &mut Vec<f64>,
    mut visit: impl FnMut(&Panel<'_>, Targets<'_>, &mut [f64], &mut [f64]),
) -> bool {
    let n_rows = panel.n_rows();
    let strip_rows = strip_rows(panel.n_cols());
    scratch.resize(2 * strip_rows, 0.0);
    let (predictors, costs) = scratch.split_at_mut(strip_rows);
    let mut finite = true;
    for start in (0..n_rows).step_by(strip_rows) {
        let rows = start..(start + strip_rows).min(n_rows);
        let strip = panel.rows(rows.clone());
        let (z, costs) = (&mut predictors[..rows.len()], &mut costs[..rows.len()]);
        finite &= predict(&strip, at.weights, at.bias, z);
        if let Some(offset) = at.offset {
            finite &= add(&offset[rows.clone()], z);
        }
        let sample_weight = targets.sample_weight.map(|weights| &weights[rows.clone()]);
        visit(&strip, Targets { y: &targets.y[rows], sample_weight }, z, costs);
    }
    finite
}

/// Adds an offset to linear predictors. Returns whether all are finite.
pub(crate) fn add(offset: &[f64], z: &mut [f64]) -> bool {
    z.iter_mut().zip(offset).fold(true, |finite, (z, offset)| {
        *z += offset;
        finite & z.is_finite()
    })
}

/// Returns the weighted sums of the rows' costs and slopes; `z` is overwritten by the slopes, `costs` by the costs.
fn cost_slope<L: Link>(link: L, targets: Targets<'_>, z: &mut [f64], costs: &mut [f64]) -> (f64, f64) {
    Arch::new().dispatch(CostSlope { link, targets, z, costs })
}

struct CostSlope<'a, L> {
    link: L,
    targets: Targets<'a>,
    z: &'a mut [f64],
    costs: &'a mut [f64],
}

impl<L: Link> WithSimd for CostSlope<'_, L> {
    type Output = (f64, f64);

    // No explicit SIMD: a loop of independent samples, inlined here, is compiled for the SIMD dispatched to.
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> (f64, f64) {
        let Self { link, targets: Targets { y, sample_weight }, z, costs } = self;
        for ((z, cost), &y) in z.iter_mut().zip(costs.iter_mut()).zip(y) {
            (*cost, *z) = link.cost_slope::<S>(*z, y);
        }
        if let Some(weights) = sample_weight {
            for ((slope, cost), &weight) in z.iter_mut().zip(costs.iter_mut()).zip(weights) {
                (*cost, *slope) = (times(weight, *cost), times(weight, *slope));
            }
        }
        (sum(costs), sum(z))
    }
}

/// A sum in eight lanes, which SIMD of any width forms in the same order.
#[inline(always)]
fn sum(values: &[f64]) -> f64 {
    let mut lanes = [0.0; 8];
    let (blocks, tail) = values.as_chunks::<8>();
    for block in blocks {
        lanes.iter_mut().zip(block).for_each(|(lane, value)| *lane += value);
    }
    lanes.iter_mut().zip(tail).for_each(|(lane, value)| *lane += value);
    lanes.iter().sum()
}

/// A row of weight 0 counts for nothing, also where its cost overflows.
#[inline(always)]
fn times(weight: f64, value: f64) -> f64 {
    if weight == 0.0 { 0.0 } else { weight * value }
}

/// `a b + c`, rounded once where the SIMD dispatched to does that at no cost.
#[inline(always)]
fn mul_add<S: Simd>(a: f64, b: f64, c: f64) -> f64 {
    if S::IS_SCALAR { a * b + c } else { a.mul_add(b, c) }
}
