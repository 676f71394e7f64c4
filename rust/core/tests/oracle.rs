//! Forward pass, cost and gradient against plain loops, finite differences, and what weights mean.

mod common;

use common::{Data, MODELS, assert_near, assert_relative, cost_gradient, predictor, sigmoid, threads};
use ndarray::{Array1, Array2, Axis};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use steepest::{Activation, Context, Model, Parameters, class_probabilities, cost, forward};

fn check_shape(m: usize, n: usize) {
    let data = Data::new((m, n), (m * 1000 + n) as u64);
    for model in MODELS {
        for weighted in [false, true] {
            let what = format!("{model:?}, {m} × {n}, weighted: {weighted}");
            let found = data.cost_gradient(model, weighted, 2);
            assert_near(&found, &cost_gradient(model, &data, weighted, &data.at), 1e-12, &what);
            let alone = cost(model, data.samples(weighted), &data.at, &threads(1)).unwrap();
            assert_relative(alone, found.0, 1e-14, &what);
        }
    }
    let linear = forward((&data.x).into(), None, &data.at, Activation::Identity, &threads(2)).unwrap();
    let curved = forward((&data.x).into(), None, &data.at, Activation::Sigmoid, &threads(2)).unwrap();
    let both = class_probabilities((&data.x).into(), None, &data.at, &threads(2)).unwrap();
    for (i, z) in predictor(&data.x, &data.at).into_iter().enumerate() {
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "row {i} of {m} × {n}: {a} instead of {b}");
        near(linear[i], z);
        near(curved[i], sigmoid(z));
        near(both[[i, 0]], sigmoid(-z));
        near(both[[i, 1]], sigmoid(z));
    }
}

#[test]
fn every_tail_agrees_with_plain_loops() {
    for m in 1..=20 {
        for n in 1..=35 {
            check_shape(m, n);
        }
    }
}

#[test]
fn many_panels_and_chunks_agree_with_plain_loops() {
    for (m, n) in [(5000, 3), (300, 700), (40_001, 3), (100_003, 1), (3, 5000), (513, 64), (2049, 17)] {
        check_shape(m, n);
    }
}

#[test]
fn a_row_of_weight_0_counts_for_nothing_even_where_it_overflows() {
    let mut data = Data::new((9, 3), 1);
    let expected = select(&data, &[0, 1, 2, 3, 4, 5, 6, 7]).cost_gradient(Model::Linear, true, 1);
    data.y[8] = 1.7e308;
    data.s[8] = 0.0;
    assert_near(&data.cost_gradient(Model::Linear, true, 1), &expected, 1e-12, "weight 0");
}

#[test]
fn the_scale_of_the_weights_may_be_extreme() {
    let data = Data::new((9, 3), 1);
    for scale in [1e-310, 1e307] {
        let mut scaled = data.clone();
        scaled.s.fill(scale);
        scaled.y *= 40.0;
        let expected = scaled.cost_gradient(Model::Linear, false, 1);
        assert_near(&scaled.cost_gradient(Model::Linear, true, 1), &expected, 1e-11, &format!("{scale:e}"));
    }
}

/// The same, whatever the file system holds and however often it runs.
fn settings() -> ProptestConfig {
    ProptestConfig { cases: 200, failure_persistence: None, rng_seed: RngSeed::Fixed(2), ..ProptestConfig::default() }
}

fn any_data() -> impl Strategy<Value = Data> {
    let floats = |range: std::ops::Range<f64>, n| proptest::collection::vec(range, n);
    (2usize..40, 1usize..7).prop_flat_map(move |(m, n)| {
        let parts = (floats(-3.0..3.0, m * n), floats(0.0..1.0, m), floats(0.1..3.0, m), floats(-2.0..2.0, n));
        (parts, -2.0..2.0).prop_map(move |((x, y, s, w), bias)| Data {
            x: Array2::from_shape_vec((m, n), x).unwrap(),
            y: Array1::from(y),
            s: Array1::from(s),
            at: Parameters { weights: Array1::from(w), bias },
        })
    })
}

fn select(data: &Data, rows: &[usize]) -> Data {
    Data {
        x: data.x.select(Axis(0), rows),
        y: data.y.select(Axis(0), rows),
        s: data.s.select(Axis(0), rows),
        at: data.at.clone(),
    }
}

proptest! {
    #![proptest_config(settings())]

    #[test]
    fn gradient_is_the_slope_of_the_cost(data in any_data()) {
        const H: f64 = 1e-5;
        let n = data.at.n_features();
        for model in MODELS {
            let cost_at = |entry: usize, step: f64| {
                let mut at = data.at.clone();
                if entry < n { at.weights[entry] += step } else { at.bias += step }
                cost(model, data.samples(true), &at, &Context::default()).unwrap()
            };
            let (cost, gradient) = data.cost_gradient(model, true, 1);
            for (j, &g) in gradient.weights.iter().chain([&gradient.bias]).enumerate() {
                let slope = (cost_at(j, H) - cost_at(j, -H)) / (2.0 * H);
                prop_assert!((slope - g).abs() < 1e-7 * (1.0 + cost), "{model:?}: entry {j} is {g}, slope {slope}");
            }
        }
    }

    #[test]
    fn the_order_of_the_rows_does_not_matter(data in any_data(), turn in 1usize..40) {
        let m = data.y.len();
        let rows: Vec<_> = (0..m).map(|i| (m - 1 - i + turn) % m).collect();
        let shuffled = select(&data, &rows);
        for model in MODELS {
            let (found, expected) = (shuffled.cost_gradient(model, true, 1), data.cost_gradient(model, true, 1));
            assert_near(&found, &expected, 1e-12, "another order");
        }
    }

    #[test]
    fn a_weight_counts_rows(data in any_data(), row in 0usize..40) {
        let m = data.y.len();
        let row = row % m;
        let mut double = data.clone();
        double.s[row] *= 2.0;
        let twice = select(&data, &(0..m).chain([row]).collect::<Vec<_>>());
        let mut zero = data.clone();
        zero.s[row] = 0.0;
        let without = select(&data, &(0..m).filter(|&i| i != row).collect::<Vec<_>>());
        for model in MODELS {
            for (what, weight, rows) in [("weight 2", &double, &twice), ("weight 0", &zero, &without)] {
                let (found, expected) = (weight.cost_gradient(model, true, 1), rows.cost_gradient(model, true, 1));
                assert_near(&found, &expected, 1e-12, what);
            }
        }
    }

    #[test]
    fn only_the_proportions_of_the_weights_count(data in any_data(), exponent in -200i32..200) {
        let mut scaled = data.clone();
        scaled.s *= 3.0 * 10f64.powi(exponent);
        let mut equal = data.clone();
        equal.s.fill(10f64.powi(exponent));
        for model in MODELS {
            let expected = data.cost_gradient(model, true, 1);
            assert_near(&scaled.cost_gradient(model, true, 1), &expected, 1e-12, "scaled");
            let expected = data.cost_gradient(model, false, 1);
            assert_near(&equal.cost_gradient(model, true, 1), &expected, 1e-12, "all equal");
        }
    }
}
