//! What is known of the curvature: a Hessian, or a part of one, and what later gradients tell.

use std::collections::VecDeque;

use super::factor::Factor;
use super::plan::MANY_COLUMNS;
use crate::kernel::Precision;
use crate::model::Parameters;

/// What is known of the curvature.
pub(crate) enum Curvature {
    Diagonal(Parameters),
    Factored(Factor),
    /// From some of the rows; `rate` is the factor by which a step is expected to shrink the gradient.
    OfSome {
        factor: Factor,
        rate: f64,
    },
}

impl Curvature {
    /// The condition number of the last Hessian that was formed, if one was; of those of some rows an estimate.
    pub(crate) fn condition(&self) -> Option<f64> {
        match self {
            Self::Factored(factor) | Self::OfSome { factor, .. } => Some(factor.condition()),
            Self::Diagonal(_) => None,
        }
    }

    /// A direction of which the last Hessian tells nothing, if there is one.
    pub(super) fn left_out(&self) -> Option<Parameters> {
        match self {
            Self::Factored(factor) => factor.left_out(),
            Self::OfSome { .. } | Self::Diagonal(_) => None,
        }
    }

    /// The way down along all of which the last Hessian tells nothing.
    pub(super) fn down_left_out(&self, gradient: &Parameters) -> Option<Parameters> {
        match self {
            Self::Factored(factor) => factor.down_left_out(gradient),
            Self::OfSome { .. } | Self::Diagonal(_) => None,
        }
    }

    /// The precision in which the next Hessian is formed.
    pub(super) fn precision(&self, n_features: usize) -> Precision {
        if n_features >= MANY_COLUMNS { Precision::for_loss(self.loss()) } else { Precision::Double }
    }

    /// By how much the relative errors of the Hessian's entries grow in a step.
    pub(super) fn loss(&self) -> f64 {
        match self {
            Self::Factored(factor) | Self::OfSome { factor, .. } => factor.loss(),
            Self::Diagonal(_) => f64::INFINITY,
        }
    }
}

/// Pairs of steps and changes of the gradient that are remembered.
const MEMORY: usize = 10;

/// Steps `s` and changes of the gradient `y`, newest last.
#[derive(Default)]
pub(super) struct Memory {
    pairs: VecDeque<(Parameters, Parameters, f64)>,
}

impl Memory {
    pub(super) fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.pairs.clear();
    }

    /// Only curvature that is positive beyond rounding is kept.
    pub(super) fn push(&mut self, step: Parameters, change: Parameters) {
        let product = step.dot(&change);
        if product > 1e-12 * step.norm() * change.norm() {
            if self.pairs.len() == MEMORY {
                self.pairs.pop_front();
            }
            self.pairs.push_back((step, change, product));
        }
    }

    pub(super) fn direction(&self, gradient: &Parameters, curvature: &Curvature) -> Parameters {
        let mut direction = gradient.clone();
        let mut shares = Vec::with_capacity(self.pairs.len());
        for (step, change, product) in self.pairs.iter().rev() {
            let share = step.dot(&direction) / product;
            direction.add_scaled(-share, change);
            shares.push(share);
        }
        direction = match curvature {
            Curvature::Factored(factor) | Curvature::OfSome { factor, .. } => factor.step(&direction),
            Curvature::Diagonal(diagonal) => {
                let mut direction = divide(&direction, diagonal);
                let scale = self
                    .pairs
                    .back()
                    .map_or(1.0, |(_, change, product)| product / change.dot(&divide(change, diagonal)));
                direction.scale(-scale);
                direction
            }
        };
        for ((step, change, product), share) in self.pairs.iter().zip(shares.into_iter().rev()) {
            // The direction has its final sign, so the share comes in with the other one.
            let along = change.dot(&direction) / product;
            direction.add_scaled(-share - along, step);
        }
        direction
    }
}

fn divide(vector: &Parameters, diagonal: &Parameters) -> Parameters {
    Parameters { weights: &vector.weights / &diagonal.weights, bias: vector.bias / diagonal.bias }
}
