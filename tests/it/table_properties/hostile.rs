//! No bytes make the reader panic, hang or fail with an error of ours.

use super::runner;
use crate::{
    corpus::expectation::cases,
    support::{cpu::measured, process::PATIENCE, shared},
};
use futures::StreamExt;
use larder::{
    error::Error,
    tables::read::{Options, ReadLimits, read_whole},
};
use proptest::{collection::vec, prelude::*, sample::Index, test_runner::TestCaseError};
use reqwest::Method;
use std::time::Duration;
use tokio::runtime::Runtime;

const LIMITS: ReadLimits =
    ReadLimits { columns_max: 1599, cell_bytes_max: 1 << 16, row_bytes_max: 1 << 18, rows_max: u64::MAX };
/// Processor time for one small file, in a build that is not optimised: many times what any takes, and far less than what a square of its length would.
const WORK_MAX: Duration = Duration::from_secs(20);
/// A file that was repeated may be longer than what the reader guesses from, but not by much.
const BYTES_MAX: usize = 1 << 20;

/// What befalls a file on its way.
#[derive(Debug, Clone)]
enum Mishap {
    Truncate(Index),
    Flip(Index, u8),
    Remove(Index, usize),
    Insert(Index, Vec<u8>),
    /// A piece of another file of the corpus.
    Splice(Index, Index, Index, usize),
    Repeat(Index, usize, usize),
}

fn any_mishap() -> impl Strategy<Value = Mishap> {
    let marks = prop::sample::select(b"\",;\t|'\\\r\n{}[]:\0\xff\xef -0".to_vec());
    let bytes = vec(prop_oneof![marks, any::<u8>()], 1..6);
    prop_oneof![
        any::<Index>().prop_map(Mishap::Truncate),
        (any::<Index>(), any::<u8>()).prop_map(|(at, bits)| Mishap::Flip(at, bits)),
        (any::<Index>(), 1..20_usize).prop_map(|(at, count)| Mishap::Remove(at, count)),
        (any::<Index>(), bytes).prop_map(|(at, bytes)| Mishap::Insert(at, bytes)),
        (any::<Index>(), any::<Index>(), any::<Index>(), 1..200_usize)
            .prop_map(|(at, file, from, count)| Mishap::Splice(at, file, from, count)),
        (any::<Index>(), 1..60_usize, 2..2000_usize).prop_map(|(at, len, count)| Mishap::Repeat(at, len, count)),
    ]
}

impl Mishap {
    fn befall(&self, file: &mut Vec<u8>, corpus: &[Vec<u8>]) {
        let place = |at: &Index, file: &[u8]| at.index(file.len() + 1);
        match self {
            Self::Truncate(at) => file.truncate(place(at, file)),
            Self::Flip(at, bits) if !file.is_empty() => {
                let at = at.index(file.len());
                file[at] ^= bits;
            }
            Self::Flip(..) => {}
            Self::Remove(at, count) => {
                let at = place(at, file);
                file.drain(at..file.len().min(at + count));
            }
            Self::Insert(at, bytes) => {
                let at = place(at, file);
                file.splice(at..at, bytes.iter().copied());
            }
            Self::Splice(at, other, from, count) => {
                let other = other.get(corpus);
                let from = place(from, other);
                let piece = other[from..other.len().min(from + count)].to_vec();
                let at = place(at, file);
                file.splice(at..at, piece);
            }
            Self::Repeat(at, len, count) => {
                let at = place(at, file);
                let piece = file[at..file.len().min(at + len)].to_vec();
                file.splice(at..at, piece.repeat(*count));
            }
        }
        file.truncate(BYTES_MAX);
    }
}

fn corpus() -> Vec<Vec<u8>> {
    cases().0.into_iter().map(|case| case.bytes).collect()
}

/// Files of the corpus to which one or several mishaps came.
fn mutated(corpus: &[Vec<u8>]) -> impl Strategy<Value = Vec<u8>> {
    (any::<Index>(), vec(any_mishap(), 1..5)).prop_map(move |(file, mishaps)| {
        let mut file = file.get(corpus).clone();
        for mishap in mishaps {
            mishap.befall(&mut file, corpus);
        }
        file
    })
}

/// The reader's answer is a table or the caller's error, and costs little.
fn is_answered(file: Vec<u8>) -> Result<(), TestCaseError> {
    let (answer, work) = measured(|| read_whole(&file, &Options::default(), LIMITS));
    prop_assert!(work < WORK_MAX, "{work:?}");
    match answer {
        Ok(_) | Err(Error::Malformed(_) | Error::Limit { .. }) => Ok(()),
        Err(error) => Err(TestCaseError::fail(format!("{error:?}"))),
    }
}

#[test]
fn bytes_of_chance_are_read_or_refused() {
    let bytes = prop_oneof![
        vec(any::<u8>(), 0..200),
        vec(prop::sample::select(b"a1,\"\n\r;\t '.-\\\xc3\xa4{}[]:".to_vec()), 0..300)
    ];
    runner(2000).run(&bytes, is_answered).unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn files_of_the_corpus_with_mishaps_are_read_or_refused() {
    let corpus = corpus();
    runner(2000).run(&mutated(&corpus), is_answered).unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn the_service_answers_files_with_mishaps_and_never_blames_itself() {
    let corpus = corpus();
    let runtime = Runtime::new().expect("a runtime");
    let batches = vec(mutated(&corpus), 16);
    let check = |files: Vec<Vec<u8>>| {
        let uploads = files.into_iter().enumerate().map(|(index, file)| upload(index, file));
        let answers: Vec<_> = runtime.block_on(futures::stream::iter(uploads).buffer_unordered(8).collect());
        answers.into_iter().collect::<Result<_, _>>()
    };
    runner(8).run(&batches, check).unwrap_or_else(|failure| panic!("{failure}"));
}

async fn upload(index: usize, file: Vec<u8>) -> Result<(), TestCaseError> {
    let path = format!("/v1/tables/mishap-{index}");
    let sending = shared().request(Method::PUT, &path).body(file.clone()).send();
    let response = tokio::time::timeout(PATIENCE, sending).await;
    let response = response.map_err(|_| TestCaseError::fail(format!("no answer to {file:?}")))?.expect("an answer");
    let status = response.status();
    let text = response.text().await.expect("a body");
    prop_assert!(!status.is_server_error(), "{} {} for {:?}", status, text, file);
    Ok(())
}
