//! What a kernel asks memory for while it works on what is there.

use crate::matrix::{CACHE_LINE, Pieces, Slab, Strip, prefetch};

/// What will be read from memory next: lines of the cache, some in each of several pieces. They are gone through in runs: the
/// lines of a piece that follow one another; or, of lanes, a line of each in turn.
#[derive(Clone, Copy)]
pub(crate) struct Next {
    line: *const u8,
    n_lines: usize,
    left_of_run: usize,
    run_lines: usize,
    /// From a run's line to the next.
    step: isize,
    left_of_piece: usize,
    runs_a_piece: usize,
    /// From where a run's next line would be to the next run.
    back: isize,
    /// From there to the next piece, if the piece ends as well.
    gap: isize,
}

impl Next {
    pub(crate) const UNKNOWN: Self = Self {
        line: std::ptr::null(),
        n_lines: 0,
        left_of_run: 0,
        run_lines: 0,
        step: 0,
        left_of_piece: 0,
        runs_a_piece: 0,
        back: 0,
        gap: 0,
    };

    /// The slab that is so many farther on than this.
    pub(crate) fn after(slab: &Slab<'_>, n_slabs: usize) -> Self {
        Self::of(slab.after(n_slabs))
    }

    fn of(pieces: Pieces) -> Self {
        let Pieces { first, n_pieces, n_bytes, stride, n_lanes, apart } = pieces;
        const STEP: isize = CACHE_LINE as isize;
        // A piece that begins within a line ends in one more.
        let lines_a_piece = n_bytes.div_ceil(CACHE_LINE) + usize::from(n_pieces > 1);
        let (run_lines, step, runs_a_piece) =
            if n_lanes > 1 { (n_lanes, apart, lines_a_piece) } else { (lines_a_piece, STEP, 1) };
        let back = if n_lanes > 1 { STEP.wrapping_sub(apart.wrapping_mul(n_lanes as isize)) } else { 0 };
        Self {
            line: first,
            n_lines: n_lanes * n_pieces * lines_a_piece,
            left_of_run: run_lines,
            run_lines,
            step,
            left_of_piece: runs_a_piece,
            runs_a_piece,
            back,
            gap: stride.wrapping_sub(lines_a_piece as isize * STEP),
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
        self.take(n_lines, prefetch);
    }

    #[inline(always)]
    fn take(&mut self, n_lines: usize, mut each: impl FnMut(*const u8)) {
        let mut n_lines = n_lines.min(self.n_lines);
        self.n_lines -= n_lines;
        while n_lines > 0 {
            let of_run = n_lines.min(self.left_of_run);
            for _ in 0..of_run {
                each(self.line);
                self.line = self.line.wrapping_offset(self.step);
            }
            n_lines -= of_run;
            self.left_of_run -= of_run;
            if self.left_of_run == 0 {
                self.end_run();
            }
        }
    }

    fn end_run(&mut self) {
        self.left_of_run = self.run_lines;
        self.line = self.line.wrapping_offset(self.back);
        self.left_of_piece -= 1;
        if self.left_of_piece == 0 {
            self.left_of_piece = self.runs_a_piece;
            self.line = self.line.wrapping_offset(self.gap);
        }
    }
}

/// Asks for the lines that are so far behind these values.
#[inline(always)]
pub(super) fn ask_for_lines_behind(values: &[f64], distance: Option<usize>) {
    if let Some(distance) = distance {
        let address = values.as_ptr().cast::<u8>().wrapping_add(distance);
        for line in (0..size_of_val(values)).step_by(CACHE_LINE) {
            prefetch(address.wrapping_add(line));
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
        if n_steps > 1 { Self { n_lines: self.n_lines.div_ceil(n_steps), ..self } } else { self }
    }

    #[inline(always)]
    pub(super) fn step(&mut self) {
        if let Some(next) = &mut self.next {
            next.ask_for(self.n_lines);
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, ArrayView2, s};

    use super::*;
    use crate::matrix::{Matrix, Panel, Slab};

    /// Checks that what follows a slab is, to the line, the next one and at most a line more of each piece.
    fn check(what: &str, now: &Slab<'_>, next: &[&[f64]]) {
        let mut asked = Next::after(now, 1);
        let mut lines = Vec::new();
        while asked.n_lines() > 0 {
            // Five are neither a run nor a part of one.
            asked.take(5, |line| lines.push(line.addr() / CACHE_LINE));
        }
        let n_asked = lines.len();
        lines.sort_unstable();
        lines.dedup();
        let mut n_wanted = 0;
        for (i, piece) in next.iter().map(|piece| piece.as_ptr_range()).enumerate() {
            for line in piece.start.addr() / CACHE_LINE..=(piece.end.addr() - 1) / CACHE_LINE {
                n_wanted += 1;
                let of_end = !piece.end.addr().is_multiple_of(CACHE_LINE) && line == piece.end.addr() / CACHE_LINE;
                assert!(lines.binary_search(&line).is_ok() || of_end, "{what}: piece {i}");
            }
        }
        assert!(n_asked <= n_wanted + next.len(), "{what}: {n_asked} lines for {n_wanted}");
    }

    fn rows<'p>(panel: &Panel<'p>) -> Vec<&'p [f64]> {
        (0..panel.n_rows()).map(|i| panel.row(i)).collect()
    }

    #[test]
    fn what_follows_a_slab_is_the_next_one() {
        let host = Array2::<f64>::zeros((200, 40));
        let layouts: [(&str, ArrayView2<'_, f64>); 3] = [
            ("together", host.view()),
            ("apart", host.slice(s![.., 3..20])),
            ("backwards", host.slice(s![..;-1, ..33])),
        ];
        let (mut buffer, mut other) = (Vec::new(), Vec::new());
        for (what, x) in layouts {
            let x = Matrix::from(x);
            check(what, &x.slab(16..32, &mut buffer), &rows(&x.panel(32..48, &mut other)));
            let lanes = x.panel_of_lanes(2..5, 25, &mut buffer).into();
            check(&format!("{what}, in lanes"), &lanes, &rows(&x.panel_of_lanes(5..8, 25, &mut other)));
        }
        for (what, x) in [("columns", host.t()), ("columns backwards", host.slice(s![..;-1, 1..]).reversed_axes())] {
            let next = x.slice(s![20..30, ..]);
            let columns: Vec<_> = next.columns().into_iter().map(|column| column.to_slice().unwrap()).collect();
            check(what, &Matrix::from(x).slab(10..20, &mut buffer), &columns);
        }
    }
}
