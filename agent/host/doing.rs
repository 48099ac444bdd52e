//! What a step is at, for whoever waits for it: "running `apt-get update`". Waiting ends when its time is up, and then this
//! is what can be told of it.

use std::cell::RefCell;
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

/// What is being done, the newest last; each with a number of its own, as they need not end in that order.
type Doings = Rc<RefCell<(u64, Vec<(u64, String)>)>>;

tokio::task_local! {
    static DOINGS: Doings;
}

/// Something that is being done, until dropped.
#[derive(Debug)]
pub(super) struct Doing(Option<u64>);

impl Drop for Doing {
    fn drop(&mut self) {
        let Some(own) = self.0 else { return };
        let _ = DOINGS.try_with(|doings| doings.borrow_mut().1.retain(|(number, _)| *number != own));
    }
}

/// Notes that this is being done: a verb in `-ing`, and what with. Costs nothing where nobody waits.
pub(super) fn doing(what: impl FnOnce() -> String) -> Doing {
    let noted = DOINGS.try_with(|doings| {
        let mut doings = doings.borrow_mut();
        doings.0 += 1;
        let number = doings.0;
        doings.1.push((number, what()));
        number
    });
    Doing(noted.ok())
}

/// Waits for some work no longer than this. What is not done by then is dropped where it is.
///
/// # Errors
/// When its time is up: what it was at, as far as that is known.
pub async fn in_time<T>(patience: Duration, work: impl Future<Output = T>) -> Result<T, Option<String>> {
    let doings = Doings::default();
    let mut work = pin!(DOINGS.scope(Rc::clone(&doings), work));
    // The work is dropped after it was asked what it is at, not before.
    tokio::time::timeout(patience, work.as_mut())
        .await
        .map_err(|_elapsed| doings.borrow().1.last().map(|(_, what)| what.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(30);

    #[tokio::test]
    async fn what_is_late_is_told_with_what_it_was_at() {
        let late = in_time(SHORT, async {
            let _all = doing(|| "making tea".to_owned());
            drop(doing(|| "boiling water".to_owned()));
            std::future::pending::<()>().await;
        });
        let other = in_time(SHORT, std::future::pending::<()>());
        let done = in_time(SHORT, async {
            let _one = doing(|| "nothing".to_owned());
            7
        });
        let (late, other, done) = tokio::join!(late, other, done);
        assert_eq!((late, other, done), (Err(Some("making tea".to_owned())), Err(None), Ok(7)));
        // Where nobody waits nothing is noted.
        drop(doing(|| unreachable!()));
    }
}
