//! A fit: data and options in, parameters and history out.

use std::num::NonZeroUsize;
use std::time::Instant;

use crate::context::Context;
use crate::course::{Course, Fit};
use crate::error::Error;
use crate::model::{Model, Parameters};
use crate::objective::{Dual, Moments, Objective, Penalised, RowObjective, Standardised};
use crate::samples::Samples;
use crate::solver::{
    Accuracy, Exact, GradientDescent, Settings, Smooth, Solution, Step, StopReason, exact, gradient_descent,
    largest_eigenvalue, minimise, minimise_sparse, optimality, unless_overflow,
};

/// The step size `α` of gradient descent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LearningRate {
    /// `1/L`, with `L` the largest eigenvalue of the Hessian's bound, found by power iteration.
    Auto,
    /// This rate.
    Fixed(f64),
}

/// Whether the linear model's moments are collected in one pass, for the iterations to go on without the data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precompute {
    /// Where that is expected to take less time.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never: a pass over the rows an iteration.
    Never,
}

/// The way to the minimum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Solver {
    /// What is expected to be fastest.
    #[default]
    Auto,
    /// Textbook gradient descent.
    GradientDescent,
    /// Newton's method with a line search; a Hessian is formed when it saves more passes than it costs.
    Newton,
    /// Limited-memory BFGS in standardised variables.
    Lbfgs,
}

/// How to fit.
#[derive(Clone, Debug)]
pub struct FitOptions {
    /// The way to the minimum.
    pub solver: Solver,
    /// The step size.
    pub learning_rate: LearningRate,
    /// At most this many iterations.
    pub max_iter: usize,
    /// Gradient descent stops when the gradient norm is at most `tol` times its first value; 0 does `max_iter` iterations.
    /// The other solvers stop when [`Fit::optimality`] is at most `tol`; 0 goes on until rounding error hides any descent.
    pub tol: f64,
    /// Stop when the validation cost has not improved for this many iterations, and return to its minimum. Needs
    /// validation data.
    pub patience: Option<NonZeroUsize>,
    /// Where to start; zero if not given.
    pub start: Option<Parameters>,
    /// Whether the bias is fitted; else it is 0.
    pub fit_intercept: bool,
    /// The penalty `l1 ‖w‖₁`. Gradient descent takes none: it has no gradient where a weight is 0.
    pub l1: f64,
    /// The penalty `(l2/2) ‖w‖²`; the bias is not penalised.
    pub l2: f64,
    /// Moments for the linear model. They change the result by rounding errors alone.
    pub precompute: Precompute,
}

impl Default for FitOptions {
    fn default() -> Self {
        Self {
            solver: Solver::Auto,
            learning_rate: LearningRate::Auto,
            max_iter: 1000,
            tol: 1e-6,
            patience: None,
            start: None,
            fit_intercept: true,
            l1: 0.0,
            l2: 0.0,
            precompute: Precompute::Auto,
        }
    }
}

/// Minimises `C + l1 ‖w‖₁ + (l2/2) ‖w‖²`, `C` being the cost of `model` on `training`. `validation` data, if given, are
/// only looked at; their cost is `C` without the penalty.
///
/// # Errors
///
/// Bad data or options, by name; [`Error::Diverged`] if the rate is too large; [`Error::Interrupted`].
pub fn fit(
    model: Model,
    training: Samples<'_>,
    validation: Option<Samples<'_>>,
    options: &FitOptions,
    context: &Context<'_>,
) -> Result<Fit, Error> {
    let began = Instant::now();
    options.check(training.n_features(), validation.is_some())?;
    let objectives = |samples| RowObjective::new(model, samples, options.fit_intercept, context);
    let rows = objectives(training)?;
    let validation = validation.map(|samples| objectives(samples.for_validation())).transpose()?;
    if let Some(validation) = &validation
        && validation.n_features() != rows.n_features()
    {
        let (found, expected) = (validation.n_features(), rows.n_features());
        return Err(Error::Features { argument: "X_val", found, expected });
    }
    let mut course = Course::new(began, validation, options.patience);
    match options.solver {
        Solver::GradientDescent => by_gradient_descent(&rows, options, &mut course),
        Solver::Auto if options.l1 == 0.0 && model == Model::Linear => exactly(&rows, options, &mut course),
        Solver::Auto | Solver::Newton | Solver::Lbfgs => by_curvature(&rows, options, &mut course),
    }
}

fn by_gradient_descent(rows: &RowObjective<'_>, options: &FitOptions, course: &mut Course<'_>) -> Result<Fit, Error> {
    let start = options.start.clone().unwrap_or_else(|| Parameters::zeros(rows.n_features()));
    let data = Data::collect(rows, &start, options.moments(rows, course.is_validated(), &start))?;
    let objective = options.penalise(data.objective());
    let learning_rate = match options.learning_rate {
        LearningRate::Fixed(rate) => rate,
        LearningRate::Auto => match largest_eigenvalue(&options.penalise(data.bound()), Accuracy::STEP)? {
            // Nothing changes the cost, so any rate does: features that are all 0, without an intercept.
            0.0 => 1.0,
            largest => 1.0 / largest,
        },
    };
    let steps = GradientDescent { learning_rate, max_iter: options.max_iter, tol: options.tol };
    let solution = gradient_descent(&objective, data.enter(start), steps, &mut |step| course.observe(step))?;
    let Solution { parameters, gradient, n_iter, stop_reason } = solution;
    // Squares may overflow where the descent did not.
    let optimality = unless_overflow(data.optimality(rows, &gradient))?.flatten();
    let found = Fit::new(data.leave(parameters)?, n_iter, stop_reason);
    finish(rows, options, course, Fit { learning_rate: Some(learning_rate), optimality, ..found })
}

fn by_curvature(rows: &RowObjective<'_>, options: &FitOptions, course: &mut Course<'_>) -> Result<Fit, Error> {
    let settings = Settings {
        max_iter: options.max_iter,
        tol: options.tol,
        hessians: options.solver != Solver::Lbfgs,
        looks_at_parameters: course.is_validated(),
        negligible: Settings::NEGLIGIBLE,
    };
    let (start, mut observer) = (options.start.as_ref(), |step: &Step<'_>| course.observe(step));
    let found = if options.l1 > 0.0 {
        minimise_sparse(rows, (options.l1, options.l2), start, settings, &mut observer)?
    } else {
        minimise(rows, options.l2, start, settings, &mut observer)?
    };
    let Smooth { parameters, n_iter, stop_reason, optimality, condition, separating, dependent } = found;
    let found = Fit {
        optimality: Some(optimality),
        condition,
        separating,
        dependent,
        ..Fit::new(parameters, n_iter, stop_reason)
    };
    finish(rows, options, course, found)
}

/// The answer, with how far it is from a minimum where that is not known, or of another step.
fn finish(rows: &RowObjective<'_>, options: &FitOptions, course: &mut Course<'_>, found: Fit) -> Result<Fit, Error> {
    let (mut found, goes_back) = course.finish(found);
    if goes_back || found.optimality.is_none() {
        found.optimality = unless_overflow(optimality(rows, (options.l1, options.l2), &found.parameters))?;
    }
    Ok(found)
}

fn exactly(rows: &RowObjective<'_>, options: &FitOptions, course: &mut Course<'_>) -> Result<Fit, Error> {
    let found = exact(rows, options.l2, options.tol)?;
    for (iteration, parameters) in [&rows.null_model(), &found.parameters].into_iter().enumerate() {
        let (cost, gradient_norm) = (found.costs[iteration], found.gradient_norms[iteration]);
        let _ = course.observe(&Step { iteration, parameters, cost, gradient_norm })?;
    }
    let Exact { parameters, optimality, condition, rank, dependent, .. } = found;
    let stop_reason = if optimality <= options.tol { StopReason::Tolerance } else { StopReason::Rounding };
    let found = Fit {
        optimality: Some(optimality),
        condition: Some(condition),
        rank: Some(rank),
        dependent,
        ..Fit::new(parameters, 1, stop_reason)
    };
    finish(rows, options, course, found)
}

/// What answers for the data.
enum Data<'r> {
    Rows(&'r RowObjective<'r>),
    Moments(Moments<'r>),
    Dual(Dual<'r>),
}

/// Which of them pays.
enum Kind {
    Rows,
    Moments,
    Dual,
}

impl<'r> Data<'r> {
    fn collect(rows: &'r RowObjective<'r>, start: &Parameters, kind: Kind) -> Result<Self, Error> {
        let collected = match kind {
            Kind::Rows => return Ok(Self::Rows(rows)),
            Kind::Moments => Moments::collect(rows, start).map(Self::Moments),
            Kind::Dual => Dual::collect(rows, start).map(Self::Dual),
        };
        // Where products of columns overflow the rows themselves may still do.
        Ok(unless_overflow(collected)?.unwrap_or(Self::Rows(rows)))
    }

    fn objective(&self) -> &dyn Objective {
        match self {
            Self::Rows(rows) => *rows,
            Self::Moments(moments) => moments,
            Self::Dual(dual) => dual,
        }
    }

    /// What to choose a rate by. Not the dual: in other variables the iteration starts elsewhere, and ends elsewhere by
    /// more than rounding.
    fn bound(&self) -> &dyn Objective {
        match self {
            Self::Dual(dual) => dual.rows(),
            Self::Rows(_) | Self::Moments(_) => self.objective(),
        }
    }

    /// The largest entry of a gradient where columns, and the linear model's targets, have standard deviation 1; none in the
    /// dual's variables.
    fn optimality(&self, rows: &RowObjective<'_>, gradient: &Parameters) -> Result<Option<f64>, Error> {
        let frame = match self {
            Self::Moments(moments) => moments.standard_frame(),
            Self::Rows(_) => Standardised::new(rows, 0.0)?.frame().clone(),
            Self::Dual(_) => return Ok(None),
        };
        Ok(Some(rows.optimality(&frame.enter_gradient(gradient))))
    }

    fn enter(&self, start: Parameters) -> Parameters {
        match self {
            Self::Dual(dual) => Parameters::zeros(dual.n_features()),
            Self::Rows(_) | Self::Moments(_) => start,
        }
    }

    fn leave(&self, end: Parameters) -> Result<Parameters, Error> {
        match self {
            Self::Dual(dual) => dual.leave(&end),
            Self::Rows(_) | Self::Moments(_) => Ok(end),
        }
    }
}

impl FitOptions {
    /// Textbook gradient descent; otherwise the defaults.
    #[must_use]
    pub fn gradient_descent() -> Self {
        Self { solver: Solver::GradientDescent, ..Self::default() }
    }

    /// Whether gradient descent over moments is expected to take less time than over rows.
    ///
    /// In units of a pass over the rows, which reads `m·n` numbers, with `p` the smaller and `q` the larger of `m` and
    /// `n`: the products of all pairs take `1 + p/32`, since a core does some 32 multiplications in the time that it takes
    /// to read a number, and half of them are formed; an iteration reads `p²` numbers, `p/q`, twice that in the dual and
    /// thrice with a penalty there; and two passes or so check the end. Without moments there is a pass an iteration, and
    /// about 8 more to choose a rate, for the dual too. With validation data each step is needed in the data's own
    /// variables, so there is no dual; nor where weights to start from, which no rows make up, shrink under a penalty.
    fn moments(&self, rows: &RowObjective<'_>, has_validation: bool, start: &Parameters) -> Kind {
        let (m, n) = (rows.samples().n_samples() as f64, rows.n_features() as f64);
        let wide = n > m;
        let penalised = self.l2 > 0.0;
        let no_dual = has_validation || penalised && start.weights.iter().any(|&weight| weight != 0.0);
        if rows.model() != Model::Linear || self.precompute == Precompute::Never || wide && no_dual {
            return Kind::Rows;
        }
        let rate = if self.learning_rate == LearningRate::Auto && !wide { 8.0 } else { 0.0 };
        let iterations = self.max_iter as f64 + 1.0 + rate;
        let reads = match (wide, penalised) {
            (false, _) => 1.0,
            (true, false) => 2.0,
            (true, true) => 3.0,
        };
        let cost = 3.0 + m.min(n) / 32.0 + iterations * reads * m.min(n) / m.max(n);
        match (cost < iterations || self.precompute == Precompute::Always, wide) {
            (false, _) => Kind::Rows,
            (true, false) => Kind::Moments,
            (true, true) => Kind::Dual,
        }
    }

    /// The objective, of its cost.
    fn penalise<'o>(&self, cost: &'o dyn Objective) -> Penalised<'o> {
        Penalised::new(cost, self.l2)
    }

    fn check(&self, n_features: usize, has_validation: bool) -> Result<(), Error> {
        if let LearningRate::Fixed(rate) = self.learning_rate
            && !(rate > 0.0 && rate.is_finite())
        {
            let value = rate.to_string();
            return Err(Error::Option { option: "learning_rate", value, expected: "a positive finite number" });
        }
        for (option, value) in [("tol", self.tol), ("l1", self.l1), ("l2", self.l2)] {
            if !(value >= 0.0 && value.is_finite()) {
                let value = value.to_string();
                return Err(Error::Option { option, value, expected: "a finite number, 0 or larger" });
            }
        }
        if self.l1 > 0.0 && self.solver != Solver::Auto {
            let value = self.l1.to_string();
            let expected =
                "0 with gradient descent, since l1 ‖w‖₁ has no gradient where a weight is 0; use solver=\"auto\"";
            return Err(Error::Option { option: "l1", value, expected });
        }
        if let Some(patience) = self.patience
            && !has_validation
        {
            let value = patience.to_string();
            return Err(Error::Option { option: "patience", value, expected: "validation data to go with it" });
        }
        if let Some(start) = &self.start {
            start.check(n_features)?;
            if !self.fit_intercept && start.bias != 0.0 {
                let value = start.bias.to_string();
                return Err(Error::Option { option: "bias", value, expected: "0 to start from, without an intercept" });
            }
        }
        Ok(())
    }
}
