//! Against certified values, the pseudo-inverse, and itself.

mod certified;
mod rank;
mod same;

use ndarray::{Array1, Array2};

use super::{LeastSquares, least_squares};
use crate::context::Context;
use crate::error::Error;
use crate::model::Model;
use crate::samples::Samples;

fn solve(samples: &Samples<'_>, intercept: bool, l2: f64) -> Result<LeastSquares, Error> {
    solve_on(&Context::default(), samples, intercept, l2)
}

fn solve_on(context: &Context<'_>, samples: &Samples<'_>, intercept: bool, l2: f64) -> Result<LeastSquares, Error> {
    let summary = samples.summarise(Model::Linear, context)?;
    least_squares(samples, &summary, context, intercept, l2)
}

/// Numbers between −1 and 1 that look random (a linear congruential generator; Knuth's constants).
fn noise(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }
}

fn random(m: usize, n: usize, seed: u64) -> (Array2<f64>, Array1<f64>) {
    let mut next = noise(seed);
    (Array2::from_shape_simple_fn((m, n), &mut next), Array1::from_shape_simple_fn(m, &mut next))
}

fn assert_close(ours: &Array1<f64>, theirs: &Array1<f64>, tolerance: f64) {
    let largest = theirs.iter().fold(0.0_f64, |acc, value| acc.max(value.abs()));
    let close = ours.iter().zip(theirs).all(|(ours, theirs)| (ours - theirs).abs() <= tolerance * largest);
    assert!(close, "{ours} {theirs}");
}
