//! A plain oracle, straight from the formulas, and seeded data.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::num::NonZeroUsize;

use ndarray::{Array1, Array2};
use steepest::{Context, Model, Parameters, Samples};

pub(crate) const MODELS: [Model; 3] = [Model::Linear, Model::SigmoidSquaredError, Model::SigmoidLogLoss];

pub(crate) type CostGradient = (f64, Parameters);

pub(crate) fn sigmoid(z: f64) -> f64 {
    if z >= 0.0 { 1.0 / (1.0 + (-z).exp()) } else { z.exp() / (1.0 + z.exp()) }
}

pub(crate) fn predictor(x: &Array2<f64>, at: &Parameters) -> Vec<f64> {
    let mut z = vec![at.bias; x.nrows()];
    for i in 0..x.nrows() {
        for j in 0..x.ncols() {
            z[i] += x[[i, j]] * at.weights[j];
        }
    }
    z
}

pub(crate) fn cost_gradient(model: Model, data: &Data, weighted: bool, at: &Parameters) -> CostGradient {
    let z = predictor(&data.x, at);
    let weight = |i: usize| if weighted { data.s[i] } else { 1.0 };
    let total: f64 = (0..z.len()).map(weight).sum();
    let (mut cost, mut gradient) = (0.0, Parameters::zeros(data.x.ncols()));
    for i in 0..z.len() {
        let (z, y, share) = (z[i], data.y[i], weight(i) / total);
        let p = sigmoid(z);
        let (c, slope) = match model {
            Model::Linear => ((y - z).powi(2), -2.0 * (y - z)),
            Model::SigmoidSquaredError => ((y - p).powi(2), -2.0 * (y - p) * p * (1.0 - p)),
            Model::SigmoidLogLoss => (z.max(0.0) + (-z.abs()).exp().ln_1p() - y * z, -(y - p)),
        };
        cost += share * c;
        gradient.bias += share * slope;
        for j in 0..data.x.ncols() {
            gradient.weights[j] += share * slope * data.x[[i, j]];
        }
    }
    (cost, gradient)
}

/// The Hessian, or its Gauss–Newton part, with the bias last.
pub(crate) fn hessian(model: Model, data: &Data, weighted: bool, at: &Parameters) -> Array2<f64> {
    let z = predictor(&data.x, at);
    let n = data.x.ncols();
    let weight = |i: usize| if weighted { data.s[i] } else { 1.0 };
    let total: f64 = (0..z.len()).map(weight).sum();
    let mut hessian = Array2::zeros((n + 1, n + 1));
    for (i, &z) in z.iter().enumerate() {
        let p = sigmoid(z);
        let curvature = match model {
            Model::Linear => 2.0,
            Model::SigmoidSquaredError => 2.0 * (p * (1.0 - p)).powi(2),
            Model::SigmoidLogLoss => p * (1.0 - p),
        };
        let column = |j: usize| if j < n { data.x[[i, j]] } else { 1.0 };
        for j in 0..=n {
            for k in 0..=n {
                hessian[[j, k]] += weight(i) / total * curvature * column(j) * column(k);
            }
        }
    }
    hessian
}

/// Gradients are compared on the scale of their largest entry, or of the residuals they are summed from.
#[track_caller]
pub(crate) fn assert_near(found: &CostGradient, expected: &CostGradient, relative: f64, what: &str) {
    let cost_error = (found.0 - expected.0).abs();
    assert!(cost_error <= relative * expected.0.abs(), "{what}: cost {} instead of {}", found.0, expected.0);
    let entries = |p: &Parameters| p.weights.iter().copied().chain([p.bias]).collect::<Vec<_>>();
    let (found, wanted) = (entries(&found.1), entries(&expected.1));
    assert_eq!(found.len(), wanted.len(), "{what}");
    let scale = wanted.iter().fold(expected.0.abs().sqrt(), |scale, g| scale.max(g.abs()));
    for (j, (a, b)) in found.iter().zip(&wanted).enumerate() {
        assert!((a - b).abs() <= relative * scale, "{what}: gradient entry {j} is {a} instead of {b}");
    }
}

#[track_caller]
pub(crate) fn assert_relative(found: f64, expected: f64, relative: f64, what: &str) {
    assert!((found - expected).abs() <= relative * expected.abs(), "{what}: {found:e} instead of {expected:e}");
}

pub(crate) fn bits<'a>(values: impl IntoIterator<Item = &'a f64>) -> Vec<u64> {
    values.into_iter().map(|value| value.to_bits()).collect()
}

pub(crate) fn all_bits((cost, gradient): &CostGradient) -> Vec<u64> {
    bits(gradient.weights.iter().chain([&gradient.bias, cost]))
}

/// SplitMix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// Uniform in `[low, high)`.
    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        low + (high - low) * ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Data {
    pub(crate) x: Array2<f64>,
    pub(crate) y: Array1<f64>,
    pub(crate) s: Array1<f64>,
    /// Some parameters to evaluate at.
    pub(crate) at: Parameters,
}

impl Data {
    /// Targets in `[0, 1]`, so that they suit every model.
    pub(crate) fn new((m, n): (usize, usize), seed: u64) -> Self {
        let mut random = Random(seed);
        let x = Array2::from_shape_simple_fn((m, n), || random.between(-2.0, 2.0));
        let y = (0..m).map(|i| if i % 3 == 0 { (i % 2) as f64 } else { random.between(0.0, 1.0) }).collect();
        let s = (0..m).map(|_| random.between(0.1, 3.0)).collect();
        let weights = (0..n).map(|_| random.between(-2.0, 2.0) / (n as f64).sqrt()).collect();
        Self { x, y, s, at: Parameters { weights, bias: random.between(-1.0, 1.0) } }
    }

    /// The same data, in Fortran order.
    pub(crate) fn by_columns(&self) -> Self {
        Self { x: self.x.t().as_standard_layout().into_owned().reversed_axes(), ..self.clone() }
    }

    pub(crate) fn samples(&self, weighted: bool) -> Samples<'_> {
        if weighted { Samples::weighted(&self.x, &self.y, &self.s) } else { Samples::new(&self.x, &self.y) }.unwrap()
    }

    /// What the crate finds.
    pub(crate) fn cost_gradient(&self, model: Model, weighted: bool, n_threads: usize) -> CostGradient {
        steepest::cost_gradient(model, self.samples(weighted), &self.at, &threads(n_threads)).unwrap()
    }
}

pub(crate) fn threads(n: usize) -> Context<'static> {
    Context::new(NonZeroUsize::new(n))
}
