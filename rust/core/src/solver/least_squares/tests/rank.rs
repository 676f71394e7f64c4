//! Dependent columns: which they are, and the solution of smallest norm.

use ndarray::{Array1, Array2, array, concatenate, s, stack};

use super::{assert_close, noise, random, solve};
use crate::samples::Samples;

const AXIS: ndarray::Axis = ndarray::Axis(1);

/// `A⁺ y` by one-sided Jacobi rotations, singular values below `1e-10` of the largest taken as 0.
fn pseudo_inverse_times(a: &Array2<f64>, y: &Array1<f64>) -> Array1<f64> {
    let n = a.ncols();
    let (mut u, mut v) = (a.clone(), Array2::<f64>::eye(n));
    for _ in 0..60 {
        for (p, q) in (0..n).flat_map(|q| (0..q).map(move |p| (p, q))) {
            let [pp, qq, pq] = [(p, p), (q, q), (p, q)].map(|(i, j)| u.column(i).dot(&u.column(j)));
            if pq == 0.0 {
                continue;
            }
            let zeta = (qq - pp) / (2.0 * pq);
            let tangent = zeta.signum() / (zeta.abs() + zeta.hypot(1.0));
            let cosine = 1.0 / tangent.hypot(1.0);
            let sine = cosine * tangent;
            for matrix in [&mut u, &mut v] {
                let (left, right) = (matrix.column(p).to_owned(), matrix.column(q).to_owned());
                matrix.column_mut(p).assign(&(&left * cosine - &right * sine));
                matrix.column_mut(q).assign(&(&left * sine + &right * cosine));
            }
        }
    }
    let squares: Vec<f64> = (0..n).map(|j| u.column(j).dot(&u.column(j))).collect();
    let largest = squares.iter().copied().fold(0.0, f64::max);
    let mut w = Array1::zeros(n);
    for j in (0..n).filter(|&j| squares[j] > 1e-20 * largest) {
        w.scaled_add(u.column(j).dot(y) / squares[j], &v.column(j));
    }
    w
}

/// Compares with the pseudo-inverse of the centred columns.
fn check(x: &Array2<f64>, y: &Array1<f64>, intercept: bool, dependent: &[usize]) {
    let solved = solve(&Samples::new(x, y).unwrap(), intercept, 0.0).unwrap();
    assert_eq!(solved.dependent, dependent);
    assert_eq!(solved.rank, x.ncols() - dependent.len());
    let mean = if intercept { x.mean_axis(ndarray::Axis(0)).unwrap() } else { Array1::zeros(x.ncols()) };
    let expected = pseudo_inverse_times(&(x - &mean), y);
    let scale = expected.dot(&expected).sqrt();
    let found = &solved.parameters.weights;
    for (ours, theirs) in found.iter().zip(&expected) {
        assert!((ours - theirs).abs() <= 1e-12 * scale, "{found} {expected}");
    }
    let bias = if intercept { y.mean().unwrap() - mean.dot(found) } else { 0.0 };
    assert!((solved.parameters.bias - bias).abs() <= 1e-12 * (1.0 + bias.abs()));
}

#[test]
fn of_equal_columns_the_later_are_dependent() {
    let (x, y) = random(40, 4, 1);
    let twice = concatenate![AXIS, x, x.slice(s![.., 1..3])];
    check(&twice, &y, true, &[4, 5]);
    check(&twice, &y, false, &[4, 5]);
}

#[test]
fn indicators_that_sum_to_one() {
    let (x, y) = random(60, 2, 2);
    let mut indicators = Array2::zeros((60, 3));
    (0..60).for_each(|i| indicators[[i, i * i % 7 % 3]] = 1.0);
    check(&concatenate![AXIS, indicators, x], &y, true, &[2]);
    check(&concatenate![AXIS, x, indicators], &y, false, &[]);
}

#[test]
fn a_constant_column_has_weight_zero() {
    let (x, y) = random(30, 2, 3);
    for constant in [0.1, -1e12, 5e-324, 0.0] {
        let x = concatenate![AXIS, Array2::from_elem((30, 1), constant), x];
        let solved = solve(&Samples::new(&x, &y).unwrap(), true, 0.0).unwrap();
        assert_eq!((solved.rank, &solved.dependent[..], solved.parameters.weights[0]), (2, &[0][..], 0.0));
    }
    // It stands for the bias where there is none.
    check(&concatenate![AXIS, Array2::ones((30, 1)), x], &y, false, &[]);
    check(&concatenate![AXIS, Array2::zeros((30, 1)), x], &y, false, &[0]);
    // Constant but for rounding.
    let third = Array1::from_shape_fn(30, |i| if i % 2 == 0 { 0.1 + 0.2 } else { 0.3 });
    let solved = solve(&Samples::new(&concatenate![AXIS, x, third.insert_axis(AXIS)], &y).unwrap(), true, 0.0);
    assert_eq!(solved.unwrap().dependent, [2]);
}

#[test]
fn combinations_of_unlike_columns() {
    let (x, y) = random(50, 4, 4);
    let scaled = &x * &array![1e3, 1.0, 1e-2, 10.0];
    let sum = &scaled.column(0) * 1e-3 - &scaled.column(2) * 7.0 + 2.0;
    let both = &scaled.column(1) + &scaled.column(3);
    check(&concatenate![AXIS, scaled, stack![AXIS, sum, both]], &y, true, &[4, 5]);
}

#[test]
fn combinations_rounded_far_from_zero() {
    let mut next = noise(5);
    let mut x = Array2::zeros((500, 3));
    for mut row in x.rows_mut() {
        let (a, b) = (1e8 + next(), 3e8 + next());
        row.assign(&array![a, b, a + b]);
    }
    let y = Array1::from_shape_simple_fn(500, &mut next);
    let solved = solve(&Samples::new(&x, &y).unwrap(), true, 0.0).unwrap();
    assert_eq!((solved.rank, solved.dependent.len()), (2, 1));
}

#[test]
fn nearly_dependent_is_not_dependent() {
    let (mut x, y) = random(1000, 3, 6);
    let near = &x.column(0) + &x.column(2) * 1e-9;
    x.column_mut(2).assign(&near);
    let solved = solve(&Samples::new(&x, &y).unwrap(), true, 0.0).unwrap();
    assert!(solved.dependent.is_empty());
    assert!((1e9..1e11).contains(&solved.condition), "{:e}", solved.condition);
}

#[test]
fn rows_without_weight_count_for_nothing() {
    let (mut x, mut y) = random(60, 3, 7);
    let mut weights = Array1::ones(60);
    for i in (0..60).step_by(3) {
        weights[i] = 0.0;
        x.row_mut(i).fill(1e300);
        y[i] = -1e300;
    }
    let kept: Vec<usize> = (0..60).filter(|i| i % 3 != 0).collect();
    x.column_mut(2).indexed_iter_mut().filter(|(i, _)| i % 3 != 0).for_each(|(_, value)| *value = 4.0);
    let all = solve(&Samples::weighted(&x, &y, &weights).unwrap(), true, 0.0).unwrap();
    let (x, y) = (x.select(ndarray::Axis(0), &kept), y.select(ndarray::Axis(0), &kept));
    let some = solve(&Samples::new(&x, &y).unwrap(), true, 0.0).unwrap();
    assert_eq!((all.rank, all.dependent), (2, vec![2]));
    assert_close(&all.parameters.weights, &some.parameters.weights, 1e-15);
    assert!((all.parameters.bias - some.parameters.bias).abs() < 1e-15);
}

#[test]
fn the_smallest_shapes() {
    let one = solve(&Samples::new(&array![[3.0]], &array![6.0]).unwrap(), true, 0.0).unwrap();
    assert_eq!((one.rank, one.parameters.weights[0], one.parameters.bias), (0, 0.0, 6.0));
    let one = solve(&Samples::new(&array![[3.0]], &array![6.0]).unwrap(), false, 0.0).unwrap();
    assert_eq!((one.rank, one.parameters.weights[0], one.parameters.bias), (1, 2.0, 0.0));
    let zero = solve(&Samples::new(&array![[0.0]], &array![6.0]).unwrap(), false, 0.0).unwrap();
    assert_eq!((zero.rank, zero.parameters.weights[0], zero.condition), (0, 0.0, 1.0));
    let line = solve(&Samples::new(&array![[0.0], [1.0]], &array![1.0, 3.0]).unwrap(), true, 0.0).unwrap();
    assert_eq!((line.parameters.weights[0], line.parameters.bias), (2.0, 1.0));
    let still = solve(&Samples::new(&array![[0.0], [1.0]], &array![5.0, 5.0]).unwrap(), true, 0.0).unwrap();
    assert_eq!((still.parameters.weights[0], still.parameters.bias), (0.0, 5.0));
    // More columns than rows: the smallest weights that reach the targets.
    let wide = solve(&Samples::new(&array![[3.0, 4.0]], &array![5.0]).unwrap(), false, 0.0).unwrap();
    assert_close(&wide.parameters.weights, &array![0.6, 0.8], 1e-15);
    assert_eq!(wide.rank, 1);
}
