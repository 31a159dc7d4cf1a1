//! A desk where concurrent requests are served in groups: whoever comes first is served at once, and those that come meanwhile together, as the next group. So
//! one round trip and one commit serve many, and no request waits for company.

use crate::{
    database,
    error::{Error, Result, Store},
};
use futures::FutureExt;
use std::{future::Future, panic::AssertUnwindSafe};
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot},
};

/// Of one group.
const GROUP_MAX: usize = 256;
/// Those that wait for the next ones; who comes after them waits at the door.
const WAITING_MAX: usize = 4096;

#[derive(Debug)]
pub struct Desk<T, R>(mpsc::Sender<Waiting<T, R>>);

#[derive(Debug)]
struct Waiting<T, R> {
    /// `None`: who only waits for those before it.
    one: Option<T>,
    answer: Option<oneshot::Sender<Result<R>>>,
}

impl<T, R> Clone for Desk<T, R> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Send + 'static, R: Default + Send + 'static> Desk<T, R> {
    /// `serve` answers a group in its order, in `runtime`. The desk closes with its last clone.
    pub fn open<S, F>(runtime: &Handle, serve: S) -> Self
    where
        S: Fn(Vec<T>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Vec<R>>> + Send,
    {
        let (sender, mut receiver) = mpsc::channel::<Waiting<T, R>>(WAITING_MAX);
        runtime.spawn(async move {
            let mut group = Vec::new();
            while receiver.recv_many(&mut group, GROUP_MAX).await > 0 {
                let mut answers = Vec::with_capacity(group.len());
                let asked = group.drain(..).filter_map(|waiting| {
                    answers.push((waiting.one.is_some(), waiting.answer));
                    waiting.one
                });
                let asked: Vec<T> = asked.collect();
                let mut served = match asked.is_empty() {
                    true => Ok(Vec::new()),
                    // A panic, which its hook has told, ends this group alone.
                    false => AssertUnwindSafe(serve(asked))
                        .catch_unwind()
                        .await
                        .unwrap_or_else(|_| Err(Error::internal("a panic while a group was served"))),
                }
                .map(Vec::into_iter);
                for (asked, answer) in answers {
                    let served = match &mut served {
                        Ok(served) if asked => {
                            served.next().ok_or_else(|| Error::internal("a group was answered in part"))
                        }
                        Ok(_) => Ok(R::default()),
                        Err(error) => Err(for_each(error)),
                    };
                    match (answer, served) {
                        // Whoever asked may have gone.
                        (Some(answer), served) => answer.send(served).map_or((), drop),
                        (None, Err(error)) => tracing::warn!(?error, "what nobody waits for was not written"),
                        (None, Ok(_)) => {}
                    }
                }
            }
        });
        Self(sender)
    }

    /// Waits for the answer.
    pub async fn ask(&self, one: T) -> Result<R> {
        self.queue(Some(one)).await
    }

    /// Leaves it to be done, unless thousands wait already.
    pub fn tell(&self, one: T) {
        if self.0.try_send(Waiting { one: Some(one), answer: None }).is_err() {
            tracing::warn!("too much waits to be written, so something that nobody waits for is not");
        }
    }

    /// Waits until all that was told before is done.
    pub async fn flush(&self) -> Result<()> {
        self.queue(None).await.map(drop)
    }

    async fn queue(&self, one: Option<T>) -> Result<R> {
        let (answer, answered) = oneshot::channel();
        let closed = || Error::internal("the desk is closed");
        self.0.send(Waiting { one, answer: Some(answer) }).await.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }
}

/// The failure of a group, for each of it.
pub(crate) fn for_each(error: &Error) -> Error {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    match error {
        Error::Store { .. } if database::is_away(error) => Error::store(Store::Database, database::Away(text)),
        Error::Store { store, .. } => Error::store(*store, text),
        _ => Error::internal(text),
    }
}

#[cfg(test)]
mod tests {
    use super::Desk;
    use crate::database::Apart;
    use std::{
        sync::{Arc, Mutex},
        thread,
        time::Duration,
    };
    use tokio::{runtime::Handle, sync::Semaphore};

    #[tokio::test]
    async fn who_comes_first_is_served_at_once_and_those_who_come_meanwhile_together() {
        let (groups, gate) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Semaphore::new(0)));
        let (kept, opens) = (groups.clone(), gate.clone());
        let desk = Desk::open(&Handle::current(), move |group: Vec<u32>| {
            let (kept, opens) = (kept.clone(), opens.clone());
            async move {
                kept.lock().unwrap().push(group.clone());
                opens.acquire().await.unwrap().forget();
                Ok(group.iter().map(|n| n * 10).collect::<Vec<u32>>())
            }
        });
        let first = tokio::spawn({
            let desk = desk.clone();
            async move { desk.ask(1).await.unwrap() }
        });
        while groups.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        desk.tell(2);
        let third = tokio::spawn({
            let desk = desk.clone();
            async move { desk.ask(3).await.unwrap() }
        });
        let flushed = tokio::spawn({
            let desk = desk.clone();
            async move { desk.flush().await.unwrap() }
        });
        tokio::task::yield_now().await;
        gate.add_permits(10);
        assert_eq!((first.await.unwrap(), third.await.unwrap()), (10, 30));
        flushed.await.unwrap();
        assert_eq!(groups.lock().unwrap().concat(), [1, 2, 3]);
    }

    #[tokio::test]
    async fn a_panic_ends_one_group_alone() {
        let desk = Desk::open(&Handle::current(), |group: Vec<u32>| async move {
            assert_ne!(group, [1], "this panic is the test's");
            Ok(group)
        });
        assert!(desk.ask(1).await.is_err());
        assert_eq!(desk.ask(2).await.unwrap(), 2);
    }

    #[tokio::test]
    async fn a_desk_apart_serves_as_long_as_its_thread_runs() {
        let apart = Apart::start("a test").unwrap();
        let desk = Desk::open(apart.runtime(), |group: Vec<u32>| async move {
            tokio::time::sleep(Duration::from_millis(1)).await;
            assert_eq!(thread::current().name(), Some("a test"));
            Ok(group)
        });
        assert_eq!(desk.ask(1).await.unwrap(), 1);
        drop(apart);
        while desk.ask(2).await.is_ok() {}
    }
}
