//! Arithmetic on one panel. Kernels allocate nothing: they write into what the caller hands them.

pub(crate) mod link;
mod products;

use link::Link;
pub(crate) use products::{accumulate, predict};

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

/// Adds the panel's weighted cost and gradient to `sums`.
///
/// `z` holds the linear predictor of each row and is overwritten by the slope `s_i ∂c_i/∂z_i`. The panel is read
/// from memory by whoever computed `z`; here it comes from cache.
pub(crate) fn cost_gradient<L: Link>(
    link: L,
    panel: &Panel<'_>,
    targets: Targets<'_>,
    z: &mut [f64],
    sums: &mut CostGradient,
) {
    sums.cost += rows(targets, z, |z, y| {
        let (cost, slope) = link.cost_slope(*z, y);
        *z = slope;
        cost
    });
    if let Some(weights) = targets.sample_weight {
        z.iter_mut().zip(weights).for_each(|(slope, weight)| *slope *= weight);
    }
    sums.gradient.bias += z.iter().sum::<f64>();
    accumulate(panel, z, sums.gradient.weights.as_slice_mut().expect("sums are contiguous"));
}

/// The panel's weighted cost, from the linear predictor `z` of each row.
pub(crate) fn cost<L: Link>(link: L, targets: Targets<'_>, z: &mut [f64]) -> f64 {
    rows(targets, z, |z, y| link.cost_slope(*z, y).0)
}

#[inline(always)]
fn rows(targets: Targets<'_>, z: &mut [f64], mut cost: impl FnMut(&mut f64, f64) -> f64) -> f64 {
    let samples = z.iter_mut().zip(targets.y);
    match targets.sample_weight {
        None => samples.map(|(z, &y)| cost(z, y)).sum(),
        // A row of weight 0 counts for nothing, also where its cost overflows.
        Some(weights) => samples
            .zip(weights)
            .map(|((z, &y), &weight)| {
                let cost = cost(z, y);
                if weight == 0.0 { 0.0 } else { weight * cost }
            })
            .sum(),
    }
}
