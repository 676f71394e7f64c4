//! Products of columns by the matrix unit that some processors have: Intel's AMX (*Intel 64 and IA-32 Architectures
//! Software Developer's Manual*, volume 1, chapter 18).
//!
//! The unit multiplies tiles of numbers of eight bits' precision, `bf16`, and sums in single precision, several times as fast
//! as other instructions multiply numbers of single precision. Such a number is the sum of two of the short ones, `x = h + l`,
//! but for 2⁻¹⁷ of itself; and a product `x y` is `h_x h_y + h_x l_y + l_x h_y`, but for 2⁻¹⁵ of itself at most. Where a product
//! of pieces is smaller than the least number of full precision, 10⁻³⁸, it is 0.

pub(crate) use system::MatrixUnit;

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
#[allow(unsafe_code)]
mod system {
    use std::arch::asm;
    use std::arch::x86_64::{__cpuid_count, __m512i};
    use std::marker::PhantomData;
    use std::mem::transmute;
    use std::sync::OnceLock;

    use pulp::x86::V4;
    use pulp::{Simd, WithSimd};

    use crate::kernel::packed::{Lane, Real, add_to};

    /// Lanes of a tile.
    const TILE: usize = 16;
    /// Rows of each column in a tile, two in 32 bits.
    const TILE_ROWS: usize = 2 * TILE;
    /// The pieces `h` and `l` of a block of columns are two tiles for each group of so many rows. All with a lane a column, for
    /// products from the left, lie before those with a lane for each two rows, for products from the right: so what is used
    /// together has different places in the nearest cache.
    const PAIR: usize = 2 * TILE;

    /// That there is a matrix unit, and that this process may use it.
    #[derive(Clone, Copy)]
    pub(crate) struct MatrixUnit {
        /// Processors with a matrix unit have this too.
        v4: V4,
    }

    impl MatrixUnit {
        /// None if the processor or the system has none.
        pub(crate) fn find() -> Option<Self> {
            static FOUND: OnceLock<Option<MatrixUnit>> = OnceLock::new();
            *FOUND.get_or_init(|| {
                let v4 = V4::try_new()?;
                (has_tiles() && may_use_tiles()).then_some(Self { v4 })
            })
        }

        /// Lanes that the pieces of a block of columns take.
        pub(in crate::kernel) fn n_lanes(n_rows: usize) -> usize {
            n_rows.div_ceil(TILE_ROWS) * 2 * PAIR
        }

        /// Splits the values of a block of columns, a lane a row in single precision, into pieces.
        pub(in crate::kernel) fn split(self, rows: &[Lane], pieces: &mut [Lane]) {
            assert_eq!(pieces.len(), Self::n_lanes(rows.len()));
            Simd::vectorize(self.v4, Split { v4: self.v4, rows, pieces });
        }

        /// Makes the calling thread's tiles ready; one unit a thread at a time.
        pub(in crate::kernel) fn begin(self) -> ReadyUnit {
            let config = Config { palette: 1, row_bytes: [64; 8], rows: [TILE as u8; 8], ..Config::default() };
            // SAFETY: there is a matrix unit that may be used; eight tiles of 16 rows of 64 bytes is what palette 1 has.
            unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const config, options(nostack, readonly)) };
            ReadyUnit { v4: self.v4, products: [[Lane::ZERO; TILE]; 4], of_this_thread: PhantomData }
        }
    }

    /// Whether the processor has tiles and multiplies `bf16` with them.
    fn has_tiles() -> bool {
        const BF16: u32 = 1 << 22;
        const TILES: u32 = 1 << 24;
        let features = __cpuid_count(7, 0).edx;
        features & (BF16 | TILES) == BF16 | TILES
    }

    /// Linux gives a process the room for tiles' data when it asks for it, once. From then on it refuses threads alternate
    /// stacks for signals that have not this room; and where one has such a stack already, it refuses this. So it is asked
    /// for no earlier than there is something to multiply.
    fn may_use_tiles() -> bool {
        const ARCH_REQ_XCOMP_PERM: libc::c_long = 0x1023;
        const TILE_DATA: libc::c_long = 18;
        // SAFETY: the call takes two numbers, and refuses what it does not know.
        unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, TILE_DATA) == 0 }
    }

    #[derive(Default)]
    #[repr(C, align(64))]
    struct Config {
        palette: u8,
        start_row: u8,
        reserved: [u8; 14],
        row_bytes: [u16; 8],
        reserved_row_bytes: [u16; 8],
        rows: [u8; 8],
        reserved_rows: [u8; 8],
    }

    /// The thread's tiles, until they are dropped.
    pub(in crate::kernel) struct ReadyUnit {
        v4: V4,
        products: [[Lane; TILE]; 4],
        of_this_thread: PhantomData<*const ()>,
    }

    impl Drop for ReadyUnit {
        fn drop(&mut self) {
            // SAFETY: there is a matrix unit; nothing else uses the tiles.
            unsafe { asm!("tilerelease", options(nomem, nostack)) };
        }
    }

    impl ReadyUnit {
        /// Adds the products of two blocks of columns and two others, of which the pieces are given, to four tiles of
        /// `sums`: of the first of `left` by both of `right`, then of the second. What is not wanted has no place.
        pub(in crate::kernel) fn add(
            &mut self,
            left: [&[Lane]; 2],
            right: [&[Lane]; 2],
            sums: &mut [Lane],
            places: [Option<usize>; 4],
        ) {
            self.multiply(left, right);
            Simd::vectorize(self.v4, Add { products: &self.products, sums, places });
        }

        fn multiply(&mut self, left: [&[Lane]; 2], right: [&[Lane]; 2]) {
            let n_groups = left[0].len() / (2 * PAIR);
            assert!(n_groups > 0 && left.iter().chain(&right).all(|pieces| pieces.len() == n_groups * 2 * PAIR));
            let left = left.map(|pieces| &pieces[..n_groups * PAIR]);
            let right = right.map(|pieces| &pieces[n_groups * PAIR..]);
            // SAFETY: this thread's tiles are ready as long as `self` lives. Of each side's pieces there are `n_groups` pairs of
            // tiles, and of products there are four.
            unsafe {
                asm!(
                    "tilezero tmm0",
                    "tilezero tmm1",
                    "tilezero tmm2",
                    "tilezero tmm3",
                    "2:",
                    "tileloadd tmm4, [{left_0} + {stride}*1 + {low}]",
                    "tileloadd tmm6, [{right_0} + {stride}*1 + {high}]",
                    "tdpbf16ps tmm0, tmm4, tmm6",
                    "tileloadd tmm7, [{right_1} + {stride}*1 + {high}]",
                    "tdpbf16ps tmm1, tmm4, tmm7",
                    "tileloadd tmm5, [{left_1} + {stride}*1 + {low}]",
                    "tdpbf16ps tmm2, tmm5, tmm6",
                    "tdpbf16ps tmm3, tmm5, tmm7",
                    "tileloadd tmm4, [{left_0} + {stride}*1 + {high}]",
                    "tdpbf16ps tmm0, tmm4, tmm6",
                    "tdpbf16ps tmm1, tmm4, tmm7",
                    "tileloadd tmm5, [{left_1} + {stride}*1 + {high}]",
                    "tdpbf16ps tmm2, tmm5, tmm6",
                    "tdpbf16ps tmm3, tmm5, tmm7",
                    "tileloadd tmm6, [{right_0} + {stride}*1 + {low}]",
                    "tdpbf16ps tmm0, tmm4, tmm6",
                    "tdpbf16ps tmm2, tmm5, tmm6",
                    "tileloadd tmm7, [{right_1} + {stride}*1 + {low}]",
                    "tdpbf16ps tmm1, tmm4, tmm7",
                    "tdpbf16ps tmm3, tmm5, tmm7",
                    "add {left_0}, {pair}",
                    "add {left_1}, {pair}",
                    "add {right_0}, {pair}",
                    "add {right_1}, {pair}",
                    "dec {n_groups}",
                    "jnz 2b",
                    "tilestored [{products} + {stride}*1], tmm0",
                    "tilestored [{products} + {stride}*1 + {tile}], tmm1",
                    "tilestored [{products} + {stride}*1 + 2*{tile}], tmm2",
                    "tilestored [{products} + {stride}*1 + 3*{tile}], tmm3",
                    products = in(reg) self.products.as_mut_ptr(),
                    left_0 = inout(reg) left[0].as_ptr() => _,
                    left_1 = inout(reg) left[1].as_ptr() => _,
                    right_0 = inout(reg) right[0].as_ptr() => _,
                    right_1 = inout(reg) right[1].as_ptr() => _,
                    n_groups = inout(reg) n_groups => _,
                    stride = in(reg) size_of::<Lane>(),
                    tile = const TILE * size_of::<Lane>(),
                    pair = const PAIR * size_of::<Lane>(),
                    high = const 0,
                    low = const TILE * size_of::<Lane>(),
                    out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                    out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                    options(nostack)
                );
            }
        }
    }

    struct Add<'a> {
        products: &'a [[Lane; TILE]; 4],
        sums: &'a mut [Lane],
        places: [Option<usize>; 4],
    }

    impl WithSimd for Add<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            for (products, place) in self.products.iter().zip(self.places) {
                let Some(tile) = place else { continue };
                let sums = &mut self.sums[tile * TILE * f32::ROW_LANES..][..TILE * f32::ROW_LANES];
                for (sums, products) in sums.chunks_exact_mut(f32::ROW_LANES).zip(products) {
                    add_to::<S, f32>(simd, sums, products);
                }
            }
        }
    }

    struct Split<'a> {
        v4: V4,
        rows: &'a [Lane],
        pieces: &'a mut [Lane],
    }

    impl WithSimd for Split<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) {
            let Self { v4, rows, pieces } = self;
            let (wholes, rest) = rows.as_chunks::<TILE_ROWS>();
            let (by_column, by_row) = pieces.split_at_mut(pieces.len() / 2);
            let mut out = by_column.as_chunks_mut::<PAIR>().0.iter_mut().zip(by_row.as_chunks_mut::<PAIR>().0);
            for (rows, (by_column, by_row)) in wholes.iter().zip(&mut out) {
                split(v4, rows, by_column, by_row);
            }
            if let Some((by_column, by_row)) = out.next() {
                let mut rows = [Lane::ZERO; TILE_ROWS];
                rows[..rest.len()].copy_from_slice(rest);
                split(v4, &rows, by_column, by_row);
            }
        }
    }

    #[inline(always)]
    fn split(v4: V4, rows: &[Lane; TILE_ROWS], by_column: &mut [Lane; PAIR], by_row: &mut [Lane; PAIR]) {
        let mut high = [zero(v4); TILE];
        let mut low = high;
        for pair in 0..TILE {
            let (first_high, first_low) = pieces_of(v4, register(&rows[2 * pair]));
            let (second_high, second_low) = pieces_of(v4, register(&rows[2 * pair + 1]));
            high[pair] = together(v4, first_high, second_high);
            low[pair] = together(v4, first_low, second_low);
        }
        write(&high, &mut by_row[..TILE]);
        write(&low, &mut by_row[TILE..]);
        write(&transposed(v4, high), &mut by_column[..TILE]);
        write(&transposed(v4, low), &mut by_column[TILE..]);
    }

    #[inline(always)]
    fn register(lane: &Lane) -> __m512i {
        // SAFETY: both are 64 bytes, of which all values are valid.
        unsafe { transmute(*lane) }
    }

    #[inline(always)]
    fn write(registers: &[__m512i; TILE], out: &mut [Lane]) {
        for (out, register) in out.iter_mut().zip(registers) {
            // SAFETY: as in `register`.
            *out = unsafe { transmute::<__m512i, Lane>(*register) };
        }
    }

    #[inline(always)]
    fn zero(v4: V4) -> __m512i {
        v4.avx512f._mm512_setzero_si512()
    }

    /// Both pieces of each value, rounded to nearest, in the upper half of 32 bits; what is below does not count. Not every
    /// NaN stays one: rows of these are known from their linear predictors.
    #[inline(always)]
    fn pieces_of(v4: V4, values: __m512i) -> (__m512i, __m512i) {
        let avx512f = v4.avx512f;
        let half = avx512f._mm512_set1_epi32(0x8000);
        let upper = avx512f._mm512_set1_epi32(!0xffff);
        let high = avx512f._mm512_and_si512(avx512f._mm512_add_epi32(values, half), upper);
        let rest = avx512f._mm512_sub_ps(avx512f._mm512_castsi512_ps(values), avx512f._mm512_castsi512_ps(high));
        (high, avx512f._mm512_add_epi32(avx512f._mm512_castps_si512(rest), half))
    }

    /// The upper halves of each two values, the first in the lower half.
    #[inline(always)]
    fn together(v4: V4, first: __m512i, second: __m512i) -> __m512i {
        let avx512f = v4.avx512f;
        let upper = avx512f._mm512_set1_epi32(!0xffff);
        let second = avx512f._mm512_and_si512(second, upper);
        avx512f._mm512_or_si512(avx512f._mm512_srli_epi32::<16>(first), second)
    }

    /// Of a square of values of 32 bits.
    #[inline(always)]
    fn transposed(v4: V4, rows: [__m512i; TILE]) -> [__m512i; TILE] {
        let avx512f = v4.avx512f;
        let (mut twos, mut fours, mut eights, mut columns) = (rows, rows, rows, rows);
        for i in (0..TILE).step_by(2) {
            twos[i] = avx512f._mm512_unpacklo_epi32(rows[i], rows[i + 1]);
            twos[i + 1] = avx512f._mm512_unpackhi_epi32(rows[i], rows[i + 1]);
        }
        for i in (0..TILE).step_by(2) {
            let pair = (i & !3) + (i >> 1 & 1);
            fours[i] = avx512f._mm512_unpacklo_epi64(twos[pair], twos[pair + 2]);
            fours[i + 1] = avx512f._mm512_unpackhi_epi64(twos[pair], twos[pair + 2]);
        }
        // Register 4 i + c has of the rows from 4 i to 4 i + 3 the columns c, 4 + c, 8 + c and 12 + c.
        for i in [0, 1, 2, 3, 8, 9, 10, 11] {
            eights[i] = avx512f._mm512_shuffle_i32x4::<0x88>(fours[i], fours[i + 4]);
            eights[i + 4] = avx512f._mm512_shuffle_i32x4::<0xdd>(fours[i], fours[i + 4]);
        }
        for i in 0..TILE / 2 {
            columns[i] = avx512f._mm512_shuffle_i32x4::<0x88>(eights[i], eights[i + 8]);
            columns[i + 8] = avx512f._mm512_shuffle_i32x4::<0xdd>(eights[i], eights[i + 8]);
        }
        columns
    }
}

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
mod system {
    use std::convert::Infallible;

    use crate::kernel::packed::Lane;

    /// On other processors and systems there is none.
    #[derive(Clone, Copy)]
    pub(crate) struct MatrixUnit(Infallible);

    impl MatrixUnit {
        pub(crate) fn find() -> Option<Self> {
            None
        }

        pub(in crate::kernel) fn n_lanes(_: usize) -> usize {
            0
        }

        pub(in crate::kernel) fn split(self, _: &[Lane], _: &mut [Lane]) {
            match self.0 {}
        }

        pub(in crate::kernel) fn begin(self) -> ReadyUnit {
            match self.0 {}
        }
    }

    pub(in crate::kernel) struct ReadyUnit(Infallible);

    impl ReadyUnit {
        pub(in crate::kernel) fn add(
            &mut self,
            _: [&[Lane]; 2],
            _: [&[Lane]; 2],
            _: &mut [Lane],
            _: [Option<usize>; 4],
        ) {
            match self.0 {}
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, s};

    use crate::kernel::{Next, Packed, Precision, Scaling, Tiles};
    use crate::matrix::Matrix;

    /// What the matrix unit takes; single precision where there is none.
    fn pack(x: &Array2<f64>) -> Packed {
        let (m, n) = x.dim();
        let mut packed = Packed::default();
        let (centre, inverse_scale) = (vec![0.0; n], vec![1.0; n]);
        let scaling = Scaling { centre: &centre, inverse_scale: &inverse_scale };
        let x = Matrix::from(x);
        packed.pack(&x.slab(0..m, &mut Vec::new()), scaling, &vec![1.0; m], [], [], Precision::for_loss(1.0));
        packed
    }

    fn written(tiles: &Tiles, shape: (usize, usize)) -> Array2<f64> {
        let mut products = Array2::zeros(shape);
        tiles.write(products.view_mut());
        products
    }

    /// On and above the diagonal; of so many panels that are all these rows.
    fn symmetric_products(x: &Array2<f64>, times: usize) -> Array2<f64> {
        let (packed, n) = (pack(x), x.ncols());
        let mut tiles = Tiles::symmetric(n, Precision::for_loss(1.0));
        (0..times).for_each(|_| tiles.add(&packed, &packed, Next::UNKNOWN));
        written(&tiles, (n, n))
    }

    fn products(left: &Array2<f64>, right: &Array2<f64>) -> Array2<f64> {
        let shape = (left.ncols(), right.ncols());
        let mut tiles = Tiles::rectangular(shape.0, shape.1, Precision::for_loss(1.0));
        tiles.add(&pack(left), &pack(right), Next::UNKNOWN);
        written(&tiles, shape)
    }

    #[test]
    fn products_of_pieces_are_right_to_their_precision() {
        let values = |(m, n): (usize, usize), k: f64| {
            Array2::from_shape_fn((m, n), |(i, j)| ((i * 37 + j * 11) as f64 * k).sin())
        };
        for (m, n_left, n_right) in
            [(1, 1, 1), (2, 15, 17), (31, 16, 33), (32, 32, 32), (33, 48, 16), (96, 65, 40), (100, 200, 9)]
        {
            let (x, other) = (values((m, n_left), 0.7), values((m, n_right), 0.3));
            for (right, found) in [(&other, products(&x, &other)), (&x, symmetric_products(&x, 1))] {
                let (expected, sizes) = (x.t().dot(right), x.mapv(f64::abs).t().dot(&right.mapv(f64::abs)));
                for ((i, j), found) in found.indexed_iter().filter(|((i, j), _)| right != x || i <= j) {
                    let error = (found - expected[[i, j]]).abs();
                    let tolerance = f64::powi(2.0, -15) * sizes[[i, j]];
                    assert!(error <= tolerance, "{m} × {n_left} × {n_right}, entry {i}, {j}: off {error:e}");
                }
            }
        }
    }

    /// The rounding errors of equal terms do not cancel; but those of one panel are all that there are.
    #[test]
    fn sums_over_many_panels_lose_no_more_digits() {
        let (m, n) = (96, 20);
        let x = Array2::from_shape_fn((m, n), |(_, j)| 1.0 + j as f64 / 37.0);
        let n_panels = 1000;
        let of_a_panel = if Precision::for_loss(1.0) == Precision::Pieces { 4e-5 } else { 4e-6 };
        let products = symmetric_products(&x, n_panels);
        for ((i, j), product) in products.indexed_iter().filter(|((i, j), _)| i <= j) {
            let expected = (n_panels * m) as f64 * (1.0 + i as f64 / 37.0) * (1.0 + j as f64 / 37.0);
            let error = (product / expected - 1.0).abs();
            assert!(error < of_a_panel, "entry {i}, {j}: off {error:e} of itself");
        }
    }

    #[test]
    fn products_of_numbers_of_sixteen_bits_are_exact_where_their_sums_are() {
        let (m, n) = (70, 50);
        let signs = Array2::from_shape_fn((m, n), |(i, j)| if (i * 7 + j * 3) % 5 < 2 { -1.0 } else { 1.0 });
        // The first half has both pieces, the other the first alone.
        let x = Array2::from_shape_fn((m, n), |(i, j)| {
            let value = if j < n / 2 { 32_769 + (i * 31 + j * 17) % 4096 } else { 1 + (i + j) % 3 };
            signs[[i, j]] * value as f64
        });
        let found = symmetric_products(&x, 1);
        let across = s![..n / 2, n / 2..];
        assert_eq!(found.slice(across), x.t().dot(&x).slice(across));
        let few = s![n / 2.., n / 2..];
        let upper = |matrix: &Array2<f64>| {
            let block = matrix.slice(few).to_owned();
            Array2::from_shape_fn(block.dim(), |(i, j)| if i <= j { block[[i, j]] } else { 0.0 })
        };
        assert_eq!(upper(&found), upper(&x.t().dot(&x)));
    }
}
