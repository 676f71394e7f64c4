//! The course of a fit: what is recorded at each step, when to stop by validation, and what comes of it.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::time::Instant;

use crate::error::Error;
use crate::history::History;
use crate::model::Parameters;
use crate::objective::{Objective, RowObjective};
use crate::solver::{Step, StopReason, unless_overflow};

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
    /// The step size of gradient descent.
    pub learning_rate: Option<f64>,
    /// The largest entry of the objective's gradient where the columns have standard deviation 1.
    pub optimality: Option<f64>,
    /// The condition number of the Hessian, its diagonal scaled to 1, if one was formed.
    pub condition: Option<f64>,
    /// The number of linearly independent columns beside the constant, if it was found.
    pub rank: Option<usize>,
    /// Columns that are linear combinations of the others and the constant; only the first weights of such are unique.
    pub dependent: Vec<usize>,
    /// For [`StopReason::Separation`]: the columns that tell the classes apart.
    pub separating: Vec<usize>,
    /// What happened on the way.
    pub history: History,
}

impl Fit {
    pub(crate) fn new(parameters: Parameters, n_iter: usize, stop_reason: StopReason) -> Self {
        Self {
            parameters,
            n_iter,
            stop_reason,
            learning_rate: None,
            optimality: None,
            condition: None,
            rank: None,
            dependent: Vec::new(),
            separating: Vec::new(),
            history: History::default(),
        }
    }
}

/// What is recorded on the way, and when to stop by it.
pub(crate) struct Course<'a> {
    began: Instant,
    validation: Option<RowObjective<'a>>,
    patience: Option<NonZeroUsize>,
    history: History,
    best: Option<Best>,
}

impl<'a> Course<'a> {
    pub(crate) fn new(began: Instant, validation: Option<RowObjective<'a>>, patience: Option<NonZeroUsize>) -> Self {
        Self { began, validation, patience, history: History::default(), best: None }
    }

    /// Whether parameters are wanted at each step.
    pub(crate) fn is_validated(&self) -> bool {
        self.validation.is_some()
    }

    pub(crate) fn observe(&mut self, step: &Step<'_>) -> Result<ControlFlow<StopReason>, Error> {
        let Self { began, validation, patience, history, best } = self;
        history.cost.push(step.cost);
        history.gradient_norm.push(step.gradient_norm);
        let mut wish = ControlFlow::Continue(());
        if let Some(validation) = validation {
            let cost = unless_overflow(validation.cost(step.parameters))?.unwrap_or(f64::INFINITY);
            history.validation_cost.push(cost);
            if let Some(patience) = patience
                && !Best::improve(best, step, cost)
                && best.as_ref().is_some_and(|best| step.iteration - best.iteration >= patience.get())
            {
                wish = ControlFlow::Break(StopReason::EarlyStopping);
            }
        }
        history.seconds.push(began.elapsed().as_secs_f64());
        Ok(wish)
    }

    /// The answer, with early stopping the step with the smallest validation cost; and whether that is not the last, of which
    /// alone the optimality and the like are known.
    pub(crate) fn finish(&mut self, mut fit: Fit) -> (Fit, bool) {
        fit.history = std::mem::take(&mut self.history);
        let Some(best) = self.best.take() else { return (fit, false) };
        let goes_back = best.iteration != fit.n_iter;
        if goes_back && fit.stop_reason != StopReason::MaxIter {
            fit.stop_reason = StopReason::EarlyStopping;
            fit.separating.clear();
        }
        fit.parameters = best.parameters;
        (fit, goes_back)
    }
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
