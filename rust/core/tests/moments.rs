//! Gradient descent of the linear model over moments: the same course as over rows.

mod common;

use std::num::NonZeroUsize;

use common::{Data, bits, threads};
use ndarray::Array1;
use steepest::{Fit, FitOptions, LearningRate, Model, Parameters, Precompute, Samples, fit};

fn run(data: &Data, weighted: bool, options: &FitOptions, n_threads: usize) -> Fit {
    fit(Model::Linear, data.samples(weighted), None, options, &threads(n_threads)).unwrap()
}

fn with(precompute: Precompute, options: &FitOptions) -> FitOptions {
    FitOptions { precompute, ..options.clone() }
}

#[track_caller]
fn assert_same_course(data: &Data, weighted: bool, options: &FitOptions) -> Fit {
    let by_moments = run(data, weighted, &with(Precompute::Always, options), 2);
    let by_rows = run(data, weighted, &with(Precompute::Never, options), 2);
    assert_eq!((by_moments.n_iter, by_moments.stop_reason), (by_rows.n_iter, by_rows.stop_reason));
    // The rounding of the parameters themselves, some 1e-16, moves residuals and gradients by as much of the first ones.
    let (cost, norm) = (&by_rows.history.cost, &by_rows.history.gradient_norm);
    for (iteration, (found, expected)) in by_moments.history.cost.iter().zip(cost).enumerate() {
        let allowed = 1e-9 * expected + 1e-14 * (expected * cost[0]).sqrt() + 1e-30 * cost[0];
        assert!((found - expected).abs() <= allowed, "cost {found:e} instead of {expected:e} at iteration {iteration}");
    }
    for (iteration, (found, expected)) in by_moments.history.gradient_norm.iter().zip(norm).enumerate() {
        let allowed = 1e-9 * expected + 1e-14 * norm[0];
        assert!((found - expected).abs() <= allowed, "norm {found:e} instead of {expected:e} at iteration {iteration}");
    }
    let largest = by_rows.parameters.weights.iter().fold(0.0_f64, |acc, w| acc.max(w.abs()));
    let difference = &by_moments.parameters.weights - &by_rows.parameters.weights;
    assert!(difference.iter().all(|d| d.abs() <= 1e-9 * largest));
    assert!((by_moments.parameters.bias - by_rows.parameters.bias).abs() <= 1e-9 * largest.max(1.0));
    by_moments
}

fn steps(max_iter: usize) -> FitOptions {
    FitOptions { max_iter, tol: 0.0, ..FitOptions::gradient_descent() }
}

#[test]
fn tall_square_and_wide_data_take_the_same_course() {
    for shape in [(200, 1), (2000, 7), (300, 40), (60, 60), (40, 70), (20, 500), (7, 1000)] {
        let data = Data::new(shape, 1);
        for weighted in [false, true] {
            assert_same_course(&data, weighted, &steps(60));
            let start = FitOptions { start: Some(data.at.clone()), ..steps(60) };
            assert_same_course(&data, weighted, &start);
        }
    }
}

#[test]
fn an_exact_fit_keeps_its_digits_on_the_way_to_zero() {
    let mut data = Data::new((400, 3), 2);
    data.y = data.x.dot(&data.at.weights) + data.at.bias;
    let options = FitOptions { learning_rate: LearningRate::Fixed(0.3), ..steps(25) };
    let found = assert_same_course(&data, false, &options);
    assert!(found.history.cost[25] < 1e-12 * found.history.cost[0]);
    // On to the end, where all is rounding error.
    let end = run(&data, false, &FitOptions { precompute: Precompute::Always, ..steps(2000) }, 2);
    assert!(end.history.cost.iter().all(|&cost| cost >= 0.0));
    assert!(end.history.cost[2000] < 1e-29);
}

#[test]
fn a_tiny_residual_is_found_to_nine_digits() {
    let mut data = Data::new((1000, 4), 3);
    data.y = 1e6 * (data.x.dot(&data.at.weights) + data.at.bias) + &data.y;
    let options = FitOptions { learning_rate: LearningRate::Fixed(0.3), ..steps(200) };
    let found = assert_same_course(&data, true, &options);
    assert!(found.history.cost[200] < 1e-11 * found.history.cost[0]);
}

#[test]
fn far_means_and_unlike_scales_take_the_same_course() {
    let mut data = Data::new((500, 3), 4);
    data.x *= &Array1::from(vec![1e-3, 1.0, 50.0]);
    data.x += &Array1::from(vec![1.0, -300.0, 4000.0]);
    assert_same_course(&data, false, &steps(100));
}

#[test]
fn tolerance_divergence_and_early_stopping_are_noticed_alike() {
    let data = Data::new((300, 4), 5);
    let by_tolerance = FitOptions { max_iter: 10_000, tol: 1e-10, ..FitOptions::gradient_descent() };
    assert!(assert_same_course(&data, false, &by_tolerance).n_iter < 10_000);

    let too_large = FitOptions { learning_rate: LearningRate::Fixed(5.0), ..steps(100) };
    let messages = [Precompute::Always, Precompute::Never].map(|precompute| {
        let options = with(precompute, &too_large);
        fit(Model::Linear, data.samples(false), None, &options, &threads(2)).unwrap_err().to_string()
    });
    assert_eq!(messages[0], messages[1]);

    for shape in [(40, 10), (12, 30)] {
        let (training, validation) = (Data::new(shape, 6), Data::new((50, shape.1), 7));
        let stopped = [Precompute::Always, Precompute::Never].map(|precompute| {
            let options = FitOptions { patience: NonZeroUsize::new(3), precompute, ..steps(500) };
            let validation = Some(validation.samples(false));
            fit(Model::Linear, training.samples(false), validation, &options, &threads(2)).unwrap()
        });
        assert_eq!(stopped[0].n_iter, stopped[1].n_iter);
        assert_eq!(stopped[0].history.best_iteration(), stopped[1].history.best_iteration());
    }
}

#[test]
fn products_that_overflow_are_not_formed() {
    let mut data = Data::new((50, 2), 8);
    data.x.column_mut(0).mapv_inplace(|x| x * 1e153);
    let options = FitOptions { learning_rate: LearningRate::Fixed(1e-308), ..steps(3) };
    assert_same_course(&data, false, &options);
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    for shape in [(5003, 17), (1200, 300), (50, 3000)] {
        let data = Data::new(shape, 9);
        let options = FitOptions { precompute: Precompute::Always, ..steps(40) };
        let all = |fit: Fit| {
            let Fit { parameters: Parameters { weights, bias }, history, .. } = fit;
            bits(weights.iter().chain([&bias]).chain(&history.cost).chain(&history.gradient_norm))
        };
        let one = all(run(&data, true, &options, 1));
        for n_threads in [2, 3, 5, 8] {
            assert_eq!(all(run(&data, true, &options, n_threads)), one, "{n_threads} threads, {shape:?}");
        }
    }
}

#[test]
fn a_row_of_weight_0_and_a_row_twice_mean_what_they_say() {
    let mut data = Data::new((60, 5), 10);
    data.s.mapv_inplace(|s| if s < 1.0 { 0.0 } else { 2.0 });
    let rows: Vec<usize> = (0..60).filter(|&i| data.s[i] > 0.0).flat_map(|i| [i, i]).collect();
    let (x, y) = (data.x.select(ndarray::Axis(0), &rows), data.y.select(ndarray::Axis(0), &rows));
    let options = FitOptions { learning_rate: LearningRate::Fixed(0.1), precompute: Precompute::Always, ..steps(50) };
    let weighted = run(&data, true, &options, 1);
    let repeated = fit(Model::Linear, Samples::new(&x, &y).unwrap(), None, &options, &threads(1)).unwrap();
    for (a, b) in weighted.history.cost.iter().zip(&repeated.history.cost) {
        assert!((a - b).abs() < 1e-13 * b);
    }
}
