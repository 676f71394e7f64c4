//! Values so far from all others of their column that they make its standard deviation: then those others hardly differ in
//! standardised variables, and what they say of the weights is below the tolerance.
//!
//! A class that such a row suits moves its predictor to where the sigmoid is flat, from where the minimum may be any number
//! of Newton's steps away; but not without that row, which costs nothing there.

use ndarray::Array1;

use crate::error::Error;
use crate::frame::is_rounding;
use crate::model::{Model, Parameters};
use crate::objective::{Middle, RowObjective, Standardised, middles};
use crate::samples::Samples;

/// A column of which some rows tell a much smaller deviation than all do.
struct Column {
    index: usize,
    centre: f64,
    deviation: f64,
}

pub(super) struct FarValues {
    columns: Vec<Column>,
}

/// Deviations of some rows that are smaller than that of all by this factor.
const SMALL: f64 = 1e-4;
/// Rows that are farther than so many of their deviations are far from them.
const FAR: f64 = 1e3;
/// A row with such a margin costs next to nothing.
const RIGHT: f64 = 8.0;

impl FarValues {
    /// Looks at a few rows; none if no column has such values, as far as these tell, or the cost is not the log loss.
    pub(super) fn find(objective: &Standardised<'_>) -> Option<Self> {
        if objective.rows().model() != Model::SigmoidLogLoss || !objective.may_have_far_values() {
            return None;
        }
        let samples = objective.rows().samples();
        let rows = samples.some_rows();
        // A far value may be among the rows of either half, or of both; of most values none is far, but they may be equal.
        let [one, other] = [0, 1].map(|first| deviations(samples, rows.iter().skip(first).step_by(2)));
        let all: Vec<usize> = (0..samples.n_features()).collect();
        let middles = middles(samples, &all).into_iter().map(|Middle { median, distance }| (median, distance));
        let of_all = objective.frame().scale();
        let columns = one.into_iter().zip(other).zip(middles).zip(of_all).enumerate();
        let columns = columns.filter_map(|(index, (((one, other), middle), of_all))| {
            // A column that is constant but for a few rows has no other deviation.
            let is_known = |(centre, deviation): &(f64, f64)| !is_rounding(*deviation, *centre);
            let known = [one, other, middle].into_iter().filter(is_known);
            let (centre, deviation) = known.min_by(|a, b| a.1.total_cmp(&b.1))?;
            (deviation < SMALL * of_all).then_some(Column { index, centre, deviation })
        });
        let columns: Vec<Column> = columns.collect();
        (!columns.is_empty()).then_some(Self { columns })
    }

    /// The weights of the rows without those that are far, and that their class suits at `at`; none if there are none.
    ///
    /// # Errors
    ///
    /// As a pass over the rows.
    pub(super) fn weights_without(
        &self,
        rows: &RowObjective<'_>,
        at: &Parameters,
    ) -> Result<Option<Array1<f64>>, Error> {
        let is_far = |row: &[f64]| self.columns.iter().any(|column| column.is_far(row[column.index]));
        rows.weights_without(at, |row, margin| margin >= RIGHT && is_far(row))
    }
}

impl Column {
    fn is_far(&self, value: f64) -> bool {
        (value - self.centre).abs() > FAR * self.deviation
    }
}

/// The mean and the standard deviation of each column in some rows.
fn deviations<'r>(samples: &Samples<'_>, rows: impl Iterator<Item = &'r usize> + Clone) -> Vec<(f64, f64)> {
    let n = samples.n_features();
    let share = 1.0 / rows.clone().count() as f64;
    let mut columns = vec![(0.0, 0.0); n];
    let mut for_each = |visit: &dyn Fn(&mut (f64, f64), f64)| {
        samples.for_each_row(rows.clone().copied(), |row| {
            columns.iter_mut().zip(row).for_each(|(column, &value)| visit(column, value));
        });
    };
    for_each(&|(mean, _), value| *mean += value * share);
    for_each(&|(mean, square), value| *square += (value - *mean) * (value - *mean) * share);
    columns.iter_mut().for_each(|(_, square)| *square = square.sqrt());
    columns
}
