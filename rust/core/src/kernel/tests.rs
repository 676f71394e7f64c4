//! The products of a strip, with every SIMD that this machine has and on the scalar path.

use ndarray::{Array2, ArrayView2, s};

use super::predict::PredictRows;
use super::*;
use crate::matrix::{Element, Matrix};
use crate::simd_kind::SimdKind;

fn values(shape: (usize, usize)) -> Array2<f64> {
    Array2::from_shape_fn(shape, |(i, j)| ((i * 37 + j * 11) as f64 * 0.7).sin())
}

/// The predictors at some weights, and what some slopes add to ones.
struct Products<'a> {
    strip: &'a Strip<'a>,
    weights: &'a [f64],
    slope: &'a [f64],
    z: &'a mut [f64],
    gradient: &'a mut [f64],
}

impl WithSimd for Products<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { strip, weights, slope, z, gradient } = self;
        let (share, readings) = (Share::NOTHING, Readings::Two);
        Predict { strip, weights, bias: 0.5, z, share, readings, as_rows: None }.with_simd(simd);
        Accumulate { strip, slope, gradient, share: Share::NOTHING }.with_simd(simd);
    }
}

/// The products by every kind of SIMD.
fn products(x: ArrayView2<'_, f64>) -> Vec<(SimdKind, Vec<f64>, Vec<f64>)> {
    products_of(x.dim(), &Matrix::from(x).strip(0..x.nrows(), &mut Vec::new()))
}

fn products_of((n_rows, n_cols): (usize, usize), strip: &Strip<'_>) -> Vec<(SimdKind, Vec<f64>, Vec<f64>)> {
    let (weights, slope) = (&weights(n_cols), &slopes(n_rows));
    let by = |simd: SimdKind| {
        let (mut z, mut gradient) = (vec![0.0; n_rows], vec![1.0; n_cols]);
        simd.run(Products { strip, weights, slope, z: &mut z, gradient: &mut gradient });
        (simd, z, gradient)
    };
    SimdKind::all().into_iter().map(by).collect()
}

fn weights(n_cols: usize) -> Vec<f64> {
    (0..n_cols).map(|j| (j as f64 * 1.3).cos()).collect()
}

fn slopes(n_rows: usize) -> Vec<f64> {
    (0..n_rows).map(|i| (i as f64 * 2.1).cos()).collect()
}

#[test]
fn products_agree_with_plain_loops_for_every_tail() {
    for (n_rows, n_cols) in (1..=20).flat_map(|m| (1..=35).map(move |n| (m, n))).chain([(100, 3), (77, 8), (300, 11)]) {
        let x = values((n_rows, n_cols));
        let sum = |terms: &mut dyn Iterator<Item = f64>| terms.sum::<f64>();
        let (weights, slopes) = (weights(n_cols), slopes(n_rows));
        let rows = x.rows().into_iter();
        let expected_z: Vec<_> = rows.map(|row| 0.5 + sum(&mut row.iter().zip(&weights).map(|(x, w)| x * w))).collect();
        let columns = x.columns().into_iter();
        let expected_g: Vec<_> =
            columns.map(|col| 1.0 + sum(&mut col.iter().zip(&slopes).map(|(x, d)| x * d))).collect();
        let fortran = x.t().as_standard_layout().into_owned().reversed_axes();
        let mut buffer = Vec::new();
        let by_columns = Matrix::from(&fortran).strip(0..n_rows, &mut buffer);
        for (simd, z, gradient) in products(x.view()).into_iter().chain(products_of(x.dim(), &by_columns)) {
            let near = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-12);
            assert!(near(&z, &expected_z) && near(&gradient, &expected_g), "{simd:?}, {n_rows} × {n_cols}");
        }
    }
}

#[test]
fn rows_that_lie_apart_or_are_widened_give_the_same_bits() {
    for n_cols in 1..=35 {
        let host = values((11, n_cols + 3));
        let apart = host.slice(s![.., 1..=n_cols]);
        assert_eq!(products(apart), products(apart.to_owned().view()), "{n_cols} columns");
        let narrow = host.mapv(|value| value as f32);
        let narrow = narrow.slice(s![.., 1..=n_cols]);
        let in_place = products_of(narrow.dim(), &Matrix::from(narrow).strip(0..11, &mut Vec::new()));
        assert_eq!(in_place, products(narrow.mapv(f64::from).view()), "{n_cols} columns of f32");
    }
}

#[test]
fn columns_of_every_type_give_the_same_bits_in_place_and_packed() {
    fn check<T: Element>(what: &str, value: impl Fn(f64) -> T, widen: impl Fn(&T) -> f64, in_place: bool) {
        for (n_cols, n_rows) in (1..=35).map(|n| (n, 21)).chain([(11, 300), (3, 77)]) {
            let narrow = values((n_cols, n_rows)).mapv(|v| value(100.0 * (1.0 + v)));
            let plain = narrow.map(&widen);
            // As far apart as places that share one in the caches.
            let mut host = Array2::zeros((n_cols, 512));
            host.slice_mut(s![.., ..n_rows]).assign(&plain);
            let [narrow, plain, far] =
                [(&narrow).into(), Matrix::from(&plain), Matrix::from(&host)].map(|x| x.transposed());
            assert_eq!(narrow.size_in_place().is_some(), in_place, "{what}");
            assert!(far.size_in_place().is_some(), "{what}, far apart");
            let strip = |x: Matrix<'_>, check: &mut dyn FnMut(&Strip<'_>)| {
                let mut buffer = Vec::new();
                check(&x.strip(0..n_rows, &mut buffer));
                assert_eq!(buffer.is_empty(), x.size_in_place().is_some(), "{what}");
            };
            let (mut expected, mut expected_sums) = (Vec::new(), Vec::new());
            strip(plain, &mut |strip| {
                expected = products_of((n_rows, n_cols), strip);
                expected_sums = sums_of_columns((n_rows, n_cols), strip);
            });
            for x in [narrow, far] {
                strip(x, &mut |strip| {
                    assert_eq!(products_of((n_rows, n_cols), strip), expected, "{what}, {n_rows} × {n_cols}");
                    assert_eq!(sums_of_columns((n_rows, n_cols), strip), expected_sums, "{what}, {n_rows} × {n_cols}");
                });
            }
        }
    }
    check("f64", |v| v, |v| *v, true);
    check("f32", |v| v as f32, |v| f64::from(*v), true);
    check("u8", |v| v as u8, |v| f64::from(*v), true);
    check("i32", |v| v as i32, |v| f64::from(*v), false);
}

#[test]
fn interleaved_columns_give_the_same_bits_as_packed_ones() {
    fn check<T: Element>(host: &Array2<T>) {
        let (n_rows, n_cols) = (host.nrows(), host.ncols() - 1);
        let apart = host.slice(s![.., 1..]);
        let together = apart.to_owned();
        let both = [Matrix::from(apart), Matrix::from(&together)].map(|x| {
            let mut buffer = Vec::new();
            let strip = x.strip(0..n_rows, &mut buffer);
            let is_interleaved = matches!(strip, Strip::Interleaved(_) | Strip::InterleavedOfF32(_));
            (is_interleaved, products_of(x.shape(), &strip), sums_of_columns(x.shape(), &strip))
        });
        let [(false, products, sums), (true, products_together, sums_together)] = both else {
            panic!("{n_rows} × {n_cols}: packed {}, interleaved {}", !both[0].0, both[1].0)
        };
        assert_eq!(products_together, products, "{n_rows} × {n_cols}");
        assert_eq!(sums_together, sums, "{n_rows} × {n_cols}");
    }
    for n_cols in 2..=7 {
        for n_rows in (2..=21).chain([77, 300]) {
            let host = values((n_rows, n_cols + 1));
            check(&host);
            check(&host.mapv(|value| value as f32));
        }
    }
}

#[test]
fn predictors_are_the_same_bits_whatever_the_layout_the_type_and_the_rows_beside() {
    for (n_rows, n_cols) in (1..=21).flat_map(|m| [3, 8, 9, 11, 13, 16, 23, 32, 35].map(|n| (m, n))).chain([(700, 37)])
    {
        let narrow = values((n_rows, n_cols)).mapv(|value| value as f32);
        let columns = narrow.t().as_standard_layout().into_owned();
        let (wide, wide_columns) = (narrow.mapv(f64::from), columns.mapv(f64::from));
        let [columns, wide_columns] = [Matrix::from(&columns), Matrix::from(&wide_columns)].map(|x| x.transposed());
        let all = [Matrix::from(&wide), Matrix::from(&narrow), columns, wide_columns];
        let offset = slopes(n_rows);
        for simd in SimdKind::all() {
            for offset in [None, Some(&offset[..])] {
                let predict = |x: Matrix<'_>, offset: Option<&[f64]>| {
                    let at = Predictor { weights: &weights(n_cols), bias: 0.3, offset };
                    let by = |order| {
                        let mut z = vec![0.0; x.n_rows()];
                        let buffers = &mut StripBuffers::default();
                        assert!(simd.run(PredictRows { x: &x, order, at, z: &mut z, buffers }));
                        z.into_iter().map(f64::to_bits).collect::<Vec<_>>()
                    };
                    let z = by(Order::AS_THEY_LIE);
                    assert_eq!(by(Order::of_rows(&x)), z, "{simd:?}, {n_rows} × {n_cols}");
                    z
                };
                let expected = predict(all[0], offset);
                for x in all {
                    assert_eq!(predict(x, offset), expected, "{simd:?}, {n_rows} × {n_cols}");
                }
                for (i, x) in [0, n_rows / 2, n_rows - 1].into_iter().flat_map(|i| all.map(|x| (i, x))) {
                    let alone = predict(x.rows(i..i + 1), offset.map(|offset| &offset[i..=i]));
                    assert_eq!(alone, expected[i..=i], "{simd:?}, row {i} of {n_rows} × {n_cols}");
                }
            }
        }
    }
}

#[test]
fn predictors_of_rows_and_of_columns_overflow_and_underflow_alike() {
    for n_cols in [8, 9, 11, 13, 16, 35] {
        for (value, is_finite) in [(1e-200, true), (1e200, false), (f64::NAN, false), (f64::INFINITY, false)] {
            let mut x = Array2::from_elem((40, n_cols), -1e-200);
            x[[39, n_cols - 1]] = value;
            let columns = x.t().as_standard_layout().into_owned();
            for simd in SimdKind::all() {
                let predict = |x: Matrix<'_>| {
                    let (weights, mut z) = (&vec![if value > 1.0 { 1e200 } else { 1e-200 }; n_cols], vec![0.0; 40]);
                    let at = Predictor { weights, bias: -0.0, offset: None };
                    let (order, buffers) = (Order::AS_THEY_LIE, &mut StripBuffers::default());
                    let finite = simd.run(PredictRows { x: &x, order, at, z: &mut z, buffers });
                    assert_eq!(finite, is_finite, "{simd:?}, {n_cols} columns, {value}");
                    z.into_iter().map(|z| if z.is_nan() { u64::MAX } else { z.to_bits() }).collect::<Vec<_>>()
                };
                let by_columns = predict(Matrix::from(&columns).transposed());
                assert_eq!(predict((&x).into()), by_columns, "{simd:?}, {n_cols} columns, {value}");
            }
        }
    }
}

/// The sums of the columns, with and without weights, by every kind of SIMD.
fn sums_of_columns((n_rows, n_cols): (usize, usize), strip: &Strip<'_>) -> Vec<[Vec<f64>; 4]> {
    let (ones, slopes) = (vec![1.0; n_cols], slopes(n_rows));
    let scaling = Scaling { centre: &ones, inverse_scale: &ones };
    let by = |simd: SimdKind| {
        let [plain, weighted] = [None, Some(&slopes[..])].map(|sample_weight| {
            let mut sums = ColumnSums::zeros(n_cols);
            simd.run(AddColumns { strip, scaling, sample_weight, sums: &mut sums });
            sums
        });
        [plain.first, plain.second, weighted.first, weighted.second]
    };
    SimdKind::all().into_iter().map(by).collect()
}

/// The products, and the sums of the columns, costs and slopes, of a strip of columns and of shorter ones.
#[test]
fn strips_of_whole_segments_give_the_same_bits_however_long_they_are() {
    const N_ROWS: usize = 512 + 75;
    for n_cols in [9, 11, 35, 300] {
        let x = values((n_cols, N_ROWS));
        let matrix = Matrix::from(&x).transposed();
        let (slopes, ones) = (slopes(N_ROWS), vec![1.0; n_cols]);
        let scaling = Scaling { centre: &ones, inverse_scale: &ones };
        let sums = |simd: SimdKind, strip_rows: usize| {
            let mut gradient = vec![0.0; n_cols];
            let mut columns = [ColumnSums::zeros(n_cols), ColumnSums::zeros(n_cols)];
            let mut costs = CostSlopeSums::default();
            for first in (0..N_ROWS).step_by(strip_rows) {
                let rows = first..(first + strip_rows).min(N_ROWS);
                let mut buffer = Vec::new();
                let strip = &matrix.strip(rows.clone(), &mut buffer);
                let slope = &slopes[rows];
                simd.run(Accumulate { strip, slope, gradient: &mut gradient, share: Share::NOTHING });
                for (of_columns, sample_weight) in columns.iter_mut().zip([None, Some(slope)]) {
                    simd.run(AddColumns { strip, scaling, sample_weight, sums: of_columns });
                }
                simd.run(CostSlope {
                    link: link::SigmoidLogLoss,
                    targets: Targets { y: slope, sample_weight: None },
                    ahead: None,
                    z: &mut slope.to_vec(),
                    exponentials: &mut vec![0.0; slope.len()],
                    roots: None,
                    share: Share::NOTHING,
                    sums: &mut costs,
                });
            }
            let [plain, weighted] = columns.map(|sums| [sums.first, sums.second]);
            let (cost, slope) = costs.totals();
            let all = [gradient, vec![cost, slope], plain.concat(), weighted.concat()].concat();
            all.into_iter().map(f64::to_bits).collect::<Vec<_>>()
        };
        for simd in SimdKind::all() {
            let expected = sums(simd, 128);
            for strip_rows in [256, 512, N_ROWS] {
                assert_eq!(sums(simd, strip_rows), expected, "{simd:?}, {n_cols} columns, {strip_rows} rows");
            }
        }
    }
}

#[test]
fn column_sums_agree_with_plain_loops_for_every_tail() {
    for (n_rows, n_cols) in (1..=20).flat_map(|m| (1..=35).map(move |n| (m, n))).chain([(100, 3), (77, 40), (300, 11)])
    {
        let x = values((n_rows, n_cols));
        let fortran = x.t().as_standard_layout().into_owned().reversed_axes();
        let [centre, inverse_scale] = [0.3, 1.7].map(|value| vec![value; n_cols]);
        let scaling = Scaling { centre: &centre, inverse_scale: &inverse_scale };
        let weights: Vec<_> = (0..n_rows).map(|i| (i % 3) as f64).collect();
        for sample_weight in [None, Some(&weights[..])] {
            let expected = |j: usize, power: i32| {
                let weight = |i: usize| sample_weight.map_or(1.0, |weights| weights[i]);
                (0..n_rows).map(|i| weight(i) * ((x[[i, j]] - 0.3) * 1.7).powi(power)).sum::<f64>()
            };
            for (matrix, simd) in
                [&x, &fortran].into_iter().flat_map(|x| SimdKind::all().into_iter().map(move |s| (x, s)))
            {
                let mut buffer = Vec::new();
                let strip = &Matrix::from(matrix).strip(0..n_rows, &mut buffer);
                let mut sums = ColumnSums::zeros(n_cols);
                simd.run(AddColumns { strip, scaling, sample_weight, sums: &mut sums });
                for j in 0..n_cols {
                    for (found, power) in [(sums.first[j], 1), (sums.second[j], 2)] {
                        assert!(
                            (found - expected(j, power)).abs() < 1e-12,
                            "{simd:?}, {n_rows} × {n_cols}, column {j}"
                        );
                    }
                }
            }
        }
    }
}
