//! Whether the classes can be told apart without error: then the cost falls for ever along some direction, and has no
//! minimum (Albert and Anderson, *Biometrika* 71, 1984).

use std::iter::repeat_n;

use super::curvature::Curvature;
use super::dependence::part_along_null_space;
use super::factor::Factor;
use super::line_search::Place;
use super::margins::Margins;
use super::normal_equations::are_independent;
use super::quasi_newton::Outcome;
use super::{StopReason, unless_interrupted};
use crate::error::Error;
use crate::evaluate::predictors;
use crate::kernel::Precision;
use crate::model::{Model, Parameters};
use crate::objective::{Objective, RowObjective, Standardised};

/// Steps that still move a predictor by this much, where the gradient is small, lead to infinity.
const LONG_STEP: f64 = 0.03;

/// The columns along which the classes are separated; none if they are not. None are named where the bias does it alone.
///
/// # Errors
///
/// As a pass over the rows.
pub(super) fn separation(
    objective: &Standardised<'_>,
    outcome: &Outcome,
    cancelling: Cancelling,
) -> Result<Option<Vec<usize>>, Error> {
    let rows = objective.rows();
    let ended = matches!(outcome.stop_reason, StopReason::Tolerance | StopReason::Rounding | StopReason::MaxIter);
    if rows.model() == Model::Linear || !ended {
        return Ok(None);
    }
    let frame = objective.frame();
    if are_all_alike(rows) {
        return Ok(Some(Vec::new()));
    }
    if !is_unpenalised(objective) {
        return Ok(None);
    }
    if rows.model() == Model::SigmoidSquaredError {
        return by_all_columns(objective, &outcome.place);
    }
    let place = frame.leave(&outcome.place.at);
    let along = |direction| Margins::along(rows, &frame.leave(direction), &place);
    let (unknown, known) = match outcome.curvature {
        Curvature::Diagonal(_) => (true, false),
        Curvature::OfSome { .. } => (false, false),
        Curvature::Factored(_) => (false, true),
    };
    // A column of standard deviation 1 has no entry beyond √m.
    let long = |step: &Parameters| step.norm() * (rows.samples().n_samples() as f64).sqrt() >= LONG_STEP;
    let each_is_right = leaves_no_row_wrong(objective, outcome.place.cost);
    if !unknown && !each_is_right && !outcome.last_step.as_ref().is_some_and(long) {
        return Ok(None);
    }
    // Without a Hessian of all rows steps are not free of parts that lead nowhere; and without any they are short, and large
    // predictors make suspicious.
    let margins_there = along(&outcome.place.at)?;
    let mut newton = None;
    if !known && !each_is_right {
        let suspicious = !unknown || margins_there.most > LARGE_PREDICTOR;
        if !suspicious || rows.n_features() > MAX_COLUMNS {
            return Ok(None);
        }
        newton = newton_step(objective, &outcome.place.at)?;
    }
    let step = newton.as_ref().or(outcome.last_step.as_ref());
    let is_last = newton.is_none() && !each_is_right;
    if let Some(step) = step {
        let margins = along(step)?;
        let mut found = separated_by(objective, step, margins, cancelling)?;
        if is_last && margins.most >= LONG_STEP && rows.n_features() <= MAX_COLUMNS {
            // The last step to a minimum may look like one to infinity, but the next then is short; and one to infinity may
            // have other parts yet, but the next then has not.
            match long_step(objective, &outcome.place.at, margins.most)? {
                Some((next, margins)) if found.is_none() => {
                    found = separated_by(objective, &next, margins, cancelling)?;
                }
                Some(_) => {}
                None => found = None,
            }
        }
        if found.is_some() {
            return Ok(found);
        }
    }
    let each_is_right = each_is_right || step.is_some() && margins_there.most > 0.0 && margins_there.least_share >= 0.0;
    each_is_right.then(|| columns_of(objective, &outcome.place.at)).transpose()
}

/// Of the squared error, the columns of a place where no row is on the wrong side, beyond which it falls for ever. Where some
/// rows alone can be told apart is not asked.
fn by_all_columns(objective: &Standardised<'_>, place: &Place) -> Result<Option<Vec<usize>>, Error> {
    /// A row at the boundary costs 1/4.
    const LITTLE: f64 = 0.01;
    let (rows, summary) = (objective.rows(), objective.rows().summary());
    if place.cost > LITTLE || !summary.is_of_classes() {
        return Ok(None);
    }
    let at = objective.frame().leave(&place.at);
    let margins = Margins::along(rows, &at, &at)?;
    let each_is_right = margins.most > 0.0 && margins.least >= 0.0;
    each_is_right.then(|| columns_of(objective, &place.at)).transpose()
}

/// Whether a step's margins are small beside what they are the sum of.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Cancelling {
    Unlikely,
    /// As along columns that are nearly dependent.
    Likely,
    /// In all rows but those with values far from all others, whose margins are as far from all others.
    ButInFarRows,
}

/// Whether a log loss is so small that no row can be on the wrong side: then it falls for ever, and a step promises about as
/// much as is left of it, however little that is. Of rows with offsets that is not asked.
pub(super) fn leaves_no_row_wrong(objective: &Standardised<'_>, cost: f64) -> bool {
    let rows = objective.rows();
    let (samples, summary) = (rows.samples(), rows.summary());
    let is_of_classes = rows.model() == Model::SigmoidLogLoss && summary.is_of_classes();
    let each_is_right = cost * summary.weight_sum < std::f64::consts::LN_2 * summary.least_weight;
    is_of_classes && samples.offset_column().is_none() && is_unpenalised(objective) && each_is_right
}

/// Whether the targets are all 0 or all 1, so that the bias grows for ever, whatever the penalty: that is not on it.
pub(super) fn are_all_alike(rows: &RowObjective<'_>) -> bool {
    let mean = rows.summary().mean_target;
    rows.model() != Model::Linear && rows.intercept() && (mean == 0.0 || mean == 1.0)
}

pub(super) fn is_unpenalised(objective: &Standardised<'_>) -> bool {
    objective.penalty().iter().all(|&penalty| penalty == 0.0)
}

/// The columns of the last step, if it separates the classes, standing at `place`, in the data's own variables. Not if the next,
/// which is formed only then, moves nothing; one that cannot be formed, or leads back along what no row holds any more, tells
/// nothing. A penalty lets nothing fall for ever, nor does the squared error.
///
/// # Errors
///
/// As a pass over the rows.
pub(super) fn separated_along(
    objective: &Standardised<'_>,
    step: &Parameters,
    place: &Parameters,
    cancelling: Cancelling,
    next: impl FnOnce() -> Result<Option<Parameters>, Error>,
) -> Result<Option<Vec<usize>>, Error> {
    if objective.rows().model() != Model::SigmoidLogLoss || !is_unpenalised(objective) {
        return Ok(None);
    }
    let along = |step| Margins::along(objective.rows(), &objective.frame().leave(step), place);
    let margins = along(step)?;
    let found = separated_by(objective, step, margins, cancelling)?;
    if found.is_some()
        && let Some(next) = next()?
    {
        let next = along(&next)?;
        let moves = next.most.max(-next.least) >= least_of_next(margins.most);
        return Ok(found.filter(|_| moves));
    }
    Ok(found)
}

/// What a direction says of which a Hessian tells nothing.
pub(super) enum LeftOut {
    /// It moves no row: columns depend on others.
    Nothing,
    /// It moves rows with their classes alone, one way or the other; these columns do.
    Separates(Vec<usize>),
    /// It moves rows both ways.
    Leads,
}

impl LeftOut {
    /// Of a direction that a Hessian leaves out, in standardised variables, standing at `at`.
    ///
    /// # Errors
    ///
    /// As a pass over the rows.
    pub(super) fn of(objective: &Standardised<'_>, direction: &Parameters, at: &Parameters) -> Result<Self, Error> {
        /// By shares as small the errors of its eigenvectors move rows.
        const ROUGH: f64 = 1e-6;
        Self::along(objective, direction, at, ROUGH)
    }

    /// Of a direction that is known so well that it separates classes where it moves a row by more than `errors`, beside what
    /// cancels.
    fn along(
        objective: &Standardised<'_>,
        direction: &Parameters,
        at: &Parameters,
        errors: f64,
    ) -> Result<Self, Error> {
        /// By less rows are moved by rounding errors.
        const ROUNDING: f64 = 1e-13;
        let frame = objective.frame();
        // By how much of what cancels, there or in a row like most, the row is moved that is moved back most.
        let size = direction.norm();
        let margins = Margins::beside(size, objective.rows(), &frame.leave(direction), &frame.leave(at))?;
        let (by, by_back) = (-margins.least_share, -margins.least_share_back);
        if by.max(by_back) < ROUNDING {
            return Ok(Self::Nothing);
        }
        if by.min(by_back) >= ROUNDING || by.max(by_back) < errors {
            return Ok(Self::Leads);
        }
        let is_log_loss = objective.rows().model() == Model::SigmoidLogLoss;
        if !is_log_loss || !is_unpenalised(objective) {
            return Ok(Self::Leads);
        }
        let mut with_classes = direction.clone();
        with_classes.scale(if by < by_back { 1.0 } else { -1.0 });
        columns_of(objective, &with_classes).map(Self::Separates)
    }
}

/// As [`separated_along`], of a step whose margins are known and an objective without a penalty.
fn separated_by(
    objective: &Standardised<'_>,
    step: &Parameters,
    margins: Margins,
    cancelling: Cancelling,
) -> Result<Option<Vec<usize>>, Error> {
    if margins.most < LONG_STEP {
        return Ok(None);
    }
    // Parts that lead nowhere are small in any case, but not yet gone.
    let no_row_moves_back = match cancelling {
        // Where columns are nearly dependent all shares are small.
        Cancelling::Unlikely => {
            margins.least >= -1e-4 * margins.most
                || margins.least_share >= -1e-4 && margins.least >= -0.01 * margins.most
        }
        Cancelling::Likely => margins.least >= -1e-4 * margins.most,
        Cancelling::ButInFarRows => margins.least_share >= -1e-13,
    };
    if no_row_moves_back {
        return columns_of(objective, step).map(Some);
    }
    // Rows that are told apart by now may move back.
    let columns = separating_columns(objective.rows())?;
    Ok((!columns.is_empty()).then_some(columns))
}

/// The columns that separate the classes, each by itself or along Newton's next step, where some predictor is so large that
/// they may: near the end the steps that were taken are short, and lead along whatever is known least. Or along rows whose
/// sigmoid is flat by now, of which a Hessian has rounding errors, that look like anything.
///
/// # Errors
///
/// As a pass over the rows.
pub(super) fn separated_at_the_end(objective: &Standardised<'_>, at: &Parameters) -> Result<Option<Vec<usize>>, Error> {
    const LARGE: f64 = 12.0;
    let rows = objective.rows();
    if rows.model() != Model::SigmoidLogLoss || !is_unpenalised(objective) {
        return Ok(None);
    }
    let samples = rows.samples();
    let z = predictors(samples.features(), samples.offset_column(), at, rows.context())?;
    if z.iter().all(|z| z.abs() < LARGE) {
        return Ok(None);
    }
    let columns = separating_columns(rows)?;
    if !columns.is_empty() || rows.n_features() > MAX_COLUMNS {
        return Ok((!columns.is_empty()).then_some(columns));
    }
    if let Some(found) = along_flat_rows(objective, at)? {
        return Ok(Some(found));
    }
    match long_step(objective, &objective.frame().enter(at), f64::INFINITY)? {
        // A value far from all others moves its row so far that the ways of the others are nothing beside it.
        Some((_, margins)) if margins.least_share < -1e-6 => Ok(None),
        Some((step, margins)) => separated_by(objective, &step, margins, Cancelling::Likely),
        None => Ok(None),
    }
}

/// The columns of a direction that moves those rows alone, and with their classes, whose sigmoid is flat at `at`: such as lead to
/// infinity are long there.
fn along_flat_rows(objective: &Standardised<'_>, at: &Parameters) -> Result<Option<Vec<usize>>, Error> {
    /// Where columns are nearly dependent, all that moves rows is small beside what cancels.
    const EXACT: f64 = 1e-12;
    let (rows, frame) = (objective.rows(), objective.frame());
    if few_rows_hold(rows, at)? {
        return Ok(None);
    }
    let Some(weights) = rows.weights_without(at, is_flat)? else { return Ok(None) };
    if weights.iter().all(|&weight| weight == 0.0) {
        return Ok(None);
    }
    let others = rows.with_weights(&weights)?;
    let Some(direction) = part_along_null_space(&others.linear()?, at)? else { return Ok(None) };
    Ok(match LeftOut::along(objective, &frame.enter(&direction), &frame.enter(at), EXACT)? {
        LeftOut::Separates(columns) => Some(columns),
        LeftOut::Nothing | LeftOut::Leads => None,
    })
}

/// Whether a row's sigmoid, where its margin is this, is flat.
fn is_flat(_: &[f64], margin: f64) -> bool {
    margin >= 12.0
}

/// Whether a few of the rows that are not flat show already that nothing leaves all of them where they are; mostly they do.
fn few_rows_hold(rows: &RowObjective<'_>, at: &Parameters) -> Result<bool, Error> {
    const ROWS: usize = 512;
    const ROWS_A_COLUMN: usize = 16;
    let n_few = ROWS.max(ROWS_A_COLUMN * rows.n_features());
    let shown = rows.every(rows.samples().n_samples().div_ceil(n_few), 0).and_then(|few| {
        let weights = few.weights_without(at, is_flat)?;
        let are_independent = match &weights {
            Some(weights) => are_independent(&few.with_weights(weights)?.linear()?)?,
            None => are_independent(&few.linear()?)?,
        };
        Ok(Some(are_independent))
    });
    // Such as weights that are all 0 tell nothing.
    Ok(unless_interrupted(shown)?.unwrap_or(false))
}

/// The columns that a direction which separates is made of: those with the largest parts that do it without the others.
fn columns_of(objective: &Standardised<'_>, direction: &Parameters) -> Result<Vec<usize>, Error> {
    const SHARES: [f64; 3] = [0.1, 1e-2, 1e-3];
    let largest = direction.weights.iter().fold(0.0_f64, |largest, part| largest.max(part.abs()));
    let mut columns = Vec::new();
    for share in SHARES {
        let mut alone = direction.clone();
        alone.weights.iter_mut().filter(|part| part.abs() < share * largest).for_each(|part| *part = 0.0);
        columns = (0..alone.weights.len()).filter(|&j| alone.weights[j] != 0.0).collect();
        if tells_apart(objective.rows(), &objective.frame().leave(&alone))? {
            break;
        }
    }
    Ok(columns)
}

/// Whether no row of class 0 is above any of class 1, by predictors without their offsets; with a fixed bias none is on the
/// wrong side of 0.
fn tells_apart(rows: &RowObjective<'_>, along: &Parameters) -> Result<bool, Error> {
    const ROUNDING: f64 = 1e-9;
    let partition = rows.samples().partition();
    let states = repeat_n(Extents::NONE, partition.n_chunks());
    let extents = rows.pass(&partition, along, states, Extents::merge, |x, targets, _, scratch, extents| {
        let panel = x.panel(0..x.n_rows(), &mut scratch.x);
        let counted = |&i: &usize| targets.sample_weight.is_none_or(|weights| weights[i] > 0.0);
        for i in (0..targets.y.len()).filter(counted) {
            extents.take_target(targets.y[i], along.predictor(panel.row(i)));
        }
        true
    })?;
    let [[lowest_of_0, highest_of_0], [lowest_of_1, highest_of_1]] = extents.0;
    let slack = ROUNDING * (highest_of_1 - lowest_of_0).abs().max((highest_of_0 - lowest_of_1).abs());
    Ok(if rows.intercept() {
        highest_of_0 <= lowest_of_1 + slack
    } else {
        highest_of_0 <= slack && lowest_of_1 >= -slack
    })
}

/// A probability so near to 0 or 1 that few data sets give reason for it.
const LARGE_PREDICTOR: f64 = 8.0;
/// More columns than this are not worth a Hessian for a diagnosis alone.
const MAX_COLUMNS: usize = 1000;

/// By how much, at least, the next step to infinity moves a predictor: by 1 each time, or where a value is far from all others of
/// its column by as little as the last.
fn least_of_next(last: f64) -> f64 {
    LONG_STEP.max(0.5 * last.min(1.0))
}

/// Newton's step and its margins, if it is long beside the last; if that is infinite, beside 1.
fn long_step(objective: &Standardised<'_>, at: &Parameters, last: f64) -> Result<Option<(Parameters, Margins)>, Error> {
    let (rows, frame) = (objective.rows(), objective.frame());
    let Some(next) = newton_step(objective, at)? else { return Ok(None) };
    let margins = Margins::along(rows, &frame.leave(&next), &frame.leave(at))?;
    Ok((margins.most >= least_of_next(last)).then_some((next, margins)))
}

fn newton_step(objective: &Standardised<'_>, at: &Parameters) -> Result<Option<Parameters>, Error> {
    let mut gradient = Parameters::zeros(at.n_features());
    let (_, hessian) = objective.cost_gradient_hessian(at, &mut gradient, Precision::Double)?;
    let rows = objective.rows();
    Ok(Factor::new(&hessian, rows.intercept(), rows.context())?.map(|factor| factor.step(&gradient)))
}

/// The least and the greatest value of a column in each of the classes 0 and 1.
#[derive(Clone, Copy)]
struct Extents([[f64; 2]; 2]);

impl Extents {
    const NONE: Self = Self([[f64::INFINITY, f64::NEG_INFINITY]; 2]);

    fn take(&mut self, class: usize, [low, high]: [f64; 2]) {
        let [least, most] = &mut self.0[class];
        (*least, *most) = (least.min(low), most.max(high));
    }

    /// A target between the classes belongs to both.
    fn take_target(&mut self, y: f64, value: f64) {
        if y < 1.0 {
            self.take(0, [value; 2]);
        }
        if y > 0.0 {
            self.take(1, [value; 2]);
        }
    }

    fn merge(&mut self, other: &Self) {
        (0..2).for_each(|class| self.take(class, other.0[class]));
    }

    /// Whether values of the classes meet at one place at most; without an intercept at 0.
    fn are_apart(&self, intercept: bool) -> bool {
        let [[low_0, high_0], [low_1, high_1]] = self.0;
        let apart = |below: f64, above: f64| below <= above && (intercept || below <= 0.0 && 0.0 <= above);
        low_0.min(low_1) < high_0.max(high_1) && (apart(high_0, low_1) || apart(high_1, low_0))
    }
}

/// The columns that tell the classes apart each by itself, for all rows or for those where it differs from one value.
///
/// # Errors
///
/// As a pass over the rows.
fn separating_columns(rows: &RowObjective<'_>) -> Result<Vec<usize>, Error> {
    let n = rows.samples().n_features();
    let partition = rows.samples().partition();
    let states = repeat_n(vec![Extents::NONE; n], partition.n_chunks());
    let merge = |a: &mut Vec<Extents>, b: &Vec<Extents>| {
        a.iter_mut().zip(b).for_each(|(a, b)| a.merge(b));
    };
    let extents = rows.pass(&partition, &rows.null_model(), states, merge, |x, targets, _, scratch, extents| {
        let panel = x.panel(0..x.n_rows(), &mut scratch.x);
        for (i, &y) in targets.y.iter().enumerate() {
            if targets.sample_weight.is_some_and(|weights| weights[i] == 0.0) {
                continue;
            }
            extents.iter_mut().zip(panel.row(i)).for_each(|(extents, &value)| extents.take_target(y, value));
        }
        true
    })?;
    let apart = |(column, extents): (usize, &Extents)| extents.are_apart(rows.intercept()).then_some(column);
    Ok(extents.iter().enumerate().filter_map(apart).collect())
}
