//! The gradient `Aᵀ S r` of the residual `r = ỹ − A p`, `A = [1 x̃]`, in twice the working precision.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::columns::{Block, Buffers, LANES, Lane, Problem};
use super::double_double::{DoubleDouble, quick_two_sum, two_product, two_sum};
use crate::context::Context;
use crate::error::Error;
use crate::pass::{Partition, run};

/// Sums side by side, each as an unevaluated sum of two (Ogita, Rump and Oishi 2005: the result is as good as if
/// computed in twice the precision).
#[derive(Clone, Copy, Default)]
struct Sums {
    hi: Lane,
    lo: Lane,
}

impl Sums {
    #[inline(always)]
    fn add(&mut self, k: usize, value: f64, error: f64) {
        let (sum, rounding) = two_sum(self.hi[k], value);
        self.hi[k] = sum;
        self.lo[k] += rounding + error;
    }

    #[inline(always)]
    fn normalise(&mut self) {
        for k in 0..LANES {
            (self.hi[k], self.lo[k]) = quick_two_sum(self.hi[k], self.lo[k]);
        }
    }

    fn merge(&mut self, other: &Self) {
        for k in 0..LANES {
            self.add(k, other.hi[k], other.lo[k]);
        }
    }

    fn total(&self) -> DoubleDouble {
        let lanes = self.hi.iter().zip(&self.lo);
        lanes.fold(DoubleDouble::default(), |sum, (&hi, &lo)| sum + hi.into() + lo.into())
    }
}

pub(super) struct Descent {
    /// `Σ s r²`, and the penalty.
    pub(super) objective: f64,
    /// What half the objective's gradient falls by, the constant first, if there is one. Zero at the minimum.
    pub(super) by_parameter: Vec<f64>,
}

/// What is left of the objective at `parameters`, the constant first, if there is one.
pub(super) fn descent(
    problem: &Problem<'_>,
    context: &Context<'_>,
    parameters: &[DoubleDouble],
) -> Result<Descent, Error> {
    let n = problem.n_parameters();
    let (m, n_features) = problem.samples.features().shape();
    let partition = Partition::for_products((m, n_features), 2 * LANES * n, 1);
    let states = (0..partition.n_chunks()).map(|_| (0.0, vec![Sums::default(); n]));
    let visit = |workspace: &mut Workspace, rows: Range<usize>, (squares, gradient): &mut (f64, Vec<Sums>)| {
        let Workspace { buffers, block, residuals } = workspace;
        problem.fill(block, buffers, rows);
        residuals.resize(block.y.len(), Sums::default());
        let (bias, weights) = parameters.split_at(usize::from(problem.intercept));
        let bias = bias.first().copied().unwrap_or_default();
        *squares += Arch::new().dispatch(AddBlock { block, bias, weights, residuals, gradient });
        Ok(())
    };
    let merge = |a: &mut (f64, Vec<Sums>), b: &(f64, Vec<Sums>)| {
        a.0 += b.0;
        a.1.iter_mut().zip(&b.1).for_each(|(a, b)| a.merge(b));
    };
    let (squares, sums) = run(context, &partition, states, Workspace::default, visit, merge)?.swap_remove(0);
    let mut descent: Vec<_> = sums.iter().map(Sums::total).collect();
    let mut objective = squares;
    if problem.penalty > 0.0 {
        let n_fixed = usize::from(problem.intercept);
        for ((sum, &weight), column) in descent.iter_mut().zip(parameters).skip(n_fixed).zip(&problem.features) {
            *sum += -(weight * (problem.penalty * column.inverse_scale * column.inverse_scale));
            objective += problem.penalty * (weight.rounded() * column.inverse_scale).powi(2);
        }
    }
    Ok(Descent { objective, by_parameter: descent.into_iter().map(DoubleDouble::rounded).collect() })
}

#[derive(Default)]
struct Workspace {
    buffers: Buffers,
    block: Block,
    residuals: Vec<Sums>,
}

/// Returns `Σ s r²` of the block.
struct AddBlock<'a> {
    block: &'a Block,
    bias: DoubleDouble,
    weights: &'a [DoubleDouble],
    /// Room for `s r`.
    residuals: &'a mut [Sums],
    gradient: &'a mut [Sums],
}

impl WithSimd for AddBlock<'_> {
    type Output = f64;

    // Loops over lanes of independent rows; inlined here they are compiled for the SIMD dispatched to.
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> f64 {
        let Self { block, bias, weights, residuals, gradient } = self;
        let n_lanes = block.y.len();
        let mut squares = [0.0; LANES];
        for (i, weighted) in residuals.iter_mut().enumerate() {
            let mut residual = Sums { hi: block.y[i], lo: [0.0; LANES] };
            for k in 0..LANES {
                residual.add(k, -bias.hi, -bias.lo);
            }
            for (x, weight) in block.x[i..].iter().step_by(n_lanes).zip(weights) {
                for (k, &x) in x.iter().enumerate() {
                    let (product, error) = two_product(x, -weight.hi);
                    residual.add(k, product, x.mul_add(-weight.lo, error));
                }
            }
            residual.normalise();
            for (k, &weight) in block.weights[i].iter().enumerate() {
                let (product, error) = two_product(weight, residual.hi[k]);
                let error = weight.mul_add(residual.lo[k], error);
                squares[k] += product * residual.hi[k];
                (weighted.hi[k], weighted.lo[k]) = quick_two_sum(product, error);
            }
        }
        let n_fixed = gradient.len() - weights.len();
        let (constant, features) = gradient.split_at_mut(n_fixed);
        for sums in constant {
            for weighted in residuals.iter() {
                (0..LANES).for_each(|k| sums.add(k, weighted.hi[k], weighted.lo[k]));
            }
            sums.normalise();
        }
        for (sums, column) in features.iter_mut().zip(block.x.chunks_exact(n_lanes)) {
            let mut sum = *sums;
            for (x, weighted) in column.iter().zip(residuals.iter()) {
                for (k, &x) in x.iter().enumerate() {
                    let (product, error) = two_product(x, weighted.hi[k]);
                    sum.add(k, product, x.mul_add(weighted.lo[k], error));
                }
            }
            sum.normalise();
            *sums = sum;
        }
        squares.iter().sum()
    }
}
