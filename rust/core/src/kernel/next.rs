//! What a kernel asks memory for while it works on what is there.

use crate::matrix::{CACHE_LINE, Panel, Pieces, Strip, prefetch};

/// What will be read from memory next: lines of the cache, some in each of several pieces; of lanes a line in turn.
#[derive(Clone, Copy)]
pub(crate) struct Next {
    line: *const u8,
    n_lines: usize,
    left_of_piece: usize,
    lines_a_piece: usize,
    /// From the end of a piece's last line to the next piece.
    gap: isize,
    left_of_lanes: usize,
    n_lanes: usize,
    apart: isize,
    /// From the last lane to the line that follows that of the first.
    back: isize,
}

impl Next {
    pub(crate) const UNKNOWN: Self = Self {
        line: std::ptr::null(),
        n_lines: 0,
        left_of_piece: 0,
        lines_a_piece: 0,
        gap: 0,
        left_of_lanes: 0,
        n_lanes: 0,
        apart: 0,
        back: 0,
    };

    /// The panel that is so many farther on than this.
    pub(crate) fn after(panel: &Panel<'_>, n_panels: usize) -> Self {
        Self::of(panel.after(n_panels))
    }

    fn of(pieces: Pieces) -> Self {
        let Pieces { first, n_pieces, n_bytes, stride, n_lanes, apart } = pieces;
        // A piece that begins within a line ends in one more.
        let lines_a_piece = n_bytes.div_ceil(CACHE_LINE) + usize::from(n_pieces > 1);
        let gap = stride.wrapping_sub((lines_a_piece * CACHE_LINE) as isize);
        Self {
            line: first,
            n_lines: n_lanes * n_pieces * lines_a_piece,
            left_of_piece: lines_a_piece,
            lines_a_piece,
            gap,
            left_of_lanes: n_lanes,
            n_lanes,
            apart,
            back: (CACHE_LINE as isize).wrapping_sub(apart.wrapping_mul(n_lanes as isize - 1)),
        }
    }

    /// As much as the strip was packed from, farther on; nothing if it was not, or where that is not known.
    pub(super) fn ahead_of(strip: &Strip<'_>) -> Self {
        Self::of(strip.ahead_of_source())
    }

    pub(super) fn n_lines(&self) -> usize {
        self.n_lines
    }

    /// Asks for some of the lines, and leaves the rest.
    #[inline(always)]
    pub(super) fn ask_for(&mut self, n_lines: usize) {
        let n_lines = n_lines.min(self.n_lines);
        self.n_lines -= n_lines;
        for _ in 0..n_lines {
            prefetch(self.line);
            self.left_of_lanes -= 1;
            if self.left_of_lanes > 0 {
                self.line = self.line.wrapping_offset(self.apart);
                continue;
            }
            self.left_of_lanes = self.n_lanes;
            self.line = self.line.wrapping_offset(self.back);
            self.left_of_piece -= 1;
            if self.left_of_piece == 0 {
                self.left_of_piece = self.lines_a_piece;
                self.line = self.line.wrapping_offset(self.gap);
            }
        }
    }
}

/// The lines that are asked for during a part of the work. They are asked for in the order in which they lie there: memory
/// answers slower where pieces are left for later.
pub(super) struct Share<'n> {
    next: Option<&'n mut Next>,
    n_lines: usize,
}

impl<'n> Share<'n> {
    pub(super) const NOTHING: Self = Self { next: None, n_lines: 0 };

    #[inline(always)]
    pub(super) fn of(next: &'n mut Next, n_lines: usize) -> Self {
        Self { next: Some(next), n_lines }
    }

    /// The same number in each step.
    #[inline(always)]
    pub(super) fn in_steps(self, n_steps: usize) -> Self {
        Self { n_lines: self.n_lines.div_ceil(n_steps.max(1)), ..self }
    }

    #[inline(always)]
    pub(super) fn step(&mut self) {
        if let Some(next) = &mut self.next {
            next.ask_for(self.n_lines);
        }
    }
}
