//! Whether the classes can be told apart without error: then the log loss falls for ever along some direction, and has no
//! minimum (Albert and Anderson, *Biometrika* 71, 1984).

use crate::error::Error;
use crate::kernel;
use crate::model::Parameters;
use crate::objective::RowObjective;

/// A margin smaller than this, beside the largest, is taken for 0: a direction found by iteration still has parts that
/// are not yet gone.
const NOTHING: f64 = 1e-6;

/// Whether a step along `direction` moves no row against its class, and some with it.
///
/// # Errors
///
/// As a pass over the rows.
pub(crate) fn separates(rows: &RowObjective<'_>, direction: &Parameters) -> Result<bool, Error> {
    let partition = rows.samples().partition();
    let states = vec![(0.0_f64, 0.0_f64); partition.n_chunks()];
    let margins = rows.pass(&partition, direction, states, |panel, targets, direction, scratch, (least, most)| {
        scratch.roots.resize(panel.n_rows(), 0.0);
        let margins = &mut scratch.roots[..];
        kernel::predict(panel, direction.weights, direction.bias, margins);
        for (i, (&margin, &y)) in margins.iter().zip(targets.y).enumerate() {
            if targets.sample_weight.is_none_or(|weights| weights[i] > 0.0) {
                // A target between the classes is moved against by either.
                let margin = if y == 1.0 {
                    margin
                } else if y == 0.0 {
                    -margin
                } else {
                    -margin.abs()
                };
                *least = least.min(margin);
                *most = most.max(margin);
            }
        }
        true
    })?;
    let (least, most) =
        margins.into_iter().fold((0.0_f64, 0.0_f64), |(least, most), (a, b)| (least.min(a), most.max(b)));
    Ok(most > 0.0 && least >= -NOTHING * most)
}
