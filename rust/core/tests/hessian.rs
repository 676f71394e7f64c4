//! The Hessian against plain loops and against differences of the gradient; the same bits however it is formed.

mod common;

use common::{Data, MODELS, bits, hessian, threads};
use ndarray::Array2;
use steepest::{Model, Parameters, Samples, cost_gradient, cost_gradient_hessian};

fn found(model: Model, data: &Data, weighted: bool, n_threads: usize) -> (f64, Parameters, Array2<f64>) {
    cost_gradient_hessian(model, data.samples(weighted), &data.at, &threads(n_threads)).unwrap()
}

fn check_shape(m: usize, n: usize) {
    let data = Data::new((m, n), (m * 1000 + n) as u64);
    for model in MODELS {
        for weighted in [false, true] {
            let (cost, gradient, second) = found(model, &data, weighted, 2);
            let expected = hessian(model, &data, weighted, &data.at);
            let largest = expected.iter().fold(0.0_f64, |acc, h| acc.max(h.abs()));
            for (place, h) in expected.indexed_iter() {
                let error = (second[place] - h).abs();
                assert!(
                    error <= 1e-12 * largest,
                    "{model:?}, {m} × {n}, weighted: {weighted}, {place:?}: off {error:e}"
                );
            }
            let (cost_alone, gradient_alone) = data.cost_gradient(model, weighted, 2);
            assert!((cost - cost_alone).abs() <= 1e-13 * cost_alone);
            let difference = &gradient.weights - &gradient_alone.weights;
            assert!(difference.iter().all(|d| d.abs() <= 1e-13));
        }
    }
}

#[test]
fn every_tail_agrees_with_plain_loops() {
    for m in [1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 63, 64, 65, 130] {
        for n in 1..=35 {
            check_shape(m, n);
        }
    }
}

#[test]
fn many_panels_chunks_and_blocks_of_columns_agree_with_plain_loops() {
    for (m, n) in [(40_001, 3), (3000, 33), (150, 256), (70, 257), (40, 530), (2049, 17)] {
        check_shape(m, n);
    }
}

#[test]
fn it_is_the_derivative_of_the_gradient() {
    let data = Data::new((57, 4), 3);
    let step = 1e-5;
    let gradient_at = |model, at: &Parameters| cost_gradient(model, data.samples(true), at, &threads(1)).unwrap().1;
    for model in [Model::Linear, Model::SigmoidLogLoss] {
        let second = found(model, &data, true, 1).2;
        for j in 0..5 {
            let moved = |step: f64| {
                let mut at = data.at.clone();
                *at.weights.iter_mut().chain([&mut at.bias]).nth(j).unwrap() += step;
                gradient_at(model, &at)
            };
            let (above, below) = (moved(step), moved(-step));
            let entries = |g: Parameters| g.weights.iter().copied().chain([g.bias]).collect::<Vec<_>>();
            for (k, (above, below)) in entries(above).into_iter().zip(entries(below)).enumerate() {
                let difference = (above - below) / (2.0 * step);
                assert!((second[[j, k]] - difference).abs() < 1e-8, "{model:?}, entry {j}, {k}");
            }
        }
    }
}

#[test]
fn a_mean_far_from_zero_costs_no_digits_of_the_centred_products() {
    let mut data = Data::new((500, 3), 5);
    let centred = hessian(Model::Linear, &data, false, &data.at);
    let shift = 1048576.0;
    let far = data.x.mapv(|x| x + shift);
    // What the shift itself rounds is not at stake.
    data.x = far.mapv(|x| x - shift);
    let samples = Samples::new(&far, &data.y).unwrap();
    let (_, _, second) = cost_gradient_hessian(Model::Linear, samples, &data.at, &threads(2)).unwrap();
    // With the mean taken out again, by the bias' row.
    for i in 0..3 {
        for j in 0..3 {
            let product = second[[i, j]] - second[[i, 3]] * second[[3, j]] / second[[3, 3]];
            let expected = centred[[i, j]] - centred[[i, 3]] * centred[[3, j]] / centred[[3, 3]];
            // The entries themselves are of size 2e12, known to 16 digits.
            assert!((product - expected).abs() < 5e-3, "{product} instead of {expected}");
        }
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits_in_any_layout() {
    for shape in [(3001, 13), (1500, 300), (20_011, 40)] {
        let data = Data::new(shape, 8);
        let fortran = data.by_columns();
        for model in MODELS {
            let all = |(cost, gradient, second): (f64, Parameters, Array2<f64>)| {
                bits(second.iter().chain(&gradient.weights).chain([&gradient.bias, &cost]))
            };
            for data in [&data, &fortran] {
                let one = all(found(model, data, true, 1));
                for n_threads in [2, 3, 5, 8] {
                    // Not as a pair that is printed, being long.
                    assert!(all(found(model, data, true, n_threads)) == one, "{n_threads} threads");
                }
            }
            let [(.., second), (.., second_of_columns)] = [&data, &fortran].map(|data| found(model, data, true, 1));
            assert!((second - second_of_columns).iter().all(|off| off.abs() < 1e-13));
        }
    }
}
