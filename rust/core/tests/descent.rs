//! How a fit moves, stops, diverges, and what it hands back.

mod common;

use std::num::NonZeroUsize;

use common::{Data, MODELS, assert_relative, bits, cost_gradient, threads};
use ndarray::{Array1, Array2, array};
use steepest::{Error, Fit, FitOptions, LearningRate, Model, Parameters, Precompute, Samples, StopReason, cost, fit};

fn fixed(rate: f64, max_iter: usize) -> FitOptions {
    FitOptions { learning_rate: LearningRate::Fixed(rate), max_iter, tol: 0.0, ..FitOptions::gradient_descent() }
}

fn run(model: Model, data: &Data, options: &FitOptions) -> Result<Fit, Error> {
    fit(model, data.samples(false), None, options, &threads(1))
}

/// The eigenvalues of the 2 × 2 Hessian's bound of a single feature, the smaller first.
fn eigenvalues(model: Model, x: &Array2<f64>, s: &Array1<f64>) -> [f64; 2] {
    let mean = |f: fn(f64) -> f64| x.iter().zip(s).map(|(&x, s)| s * f(x)).sum::<f64>() / s.sum();
    let (a, b) = (mean(|x| x * x), mean(|x| x));
    let half_gap = (((a - 1.0) / 2.0).powi(2) + b * b).sqrt();
    [-1.0, 1.0].map(|sign| model.curvature_bound() * ((a + 1.0) / 2.0 + sign * half_gap))
}

fn one_feature(low: f64, high: f64) -> Data {
    let mut data = Data::new((60, 1), 9);
    data.x.mapv_inplace(|x| low + (x + 2.0) / 4.0 * (high - low));
    data
}

#[test]
fn iterates_are_those_of_the_textbook() {
    let data = Data::new((200, 5), 4);
    for model in MODELS {
        let found = fit(model, data.samples(true), None, &fixed(0.2, 25), &threads(2)).unwrap();
        let mut at = Parameters::zeros(5);
        for iteration in 0..=25 {
            let (cost, gradient) = cost_gradient(model, &data, true, &at);
            let what = format!("{model:?}, iteration {iteration}");
            assert_relative(found.history.cost[iteration], cost, 1e-12, &what);
            let norm = gradient.weights.iter().chain([&gradient.bias]).map(|g| g * g).sum::<f64>().sqrt();
            assert_relative(found.history.gradient_norm[iteration], norm, 1e-10, &what);
            if iteration < 25 {
                at.weights = &at.weights - 0.2 * &gradient.weights;
                at.bias -= 0.2 * gradient.bias;
            }
        }
        assert!(found.parameters.weights.iter().zip(&at.weights).all(|(a, b)| (a - b).abs() < 1e-13));
        assert!((found.parameters.bias - at.bias).abs() < 1e-13);
        let seconds = &found.history.seconds;
        assert!(seconds.len() == 26 && seconds.windows(2).all(|pair| pair[0] <= pair[1]));
        assert!(found.history.validation_cost.is_empty());
    }
}

#[test]
fn automatic_rate_is_one_over_the_largest_eigenvalue() {
    for model in MODELS {
        for (low, high) in [(-1.0, 1.0), (0.0, 1.0), (5.0, 9.0), (-400.0, -100.0), (-0.01, 0.02)] {
            let data = one_feature(low, high);
            let options = FitOptions { max_iter: 3, ..FitOptions::gradient_descent() };
            for weighted in [false, true] {
                let fit = fit(model, data.samples(weighted), None, &options, &threads(1)).unwrap();
                let s = if weighted { data.s.clone() } else { Array1::ones(60) };
                let [_, largest] = eigenvalues(model, &data.x, &s);
                assert_relative(
                    fit.learning_rate.unwrap(),
                    1.0 / largest,
                    0.02,
                    &format!("{model:?} on [{low}, {high}]"),
                );
            }
        }
    }
}

#[test]
fn divergence_names_the_iteration_and_the_largest_stable_rate() {
    for (low, high) in [(-1.0, 1.0), (2.0, 3.0), (-40.0, 10.0)] {
        let data = one_feature(low, high);
        let stable = 2.0 / eigenvalues(Model::Linear, &data.x, &Array1::ones(60))[1];
        let calm = run(Model::Linear, &data, &fixed(stable * (1.0 - 1e-4), 1000)).unwrap();
        assert_eq!((calm.n_iter, calm.stop_reason), (1000, StopReason::MaxIter));
        assert!(calm.history.cost.windows(2).all(|pair| pair[1] <= pair[0] * (1.0 + 1e-12)), "[{low}, {high}]");

        for excess in [1.001, 1.5, 30.0, 1e200] {
            let rate = stable * excess;
            let error = run(Model::Linear, &data, &fixed(rate, 1000)).unwrap_err();
            let Error::Diverged { iteration, reference_cost, cost, learning_rate, largest_stable_rate } = error else {
                panic!("{error}");
            };
            assert!((1..1000).contains(&iteration), "{error}");
            assert_relative(largest_stable_rate, stable, 1e-4, "largest stable rate");
            assert_eq!(learning_rate, rate);
            let start = run(Model::Linear, &data, &fixed(rate, 0)).unwrap().history.cost[0];
            assert!(reference_cost <= start && (cost.is_nan() || cost > reference_cost), "{error}");
            let message = error.to_string();
            assert!(message.contains(&format!("diverged at iteration {iteration}:")), "{message}");
            let said = |before: &str| -> f64 {
                let number = message.split(before).nth(1).unwrap().split([' ', ';']).next().unwrap();
                number.trim_end_matches('.').parse().unwrap()
            };
            assert_relative(said("rate for this data is "), largest_stable_rate, 1e-4, &message);
            assert!(said("rate for this data is ") <= largest_stable_rate, "{message}");
            assert_eq!(said("learning_rate="), rate, "{message}");
            // One iteration fewer than the one named, and the same fit still ends well.
            assert!(run(Model::Linear, &data, &fixed(rate, iteration - 1)).is_ok());
        }
    }
}

#[test]
fn early_stopping_returns_to_the_minimum_of_the_validation_cost() {
    let training = Data { y: Data::new((80, 1), 1).x.column(0).mapv(|x| 2.0 * x + 1.0), ..Data::new((80, 1), 1) };
    let validation = Data { y: Data::new((40, 1), 2).x.column(0).mapv(|x| x + 0.6), ..Data::new((40, 1), 2) };
    let fit_with = |options: &FitOptions| {
        fit(Model::Linear, training.samples(true), Some(validation.samples(true)), options, &threads(1)).unwrap()
    };
    let whole = fit_with(&fixed(0.02, 300));
    let curve = &whole.history.validation_cost;
    let best = (0..curve.len()).min_by(|&i, &j| curve[i].total_cmp(&curve[j])).unwrap();
    assert!((5..250).contains(&best), "a validation curve with its minimum inside, not at {best}");
    assert_eq!(whole.history.best_iteration(), Some(best));
    assert_eq!(whole.n_iter, 300);
    let there = fit_with(&fixed(0.02, best)).parameters;
    assert_eq!(cost(Model::Linear, validation.samples(true), &there, &threads(1)).unwrap(), curve[best]);

    for patience in [1, 7, 30] {
        let stopped = fit_with(&FitOptions { patience: NonZeroUsize::new(patience), ..fixed(0.02, 300) });
        assert_eq!(stopped.stop_reason, StopReason::EarlyStopping);
        assert_eq!(stopped.n_iter, best + patience);
        assert_eq!(stopped.history.validation_cost, curve[..=best + patience]);
        assert_eq!(stopped.parameters, there);
    }
}

#[test]
fn a_fit_goes_on_where_another_ended() {
    let data = Data::new((100, 3), 11);
    for model in MODELS {
        // Moments have their origin at the start, so by them it goes on to rounding, not to the bit.
        let fixed = |rate, max_iter| FitOptions { precompute: Precompute::Never, ..fixed(rate, max_iter) };
        let whole = run(model, &data, &fixed(0.1, 40)).unwrap();
        let half = run(model, &data, &fixed(0.1, 20)).unwrap();
        let rest = run(model, &data, &FitOptions { start: Some(half.parameters.clone()), ..fixed(0.1, 20) }).unwrap();
        assert_eq!(rest.parameters, whole.parameters);
        assert_eq!(bits(&rest.history.cost), bits(&whole.history.cost[20..]));
        let none = run(model, &data, &FitOptions { start: Some(data.at.clone()), ..fixed(0.1, 0) }).unwrap();
        assert_eq!((none.n_iter, none.parameters, none.history.cost.len()), (0, data.at.clone(), 1));
        assert_eq!(none.history.cost[0], data.cost_gradient(model, false, 1).0);
    }
}

#[test]
fn the_tolerance_is_relative_to_the_first_gradient() {
    let data = Data::new((100, 3), 12);
    for model in MODELS {
        let exact = run(model, &data, &fixed(0.3, 77)).unwrap();
        assert_eq!((exact.n_iter, exact.stop_reason), (77, StopReason::MaxIter));
        assert_eq!(exact.history.cost.len(), 78);
        let close = run(model, &data, &FitOptions { tol: 1e-2, ..fixed(0.3, 10_000) }).unwrap();
        assert_eq!(close.stop_reason, StopReason::Tolerance);
        let relative: Vec<_> = close.history.gradient_norm.iter().map(|g| g / close.history.gradient_norm[0]).collect();
        let (last, before) = relative.split_last().unwrap();
        assert!(*last <= 1e-2 && before.iter().all(|&norm| norm > 1e-2));
        assert_eq!(before.len(), close.n_iter);
    }
}

#[test]
fn a_start_at_the_minimum_needs_no_iteration() {
    let (x, zero, half) = (array![[1.0], [2.0]], array![0.0, 0.0], array![0.5, 0.5]);
    for (model, y) in [(Model::Linear, &zero), (Model::SigmoidSquaredError, &half), (Model::SigmoidLogLoss, &half)] {
        let samples = Samples::new(&x, y).unwrap();
        let fit = fit(model, samples, None, &FitOptions::gradient_descent(), &threads(1)).unwrap();
        assert_eq!((fit.n_iter, fit.stop_reason), (0, StopReason::Tolerance));
        assert_eq!(fit.parameters, Parameters::zeros(1));
    }
}

#[test]
fn exact_data_give_their_parameters_back() {
    let mut data = Data::new((300, 4), 13);
    data.y = data.x.dot(&data.at.weights) + data.at.bias;
    let options = FitOptions { max_iter: 100_000, tol: 1e-13, ..FitOptions::gradient_descent() };
    let fit = run(Model::Linear, &data, &options).unwrap();
    assert_eq!(fit.stop_reason, StopReason::Tolerance);
    assert!((&fit.parameters.weights - &data.at.weights).iter().all(|error| error.abs() < 1e-11));
    assert!((fit.parameters.bias - data.at.bias).abs() < 1e-11);
    assert!(*fit.history.cost.last().unwrap() < 1e-22);
}

#[test]
fn automatic_rate_lets_the_cost_fall_at_each_iteration() {
    for seed in 20..40 {
        let data = Data::new((50, 1 + seed as usize % 7), seed);
        for model in MODELS {
            let fit = run(model, &data, &FitOptions { max_iter: 200, ..FitOptions::gradient_descent() }).unwrap();
            assert!(fit.history.cost.windows(2).all(|pair| pair[1] <= pair[0] * (1.0 + 1e-12)), "{model:?}, {seed}");
        }
    }
}

/// Features of zeros and ones, with any share of ones: none may hide the largest eigenvalue from the power iteration.
#[test]
fn automatic_rate_holds_for_any_share_of_ones() {
    for m in 2..=200 {
        for ones in 1..m {
            let x = Array2::from_shape_fn((m, 1), |(i, _)| f64::from(i < ones));
            let fit = fit(
                Model::Linear,
                Samples::new(&x, &Array1::<f64>::ones(m)).unwrap(),
                None,
                &FitOptions { max_iter: 0, ..FitOptions::gradient_descent() },
                &threads(1),
            );
            let [_, largest] = eigenvalues(Model::Linear, &x, &Array1::ones(m));
            assert_relative(fit.unwrap().learning_rate.unwrap(), 1.0 / largest, 0.02, &format!("{ones} of {m}"));
        }
    }
}
