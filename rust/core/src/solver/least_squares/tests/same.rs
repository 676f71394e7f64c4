//! What must not change the result, and results known otherwise.

use std::num::NonZeroUsize;

use ndarray::{Array1, Array2, Axis, array};

use super::{assert_close, noise, random, solve, solve_on};
use crate::context::Context;
use crate::error::Error;
use crate::samples::Samples;

#[test]
fn scales_that_are_powers_of_two_change_no_bit() {
    let (x, y) = random(2000, 5, 11);
    let factors = [2f64.powi(-900), 2f64.powi(800), 1.0, 2f64.powi(30), 0.25];
    let scaled = &x * &Array1::from(factors.to_vec());
    let plain = solve(&Samples::new(&x, &y).unwrap(), true, 0.0).unwrap();
    let ours = solve(&Samples::new(&scaled, &y).unwrap(), true, 0.0).unwrap();
    assert_eq!(ours.parameters.weights * Array1::from(factors.to_vec()), plain.parameters.weights);
    assert_eq!(ours.parameters.bias, plain.parameters.bias);
    let large = solve(&Samples::new(&x, &(&y * 2f64.powi(1000))).unwrap(), true, 0.0).unwrap();
    assert_eq!(large.parameters.weights / 2f64.powi(1000), plain.parameters.weights);
}

#[test]
fn threads_change_no_bit() {
    let (mut x, y) = random(70_000, 6, 12);
    let weights = y.mapv(|y| y * y);
    for dependent in [false, true] {
        if dependent {
            let copy = x.column(1).to_owned();
            x.column_mut(4).assign(&copy);
        }
        let samples = Samples::weighted(&x, &y, &weights).unwrap();
        let on = |n| solve_on(&Context::new(NonZeroUsize::new(n)), &samples, true, 0.0).unwrap();
        let one = on(1);
        assert_eq!(one.rank, if dependent { 5 } else { 6 });
        for n in [2, 3, 5] {
            let more = on(n);
            assert_eq!((&more.parameters, more.condition), (&one.parameters, one.condition));
        }
    }
}

#[test]
fn a_weight_is_a_number_of_rows() {
    let (x, y) = random(300, 4, 13);
    let times: Vec<usize> = (0..300).map(|i| i * i % 5).collect();
    let repeated: Vec<usize> = (0..300).flat_map(|i| std::iter::repeat_n(i, times[i])).collect();
    let weights: Array1<f64> = times.iter().map(|&times| times as f64 * 0.1).collect();
    let weighted = solve(&Samples::weighted(&x, &y, &weights).unwrap(), true, 0.01).unwrap();
    let (x, y) = (x.select(Axis(0), &repeated), y.select(Axis(0), &repeated));
    let plain = solve(&Samples::new(&x, &y).unwrap(), true, 0.01).unwrap();
    assert_close(&weighted.parameters.weights, &plain.parameters.weights, 1e-14);
}

/// Gaussian elimination without pivoting, for a positive definite matrix.
fn eliminate(mut a: Array2<f64>, mut b: Array1<f64>) -> Array1<f64> {
    let n = b.len();
    for (i, k) in (0..n).flat_map(|i| (0..n).map(move |k| (i, k))).filter(|(i, k)| i != k) {
        let factor = a[[k, i]] / a[[i, i]];
        for j in i..n {
            a[[k, j]] -= factor * a[[i, j]];
        }
        b[k] -= factor * b[i];
    }
    b / a.diag()
}

#[test]
fn a_penalty_against_the_normal_equations() {
    let (x, y) = random(500, 4, 14);
    let x = &x + &array![0.0, 3.0, -2.0, 1.0];
    for (intercept, l2) in [(true, 0.5), (false, 0.5), (true, 1e6), (true, 1e-12)] {
        let solved = solve(&Samples::new(&x, &y).unwrap(), intercept, l2).unwrap();
        let mean = if intercept { x.mean_axis(Axis(0)).unwrap() } else { Array1::zeros(4) };
        let centred = &x - &mean;
        let penalised = centred.t().dot(&centred) + Array2::<f64>::eye(4) * (l2 * 500.0 / 2.0);
        let expected = eliminate(penalised, centred.t().dot(&y));
        assert_close(&solved.parameters.weights, &expected, 1e-13);
        let bias = if intercept { y.mean().unwrap() - mean.dot(&expected) } else { 0.0 };
        assert!((solved.parameters.bias - bias).abs() < 1e-14);
    }
    // Of equal columns none is dependent then, and their weights are equal.
    let twice = ndarray::stack![Axis(1), x.column(0), x.column(0)];
    let solved = solve(&Samples::new(&twice, &y).unwrap(), true, 0.5).unwrap();
    assert_eq!(solved.rank, 2);
    assert!((solved.parameters.weights[0] / solved.parameters.weights[1] - 1.0).abs() < 1e-15);
}

#[test]
fn a_huge_mean_costs_no_digit() {
    let mut next = noise(15);
    // What is added to the mean has few enough bits for the sum to be exact.
    let small = Array2::from_shape_fn((3000, 3), |_| (next() * 1e3).round() * 2f64.powi(-20));
    let y = Array1::from_shape_simple_fn(3000, &mut next);
    let mean = 1e8;
    let near = solve(&Samples::new(&small, &y).unwrap(), true, 0.0).unwrap();
    let far = solve(&Samples::new(&(&small + mean), &y).unwrap(), true, 0.0).unwrap();
    assert_close(&far.parameters.weights, &near.parameters.weights, 1e-15);
    let bias = near.parameters.bias - mean * near.parameters.weights.sum();
    assert!((far.parameters.bias / bias - 1.0).abs() < 1e-14);
}

#[test]
fn an_exact_polynomial_over_many_chunks() {
    let x = Array2::from_shape_fn((100_000, 3), |(i, j)| ((i % 4096) as f64 / 256.0).powi(j as i32 + 1));
    let y = x.dot(&array![2.0, -1.0, 3.0]) + 0.5;
    let solved = solve(&Samples::new(&x, &y).unwrap(), true, 0.0).unwrap();
    assert_eq!(solved.parameters.weights, array![2.0, -1.0, 3.0]);
    assert_eq!(solved.parameters.bias, 0.5);
}

#[test]
fn other_layouts_and_types() {
    let x = Array2::from_shape_fn((100, 3), |(i, j)| ((i * (j + 3) * 7919) % 101) as i32 - 50);
    let y = Array1::from_shape_fn(100, |i| (i * i % 37) as f32);
    let plain = solve(&Samples::new(&x.mapv(f64::from), &y.mapv(f64::from)).unwrap(), true, 0.0).unwrap();
    let columns = x.t().as_standard_layout().into_owned();
    let other = solve(&Samples::new(columns.t(), &y).unwrap(), true, 0.0).unwrap();
    assert_eq!(other.parameters, plain.parameters);
}

#[test]
fn values_that_are_not_finite_are_named() {
    let (mut x, y) = random(20_000, 4, 16);
    x[[15_003, 2]] = f64::NAN;
    x[[17_000, 1]] = f64::INFINITY;
    for n in [1, 3] {
        let result = solve_on(&Context::new(NonZeroUsize::new(n)), &Samples::new(&x, &y).unwrap(), true, 0.0);
        assert!(matches!(result, Err(Error::NonFiniteMatrix { row: 15_003, column: 2, .. })), "{result:?}");
    }
}

#[test]
fn a_weight_beyond_the_largest_number_overflows() {
    let (x, y) = random(50, 2, 17);
    let result = solve(&Samples::new(&(&x * 1e-200), &(&y * 1e200)).unwrap(), true, 0.0);
    assert_eq!(result.unwrap_err(), Error::Overflow);
}

#[test]
fn an_interrupt_ends_the_work() {
    let (x, y) = random(1_000_000, 10, 18);
    let wanted = || true;
    let context = Context::new(NonZeroUsize::new(1)).with_interrupt(&wanted);
    let result = solve_on(&context, &Samples::new(&x, &y).unwrap(), true, 0.0);
    assert_eq!(result.unwrap_err(), Error::Interrupted);
}
