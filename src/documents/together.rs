//! One document for all who ask for it at the same moment: a link that many follow costs one reading for each group of them.
//!
//! **Invariant.** A reading begins after each of those it is for has asked. Whoever comes while one is under way waits for the next, and so sees every write that was acknowledged
//! before.

use super::store::{Document, Documents};
use crate::{
    catalogue::{Dataset, document_id, for_each},
    error::{Error, Result},
};
use futures::FutureExt;
use std::{
    collections::HashMap,
    mem,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{sync::oneshot, task::yield_now};
use uuid::Uuid;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Asked {
    collection: Uuid,
    shards: u32,
    id: String,
}

type Answer = oneshot::Sender<Result<Option<Document>>>;

/// Who waits for the next reading of each document that is being read.
#[derive(Debug, Clone, Default)]
pub(super) struct Waiting(Arc<Mutex<HashMap<Asked, Vec<Answer>>>>);

impl Waiting {
    /// Whether there is nobody who reads it yet.
    fn join(&self, asked: &Asked, answer: Answer) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match all.get_mut(asked) {
            Some(waiting) => {
                waiting.push(answer);
                false
            }
            None => all.insert(asked.clone(), vec![answer]).is_none(),
        }
    }

    /// Those for whom it is to be read now; with nobody waiting, it is read no more.
    fn next(&self, asked: &Asked) -> Option<Vec<Answer>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = all.get_mut(asked).map(mem::take).filter(|waiting| !waiting.is_empty());
        if waiting.is_none() {
            all.remove(asked);
        }
        waiting
    }
}

impl Documents {
    /// The document as of the last acknowledged write; `None` if there is none, or if it is deleted.
    pub async fn get(&self, collection: &Dataset, id: &str) -> Result<Option<Document>> {
        document_id(id)?;
        let asked = Asked { collection: collection.id, shards: collection.shards, id: id.to_owned() };
        let (answer, answered) = oneshot::channel();
        if self.waiting.join(&asked, answer) {
            // A task of its own: the others' answer does not end with the first one's request.
            tokio::spawn(self.clone().read_for_all(asked));
        }
        answered.await.map_err(|_| Error::internal("a document is no longer read"))?
    }

    async fn read_for_all(self, asked: Asked) {
        loop {
            // Where the processors are busy, those who are about to ask come along.
            yield_now().await;
            let Some(waiting) = self.waiting.next(&asked) else { return };
            let read = AssertUnwindSafe(self.find(asked.collection, asked.shards, &asked.id)).catch_unwind().await;
            let read = read.unwrap_or_else(|_| Err(Error::internal("a panic while a document was read")));
            for answer in waiting {
                // Whoever asked may have gone.
                answer.send(read.as_ref().map(Clone::clone).map_err(for_each)).unwrap_or_default();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Asked, Waiting};
    use tokio::sync::oneshot;
    use uuid::Uuid;

    #[test]
    fn who_comes_while_a_document_is_read_waits_for_the_next_reading() {
        let (waiting, asked) = (Waiting::default(), Asked { collection: Uuid::nil(), shards: 1, id: "a".to_owned() });
        let other = Asked { id: "b".to_owned(), ..asked.clone() };
        let join = |asked| waiting.join(asked, oneshot::channel().0);
        assert!(join(&asked), "the first reads");
        assert_eq!(waiting.next(&asked).unwrap().len(), 1);
        assert!(!join(&asked) && !join(&asked), "it is under way");
        assert!(join(&other), "another is read beside it");
        assert_eq!(waiting.next(&asked).unwrap().len(), 2);
        assert!(waiting.next(&asked).is_none());
        assert!(join(&asked), "nobody reads it any more");
    }
}
