//! Bad data and options: each fault is named, with the argument, the place and the value.

mod common;

use std::cell::Cell;
use std::num::NonZeroUsize;

use common::{Data, MODELS, threads};
use ndarray::{Array1, Array2};
use steepest::{
    Activation, Context, Error, FitOptions, LearningRate, Model, Parameters, Samples, class_probabilities, cost,
    cost_gradient, fit, forward,
};

const SIGMOIDS: [Model; 2] = [Model::SigmoidSquaredError, Model::SigmoidLogLoss];

#[track_caller]
fn assert_message<T: std::fmt::Debug>(result: Result<T, Error>, message: &str) {
    assert_eq!(result.unwrap_err().to_string(), message);
}

/// Whatever looks at the samples says the same.
#[track_caller]
fn assert_rejected(model: Model, data: &Data, weighted: bool, message: &str) {
    let samples = || data.samples(weighted);
    let zeros = Parameters::zeros(data.x.ncols());
    for n in [1, 3] {
        assert_message(cost(model, samples(), &zeros, &threads(n)), message);
        assert_message(cost_gradient(model, samples(), &zeros, &threads(n)), message);
        for learning_rate in [LearningRate::Auto, LearningRate::Fixed(0.1)] {
            let options = FitOptions { learning_rate, ..FitOptions::gradient_descent() };
            assert_message(fit(model, samples(), None, &options, &threads(n)), message);
        }
    }
}

#[test]
fn non_finite_features_are_named_by_row_and_column() {
    for (shape, row, column) in [((5, 3), 0, 0), ((5, 3), 4, 2), ((30_000, 5), 1234, 4), ((30_000, 5), 29_999, 1)] {
        for (value, name) in [(f64::NAN, "NaN"), (f64::INFINITY, "infinity"), (f64::NEG_INFINITY, "-infinity")] {
            let mut data = Data::new(shape, 1);
            data.x[[row, column]] = value;
            // Later ones are not the first.
            data.x[[shape.0 - 1, shape.1 - 1]] = value;
            let fortran = data.by_columns();
            let message = format!("X contains {name} at row {row}, column {column}; every value must be finite");
            for data in [data, fortran] {
                assert_rejected(Model::Linear, &data, false, &message);
                assert_rejected(Model::SigmoidLogLoss, &data, true, &message);
                let zeros = Parameters::zeros(shape.1);
                for activation in [Activation::Identity, Activation::Sigmoid] {
                    assert_message(forward((&data.x).into(), None, &zeros, activation, &threads(2)), &message);
                }
                assert_message(class_probabilities((&data.x).into(), None, &zeros, &threads(2)), &message);
            }
        }
    }
}

#[test]
fn non_finite_targets_and_weights_are_named_by_index() {
    for (value, name) in [(f64::NAN, "NaN"), (f64::INFINITY, "infinity"), (f64::NEG_INFINITY, "-infinity")] {
        for model in MODELS {
            let mut data = Data::new((3000, 2), 2);
            data.y[2017] = value;
            data.y[2500] = value;
            let message = format!("y contains {name} at index 2017; every value must be finite");
            assert_rejected(model, &data, true, &message);
            let mut data = Data::new((3000, 2), 2);
            data.s[1999] = value;
            data.s[2000] = value;
            let message = format!("sample_weight contains {name} at index 1999; every value must be finite");
            assert_rejected(model, &data, true, &message);
        }
    }
}

#[test]
fn targets_out_of_range_are_for_the_linear_model_only() {
    for value in [1.5, -0.25, 1.0 + f64::EPSILON] {
        let mut data = Data::new((40, 2), 3);
        data.y[31] = value;
        for model in SIGMOIDS {
            let message = format!("y contains {value} at index 31; the sigmoid model needs targets between 0 and 1");
            assert_rejected(model, &data, false, &message);
        }
        assert!(cost(Model::Linear, data.samples(false), &data.at, &threads(1)).is_ok());
    }
}

#[test]
fn weights_must_be_neither_negative_nor_all_zero() {
    for model in MODELS {
        let mut data = Data::new((40, 2), 4);
        data.s[7] = -0.5;
        let message = "sample_weight contains -0.5 at index 7; weights must not be negative";
        assert_rejected(model, &data, true, message);
        data.s.fill(0.0);
        let message = "sample_weight is zero everywhere; at least one weight must be positive";
        assert_rejected(model, &data, true, message);
    }
}

#[test]
fn shapes_must_fit() {
    let (x, y) = (Array2::<f64>::zeros((100, 3)), Array1::<f64>::zeros(99));
    let full = Array1::<f64>::ones(100);
    assert_message(Samples::new(&x, &y), "y has 99 samples, X has 100");
    assert_message(Samples::weighted(&x, &full, &y), "sample_weight has 99 samples, X has 100");
    assert_message(Samples::new(&x, &x), "y has 3 columns, expected one");
    assert_message(Samples::weighted(&x, &full, &x), "sample_weight has 3 columns, expected one");
    let at = Parameters::zeros(2);
    let samples = Samples::new(&x, &full).unwrap();
    let message = "weights has 2 features, expected 3";
    assert_message(forward((&x).into(), None, &at, Activation::Identity, &threads(1)), message);
    assert_message(cost(Model::Linear, samples, &at, &threads(1)), message);
    assert_message(cost_gradient(Model::Linear, samples, &at, &threads(1)), message);
    let options = FitOptions { start: Some(at), ..FitOptions::gradient_descent() };
    assert_message(fit(Model::Linear, samples, None, &options, &threads(1)), message);
}

#[test]
fn empty_data_are_named_with_their_shape() {
    for (m, n) in [(0, 3), (4, 0), (0, 0)] {
        let (x, y) = (Array2::<f64>::zeros((m, n)), Array1::<f64>::zeros(m));
        let message = format!("X is empty: its shape is ({m}, {n})");
        assert_message(Samples::new(&x, &y), &message);
        assert_message(forward((&x).into(), None, &Parameters::zeros(n), Activation::Sigmoid, &threads(1)), &message);
    }
}

#[test]
fn parameters_must_be_finite() {
    let data = Data::new((10, 3), 5);
    let mut at = data.at.clone();
    at.weights[2] = f64::NAN;
    let message = "weights contains NaN at index 2; every value must be finite";
    assert_message(cost(Model::Linear, data.samples(false), &at, &threads(1)), message);
    assert_message(forward((&data.x).into(), None, &at, Activation::Identity, &threads(1)), message);
    let at = Parameters { bias: f64::INFINITY, ..data.at.clone() };
    let options = FitOptions { start: Some(at), ..FitOptions::gradient_descent() };
    let result = fit(Model::Linear, data.samples(false), None, &options, &threads(1));
    let error = result.unwrap_err();
    assert!(matches!(error, Error::NonFiniteVector { argument: "bias", value: f64::INFINITY, .. }), "{error}");
}

#[test]
fn options_must_be_in_range() {
    let data = Data::new((10, 3), 6);
    let reject = |options: FitOptions, message: &str| {
        assert_message(fit(Model::Linear, data.samples(false), None, &options, &threads(1)), message);
    };
    for (rate, name) in [(0.0, "0"), (-0.5, "-0.5"), (f64::NAN, "NaN"), (f64::INFINITY, "inf")] {
        let options = FitOptions { learning_rate: LearningRate::Fixed(rate), ..FitOptions::gradient_descent() };
        reject(options, &format!("learning_rate is {name}, expected a positive finite number"));
    }
    for (tol, name) in [(-1e-3, "-0.001"), (f64::NAN, "NaN"), (f64::INFINITY, "inf")] {
        let options = FitOptions { tol, ..FitOptions::gradient_descent() };
        reject(options, &format!("tol is {name}, expected a finite number, 0 or larger"));
    }
    let options = FitOptions { patience: NonZeroUsize::new(5), ..FitOptions::gradient_descent() };
    reject(options, "patience is 5, expected validation data to go with it");
}

#[test]
fn faults_of_the_validation_data_carry_their_names() {
    let training = Data::new((50, 3), 7);
    let reject = |model, validation: &Data, message: &str| {
        let result = fit(
            model,
            training.samples(false),
            Some(validation.samples(true)),
            &FitOptions::gradient_descent(),
            &threads(2),
        );
        assert_message(result, message);
    };
    let good = Data::new((1500, 3), 8);
    let mut bad = good.clone();
    bad.x[[1203, 1]] = f64::NAN;
    reject(Model::Linear, &bad, "X_val contains NaN at row 1203, column 1; every value must be finite");
    let mut bad = good.clone();
    bad.y[4] = f64::INFINITY;
    reject(Model::Linear, &bad, "y_val contains infinity at index 4; every value must be finite");
    bad.y[4] = 2.0;
    let message = "y_val contains 2 at index 4; the sigmoid model needs targets between 0 and 1";
    reject(Model::SigmoidLogLoss, &bad, message);
    let mut bad = good.clone();
    bad.s[9] = -1.0;
    reject(Model::Linear, &bad, "sample_weight_val contains -1 at index 9; weights must not be negative");
    reject(Model::Linear, &Data::new((50, 4), 9), "X_val has 4 features, expected 3");
}

#[test]
fn a_fit_ends_soon_after_its_caller_says_so() {
    let data = Data::new((10, 3), 10);
    let asked = Cell::new(0);
    let wanted = || {
        asked.set(asked.get() + 1);
        asked.get() == 2
    };
    let context = Context::new(NonZeroUsize::new(2)).with_interrupt(&wanted);
    let options = FitOptions { max_iter: usize::MAX, tol: 0.0, ..FitOptions::gradient_descent() };
    assert_message(fit(Model::SigmoidLogLoss, data.samples(false), None, &options, &context), "interrupted");
    assert_eq!(asked.get(), 2);
}

#[test]
fn the_first_fault_by_row_is_named_for_any_number_of_threads() {
    let mut data = Data::new((60_000, 4), 11);
    for row in [59_000, 31_000, 12_345] {
        data.x[[row, 2]] = f64::NAN;
    }
    let x = Array2::<f64>::zeros((1, 4));
    assert!(forward((&x).into(), None, &data.at, Activation::Identity, &threads(8)).is_ok());
    for n in [1, 2, 5, 8] {
        let result = forward((&data.x).into(), None, &data.at, Activation::Identity, &threads(n));
        assert_message(result, "X contains NaN at row 12345, column 2; every value must be finite");
    }
}
