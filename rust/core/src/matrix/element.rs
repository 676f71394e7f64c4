//! The element types a matrix may be stored in.

use half::f16;

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
pub(super) trait Raw: Copy {
    fn widen(self) -> f64;
    fn swap_bytes(self) -> Self;
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
    ($($type:ty => $tag:ident, $widen:expr;)*) => {$(
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
        }
    )*};
}

integers!(i64 => I64, i32 => I32, i16 => I16, i8 => I8, u64 => U64, u32 => U32, u16 => U16, u8 => U8);
floats!(f64 => F64, |value| value; f32 => F32, f64::from; f16 => F16, f16::to_f64;);

impl sealed::Sealed for bool {}
impl Element for bool {
    const DTYPE: DType = DType::Bool;
}

#[derive(Clone, Copy)]
#[repr(transparent)]
pub(super) struct RawBool(u8);

impl Raw for RawBool {
    #[inline(always)]
    fn widen(self) -> f64 {
        f64::from(u8::from(self.0 != 0))
    }
    #[inline(always)]
    fn swap_bytes(self) -> Self {
        self
    }
}
