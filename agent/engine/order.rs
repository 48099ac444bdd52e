//! Which works can go next: those whose predecessors have ended, the recipe's order kept where nothing else decides.

use std::collections::BTreeSet;

use super::plan::Work;

/// How far a plan has been gone through.
#[derive(Debug)]
pub(crate) struct Order {
    /// How many predecessors each work still waits for.
    waits: Vec<usize>,
    /// Who waits for each work.
    then: Vec<Vec<usize>>,
    ready: BTreeSet<usize>,
}

impl Order {
    /// Nothing has begun.
    pub(crate) fn of(works: &[Work]) -> Self {
        let waits: Vec<usize> = works.iter().map(|work| work.first.len()).collect();
        let mut then = vec![Vec::new(); works.len()];
        for (number, work) in works.iter().enumerate() {
            for &before in &work.first {
                if let Some(list) = then.get_mut(before) {
                    list.push(number);
                }
            }
        }
        let ready = waits.iter().enumerate().filter(|(_, count)| **count == 0).map(|(number, _)| number).collect();
        Self { waits, then, ready }
    }

    /// Takes the next work that can begin, if one can.
    pub(crate) fn begin(&mut self) -> Option<usize> {
        self.ready.pop_first()
    }

    /// Notes that a work has ended.
    pub(crate) fn ended(&mut self, number: usize) {
        for &next in self.then.get(number).into_iter().flatten() {
            if let Some(count) = self.waits.get_mut(next) {
                *count -= 1;
                if *count == 0 {
                    self.ready.insert(next);
                }
            }
        }
    }
}
