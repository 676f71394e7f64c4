//! Sums of each column and of its squares, from which means and standard deviations follow.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::strips::segments;
use super::{By, Scaling, registers};
use crate::matrix::{Column, Columns, GROUP, Interleaved, Panel, Raw, Registers, Strip, WithStrip};

/// `Σ s x̃` and `Σ s x̃²` of each column, with `x̃ = (x − c) / s`.
#[derive(Clone, Debug)]
pub(crate) struct ColumnSums {
    pub(crate) first: Vec<f64>,
    pub(crate) second: Vec<f64>,
}

impl ColumnSums {
    pub(crate) fn zeros(n: usize) -> Self {
        Self { first: vec![0.0; n], second: vec![0.0; n] }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.first.iter_mut().zip(&other.first).for_each(|(ours, theirs)| *ours += theirs);
        self.second.iter_mut().zip(&other.second).for_each(|(ours, theirs)| *ours += theirs);
    }
}

/// Adds the rows of a strip; each counts once if there are no weights.
pub(super) struct AddColumns<'a> {
    pub(super) strip: &'a Strip<'a>,
    pub(super) scaling: Scaling<'a>,
    pub(super) sample_weight: Option<&'a [f64]>,
    pub(super) sums: &'a mut ColumnSums,
}

impl WithSimd for AddColumns<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        self.strip.visit(By { simd, task: self });
    }
}

impl<S: Simd> WithStrip for By<S, AddColumns<'_>> {
    #[inline(always)]
    fn rows<T: Raw>(self, panel: &Panel<'_, T>) {
        let Self { simd, task: AddColumns { scaling, sample_weight, sums, .. } } = self;
        add_panel(simd, panel, scaling, sample_weight, sums);
    }

    #[inline(always)]
    fn columns<T: Raw>(self, columns: &Columns<'_, T>) {
        let Self { simd, task: AddColumns { scaling, sample_weight, sums, .. } } = self;
        let shape = (columns.n_rows(), columns.n_cols());
        let column = |j, rows| {
            let [column] = columns.part(j, 1).rows(rows).all();
            Registers::of(simd, column)
        };
        add_columns(simd, shape, column, scaling, sample_weight, sums);
    }

    #[inline(always)]
    fn interleaved<T: Raw>(self, rows: &Interleaved<'_, T>) {
        let Self { simd, task: AddColumns { scaling, sample_weight, sums, .. } } = self;
        let shape = (rows.n_rows(), rows.n_cols());
        add_columns(simd, shape, |j, part| rows.column(j, part), scaling, sample_weight, sums);
    }
}

#[inline(always)]
fn add_panel<S: Simd, T: Raw>(
    simd: S,
    panel: &Panel<'_, T>,
    scaling: Scaling<'_>,
    sample_weight: Option<&[f64]>,
    sums: &mut ColumnSums,
) {
    let whole = panel.n_rows() - panel.n_rows() % GROUP;
    for first in (0..whole).step_by(GROUP) {
        let weights = sample_weight.map(|weights| weights[first..].first_chunk::<GROUP>().expect("a weight a row"));
        add_rows(simd, panel.block(first), weights, scaling, sums);
    }
    for row in whole..panel.n_rows() {
        let weights = sample_weight.map(|weights| weights[row..].first_chunk::<1>().expect("a weight a row"));
        add_rows(simd, [panel.row(row)], weights, scaling, sums);
    }
}

#[inline(always)]
fn add_rows<S: Simd, T: Raw, const R: usize>(
    simd: S,
    rows: [&[T]; R],
    weights: Option<&[f64; R]>,
    scaling: Scaling<'_>,
    sums: &mut ColumnSums,
) {
    let (first, first_tail) = S::as_mut_simd_f64s(&mut sums.first);
    let (second, second_tail) = S::as_mut_simd_f64s(&mut sums.second);
    let rows = Registers::<S, T>::of_each(simd, rows);
    let first = &mut first[..rows[0].n_whole()];
    let second = &mut second[..first.len()];
    let Scaling { centre, inverse_scale } = scaling;
    let ([centre, scale], [centre_tail, scale_tail]) =
        registers::<S, 2>([centre, inverse_scale], first.len(), first_tail.len());
    for j in 0..first.len() {
        let (mut sum, mut sum_of_squares) = (first[j], second[j]);
        for (i, row) in rows.iter().enumerate() {
            let value = simd.mul_f64s(simd.sub_f64s(row.whole(j), centre[j]), scale[j]);
            let weighted = match weights {
                Some(weights) => simd.mul_f64s(simd.splat_f64s(weights[i]), value),
                None => value,
            };
            sum = simd.add_f64s(sum, weighted);
            sum_of_squares = simd.mul_add_e_f64s(weighted, value, sum_of_squares);
        }
        (first[j], second[j]) = (sum, sum_of_squares);
    }
    for (j, (first, second)) in first_tail.iter_mut().zip(second_tail).enumerate() {
        for (i, row) in rows.iter().enumerate() {
            let value = (row.tail_values()[j].widen() - centre_tail[j]) * scale_tail[j];
            let weighted = weights.map_or(value, |weights| weights[i] * value);
            *first += weighted;
            *second += weighted * value;
        }
    }
}

#[inline(always)]
fn add_columns<S: Simd, C: Column<S>>(
    simd: S,
    shape: (usize, usize),
    column: impl Fn(usize, Range<usize>) -> C,
    scaling: Scaling<'_>,
    sample_weight: Option<&[f64]>,
    sums: &mut ColumnSums,
) {
    let segments = segments(shape);
    for (j, (first, second)) in sums.first.iter_mut().zip(&mut sums.second).enumerate() {
        let (centre, scale) = (scaling.centre[j], scaling.inverse_scale[j]);
        for rows in segments.clone() {
            let weights = sample_weight.map(|weights| S::as_simd_f64s(&weights[rows.clone()]));
            let values = column(j, rows);
            let (sum, sum_of_squares) = sums_of_column(
                simd,
                &values,
                weights.map(|(weights, _)| weights),
                [simd.splat_f64s(centre), simd.splat_f64s(scale)],
            );
            *first += sum;
            *second += sum_of_squares;
            for (i, value) in values.tail().enumerate() {
                let value = (value - centre) * scale;
                let weighted = weights.map_or(value, |(_, weights)| weights[i] * value);
                *first += weighted;
                *second += weighted * value;
            }
        }
    }
}

/// Each in so many registers, so that few sums wait for the one before.
const WAYS: usize = 4;

#[inline(always)]
fn sums_of_column<S: Simd>(
    simd: S,
    values: &impl Column<S>,
    weights: Option<&[S::f64s]>,
    [centre, scale]: [S::f64s; 2],
) -> (f64, f64) {
    let mut first = [simd.splat_f64s(0.0); WAYS];
    let mut second = first;
    for group in (0..values.n_whole()).step_by(WAYS) {
        for way in 0..WAYS.min(values.n_whole() - group) {
            let value = simd.mul_f64s(simd.sub_f64s(values.whole(group + way), centre), scale);
            let weighted = match weights {
                Some(weights) => simd.mul_f64s(weights[group + way], value),
                None => value,
            };
            first[way] = simd.add_f64s(first[way], weighted);
            second[way] = simd.mul_add_e_f64s(weighted, value, second[way]);
        }
    }
    (total(simd, first), total(simd, second))
}

#[inline(always)]
fn total<S: Simd>(simd: S, [a, b, c, d]: [S::f64s; WAYS]) -> f64 {
    simd.reduce_sum_f64s(simd.add_f64s(simd.add_f64s(a, b), simd.add_f64s(c, d)))
}
