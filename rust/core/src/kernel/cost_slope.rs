//! Costs and slopes of samples, and their sums.

use pulp::{Simd, WithSimd};

use super::Targets;
use super::exponential::exp_of_negative;
use super::link::Link;
use super::next::{Share, ask_for_lines_behind};
use super::sums::{AllFinite, Lanes, Logarithms, Products, SEGMENT_ROWS};
use crate::matrix::GROUP;

/// Weighted sums of rows' costs and slopes.
#[derive(Default)]
pub(super) struct CostSlopeSums {
    costs: Lanes,
    slopes: Lanes,
    logarithms: Logarithms,
    finite: AllFinite,
}

impl CostSlopeSums {
    pub(super) fn totals(self) -> (f64, f64) {
        (self.costs.total() + self.logarithms.total(), self.slopes.total())
    }

    /// Whether every row's linear predictor was.
    pub(super) fn all_finite(&self) -> bool {
        self.finite.holds()
    }
}

/// Adds to the sums; `z` is overwritten by the slopes, times the weights.
pub(super) struct CostSlope<'a, L> {
    pub(super) link: L,
    pub(super) targets: Targets<'a>,
    /// How far behind the targets is what to ask for.
    pub(super) ahead: Option<usize>,
    pub(super) z: &'a mut [f64],
    /// Room for one of each row.
    pub(super) exponentials: &'a mut [f64],
    pub(super) roots: Option<&'a mut [f64]>,
    pub(super) share: Share<'a>,
    pub(super) sums: &'a mut CostSlopeSums,
}

/// Rows between which memory is asked for a little.
const STEP: usize = 64;

impl<L: Link> WithSimd for CostSlope<'_, L> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { link, targets, ahead, z, exponentials, roots, share, sums } = self;
        let Targets { y, sample_weight } = targets;
        let mut share = share.in_steps(2 * z.len().div_ceil(STEP));
        // In a loop of their own: of the shorter chains of operations the processor has more samples' under way.
        // No explicit SIMD: a loop of independent samples, inlined here, is compiled for the SIMD dispatched to.
        if L::EXPONENTIAL {
            for (exponentials, z) in exponentials.chunks_mut(STEP).zip(z.chunks(STEP)) {
                share.step();
                for (e, &z) in exponentials.iter_mut().zip(z) {
                    *e = exp_of_negative::<S>(-z.abs());
                }
            }
        }
        if let Some(roots) = roots {
            for (((root, &e), &z), &y) in roots.iter_mut().zip(exponentials.iter()).zip(z.iter()).zip(y) {
                *root = link.root_curvature(z, y, e);
            }
            if let Some(weights) = sample_weight {
                for (root, weight) in roots.iter_mut().zip(weights) {
                    *root *= weight.sqrt();
                }
            }
        }
        let samples = Samples { link, targets, ahead, z, exponentials, share };
        match sample_weight {
            Some(_) => samples.add::<S, true, false>(simd, sums),
            None if L::LOGARITHM && Logarithms::are_for::<S>() => samples.add::<S, false, true>(simd, sums),
            None => samples.add::<S, false, false>(simd, sums),
        }
    }
}

struct Samples<'a, L> {
    link: L,
    targets: Targets<'a>,
    ahead: Option<usize>,
    z: &'a mut [f64],
    exponentials: &'a [f64],
    share: Share<'a>,
}

impl<L: Link> Samples<'_, L> {
    #[inline(always)]
    fn add<S: Simd, const WEIGHTED: bool, const LOGARITHMS_APART: bool>(self, simd: S, sums: &mut CostSlopeSums) {
        let Self { link, targets: Targets { y, sample_weight }, ahead, z, exponentials, mut share } = self;
        let zero = simd.splat_f64s(0.0);
        let (mut costs, mut slopes) = (sums.costs.register::<S>(), sums.slopes.register::<S>());
        let (finite, products) = (sums.finite.register::<S>(), sums.logarithms.products());
        let mut part = Part { link, costs: zero, slopes: zero, finite, products };
        for start in (0..z.len()).step_by(STEP) {
            let rows = start..z.len().min(start + STEP);
            let (y, e) = (&y[rows.clone()], &exponentials[rows.clone()]);
            share.step();
            ask_for_lines_behind(y, ahead);
            if LOGARITHMS_APART {
                sums.logarithms.make_room(&mut part.products, rows.len().div_ceil(S::F64_LANES));
            }
            // Where there are none, anything as long will do.
            let weights = sample_weight.map_or(y, |weights| &weights[rows.clone()]);
            let (z, z_tail) = S::as_mut_simd_f64s(&mut z[rows.clone()]);
            let ([y, e, weights], [y_tail, e_tail, weights_tail]) =
                super::registers::<S, 3>([y, e, weights], z.len(), z_tail.len());
            for (i, z) in z.iter_mut().enumerate() {
                let weights = if WEIGHTED { Some(weights[i]) } else { None };
                *z = part.add::<LOGARITHMS_APART>(simd, *z, y[i], e[i], weights);
            }
            if !z_tail.is_empty() {
                // With weights of 0 for what fills the register.
                let weights_tail = if WEIGHTED { weights_tail } else { &[1.0; GROUP][..z_tail.len()] };
                let weights = Some(simd.partial_load_f64s(weights_tail));
                let (y, e) = (simd.partial_load_f64s(y_tail), simd.partial_load_f64s(e_tail));
                let z = simd.partial_load_f64s(z_tail);
                simd.partial_store_f64s(z_tail, part.add::<LOGARITHMS_APART>(simd, z, y, e, weights));
            }
            if rows.end.is_multiple_of(SEGMENT_ROWS) {
                (costs, slopes) = (simd.add_f64s(costs, part.costs), simd.add_f64s(slopes, part.slopes));
                (part.costs, part.slopes) = (zero, zero);
            }
        }
        sums.costs.set::<S>(simd.add_f64s(costs, part.costs));
        sums.slopes.set::<S>(simd.add_f64s(slopes, part.slopes));
        sums.finite.set::<S>(part.finite);
        if LOGARITHMS_APART {
            sums.logarithms.set_products(&part.products);
        }
    }
}

/// Sums of a segment, and what is not summed by segments. A register of each: of the eight places of [`Lanes`] they were two,
/// and lay in memory.
struct Part<S: Simd, L> {
    link: L,
    costs: S::f64s,
    slopes: S::f64s,
    finite: S::f64s,
    products: Products<S>,
}

impl<S: Simd, L: Link> Part<S, L> {
    /// Adds a sample of each lane and returns their slopes.
    #[inline(always)]
    fn add<const LOGARITHMS_APART: bool>(
        &mut self,
        simd: S,
        z: S::f64s,
        y: S::f64s,
        e: S::f64s,
        weights: Option<S::f64s>,
    ) -> S::f64s {
        self.finite = AllFinite::and_register(simd, self.finite, z);
        let (mut cost, mut slope) = if LOGARITHMS_APART {
            self.products.times_one_plus(simd, e);
            self.link.cost_slope_without_logarithm(simd, z, y, e)
        } else {
            self.link.cost_slope(simd, z, y, e)
        };
        if let Some(weights) = weights {
            (cost, slope) = (times(simd, weights, cost), times(simd, weights, slope));
        }
        self.costs = simd.add_f64s(self.costs, cost);
        self.slopes = simd.add_f64s(self.slopes, slope);
        slope
    }
}

/// A row of weight 0 counts for nothing, also where its cost overflows.
#[inline(always)]
fn times<S: Simd>(simd: S, weight: S::f64s, value: S::f64s) -> S::f64s {
    let zero = simd.splat_f64s(0.0);
    simd.select_f64s(simd.equal_f64s(weight, zero), zero, simd.mul_f64s(weight, value))
}
