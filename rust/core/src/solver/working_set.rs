//! Quadratic models of an objective with an `l1` penalty, of all columns or of a working set: the columns that have a weight
//! and those that violate the conditions of a minimum most (as Massias, Gramfort and Salmon, *ICML*, 2018, choose them). The
//! others' weights are 0 and stay it, until a pass over all columns tells that one of them should not.

use std::borrow::Cow;

use ndarray::{Array1, Array2, s};

use super::Settings;
use super::coordinate_descent::coordinate_descent;
use super::plan::{NEAR, passes_at};
use super::proximal::{Place, Sparse};
use crate::error::Error;
use crate::kernel::Precision;
use crate::model::Parameters;
use crate::objective::{Hessian, MAX_BLOCK, Objective};

/// The most columns of which the products of all pairs are formed.
const MAX_COLUMNS: usize = 2048;
/// A working set may grow by as many, however few columns have a weight.
const FEW: usize = 64;

/// Violations of less may be rounding errors.
const ROUNDING: f64 = 4.0 * f64::EPSILON;

/// A Hessian with the bias eliminated.
pub(super) struct Model {
    /// Where it was formed.
    at: Parameters,
    columns: Vec<usize>,
    weights: Array2<f64>,
    cross: Array1<f64>,
    bias: f64,
}

impl Sparse<'_> {
    /// Of a start, or of no weights. No model where more columns than it can have should have one.
    pub(super) fn place_and_model(&self, start: Option<Place>) -> Result<(Place, Option<Model>), Error> {
        let rows = self.smooth.rows();
        if rows.n_features() <= MAX_BLOCK {
            let at = start.map_or_else(|| rows.null_model(), |start| start.at);
            let (place, model) = self.place_and_model_of_all(at)?;
            return Ok((place, Some(model)));
        }
        let place = match start {
            Some(start) => start,
            None => self.place(rows.null_model())?,
        };
        let model = self.model_of_more(&place, None, false)?;
        Ok((place, model))
    }

    /// Of the same columns, at another place.
    pub(super) fn place_and_model_again(&self, place: Place, model: &Model) -> Result<(Place, Model), Error> {
        if model.is_of_all() {
            return self.place_and_model_of_all(place.at);
        }
        let model = self.model_of(&place, sorted(model.columns.clone()))?;
        Ok((place, model))
    }

    /// Of more columns than another: those that should be in it first of all. None where they are too many. If the other is
    /// good yet, products are formed with those that are new alone.
    pub(super) fn model_of_more(
        &self,
        place: &Place,
        less: Option<&Model>,
        is_good: bool,
    ) -> Result<Option<Model>, Error> {
        let (m, n) = self.smooth.rows().samples().features().shape();
        let violations: Vec<f64> = (0..n).map(|j| self.violation(place, j)).collect();
        let (with_weight, mut others): (Vec<usize>, Vec<usize>) = (0..n).partition(|&j| place.at.weights[j] != 0.0);
        others.retain(|&j| violations[j] > 0.0);
        others.sort_by(|&i, &j| violations[j].total_cmp(&violations[i]));
        // Of independent columns all those get a weight that violate the conditions without any, and of dependent ones not
        // more than there are rows. Later on most that do get none, and others can join as cheaply.
        others.truncate(FEW.max(if less.is_none() { m / 4 } else { with_weight.len() / 2 }));
        // What was chosen once may soon be again.
        let before = less.map_or(&[][..], |less| &less.columns);
        let mut is_chosen = vec![false; n];
        let mut columns = [&with_weight[..], &others, before].concat();
        columns.retain(|&j| !std::mem::replace(&mut is_chosen[j], true));
        // The bias has to move even where no column should have a weight, and products are of one column at least.
        if columns.is_empty() {
            columns.push(0);
        }
        // Not where features outnumber samples: some never have a weight, and more columns than rows have a singular part.
        if 2 * columns.len() > n && n <= MAX_COLUMNS.min(m) {
            columns = (0..n).collect();
        }
        columns.truncate(MAX_COLUMNS);
        if with_weight.len() >= MAX_COLUMNS {
            return Ok(None);
        }
        match less {
            Some(less) if is_good && columns.len() < MAX_COLUMNS => self.extended(less, columns).map(Some),
            _ => self.model_of(place, sorted(columns)).map(Some),
        }
    }

    /// Of other columns as well, at the place where it was formed.
    fn extended(&self, model: &Model, mut columns: Vec<usize>) -> Result<Model, Error> {
        let n_known = model.columns.len();
        let mut is_known = vec![false; self.lambda.len()];
        model.columns.iter().for_each(|&j| is_known[j] = true);
        columns.retain(|&j| !is_known[j]);
        let columns = [&model.columns[..], &sorted(columns)].concat();
        let mut hessian = self.smooth.hessian_of_columns(&model.at, &columns, n_known)?;
        hessian.cross.slice_mut(s![..n_known]).assign(&model.cross);
        let mut extended = Model::new(model.at.clone(), columns, hessian);
        extended.weights.slice_mut(s![..n_known, ..n_known]).assign(&model.weights);
        Ok(extended)
    }

    fn model_of(&self, place: &Place, columns: Vec<usize>) -> Result<Model, Error> {
        if columns.len() == place.at.n_features() {
            return Ok(self.place_and_model_of_all(place.at.clone())?.1);
        }
        let hessian = self.smooth.hessian_of_columns(&place.at, &columns, 0)?;
        Ok(Model::new(place.at.clone(), columns, hessian))
    }

    fn place_and_model_of_all(&self, at: Parameters) -> Result<(Place, Model), Error> {
        let n = at.n_features();
        let mut gradient = Parameters::zeros(n);
        let (cost, hessian) = self.smooth.cost_gradient_hessian(&at, &mut gradient, Precision::Double)?;
        let cost = cost + self.penalty(&at);
        let model = Model::new(at.clone(), (0..n).collect(), hessian);
        Ok((Place { at, cost, gradient }, model))
    }
}

fn sorted(mut columns: Vec<usize>) -> Vec<usize> {
    columns.sort_unstable();
    columns
}

impl Model {
    fn new(at: Parameters, columns: Vec<usize>, hessian: Hessian) -> Self {
        let Hessian { mut weights, cross, bias, .. } = hessian;
        let squares = weights.diag().to_owned();
        if bias > 0.0 {
            let along = &cross / bias;
            weights.rows_mut().into_iter().zip(&cross).for_each(|(mut row, &cross)| row.scaled_add(-cross, &along));
        }
        // A column that is constant moves nothing that the bias does not.
        for (left, square) in weights.diag_mut().iter_mut().zip(&squares) {
            if *left <= 1e-14 * square {
                *left = 0.0;
            }
        }
        Self { at, columns, weights, cross, bias }
    }

    /// Whether the largest violation is that of a column that is not in it; if that is as small as wanted, one that promises
    /// more than little.
    pub(super) fn leaves_out(&self, sparse: &Sparse<'_>, place: &Place, settings: Settings) -> bool {
        let all = sparse.optimality(place);
        if all <= self.optimality(sparse, place) {
            return false;
        }
        let rows = sparse.smooth.rows();
        let bound = rows.model().curvature_bound();
        let promised = 0.5 * (all * rows.unit()).powi(2) / bound;
        all > settings.tol || promised > settings.promise(place.cost, rows)
    }

    /// That of its columns and the bias alone; see [`Sparse::optimality`].
    pub(super) fn optimality(&self, sparse: &Sparse<'_>, place: &Place) -> f64 {
        sparse.optimality_among(place, self.columns.iter().copied())
    }

    /// Whether a new one pays at a place, where a step of this one led from so large a violation by so many multiplications. In
    /// passes over all columns: to form it takes `k²/(20 n)` beside the reading, and a core multiplies about as fast as all
    /// cores read.
    pub(super) fn is_slow(&self, sparse: &Sparse<'_>, (before, work): (f64, f64), place: &Place, tol: f64) -> bool {
        /// What a step that leads nowhere near is said to leave.
        const WORST: f64 = 0.99;
        let left = self.optimality(sparse, place);
        let (m, n) = sparse.smooth.rows().samples().features().shape();
        let (m, n, k) = (m as f64, n as f64, self.columns.len() as f64);
        let cost = 1.0 + k / n + k * k / (20.0 * n);
        let of_step = 1.0 + work / (m * n);
        // Where violations are as small as wanted, the promise is not.
        let wanted = tol.max(f64::EPSILON).min(0.1 * left);
        of_step * passes_at((left / before).min(WORST), left, wanted) > cost + of_step * passes_at(NEAR, left, wanted)
    }

    /// Whether it was formed there.
    pub(super) fn is_of(&self, place: &Place) -> bool {
        self.at == place.at
    }

    pub(super) fn is_of_all(&self) -> bool {
        self.columns.len() == self.at.n_features()
    }

    /// Of a column, in the mean.
    pub(super) fn curvature(&self) -> f64 {
        self.weights.diag().sum() / self.columns.len() as f64
    }

    /// To the model's minimum, and about how many multiplications it took; with `damping` for the curvature of each column and
    /// of the bias beside its own. Only near the minimum if so large a share of the violation `may_be_left`.
    ///
    /// # Errors
    ///
    /// [`Error::Interrupted`].
    pub(super) fn step(
        &self,
        sparse: &Sparse<'_>,
        from: &Place,
        tol: f64,
        damping: f64,
        may_be_left: f64,
    ) -> Result<(Parameters, f64), Error> {
        let (weights, bias) = self.damped(damping, sparse.smooth.rows().intercept());
        let of_bias = if bias > 0.0 { from.gradient.bias / bias } else { 0.0 };
        let columns = || self.columns.iter().copied();
        let mut slope: Vec<f64> =
            columns().zip(&self.cross).map(|(j, cross)| from.gradient.weights[j] - cross * of_bias).collect();
        let mut u: Vec<f64> = columns().map(|j| from.at.weights[j]).collect();
        let lambda: Vec<f64> = columns().map(|j| sparse.lambda[j]).collect();
        // Tighter than what is wanted of the whole, and than what is left; where the model changes from step to step, only so
        // much that steps still shrink what is left to its square. No less than rounding errors.
        let size = sparse.optimality(from);
        let rows = sparse.smooth.rows();
        let tol = if rows.is_quadratic() { (0.1 * tol).min(1e-3 * size) } else { 0.1 * size * size.min(1.0) };
        let tol = tol.max(may_be_left * size).max(ROUNDING) * rows.unit();
        let work = coordinate_descent(&weights, &mut u, &mut slope, &lambda, tol, rows.context())?;
        let mut step = Parameters::zeros(from.at.n_features());
        let mut along_cross = 0.0;
        for ((j, u), cross) in columns().zip(u).zip(&self.cross) {
            step.weights[j] = u - from.at.weights[j];
            along_cross += cross * step.weights[j];
        }
        step.bias = if bias > 0.0 { -of_bias - along_cross / bias } else { 0.0 };
        Ok((step, work))
    }

    /// What is left of the weights' Hessian and that of the bias, with `damping` for the curvature of each beside its own.
    fn damped(&self, damping: f64, intercept: bool) -> (Cow<'_, Array2<f64>>, f64) {
        let mut weights = Cow::Borrowed(&self.weights);
        if damping == 0.0 {
            return (weights, self.bias);
        }
        weights.to_mut().diag_mut().iter_mut().for_each(|entry| *entry += damping);
        if !intercept {
            return (weights, self.bias);
        }
        let bias = self.bias + damping;
        if self.bias > 0.0 {
            // Less is eliminated with the bias: c cᵀ/(h + d) instead of c cᵀ/h.
            let means = &self.cross / self.bias;
            let share = damping / bias;
            for (mut row, &cross) in weights.to_mut().rows_mut().into_iter().zip(&self.cross) {
                row.scaled_add(share * cross, &means);
            }
        }
        (weights, bias)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Context;
    use crate::model::Model as Kind;
    use crate::objective::RowObjective;
    use crate::samples::Samples;

    #[test]
    fn an_extended_model_is_that_of_all_its_columns_where_the_first_was_formed() {
        let (m, n) = (90, 400);
        let x = Array2::from_shape_fn((m, n), |(i, j)| ((i * 37 + j * 11 + i * j) as f64 * 0.7).sin() + 0.3);
        let y = Array1::from_shape_fn(m, |i| f64::from(u8::from(i % 3 == 0)));
        let context = Context::default();
        for (kind, intercept) in [(Kind::Linear, true), (Kind::SigmoidLogLoss, true), (Kind::SigmoidLogLoss, false)] {
            let rows = RowObjective::new(kind, Samples::new(&x, &y).unwrap(), intercept, &context).unwrap();
            let sparse = Sparse::new(&rows, (0.01, 0.1)).unwrap();
            let mut at = Parameters::zeros(n);
            at.weights.iter_mut().step_by(9).for_each(|u| *u = 0.2);
            let place = sparse.place(at).unwrap();
            let known: Vec<usize> = (0..n).step_by(9).collect();
            let less = sparse.model_of(&place, known.clone()).unwrap();
            let found = sparse.extended(&less, [&known[3..], &[7, 5, 390][..]].concat()).unwrap();
            let columns = [&known[..], &[5, 7, 390]].concat();
            assert!(found.columns == columns && found.is_of(&place));
            let expected = sparse.model_of(&place, columns).unwrap();
            let far = |a: &Array2<f64>, b: &Array2<f64>| (a - b).iter().fold(0.0, |most: f64, d| most.max(d.abs()));
            assert!(far(&found.weights, &expected.weights) < 1e-13);
            assert!((&found.cross - &expected.cross).iter().all(|difference| difference.abs() < 1e-14));
            assert_eq!(found.bias, expected.bias);
        }
    }

    #[test]
    fn a_small_violation_outside_is_left_there_only_if_it_promises_little() {
        let (m, n) = (60, 6);
        // Orthogonal columns; the target is the first, and a little of the second.
        let x = Array2::from_shape_fn((m, n), |(i, j)| {
            2.0_f64.sqrt() * (std::f64::consts::PI * (i as f64 + 0.5) * (j + 1) as f64 / m as f64).cos()
        });
        let y: Array1<f64> = x.rows().into_iter().map(|row| row[0] + 0.1 * row[1]).collect();
        let context = Context::default();
        let rows = RowObjective::new(Kind::Linear, Samples::new(&x, &y).unwrap(), true, &context).unwrap();
        let sparse = Sparse::new(&rows, (1e-6, 0.0)).unwrap();
        let mut at = Parameters::zeros(n);
        at.weights[0] = sparse.smooth.frame().scale()[0];
        let place = sparse.place(at).unwrap();
        let violation = sparse.optimality(&place);
        assert!((violation - 0.2).abs() < 1e-2);
        let settings = |tol| Settings {
            max_iter: 100,
            tol,
            hessians: true,
            looks_at_parameters: false,
            negligible: Settings::NEGLIGIBLE,
        };
        let model = sparse.model_of(&place, vec![0]).unwrap();
        // All that is left of the cost is 0.01.
        assert!(model.leaves_out(&sparse, &place, settings(0.1)));
        assert!(model.leaves_out(&sparse, &place, settings(0.3)), "small, and all that is left");
        assert!(!model.leaves_out(&sparse, &place, settings(3.0)), "as little as is wanted");
        let of_both = sparse.model_of(&place, vec![0, 1]).unwrap();
        assert!(!of_both.leaves_out(&sparse, &place, settings(0.1)));
    }
}
