//! A fit: data and options in, parameters and history out.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::time::Instant;

use crate::context::Context;
use crate::error::Error;
use crate::history::History;
use crate::model::{Model, Parameters};
use crate::objective::{Objective, RowObjective};
use crate::samples::Samples;
use crate::solver::{Accuracy, GradientDescent, Solution, Step, StopReason, gradient_descent, largest_eigenvalue};

/// The step size `α` of gradient descent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LearningRate {
    /// `1/L`, with `L` the largest eigenvalue of the Hessian's bound, found by power iteration.
    Auto,
    /// This rate.
    Fixed(f64),
}

/// How to fit.
#[derive(Clone, Debug)]
pub struct FitOptions {
    /// The step size.
    pub learning_rate: LearningRate,
    /// At most this many iterations.
    pub max_iter: usize,
    /// Stop when the gradient norm is at most `tol` times its first value; 0 does `max_iter` iterations.
    pub tol: f64,
    /// Stop when the validation cost has not improved for this many iterations, and return to its minimum. Needs
    /// validation data.
    pub patience: Option<NonZeroUsize>,
    /// Where to start; zero if not given.
    pub start: Option<Parameters>,
}

impl Default for FitOptions {
    fn default() -> Self {
        Self { learning_rate: LearningRate::Auto, max_iter: 1000, tol: 1e-6, patience: None, start: None }
    }
}

/// The outcome of a fit.
#[derive(Clone, Debug)]
pub struct Fit {
    /// The fitted parameters.
    pub parameters: Parameters,
    /// The number of iterations done. With early stopping the parameters may be from an earlier one,
    /// [`History::best_iteration`].
    pub n_iter: usize,
    /// Why the fit ended.
    pub stop_reason: StopReason,
    /// The step size used.
    pub learning_rate: f64,
    /// What happened on the way.
    pub history: History,
}

/// Fits `model` to `training` by gradient descent; `validation` data, if given, are only looked at.
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
    let objective = RowObjective::new(model, training, context)?;
    let validation =
        validation.map(|samples| RowObjective::new(model, samples.for_validation(), context)).transpose()?;
    if let Some(validation) = &validation
        && validation.n_features() != objective.n_features()
    {
        let (found, expected) = (validation.n_features(), objective.n_features());
        return Err(Error::Features { argument: "X_val", found, expected });
    }
    let learning_rate = match options.learning_rate {
        LearningRate::Fixed(rate) => rate,
        LearningRate::Auto => automatic_rate(&objective)?,
    };
    let start = options.start.clone().unwrap_or_else(|| Parameters::zeros(objective.n_features()));

    let mut history = History::default();
    let mut best: Option<Best> = None;
    let mut observer = |step: &Step<'_>| {
        history.cost.push(step.cost);
        history.gradient_norm.push(step.gradient_norm);
        let mut wish = ControlFlow::Continue(());
        if let Some(validation) = &validation {
            let cost = match validation.cost(step.parameters) {
                Err(Error::Overflow) => f64::INFINITY,
                cost => cost?,
            };
            history.validation_cost.push(cost);
            if let Some(patience) = options.patience
                && !Best::improve(&mut best, step, cost)
                && best.as_ref().is_some_and(|best| step.iteration - best.iteration >= patience.get())
            {
                wish = ControlFlow::Break(StopReason::EarlyStopping);
            }
        }
        history.seconds.push(began.elapsed().as_secs_f64());
        Ok(wish)
    };
    let steps = GradientDescent { learning_rate, max_iter: options.max_iter, tol: options.tol };
    let solution = gradient_descent(&objective, start, steps, &mut observer)?;
    let Solution { parameters, n_iter, mut stop_reason } = solution;
    let parameters = match best {
        None => parameters,
        Some(best) => {
            // Where the gradient is small is not where the parameters are taken from.
            if stop_reason == StopReason::Tolerance && best.iteration != n_iter {
                stop_reason = StopReason::EarlyStopping;
            }
            best.parameters
        }
    };
    Ok(Fit { parameters, n_iter, stop_reason, learning_rate, history })
}

/// The step with the smallest validation cost so far.
struct Best {
    iteration: usize,
    cost: f64,
    parameters: Parameters,
}

impl Best {
    /// Takes the step if its cost is smaller, and says whether it was.
    fn improve(best: &mut Option<Self>, step: &Step<'_>, cost: f64) -> bool {
        let improved = best.as_ref().is_none_or(|best| cost < best.cost);
        if improved {
            *best = Some(Self { iteration: step.iteration, cost, parameters: step.parameters.clone() });
        }
        improved
    }
}

fn automatic_rate(objective: &impl Objective) -> Result<f64, Error> {
    Ok(1.0 / largest_eigenvalue(objective, Accuracy::STEP)?)
}

impl FitOptions {
    fn check(&self, n_features: usize, has_validation: bool) -> Result<(), Error> {
        if let LearningRate::Fixed(rate) = self.learning_rate
            && !(rate > 0.0 && rate.is_finite())
        {
            let value = rate.to_string();
            return Err(Error::Option { option: "learning_rate", value, expected: "a positive finite number" });
        }
        if !(self.tol >= 0.0 && self.tol.is_finite()) {
            let value = self.tol.to_string();
            return Err(Error::Option { option: "tol", value, expected: "a finite number, 0 or larger" });
        }
        if let Some(patience) = self.patience
            && !has_validation
        {
            let value = patience.to_string();
            return Err(Error::Option { option: "patience", value, expected: "validation data to go with it" });
        }
        if let Some(start) = &self.start {
            start.check(n_features)?;
        }
        Ok(())
    }
}
