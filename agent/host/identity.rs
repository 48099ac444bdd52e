//! Being another user for the length of one poll.
//!
//! A server that authenticates by peer takes the effective user of connect(2) (`SO_PEERCRED`, unix(7)). hostagent is
//! root and runs on one thread, so it can be that user exactly while a connecting future is polled: nothing else runs
//! meanwhile, and no program is started for it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use nix::unistd::{Uid, geteuid, seteuid};

use super::Error;

/// A future that is polled as another user and gives that user up after every poll.
#[derive(Debug)]
pub struct AsUser<F> {
    uid: Uid,
    inner: Pin<Box<F>>,
}

impl<F: Future> AsUser<F> {
    /// Polls `inner` as the user of this ID.
    pub fn new(uid: u32, inner: F) -> Self {
        Self { uid: Uid::from_raw(uid), inner: Box::pin(inner) }
    }
}

impl<F: Future> Future for AsUser<F> {
    type Output = Result<F::Output, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let _borrowed = match Borrowed::be(self.uid) {
            Ok(borrowed) => borrowed,
            Err(error) => return Poll::Ready(Err(error)),
        };
        self.inner.as_mut().poll(context).map(Ok)
    }
}

/// Gives the effective user back when dropped, also while a panic unwinds.
struct Borrowed(Option<Uid>);

impl Borrowed {
    fn be(uid: Uid) -> Result<Self, Error> {
        let own = geteuid();
        if own == uid {
            return Ok(Self(None));
        }
        seteuid(uid).map_err(|errno| {
            let says = format!("could not act as user {uid}: {}", errno.desc());
            Error::said_with_hint("not-root", says, "run hostagent as root")
        })?;
        Ok(Self(Some(own)))
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        let Some(own) = self.0 else { return };
        if seteuid(own).is_err() {
            // The saved user is still root, so this cannot fail; to go on as somebody else would be worse than to end.
            std::process::abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use tokio::net::{UnixListener, UnixStream};

    use super::*;

    const NOBODY: u32 = 65534;

    /// The C library gives a new user to every thread, and here other tests run on them: so in a process of its own.
    #[test]
    fn another_user_is_borrowed_for_each_poll_and_given_back() {
        if !geteuid().is_root() {
            return;
        }
        let mut alone = std::process::Command::new(std::env::current_exe().unwrap());
        let alone =
            alone.args(["--ignored", "--exact", "host::identity::tests::in_a_process_of_its_own"]).output().unwrap();
        assert!(alone.status.success(), "{}", String::from_utf8_lossy(&alone.stdout));
    }

    #[tokio::test]
    #[ignore = "another_user_is_borrowed_for_each_poll_and_given_back runs it"]
    async fn in_a_process_of_its_own() {
        a_server_sees_the_borrowed_user().await;
        it_is_given_back_between_polls_and_after_a_panic().await;
    }

    async fn a_server_sees_the_borrowed_user() {
        let directory = tempfile::tempdir().unwrap();
        let open = || std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(directory.path(), open()).unwrap();
        let place = directory.path().join("socket");
        let listener = UnixListener::bind(&place).unwrap();
        std::fs::set_permissions(&place, open()).unwrap();

        let ours = AsUser::new(NOBODY, UnixStream::connect(&place)).await.unwrap().unwrap();
        let (theirs, _) = listener.accept().await.unwrap();

        assert_eq!(theirs.peer_cred().unwrap().uid(), NOBODY);
        assert!(geteuid().is_root());
        drop(ours);
    }

    async fn it_is_given_back_between_polls_and_after_a_panic() {
        let waits = AsUser::new(NOBODY, async {
            assert_eq!(geteuid().as_raw(), NOBODY);
            tokio::task::yield_now().await;
            assert_eq!(geteuid().as_raw(), NOBODY);
        });
        let (waited, between) = tokio::join!(waits, async { geteuid().is_root() });
        waited.unwrap();
        assert!(between && geteuid().is_root());

        let panics = std::panic::catch_unwind(|| {
            let _borrowed = Borrowed::be(Uid::from_raw(NOBODY)).unwrap();
            std::panic::resume_unwind(Box::new(()));
        });
        assert!(panics.is_err() && geteuid().is_root());
    }
}
