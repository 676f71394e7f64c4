//! The log loss with a penalty where features outnumber samples: at its minimum the weights are a combination of the rows,
//! `w = X̃ᵀ a`, so `m` numbers have to be found, by Newton's method with `K = X̃ X̃ᵀ`.

use std::ops::ControlFlow;

use faer::linalg::solvers::Solve;
use faer::{Mat, Side};
use ndarray::{Array1, Array2};

use super::inverse::apart;
use super::plan::Plan;
use super::wide::Features;
use super::{Observer, ROUNDING, Settings, Step, StopReason, unless_overflow};
use crate::error::Error;
use crate::kernel::link::SigmoidLogLoss;
use crate::model::{Model, Parameters};
use crate::objective::{RowObjective, Slopes, Standardised, symmetric_product};

/// Where Newton's method ended.
pub(super) struct InRowSpace {
    /// In the data's own units.
    pub(super) parameters: Parameters,
    pub(super) n_iter: usize,
    /// What the observer wished at the last look.
    pub(super) wish: ControlFlow<StopReason>,
}

const DECREASE: f64 = 1e-4;
const MAX_TRIALS: usize = 30;
/// Where the sigmoid is flat, so many steps may not arrive.
const MAX_STEPS: usize = 50;

/// The minimum, or near it, from no weights; none where that does not pay. A look at each step costs no pass, so that the
/// observer sees no parameters but those of the start.
///
/// # Errors
///
/// As a pass over the rows.
pub(super) fn in_row_space(
    rows: &RowObjective<'_>,
    l2: f64,
    settings: Settings,
    observer: &mut Observer<'_>,
) -> Result<Option<InRowSpace>, Error> {
    let pays = l2 > 0.0 && rows.model() == Model::SigmoidLogLoss && Plan::new(rows, settings).row_space_pays();
    if !pays {
        return Ok(None);
    }
    let standardised = Standardised::new(rows, l2)?;
    let features = Features::new(&standardised);
    let Some(products) = unless_overflow(features.products_of_rows(rows.context()))? else { return Ok(None) };
    if !products.iter().all(|product| product.is_finite()) {
        return Ok(None);
    }
    let null = rows.null_model();
    let space = RowSpace {
        rows: rows.with_features((&products).into())?,
        products: &products,
        l2,
        along_centre: features.rows_along_centre(rows.context())?,
        centre_square: features.centre_square(),
    };
    let mut place = space.place(Parameters { weights: Array1::zeros(products.nrows()), bias: null.bias })?;
    let mut n_iter = 0;
    let wish = loop {
        let gradient_norm = space.gradient_norm(&place);
        let wish = observer(&Step { iteration: n_iter, parameters: &null, cost: place.cost, gradient_norm })?;
        if wish.is_break() || n_iter >= settings.max_iter.min(MAX_STEPS) {
            break wish;
        }
        let Some((step, promised)) = space.step(&place)? else { break wish };
        if promised <= settings.promise(place.cost, rows) {
            break wish;
        }
        let Some(next) = space.search(&place, &step, promised)? else { break wish };
        place = next;
        n_iter += 1;
    };
    let Parameters { weights: a, bias } = place.at;
    let weights = features.combination(a, rows.context())?;
    let bias = if rows.intercept() { bias - features.along_centre(&weights) } else { 0.0 };
    Ok(Some(InRowSpace { parameters: Parameters { weights, bias }, n_iter, wish }))
}

/// `C + (l2/2) a·K a` with predictors `K a + b`.
struct RowSpace<'r> {
    rows: RowObjective<'r>,
    products: &'r Array2<f64>,
    l2: f64,
    /// `X̃ c` and `c·c` for the means `c` that were taken out of the columns.
    along_centre: Array1<f64>,
    centre_square: f64,
}

struct Place {
    /// `(a, b)`.
    at: Parameters,
    cost: f64,
    /// `∂C/∂z + l2 a`: the gradient by the weights is `X̃ᵀ` times this.
    by_rows: Array1<f64>,
    by_bias: f64,
    /// Of each row's curvature.
    roots: Array1<f64>,
}

impl RowSpace<'_> {
    fn place(&self, at: Parameters) -> Result<Place, Error> {
        let Slopes { cost, by_bias, slopes, roots } = self.rows.slopes(SigmoidLogLoss, &at)?;
        let share = self.rows.summary().weight_sum.recip();
        let along = at.weights.dot(&symmetric_product(self.products, &at.weights));
        let by_rows = Array1::from(slopes) * share + self.l2 * &at.weights;
        let by_bias = if self.rows.intercept() { by_bias * share } else { 0.0 };
        let roots = Array1::from(roots) * share.sqrt();
        Ok(Place { cost: cost * share + 0.5 * self.l2 * along, at, by_rows, by_bias, roots })
    }

    /// In the data's own variables: `|X̃ᵀv + c ∂C/∂b|² + (∂C/∂b)²`.
    fn gradient_norm(&self, place: &Place) -> f64 {
        let square = place.by_rows.dot(&symmetric_product(self.products, &place.by_rows));
        let along = 2.0 * place.by_bias * self.along_centre.dot(&place.by_rows);
        let of_bias = place.by_bias * place.by_bias * (1.0 + self.centre_square);
        (square + along + of_bias).max(0.0).sqrt()
    }

    /// Newton's step, and how much its slope promises; none if the curvature does not tell.
    ///
    /// With `v` the gradient by rows, `r` the roots of the curvatures and `B = l2 + diag(r) K diag(r)`, whose condition no small
    /// curvature spoils: `δa = r β − v/l2` with `B β = r (K v/l2 − δb)`, as in classification by Gaussian processes
    /// (Rasmussen and Williams, *Gaussian Processes for Machine Learning*, 3.4).
    ///
    /// # Errors
    ///
    /// [`Error::Interrupted`].
    fn step(&self, place: &Place) -> Result<Option<(Parameters, f64)>, Error> {
        let (k, l2, r) = (self.products, self.l2, &place.roots);
        let m = r.len();
        let matrix = Mat::from_fn(m, m, |i, j| r[i] * k[[i, j]] * r[j] + if i == j { l2 } else { 0.0 });
        let Some(factor) = apart(self.rows.context(), m, move || matrix.llt(Side::Lower).ok())? else {
            return Ok(None);
        };
        let along_rows = symmetric_product(k, &place.by_rows);
        let mut right = Mat::from_fn(m, 2, |i, j| if j == 0 { r[i] * along_rows[i] / l2 } else { r[i] });
        factor.solve_in_place(&mut right);
        let column = |j: usize| -> Array1<f64> { (0..m).map(|i| right[(i, j)]).collect() };
        let (mut beta, of_bias) = (column(0), column(1));
        let mut bias = 0.0;
        if self.rows.intercept() {
            bias = (r.dot(&beta) - place.by_bias / l2) / r.dot(&of_bias);
            beta.scaled_add(-bias, &of_bias);
        }
        let weights = r * &beta - &place.by_rows / l2;
        let promised = -(along_rows.dot(&weights) + place.by_bias * bias);
        Ok((promised.is_finite() && promised >= 0.0).then_some((Parameters { weights, bias }, promised)))
    }

    /// A place on the way that costs less, whole step first.
    fn search(&self, from: &Place, step: &Parameters, promised: f64) -> Result<Option<Place>, Error> {
        let mut length = 1.0;
        for _ in 0..MAX_TRIALS {
            let mut at = from.at.clone();
            at.add_scaled(length, step);
            if let Some(place) = unless_overflow(self.place(at))?
                && place.cost <= from.cost - DECREASE * length * promised
            {
                return Ok(Some(place));
            }
            if promised * length <= ROUNDING * from.cost {
                return Ok(None);
            }
            length *= 0.5;
        }
        Ok(None)
    }
}
