//! For tests: the kinds of SIMD that this machine can run a task with.

use pulp::{Arch, WithSimd};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum SimdKind {
    /// What [`Arch`] picks.
    Best,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    Scalar,
}

impl SimdKind {
    pub(crate) fn all() -> Vec<Self> {
        vec![
            Self::Best,
            Self::Scalar,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2,
        ]
    }

    pub(crate) fn run<T: WithSimd>(self, task: T) -> T::Output {
        match self {
            Self::Best => Arch::new().dispatch(task),
            #[cfg(target_arch = "x86_64")]
            // A machine without it has tested the next best.
            Self::Avx2 => match pulp::x86::V3::try_new() {
                Some(v3) => pulp::Simd::vectorize(v3, task),
                None => Arch::new().dispatch(task),
            },
            Self::Scalar => task.with_simd(pulp::Scalar::new()),
        }
    }
}
