//! Without an intercept the bias is 0, and everything else is as it would be in plain loops.

mod common;

use common::{Data, MODELS, all_bits, cost_gradient, threads};
use ndarray::Axis;
use steepest::{Error, Fit, FitOptions, LearningRate, Model, Parameters, Precompute, fit};

fn options() -> FitOptions {
    FitOptions { fit_intercept: false, max_iter: 30, tol: 0.0, ..FitOptions::gradient_descent() }
}

#[test]
fn descent_moves_the_weights_alone() {
    // Wide data for the dual, tall ones for moments.
    for shape in [(15, 60), (400, 5), (60, 3)] {
        let mut data = Data::new(shape, 1);
        data.x += 0.5;
        for model in MODELS {
            for precompute in [Precompute::Always, Precompute::Never] {
                let rate = 0.01;
                let options = FitOptions { precompute, learning_rate: LearningRate::Fixed(rate), ..options() };
                let found = fit(model, data.samples(true), None, &options, &threads(2)).unwrap();
                assert_eq!(found.parameters.bias.to_bits(), 0.0_f64.to_bits());
                let mut at = Parameters::zeros(shape.1);
                for iteration in 0..=30 {
                    let (cost, mut gradient) = cost_gradient(model, &data, true, &at);
                    gradient.bias = 0.0;
                    let (cost_found, norm) = (found.history.cost[iteration], found.history.gradient_norm[iteration]);
                    assert!((cost_found - cost).abs() < 1e-11 * cost, "{model:?}: {cost_found} instead of {cost}");
                    assert!((norm - gradient.norm()).abs() < 1e-10 * norm);
                    if iteration < 30 {
                        at.add_scaled(-rate, &gradient);
                    }
                }
                let difference = &found.parameters.weights - &at.weights;
                assert!(difference.iter().all(|difference| difference.abs() < 1e-12));
            }
        }
    }
}

#[test]
fn the_automatic_rate_is_that_of_the_weights() {
    let mut data = Data::new((300, 1), 2);
    data.x += 10.0;
    for (model, bound) in [(Model::Linear, 2.0), (Model::SigmoidLogLoss, 0.25)] {
        let largest = bound * data.x.map(|x| x * x).mean_axis(Axis(0)).unwrap()[0];
        for precompute in [Precompute::Always, Precompute::Never] {
            let options = FitOptions { precompute, ..options() };
            let found = fit(model, data.samples(false), None, &options, &threads(1)).unwrap();
            assert!((found.learning_rate.unwrap() * largest - 1.0).abs() < 1e-10);
        }
    }
}

#[test]
fn divergence_names_the_rate_of_the_weights_in_the_dual_too() {
    let data = Data::new((20, 70), 3);
    let rates = [Precompute::Always, Precompute::Never].map(|precompute| {
        let options = FitOptions { precompute, learning_rate: LearningRate::Fixed(1.0), ..options() };
        match fit(Model::Linear, data.samples(true), None, &options, &threads(1)) {
            Err(Error::Diverged { largest_stable_rate, .. }) => largest_stable_rate,
            other => panic!("{other:?}"),
        }
    });
    assert!((rates[0] / rates[1] - 1.0).abs() < 1e-6, "{rates:?}");
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let data = Data::new((40_003, 6), 4);
    for model in MODELS {
        let run = |n| {
            let options = FitOptions { precompute: Precompute::Never, ..options() };
            let Fit { parameters, history, .. } = fit(model, data.samples(true), None, &options, &threads(n)).unwrap();
            all_bits(&(history.cost[30], parameters))
        };
        assert_eq!(run(3), run(1));
    }
}

#[test]
fn a_start_with_a_bias_is_refused() {
    let data = Data::new((20, 2), 5);
    let start = Parameters { bias: 0.25, ..Parameters::zeros(2) };
    let options = FitOptions { start: Some(start), ..options() };
    let error = fit(Model::Linear, data.samples(false), None, &options, &threads(1)).unwrap_err();
    assert_eq!(error.to_string(), "bias is 0.25, expected 0 to start from, without an intercept");
}
