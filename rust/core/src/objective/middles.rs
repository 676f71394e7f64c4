//! Where most values of a column are, whatever a few are.

use crate::samples::Samples;

/// Of some values of a column the median, and the median distance from it.
#[derive(Clone, Copy)]
pub(crate) struct Middle {
    pub(crate) median: f64,
    pub(crate) distance: f64,
}

/// Of some columns.
pub(crate) fn middles(samples: &Samples<'_>, columns: &[usize]) -> Vec<Middle> {
    let mut values = vec![Vec::new(); columns.len()];
    samples.for_each_row(samples.some_rows(), |row| {
        columns.iter().zip(&mut values).for_each(|(&column, values)| values.push(row[column]));
    });
    let median = |values: &mut [f64]| *values.select_nth_unstable_by(values.len() / 2, f64::total_cmp).1;
    let of = |mut values: Vec<f64>| {
        let median_value = median(&mut values);
        values.iter_mut().for_each(|value| *value = (*value - median_value).abs());
        Middle { median: median_value, distance: median(&mut values) }
    };
    values.into_iter().map(of).collect()
}
