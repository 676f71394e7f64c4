//! The number of threads changes no result by a bit; nor does the layout, but for whether rows or columns lie together; nor
//! the storage type, but for much data in rows of `f64`. Of columns, and of those, sums over rows are formed in another order.

mod common;

use std::fmt::Debug;

use common::{CostGradient, Data, MODELS, all_bits, bits, threads};
use half::f16;
use ndarray::{Array1, Array2, ArrayView2, s};
use steepest::{Activation, Element, FitOptions, LearningRate, Matrix, Model, Parameters, Samples, fit, forward};

/// More than one panel, and a tail in each direction.
const SHAPE: (usize, usize) = (203, 13);
/// Enough rows of `f64` to be read in several places at the same time.
const MANY_ROWS: (usize, usize) = (1303, 13);

fn evaluate(model: Model, x: Matrix<'_>, y: Matrix<'_>, s: Option<Matrix<'_>>, at: &Parameters) -> CostGradient {
    let samples = s.map_or_else(|| Samples::new(x, y), |s| Samples::weighted(x, y, s)).unwrap();
    steepest::cost_gradient(model, samples, at, &threads(1)).unwrap()
}

/// Hands `check` the values of `a` in each layout. What lies between them is other values of `a`.
fn each_layout<T: Copy>(a: &Array2<T>, mut check: impl FnMut(&str, ArrayView2<'_, T>)) {
    let (m, n) = a.dim();
    let filled = |shape| Array2::from_shape_fn(shape, |(i, j)| a[[(i * 5 + j) % m, (j * 3 + i) % n]]);
    check("C", a.view());
    let fortran = a.t().as_standard_layout().into_owned().reversed_axes();
    check("F", fortran.view());
    for (name, shape, window) in [
        ("strided", (2 * m, 3 * n), s![..;2, ..;3]),
        ("strided rows", (3 * m, n), s![1..;3, ..]),
        ("reversed", (m, n), s![..;-1, ..;-1]),
        ("reversed rows", (m, n), s![..;-1, ..;1]),
        ("reversed columns", (m, n), s![.., ..;-1]),
        ("column slice", (m, n + 5), s![.., 2..n + 2]),
        ("every third, backwards", (3 * m, 2 * n), s![..;-3, ..;-2]),
    ] {
        let mut host = filled(shape);
        host.slice_mut(window).assign(a);
        check(name, host.slice(window));
        let mut host = filled((shape.1, shape.0)).reversed_axes();
        host.slice_mut(window).assign(a);
        check(&format!("{name} of F"), host.slice(window));
    }
}

/// Elements in memory that no array could describe.
struct Foreign {
    memory: Vec<u8>,
    start: usize,
    shape: (usize, usize),
    strides: (isize, isize),
    swapped: bool,
}

impl Foreign {
    /// `gaps` foreign bytes follow each row and each element; `start` of them come first.
    fn new<T: Copy>(
        a: &Array2<T>,
        bytes: impl Fn(T) -> Vec<u8>,
        gaps: (usize, usize),
        start: usize,
        swapped: bool,
    ) -> Self {
        let step = size_of::<T>() + gaps.1;
        let mut memory = vec![0xA5; start];
        for row in a.rows() {
            for &value in row {
                let mut element = bytes(value);
                if swapped {
                    element.reverse();
                }
                memory.extend(element);
                memory.extend(vec![0xA5; gaps.1]);
            }
            memory.extend(vec![0xA5; gaps.0]);
        }
        let strides = ((a.ncols() * step + gaps.0) as isize, step as isize);
        Self { memory, start, shape: a.dim(), strides, swapped }
    }

    /// Rows as columns and columns as rows.
    fn transposed(self) -> Self {
        let ((m, n), (row, col)) = (self.shape, self.strides);
        Self { shape: (n, m), strides: (col, row), ..self }
    }

    fn matrix<T: Element>(&self) -> Matrix<'_> {
        let data = self.memory[self.start..].as_ptr();
        // SAFETY: new laid the elements out in `memory` at exactly these strides.
        unsafe { Matrix::from_raw_parts(data, self.shape, self.strides, T::DTYPE, self.swapped) }
    }
}

/// `bytes` gives an element's bytes in native order.
fn check_storage<T: Element + Debug>(
    (m, n): (usize, usize),
    value: impl Fn(usize) -> T,
    widen: impl Fn(T) -> f64,
    bytes: impl Fn(T) -> Vec<u8>,
    [zero, one]: [T; 2],
    extremes: &[T],
) {
    let x = Array2::from_shape_fn((m, n), |(i, j)| value(i * 31 + j * 7));
    let y = Array2::from_shape_fn((m, 1), |(i, _)| if i % 3 == 0 { one } else { zero });
    let s = Array2::from_shape_fn((m, 1), |(i, _)| if i % 7 == 0 { zero } else { one });
    let (wide_y, wide_s) = (y.column(0).mapv(&widen), s.column(0).mapv(&widen));
    let plain = Data { x: x.mapv(&widen), y: wide_y, s: wide_s, ..Data::new((1, n), 3) };

    let by_columns = plain.by_columns();
    for model in MODELS {
        let bits_of = |data: &Data| [false, true].map(|weighted| all_bits(&data.cost_gradient(model, weighted, 1)));
        let expected = [&plain, &by_columns].map(bits_of);
        let same_as = |expected: &[Vec<u64>; 2], what: &str, x: Matrix<'_>, y: Matrix<'_>, s: Matrix<'_>| {
            for (expected, s) in expected.iter().zip([None, Some(s)]) {
                let found = all_bits(&evaluate(model, x, y, s, &plain.at));
                assert_eq!(found, *expected, "{:?}, {model:?}, {what}, weighted: {}", T::DTYPE, s.is_some());
            }
        };
        let same = |what: &str, x: Matrix<'_>, y: Matrix<'_>, s: Matrix<'_>| same_as(&expected[0], what, x, y, s);
        each_layout(&x, |what, x| {
            let columns_lie_together = x.strides()[1].abs() > x.strides()[0].abs();
            same_as(&expected[usize::from(columns_lie_together)], what, x.into(), (&y).into(), (&s).into());
        });
        each_layout(&y, |what, y| same(&format!("y {what}"), (&x).into(), y.into(), (&s).into()));
        each_layout(&s, |what, s| same(&format!("weights {what}"), (&x).into(), (&y).into(), s.into()));
        for swapped in [false, true] {
            for start in [0, 1, 3] {
                for gaps in [(0, 0), (3, 0), (0, 3), (8, 0)] {
                    let [x, y, s] = [&x, &y, &s].map(|a| Foreign::new(a, &bytes, gaps, start, swapped));
                    let what = format!("swapped: {swapped}, from byte {start}, gaps {gaps:?}");
                    same(&what, x.matrix::<T>(), y.matrix::<T>(), s.matrix::<T>());
                }
            }
        }
    }

    let column = Array1::from(extremes.to_vec());
    let at = Parameters { weights: Array1::ones(1), bias: 0.0 };
    let found = forward((&column).into(), None, &at, Activation::Identity, &threads(1)).unwrap();
    assert_eq!(found, column.mapv(&widen), "{:?}", T::DTYPE);
}

macro_rules! check_numbers {
    ($($type:ty),*) => {$({
        let small = |i: usize| if <$type>::MIN == 0 as $type { (i % 101) as $type } else { (i as i8 % 50) as $type };
        let extremes = [<$type>::MIN, <$type>::MAX, 0 as $type, 1 as $type, <$type>::MAX / 3 as $type];
        let bits = [0 as $type, 1 as $type];
        check_storage::<$type>(SHAPE, small, |v| v as f64, |v| v.to_ne_bytes().to_vec(), bits, &extremes);
    })*};
}

/// Aligned, products of columns take `f64` from where they lie; else they do so in another way, or are packed first.
#[test]
fn alignment_gaps_and_byte_order_change_no_bit_of_a_hessian() {
    for shape in [(1503, 200), (5003, 13)] {
        let data = Data::new(shape, 3);
        let hessian = |model, x: Matrix<'_>| {
            let samples = Samples::weighted(x, &data.y, &data.s).unwrap();
            let (cost, gradient, hessian) =
                steepest::cost_gradient_hessian(model, samples, &data.at, &threads(1)).unwrap();
            (all_bits(&(cost, gradient)), hessian.mapv(f64::to_bits))
        };
        let columns = data.by_columns().x;
        for model in MODELS {
            let expected = [hessian(model, (&data.x).into()), hessian(model, (&columns).into())];
            for (swapped, start) in [(false, 0), (false, 3), (true, 0), (true, 1)] {
                for gaps in [(0, 0), (3, 0), (0, 3), (8, 0)] {
                    let foreign = |a: &Array2<f64>| {
                        Foreign::new(a, |value: f64| value.to_ne_bytes().to_vec(), gaps, start, swapped)
                    };
                    let rows = foreign(&data.x);
                    let columns = foreign(&data.x.t().to_owned()).transposed();
                    for (foreign, expected) in [rows, columns].iter().zip(&expected) {
                        let found = hessian(model, foreign.matrix::<f64>());
                        assert!(found == *expected, "{shape:?}, {model:?}, {swapped}, from byte {start}, {gaps:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn integers_are_read_as_they_are() {
    check_numbers!(i8, i16, i32, i64, u8, u16, u32, u64);
}

#[test]
fn floats_are_read_as_they_are() {
    let value = |i: usize| (i as f64 * 0.37).sin() / 3.0;
    let extremes = [f64::MIN, f64::MAX, f64::MIN_POSITIVE, 5e-324, -0.0];
    for shape in [SHAPE, MANY_ROWS] {
        check_storage(shape, value, |v| v, |v| v.to_ne_bytes().to_vec(), [0.0, 1.0], &extremes);
    }
    let extremes = [f32::MIN, f32::MAX, f32::MIN_POSITIVE, 1e-45, 0.1];
    check_storage(SHAPE, |i| value(i) as f32, f64::from, |v| v.to_ne_bytes().to_vec(), [0.0, 1.0], &extremes);
    let finite: Vec<_> = (0..=u16::MAX).map(f16::from_bits).filter(|half| half.is_finite()).collect();
    let [zero, one] = [0.0, 1.0].map(f16::from_f64);
    check_storage(SHAPE, |i| f16::from_f64(value(i)), f16::to_f64, |v| v.to_ne_bytes().to_vec(), [zero, one], &finite);
}

#[test]
fn booleans_are_read_as_they_are() {
    check_storage(SHAPE, |i| i % 5 < 2, f64::from, |v| vec![u8::from(v)], [false, true], &[true, false]);
}

#[test]
fn repeated_rows_need_no_memory() {
    let data = Data::new((1, 5), 8);
    let shape = (1000, 5);
    let view = data.x.broadcast(shape).unwrap();
    let (y, s) = (Array1::from_elem(1000, data.y[0]), Array1::<f64>::ones(1000));
    let copy = view.to_owned();
    let [found, expected] = [view, copy.view()]
        .map(|x| all_bits(&evaluate(Model::Linear, x.into(), (&y).into(), Some((&s).into()), &data.at)));
    assert_eq!(found, expected);
}

/// Some twenty chunks of rows.
fn large() -> Data {
    Data::new((40_003, 16), 5)
}

const THREADS: [usize; 4] = [2, 3, 5, 8];

#[test]
fn threads_change_no_bit_of_a_pass() {
    let data = large();
    let fortran = data.by_columns();
    for model in MODELS {
        for weighted in [false, true] {
            for data in [&data, &fortran] {
                let expected = all_bits(&data.cost_gradient(model, weighted, 1));
                for n in THREADS {
                    assert_eq!(all_bits(&data.cost_gradient(model, weighted, n)), expected, "{model:?}, {n} threads");
                }
            }
            let [(cost, gradient), (cost_of_columns, of_columns)] =
                [&data, &fortran].map(|data| data.cost_gradient(model, weighted, 1));
            assert!((cost - cost_of_columns).abs() < 1e-13 * cost, "{model:?}");
            let off = (&gradient.weights - &of_columns.weights).mapv(f64::abs);
            assert!(off.iter().all(|&off| off < 1e-13), "{model:?}, {off}");
        }
        let predict = |n| forward((&data.x).into(), None, &data.at, model.activation(), &threads(n)).unwrap();
        let expected = bits(&predict(1));
        for n in THREADS {
            assert_eq!(bits(&predict(n)), expected, "{model:?}, {n} threads");
        }
    }
}

#[test]
fn threads_change_no_bit_of_a_fit() {
    let (data, validation) = (large(), Data::new((20_001, 16), 6));
    for (model, learning_rate) in
        MODELS.into_iter().flat_map(|model| [(model, LearningRate::Auto), (model, LearningRate::Fixed(0.1))])
    {
        let options = FitOptions { learning_rate, max_iter: 15, tol: 0.0, ..FitOptions::gradient_descent() };
        let outcome = |n| {
            let validation = Some(validation.samples(true));
            let fit = fit(model, data.samples(true), validation, &options, &threads(n)).unwrap();
            let history = &fit.history;
            let end = fit.parameters.weights.iter().chain([&fit.parameters.bias, fit.learning_rate.as_ref().unwrap()]);
            bits(end.chain(&history.cost).chain(&history.validation_cost).chain(&history.gradient_norm))
        };
        let expected = outcome(1);
        for n in THREADS {
            assert_eq!(outcome(n), expected, "{model:?}, {learning_rate:?}, {n} threads");
        }
    }
}
