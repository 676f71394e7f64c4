//! The linear model's cost over moments: collected in one pass, they hold every cost and every gradient.

use std::cell::RefCell;

use super::{Hessian, Objective, RowObjective};
use crate::error::Error;
use crate::frame::Frame;
use crate::kernel::Precision;
use crate::model::Parameters;

/// The cost is quadratic, so with cost `C₀`, gradient `g₀` and Hessian `H` at one place, a step `d` away it is
/// `C₀ + g₀·d + ½ d·H d`, and its gradient `g₀ + H d`.
///
/// Where the cost is much smaller than what it is the difference of, digits are lost; there one pass over the rows
/// answers, and that place becomes the new origin. A gradient may be that small: its error is one of rounding beside the
/// origin's, as is that of a sum over rows whose residuals stay, and so is what it adds to a step.
#[derive(Debug)]
pub(crate) struct Moments<'r> {
    rows: &'r RowObjective<'r>,
    frame: Frame,
    hessian: Hessian,
    origin: RefCell<Origin>,
}

/// A place whose cost and gradient were found by a pass over the rows.
#[derive(Debug)]
struct Origin {
    at: Parameters,
    cost: f64,
    gradient: Parameters,
    /// The gradient in the frame's variables.
    inner_gradient: Parameters,
}

/// A cost smaller by this factor than the origin's has lost five of some fifteen digits.
const LOSS: f64 = 1e-5;

impl<'r> Moments<'r> {
    /// One pass, at `start`, which becomes the origin.
    ///
    /// # Errors
    ///
    /// As [`RowObjective::cost_gradient_hessian`].
    pub(crate) fn collect(rows: &'r RowObjective<'r>, start: &Parameters) -> Result<Self, Error> {
        let frame = rows.frame();
        let (cost, inner_gradient, hessian) = rows.cost_gradient_hessian(start, &frame, Precision::Double)?;
        let gradient = frame.leave_gradient(&inner_gradient);
        let origin = RefCell::new(Origin { at: start.clone(), cost, gradient, inner_gradient });
        Ok(Self { rows, frame, hessian, origin })
    }

    /// The frame in which every column has mean 0 and standard deviation 1; a constant column keeps its scale.
    pub(crate) fn standard_frame(&self) -> Frame {
        let moved = self.frame.moved(self.hessian.means());
        let scale = moved.scale().iter().zip(self.hessian.deviations());
        let scale = scale.map(|(scale, deviation)| if deviation > 0.0 { scale * deviation } else { *scale }).collect();
        Frame::new(moved.centre().to_vec(), scale)
    }

    fn hessian_product(&self, direction: &Parameters) -> Parameters {
        self.frame.leave_gradient(&self.hessian.product(&self.frame.enter(direction)))
    }
}

impl Objective for Moments<'_> {
    fn n_features(&self) -> usize {
        self.rows.n_features()
    }

    fn cost(&self, at: &Parameters) -> Result<f64, Error> {
        self.cost_gradient(at, &mut Parameters::zeros(self.n_features()))
    }

    fn cost_gradient(&self, at: &Parameters, gradient: &mut Parameters) -> Result<f64, Error> {
        self.rows.context().check_interrupt()?;
        let mut origin = self.origin.borrow_mut();
        let mut step = at.clone();
        step.add_scaled(-1.0, &origin.at);
        let step = self.frame.enter(&step);
        let product = self.hessian.product(&step);
        let cost = origin.cost + (origin.inner_gradient.dot(&step) + 0.5 * step.dot(&product));
        gradient.clone_from(&origin.gradient);
        gradient.add_scaled(1.0, &self.frame.leave_gradient(&product));
        if cost >= LOSS * origin.cost {
            return Ok(cost);
        }
        let cost = self.rows.cost_gradient(at, gradient)?;
        let inner_gradient = self.frame.enter_gradient(gradient);
        *origin = Origin { at: at.clone(), cost, gradient: gradient.clone(), inner_gradient };
        Ok(cost)
    }

    fn bound_product(&self, direction: &Parameters, product: &mut Parameters) -> Result<(), Error> {
        *product = self.hessian_product(direction);
        Ok(())
    }

    fn is_quadratic(&self) -> bool {
        true
    }

    fn rounding_level(&self) -> f64 {
        self.rows.rounding_level()
    }
}
