//! Class weights multiply sample weights.

mod common;

use common::{Data, MODELS, all_bits, assert_near, cost_gradient, threads};
use ndarray::Array1;
use steepest::{ClassWeight, Error, FitOptions, Model, Precompute, Samples, cost_gradient_hessian, fit};

/// Targets that are classes, class 1 the rarer one.
fn data(shape: (usize, usize)) -> Data {
    let mut data = Data::new(shape, 1);
    data.y = (0..shape.0).map(|i| f64::from(i % 5 == 1)).collect();
    data
}

fn samples(data: &Data, weighted: bool, class_weight: ClassWeight) -> Samples<'_> {
    data.samples(weighted).with_class_weight(class_weight).unwrap()
}

/// The same with sample weights that say it all.
fn multiplied(data: &Data, weighted: bool, class_weight: ClassWeight) -> Data {
    let s = if weighted { data.s.clone() } else { Array1::ones(data.s.len()) };
    let sum = |class: f64| s.iter().zip(&data.y).filter(|(_, y)| **y == class).map(|(s, _)| s).sum::<f64>();
    let weights = match class_weight {
        ClassWeight::Fixed(weights) => weights,
        ClassWeight::Balanced => [0.0, 1.0].map(|class| s.sum() / (2.0 * sum(class))),
    };
    let s = s.iter().zip(&data.y).map(|(s, &y)| s * weights[usize::from(y == 1.0)]).collect();
    Data { s, ..data.clone() }
}

const WEIGHTS: [ClassWeight; 4] = [
    ClassWeight::Balanced,
    ClassWeight::Fixed([1.0, 1.0]),
    ClassWeight::Fixed([0.3, 7.0]),
    ClassWeight::Fixed([1e200, 3e200]),
];

#[test]
fn they_multiply_sample_weights() {
    for shape in [(7, 3), (300, 20), (20_001, 3)] {
        let data = data(shape);
        for (weighted, class_weight) in WEIGHTS.into_iter().flat_map(|weights| [(false, weights), (true, weights)]) {
            let expected = multiplied(&data, weighted, class_weight);
            let given = samples(&data, weighted, class_weight);
            for model in MODELS {
                let what = format!("{model:?}, {shape:?}, {class_weight:?}, weighted: {weighted}");
                let found = steepest::cost_gradient(model, given, &data.at, &threads(2)).unwrap();
                assert_near(&found, &cost_gradient(model, &expected, true, &data.at), 1e-11, &what);
                let (_, _, found) = cost_gradient_hessian(model, given, &data.at, &threads(2)).unwrap();
                let expected = common::hessian(model, &expected, true, &data.at);
                assert!((found - expected).iter().all(|difference| difference.abs() < 1e-11), "{what}");
            }
        }
    }
}

#[test]
fn rows_moments_and_the_dual_know_of_them() {
    for shape in [(300, 5), (20, 90)] {
        let data = data(shape);
        for class_weight in WEIGHTS {
            let expected = multiplied(&data, true, class_weight);
            for precompute in [Precompute::Always, Precompute::Never] {
                let options = FitOptions { precompute, max_iter: 30, tol: 0.0, ..FitOptions::gradient_descent() };
                let run = |samples| fit(Model::Linear, samples, None, &options, &threads(2)).unwrap();
                let (found, expected) = (run(samples(&data, true, class_weight)), run(expected.samples(true)));
                let pairs = found.history.cost.iter().zip(&expected.history.cost);
                pairs.for_each(|(a, b)| assert!((a - b).abs() < 1e-10 * b, "{class_weight:?}: {a} instead of {b}"));
            }
        }
    }
}

#[test]
fn neither_threads_nor_storage_change_a_bit() {
    let mut data = data((40_003, 6));
    data.s.mapv_inplace(|s| f64::from(s as f32));
    let (labels, narrow) = (data.y.mapv(|y| y == 1.0), data.s.mapv(|s| s as f32));
    for class_weight in WEIGHTS {
        let pass = |samples: Samples<'_>, n| {
            let samples = samples.with_class_weight(class_weight).unwrap();
            all_bits(&steepest::cost_gradient(Model::SigmoidLogLoss, samples, &data.at, &threads(n)).unwrap())
        };
        let expected = pass(data.samples(true), 1);
        for n in [1, 2, 5] {
            assert_eq!(pass(data.samples(true), n), expected);
            assert_eq!(pass(Samples::weighted(&data.x, &labels, &narrow).unwrap(), n), expected);
        }
    }
}

#[test]
fn equal_ones_change_no_bit() {
    let data = data((500, 3));
    for weighted in [false, true] {
        let given = samples(&data, weighted, ClassWeight::Fixed([1.0, 1.0]));
        let found = steepest::cost_gradient(Model::SigmoidLogLoss, given, &data.at, &threads(1)).unwrap();
        assert_eq!(all_bits(&found), all_bits(&data.cost_gradient(Model::SigmoidLogLoss, weighted, 1)));
    }
}

#[test]
fn faults_are_named() {
    let data = data((3000, 2));
    let options = FitOptions::gradient_descent();
    let error = |samples: Samples<'_>| {
        fit(Model::SigmoidLogLoss, samples, None, &options, &threads(2)).unwrap_err().to_string()
    };
    for (value, name) in [(-1.0, "-1"), (f64::NAN, "NaN"), (f64::INFINITY, "inf")] {
        let found = data.samples(false).with_class_weight(ClassWeight::Fixed([1.0, value])).unwrap_err();
        assert_eq!(found.to_string(), format!("class_weight is {name}, expected finite numbers, 0 or larger"));
    }
    for class_weight in WEIGHTS {
        let mut half = data.clone();
        half.y[2017] = 0.5;
        let expected = "y contains 0.5 at index 2017; the classes are 0 and 1";
        assert_eq!(error(samples(&half, false, class_weight)), expected);
        half.y[2016] = f64::NAN;
        let expected = "y contains NaN at index 2016; every value must be finite";
        assert_eq!(error(samples(&half, false, class_weight)), expected);
        for class in [0, 1] {
            let expected = format!("y has no sample of class {class} with a positive weight; both classes need one");
            let mut without = data.clone();
            without.y.fill((1 - class) as f64);
            assert_eq!(error(samples(&without, true, class_weight)), expected);
            let mut without = data.clone();
            without.s.zip_mut_with(&data.y, |s, &y| {
                if y == class as f64 {
                    *s = 0.0
                }
            });
            assert_eq!(error(samples(&without, true, class_weight)), expected);
        }
    }
    for (class, weights) in [(1, [1.0, 0.0]), (0, [0.0, 2.0]), (0, [0.0, 0.0])] {
        let found =
            fit(Model::SigmoidLogLoss, samples(&data, true, ClassWeight::Fixed(weights)), None, &options, &threads(1));
        assert_eq!(found.unwrap_err(), Error::MissingClass { argument: "y", class });
    }
}
