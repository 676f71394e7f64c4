//! What happened at each iteration of a fit.

/// One entry an iteration in each vector; entry 0 is the start.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// The objective on the training data: the cost and the penalty.
    pub cost: Vec<f64>,
    /// The cost on the validation data, without the penalty; empty without any.
    pub validation_cost: Vec<f64>,
    /// The Euclidean norm of the objective's gradient.
    pub gradient_norm: Vec<f64>,
    /// Seconds since the fit began.
    pub seconds: Vec<f64>,
}

impl History {
    /// The iteration with the smallest validation cost, the first if there are several.
    #[must_use]
    pub fn best_iteration(&self) -> Option<usize> {
        let costs = self.validation_cost.iter().enumerate();
        costs.reduce(|best, entry| if entry.1 < best.1 { entry } else { best }).map(|(iteration, _)| iteration)
    }
}
