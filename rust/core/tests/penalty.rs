//! The penalty `(l2/2) ‖w‖²`: what it adds to cost, gradient and curvature, over rows, over moments and in the dual.

mod common;

use common::{Data, MODELS, cost_gradient, hessian, threads};
use ndarray::{Array1, Array2};
use steepest::{Error, Fit, FitOptions, LearningRate, Model, Parameters, Precompute, fit};

const L2: f64 = 0.3;

fn options() -> FitOptions {
    FitOptions { l2: L2, max_iter: 40, tol: 0.0, ..FitOptions::gradient_descent() }
}

fn run(model: Model, data: &Data, options: &FitOptions) -> Fit {
    fit(model, data.samples(true), None, options, &threads(2)).unwrap()
}

/// The objective at `at`: the first entry of a fit's history.
fn objective(model: Model, data: &Data, at: Parameters) -> f64 {
    run(model, data, &FitOptions { start: Some(at), max_iter: 0, ..options() }).history.cost[0]
}

#[test]
fn the_objective_is_the_cost_and_half_l2_times_the_square_of_the_weights() {
    let data = Data::new((200, 4), 1);
    for model in MODELS {
        let (cost, _) = cost_gradient(model, &data, true, &data.at);
        let expected = cost + 0.5 * L2 * data.at.weights.dot(&data.at.weights);
        let found = objective(model, &data, data.at.clone());
        assert!((found - expected).abs() < 1e-12 * expected, "{model:?}: {found} instead of {expected}");
    }
}

#[test]
fn a_step_is_the_slope_of_the_objective_by_finite_differences() {
    const H: f64 = 1e-5;
    for shape in [(50, 4), (7, 20)] {
        let data = Data::new(shape, 2);
        for model in MODELS {
            let rate = 0.01;
            let options = FitOptions {
                start: Some(data.at.clone()),
                learning_rate: LearningRate::Fixed(rate),
                max_iter: 1,
                ..options()
            };
            let Fit { parameters, history, .. } = run(model, &data, &options);
            let mut gradient = data.at.clone();
            gradient.add_scaled(-1.0, &parameters);
            gradient.scale(1.0 / rate);
            assert!((gradient.norm() - history.gradient_norm[0]).abs() < 1e-10);
            for j in 0..=shape.1 {
                let at = |step: f64| {
                    let mut at = data.at.clone();
                    if j < shape.1 {
                        at.weights[j] += step
                    } else {
                        at.bias += step
                    }
                    objective(model, &data, at)
                };
                let slope = (at(H) - at(-H)) / (2.0 * H);
                let found = if j < shape.1 { gradient.weights[j] } else { gradient.bias };
                assert!((found - slope).abs() < 1e-7, "{model:?}, entry {j}: {found} instead of {slope}");
            }
        }
    }
}

#[test]
fn rows_moments_and_the_dual_take_the_same_course() {
    for shape in [(300, 6), (20, 90)] {
        let data = Data::new(shape, 3);
        for (start, fit_intercept) in [(None, true), (None, false), (Some(data.at.clone()), true)] {
            let options = FitOptions { start, fit_intercept, ..options() };
            let [found, expected] = [Precompute::Always, Precompute::Never]
                .map(|precompute| run(Model::Linear, &data, &FitOptions { precompute, ..options.clone() }));
            assert!((found.learning_rate.unwrap() / expected.learning_rate.unwrap() - 1.0).abs() < 1e-3);
            let fixed = LearningRate::Fixed(expected.learning_rate.unwrap());
            let found = run(
                Model::Linear,
                &data,
                &FitOptions { precompute: Precompute::Always, learning_rate: fixed, ..options },
            );
            let pairs = found.history.cost.iter().zip(&expected.history.cost);
            pairs.for_each(|(a, b)| assert!((a - b).abs() <= 1e-11 * b, "{shape:?}: cost {a} instead of {b}"));
            let pairs = found.history.gradient_norm.iter().zip(&expected.history.gradient_norm);
            let first = expected.history.gradient_norm[0];
            pairs.for_each(|(a, b)| assert!((a - b).abs() <= 1e-9 * b + 1e-13 * first, "{shape:?}: norm {a}, {b}"));
            let difference = &found.parameters.weights - &expected.parameters.weights;
            assert!(difference.iter().all(|difference| difference.abs() < 1e-11));
        }
    }
}

/// `(H + l2 I') θ = −g(0)`, by elimination; the last row is the bias, which is not penalised.
fn ridge(data: &Data) -> Array1<f64> {
    let n = data.x.ncols();
    let zeros = Parameters::zeros(n);
    let mut matrix: Array2<f64> = hessian(Model::Linear, data, true, &zeros);
    (0..n).for_each(|j| matrix[[j, j]] += L2);
    let (_, gradient) = cost_gradient(Model::Linear, data, true, &zeros);
    let mut right: Vec<f64> = gradient.weights.iter().chain([&gradient.bias]).map(|g| -g).collect();
    for i in 0..=n {
        for k in i + 1..=n {
            let factor = matrix[[k, i]] / matrix[[i, i]];
            (i..=n).for_each(|j| matrix[[k, j]] -= factor * matrix[[i, j]]);
            right[k] -= factor * right[i];
        }
    }
    for i in (0..=n).rev() {
        let known: f64 = (i + 1..=n).map(|j| matrix[[i, j]] * right[j]).sum();
        right[i] = (right[i] - known) / matrix[[i, i]];
    }
    right.into()
}

#[test]
fn descent_ends_at_the_ridge_solution() {
    for shape in [(200, 5), (10, 30)] {
        let data = Data::new(shape, 4);
        let expected = ridge(&data);
        for precompute in [Precompute::Always, Precompute::Never] {
            let options = FitOptions { precompute, max_iter: 100_000, tol: 1e-12, ..options() };
            let Parameters { weights, bias } = run(Model::Linear, &data, &options).parameters;
            let found = weights.iter().chain([&bias]);
            assert!(found.zip(&expected).all(|(a, b)| (a - b).abs() < 1e-9), "{shape:?}");
        }
    }
}

#[test]
fn the_automatic_rate_and_the_stable_one_know_of_it() {
    // With one feature of mean 0 the weight's curvature is 2 mean(x²) + l2, and the bias's is 2.
    let mut data = Data::new((40, 1), 5);
    data.s.fill(1.0);
    data.x.indexed_iter_mut().for_each(|((i, _), x)| *x = if i % 2 == 0 { 1.5 } else { -1.5 });
    let largest = 2.0 * 2.25 + L2;
    for precompute in [Precompute::Always, Precompute::Never] {
        let options = FitOptions { precompute, ..options() };
        assert!((run(Model::Linear, &data, &options).learning_rate.unwrap() * largest - 1.0).abs() < 1e-9);
        let options = FitOptions { learning_rate: LearningRate::Fixed(1.0), ..options };
        match fit(Model::Linear, data.samples(true), None, &options, &threads(1)) {
            Err(Error::Diverged { largest_stable_rate, .. }) => {
                assert!((largest_stable_rate * largest / 2.0 - 1.0).abs() < 1e-9);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn the_validation_cost_is_without_it() {
    let data = Data::new((60, 3), 6);
    for model in MODELS {
        let found = fit(model, data.samples(true), Some(data.samples(true)), &options(), &threads(1)).unwrap();
        let weights = &found.parameters.weights;
        let (cost, validation) = (found.history.cost[40], found.history.validation_cost[40]);
        assert!((cost - validation - 0.5 * L2 * weights.dot(weights)).abs() < 1e-13);
    }
}

#[test]
fn features_that_are_all_zero_need_no_rate() {
    let mut data = Data::new((30, 2), 7);
    data.x.fill(0.0);
    for precompute in [Precompute::Always, Precompute::Never] {
        let options = FitOptions { precompute, fit_intercept: false, ..FitOptions::gradient_descent() };
        let found = run(Model::Linear, &data, &options);
        assert_eq!((found.n_iter, found.parameters), (0, Parameters::zeros(2)));
    }
}

#[test]
fn penalties_that_make_no_sense_are_refused() {
    let data = Data::new((10, 3), 8);
    let message = |options: FitOptions| {
        fit(Model::Linear, data.samples(false), None, &options, &threads(1)).unwrap_err().to_string()
    };
    for (value, name) in [(-1.0, "-1"), (f64::NAN, "NaN"), (f64::INFINITY, "inf")] {
        let expected = format!("is {name}, expected a finite number, 0 or larger");
        assert_eq!(message(FitOptions { l1: value, ..FitOptions::gradient_descent() }), format!("l1 {expected}"));
        assert_eq!(message(FitOptions { l2: value, ..FitOptions::gradient_descent() }), format!("l2 {expected}"));
    }
    let found = message(FitOptions { l1: 0.5, ..FitOptions::gradient_descent() });
    assert!(found.starts_with("l1 is 0.5, expected 0 with gradient descent"), "{found}");
}
