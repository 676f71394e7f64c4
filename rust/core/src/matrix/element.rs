//! The element types a matrix may be stored in.

use std::any::Any;

use half::f16;
use pulp::Simd;

use super::GROUP;

/// The storage type of a matrix. All arithmetic is done in `f64`, whatever the storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it all")]
pub enum DType {
    F64,
    F32,
    F16,
    I64,
    I32,
    I16,
    I8,
    U64,
    U32,
    U16,
    U8,
    Bool,
}

impl DType {
    /// The size of one element in bytes.
    #[must_use]
    pub fn size(self) -> usize {
        match self {
            Self::F64 | Self::I64 | Self::U64 => 8,
            Self::F32 | Self::I32 | Self::U32 => 4,
            Self::F16 | Self::I16 | Self::U16 => 2,
            Self::I8 | Self::U8 | Self::Bool => 1,
        }
    }
}

mod sealed {
    pub trait Sealed {}
}

/// A type that a [`Matrix`](super::Matrix) can be made of.
pub trait Element: sealed::Sealed + Copy + 'static {
    /// The tag of this type.
    const DTYPE: DType;
}

/// The bits of an element as they lie in memory. Every bit pattern is a value, so reading one is sound
/// whatever another thread writes there; that is why bool is read as the byte behind it.
pub(crate) trait Raw: Copy + Default {
    fn widen(self) -> f64;
    fn swap_bytes(self) -> Self;
    /// As many values as a register of `f64` has lanes.
    #[inline(always)]
    fn widen_whole<S: Simd>(simd: S, values: &[Self]) -> S::f64s {
        let _ = simd;
        widen_each::<S, Self>(values)
    }
    /// The same values if they need no widening.
    #[inline(always)]
    fn as_f64<const R: usize, const C: usize>(_: &[[Self; R]; C]) -> Option<&[[f64; R]; C]> {
        None
    }
}

macro_rules! integers {
    ($($type:ty => $tag:ident),*) => {$(
        impl sealed::Sealed for $type {}
        impl Element for $type {
            const DTYPE: DType = DType::$tag;
        }
        impl Raw for $type {
            #[inline(always)]
            fn widen(self) -> f64 {
                self as f64
            }
            #[inline(always)]
            fn swap_bytes(self) -> Self {
                <$type>::swap_bytes(self)
            }
        }
    )*};
}

macro_rules! floats {
    ($($type:ty => $tag:ident, $widen:expr, { $($own:tt)* };)*) => {$(
        impl sealed::Sealed for $type {}
        impl Element for $type {
            const DTYPE: DType = DType::$tag;
        }
        impl Raw for $type {
            #[inline(always)]
            fn widen(self) -> f64 {
                $widen(self)
            }
            #[inline(always)]
            fn swap_bytes(self) -> Self {
                <$type>::from_bits(self.to_bits().swap_bytes())
            }
            $($own)*
        }
    )*};
}

integers!(i64 => I64, i32 => I32, i16 => I16, i8 => I8, u64 => U64, u32 => U32, u16 => U16, u8 => U8);
floats!(
    f64 => F64, |value| value, {
        #[inline(always)]
        fn as_f64<const R: usize, const C: usize>(columns: &[[Self; R]; C]) -> Option<&[[f64; R]; C]> {
            Some(columns)
        }
    };
    f32 => F32, f64::from, {
        #[inline(always)]
        fn widen_whole<S: Simd>(simd: S, values: &[Self]) -> S::f64s {
            widen_f32(simd, values)
        }
    };
    f16 => F16, widen_half, {};
);

impl sealed::Sealed for bool {}
impl Element for bool {
    const DTYPE: DType = DType::Bool;
}

#[derive(Clone, Copy, Default)]
#[repr(transparent)]
pub(super) struct RawBool(u8);

impl Raw for RawBool {
    #[inline(always)]
    fn widen(self) -> f64 {
        // One instruction where `!= 0` takes three.
        f64::from(self.0.min(1))
    }
    #[inline(always)]
    fn swap_bytes(self) -> Self {
        self
    }
}

/// As many values as a register of `f64` has lanes, or fewer and zeros.
#[inline(always)]
pub(super) fn widen_each<S: Simd, T: Raw>(values: &[T]) -> S::f64s {
    let mut wide = [0.0; GROUP];
    for (wide, value) in wide.iter_mut().zip(values) {
        *wide = value.widen();
    }
    S::as_simd_f64s(&wide).0[0]
}

/// The compiler finds the instruction for the plain loop as well, but then it has given up unrolling the loop around it.
#[inline(always)]
fn widen_f32<S: Simd>(simd: S, values: &[f32]) -> S::f64s {
    #[cfg(target_arch = "x86_64")]
    {
        let any: &dyn Any = &simd;
        if let (Some(v4), Some(values)) = (any.downcast_ref::<pulp::x86::V4>(), values.as_array::<8>()) {
            return pulp::bytemuck::cast(v4.convert_f32x8_to_f64x8(pulp::cast(*values)));
        }
        if let (Some(v3), Some(values)) = (any.downcast_ref::<pulp::x86::V3>(), values.as_array::<4>()) {
            return pulp::bytemuck::cast(v3.convert_f32x4_to_f64x4(pulp::cast(*values)));
        }
    }
    let _ = simd;
    widen_each::<S, f32>(values)
}

/// Whatever the alignment.
///
/// # Safety
///
/// The address must be that of a value in bounds, one of which every bit pattern is valid.
#[inline(always)]
pub(super) unsafe fn read<V>(address: *const u8) -> V {
    // SAFETY: as promised.
    unsafe { address.cast::<V>().read_unaligned() }
}

/// `f16::to_f64`, in a form of which a loop can be vectorised.
#[inline(always)]
fn widen_half(half: f16) -> f64 {
    const SHIFT: u32 = f32::MANTISSA_DIGITS - f16::MANTISSA_DIGITS;
    const REBIAS: u32 = ((f32::MAX_EXP - f16::MAX_EXP) as u32) << (f32::MANTISSA_DIGITS - 1);
    let bits = u32::from(half.to_bits());
    let magnitude = bits & 0x7FFF;
    let wide = (magnitude << SHIFT) + REBIAS;
    let wide = if magnitude < 0x0400 {
        // Subnormal: a multiple of the least positive number, 2⁻²⁴.
        magnitude as i32 as f32 / (1 << 24) as f32
    } else if magnitude < 0x7C00 {
        f32::from_bits(wide)
    } else {
        // Infinite or NaN.
        f32::from_bits(wide + REBIAS)
    };
    f64::from(f32::from_bits(wide.to_bits() | (bits & 0x8000) << 16))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_is_widened_to_the_same_bits() {
        for half in (0..=u16::MAX).map(f16::from_bits) {
            assert_eq!(half.widen().to_bits(), half.to_f64().to_bits(), "{:#06x}", half.to_bits());
        }
    }
}
