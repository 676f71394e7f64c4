//! An offset is a column of the data whose weight is known to be 1.

mod common;

use common::{Data, MODELS, all_bits, assert_near, bits, cost_gradient, threads};
use ndarray::{Array1, Array2, Axis, array, concatenate, s};
use steepest::{
    Activation, Error, Fit, FitOptions, LearningRate, Model, Parameters, Precompute, Samples, class_probabilities,
    cost_gradient_hessian, fit, forward,
};

/// Data with `n` features and one column more, the offset.
fn data(shape: (usize, usize)) -> Data {
    let mut data = Data::new((shape.0, shape.1 + 1), 1);
    data.at.weights[shape.1] = 1.0;
    data
}

/// The features alone, the offset alone, and the parameters of the features.
fn split(data: &Data) -> (Array2<f64>, Array1<f64>, Parameters) {
    let n = data.x.ncols() - 1;
    let at = Parameters { weights: data.at.weights.slice(s![..n]).to_owned(), bias: data.at.bias };
    (data.x.slice(s![.., ..n]).to_owned(), data.x.column(n).to_owned(), at)
}

fn without_last(mut gradient: Parameters) -> Parameters {
    gradient.weights = gradient.weights.slice(s![..-1]).to_owned();
    gradient
}

#[test]
fn cost_and_gradient_agree_with_plain_loops() {
    for shape in [(1, 1), (7, 3), (33, 20), (5000, 3), (300, 700), (20_001, 2)] {
        let data = data(shape);
        let (x, offset, at) = split(&data);
        for model in MODELS {
            for weighted in [false, true] {
                let (cost, gradient) = cost_gradient(model, &data, weighted, &data.at);
                let samples =
                    if weighted { Samples::weighted(&x, &data.y, &data.s) } else { Samples::new(&x, &data.y) };
                let samples = samples.unwrap().with_offset(&offset).unwrap();
                let found = steepest::cost_gradient(model, samples, &at, &threads(2)).unwrap();
                assert_near(&found, &(cost, without_last(gradient)), 1e-12, &format!("{model:?}, {shape:?}"));
            }
        }
    }
}

#[test]
fn predictions_add_it() {
    let data = data((3000, 4));
    let (x, offset, at) = split(&data);
    let offset = Some((&offset).into());
    let near = |found: &Array1<f64>, expected: &Array1<f64>| {
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-13));
    };
    for activation in [Activation::Identity, Activation::Sigmoid] {
        let found = forward((&x).into(), offset, &at, activation, &threads(2)).unwrap();
        near(&found, &forward((&data.x).into(), None, &data.at, activation, &threads(1)).unwrap());
    }
    let both = class_probabilities((&x).into(), offset, &at, &threads(2)).unwrap();
    let expected = forward((&data.x).into(), None, &data.at, Activation::Sigmoid, &threads(1)).unwrap();
    near(&both.column(1).to_owned(), &expected);
    near(&both.sum_axis(Axis(1)), &Array1::ones(3000));
}

#[test]
fn the_hessian_is_that_of_the_other_columns() {
    let data = data((400, 4));
    let (x, offset, at) = split(&data);
    let samples = Samples::new(&x, &data.y).unwrap().with_offset(&offset).unwrap();
    for model in MODELS {
        let (_, _, found) = cost_gradient_hessian(model, samples, &at, &threads(2)).unwrap();
        let whole = common::hessian(model, &data, false, &data.at);
        let expected = whole.select(Axis(0), &[0, 1, 2, 3, 5]).select(Axis(1), &[0, 1, 2, 3, 5]);
        assert!((found - expected).iter().all(|difference| difference.abs() < 1e-12), "{model:?}");
    }
}

/// For the linear model an offset is the same as targets from which it is subtracted.
#[test]
fn rows_moments_and_the_dual_take_the_course_of_targets_without_it() {
    for shape in [(300, 5), (20, 90)] {
        let data = data(shape);
        let (x, offset, at) = split(&data);
        let without = &data.y - &offset;
        for precompute in [Precompute::Never, Precompute::Always] {
            let options = FitOptions {
                precompute,
                start: Some(at.clone()),
                max_iter: 50,
                tol: 0.0,
                ..FitOptions::gradient_descent()
            };
            let samples = Samples::new(&x, &data.y).unwrap().with_offset(&offset).unwrap();
            let found = fit(Model::Linear, samples, None, &options, &threads(2)).unwrap();
            let samples = Samples::new(&x, &without).unwrap();
            let expected = fit(Model::Linear, samples, None, &options, &threads(2)).unwrap();
            // The rate does not depend on it at all.
            assert_eq!(found.learning_rate, expected.learning_rate);
            for (a, b) in found.history.cost.iter().zip(&expected.history.cost) {
                assert!((a - b).abs() <= 1e-12 * b.max(1e-3), "cost {a} instead of {b}");
            }
            let difference = &found.parameters.weights - &expected.parameters.weights;
            assert!(difference.iter().all(|difference| difference.abs() < 1e-12));
        }
    }
}

#[test]
fn validation_data_have_their_own() {
    let (training, validation) = (data((100, 3)), data((60, 3)));
    let (x, offset, _) = split(&training);
    let (x_val, offset_val, _) = split(&validation);
    for model in MODELS {
        let samples = Samples::new(&x, &training.y).unwrap().with_offset(&offset).unwrap();
        let check = Samples::new(&x_val, &validation.y).unwrap().with_offset(&offset_val).unwrap();
        let options = FitOptions { max_iter: 5, tol: 0.0, ..FitOptions::gradient_descent() };
        let Fit { parameters, history, .. } = fit(model, samples, Some(check), &options, &threads(1)).unwrap();
        let weights = concatenate![Axis(0), parameters.weights, array![1.0]];
        let at = Parameters { weights, bias: parameters.bias };
        let (expected, _) = cost_gradient(model, &validation, false, &at);
        assert!((history.validation_cost[5] - expected).abs() < 1e-13);
    }
}

#[test]
fn neither_threads_nor_layout_nor_storage_change_a_bit() {
    let data = data((40_003, 5));
    let (x, offset, at) = split(&data);
    let narrow = offset.mapv(|value| value as f32);
    let wide = narrow.mapv(f64::from);
    let twice = Array2::from_shape_fn((40_003, 2), |(i, _)| wide[i]);
    for model in MODELS {
        let pass =
            |samples: Samples<'_>, n| all_bits(&steepest::cost_gradient(model, samples, &at, &threads(n)).unwrap());
        let samples = Samples::new(&x, &data.y).unwrap();
        let expected = pass(samples.with_offset(&wide).unwrap(), 1);
        for n in [1, 2, 5] {
            assert_eq!(pass(samples.with_offset(&wide).unwrap(), n), expected);
            assert_eq!(pass(samples.with_offset(&narrow).unwrap(), n), expected);
            assert_eq!(pass(samples.with_offset(twice.column(1)).unwrap(), n), expected);
        }
        let predict =
            |offset, n| bits(&forward((&x).into(), Some(offset), &at, model.activation(), &threads(n)).unwrap());
        assert_eq!(predict((&narrow).into(), 3), predict((&wide).into(), 1));
    }
}

#[test]
fn faults_are_named() {
    let (x, y) = (Array2::<f64>::zeros((3000, 2)), Array1::<f64>::zeros(3000));
    let samples = Samples::new(&x, &y).unwrap();
    let message = |error: Error| error.to_string();
    let (short, at) = (Array1::<f64>::zeros(2999), Parameters::zeros(2));
    let identity = Activation::Identity;
    let long = "offset has 2999 samples, X has 3000";
    assert_eq!(message(samples.with_offset(&short).unwrap_err()), long);
    let predicted = forward((&x).into(), Some((&short).into()), &at, identity, &threads(1));
    assert_eq!(message(predicted.unwrap_err()), long);
    assert_eq!(message(samples.with_offset(&x).unwrap_err()), "offset has 2 columns, expected one");

    let mut bad = Array1::<f64>::zeros(3000);
    (bad[2500], bad[2017]) = (f64::NAN, f64::INFINITY);
    let fault = "offset contains infinity at index 2017; every value must be finite";
    let with_bad = samples.with_offset(&bad).unwrap();
    for model in MODELS {
        assert_eq!(message(steepest::cost(model, with_bad, &at, &threads(2)).unwrap_err()), fault);
        let options = FitOptions { learning_rate: LearningRate::Fixed(0.1), ..FitOptions::gradient_descent() };
        let error = fit(model, samples, Some(with_bad), &options, &threads(2)).unwrap_err();
        assert_eq!(message(error), fault.replace("offset", "offset_val"));
    }
    for n in [1, 3] {
        let predicted = forward((&x).into(), Some((&bad).into()), &at, identity, &threads(n));
        assert_eq!(message(predicted.unwrap_err()), fault);
        assert!(class_probabilities((&x).into(), Some((&bad).into()), &at, &threads(n)).is_err());
    }
    bad.fill(f64::MAX);
    let at = Parameters { weights: Array1::zeros(2), bias: f64::MAX };
    let predicted = forward((&x).into(), Some((&bad).into()), &at, identity, &threads(1));
    assert_eq!(predicted.unwrap_err(), Error::PredictionOverflow { argument: "X", row: 0 });
}
