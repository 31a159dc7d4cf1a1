//! Logs: for people on a terminal, as JSON elsewhere, to standard error.
//!
//! A thread of its own writes them, all lines that have come meanwhile at once: under load a system call for each costs more than what it writes. A line waits for
//! [`PAUSE`], no longer if whoever reads them keeps up; what waits is lost with a process that is killed.

mod human;
mod json;

use crate::{
    config::{Config, LogFormat},
    error::{Error, Result},
};
use std::{
    io::{self, BufWriter, IsTerminal, Write, stderr},
    thread::sleep,
    time::Duration,
};
use tracing::level_filters::LevelFilter;
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{filter::Targets, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// Between two writes.
const PAUSE: Duration = Duration::from_millis(1);
/// While so many wait, because whoever reads the log does not, requests wait for it too: no line is dropped.
const LINES_WAITING_MAX: usize = 4096;
const WRITE_BYTES: usize = 64 << 10;

/// Libraries that write whole requests to the log when asked for more than this: signatures, presigned URLs, users' bytes.
const SECRETIVE: [(&str, LevelFilter); 6] = [
    ("s3s", LevelFilter::OFF),
    ("aws_sigv4", LevelFilter::WARN),
    ("aws_smithy_runtime", LevelFilter::INFO),
    ("aws_smithy_runtime_api", LevelFilter::INFO),
    ("aws_smithy_http_client", LevelFilter::INFO),
    ("hyper", LevelFilter::INFO),
];

/// Sets up logging once for the process. What has been logged is written when the guard is dropped.
pub fn init(config: &Config) -> Result<WorkerGuard> {
    // The engines' and the SDK's chatter at info is nothing that an operator asked for.
    let directives = format!("warn,larder={}", config.log);
    let directives = if config.log.contains(['=', ',']) { &config.log } else { &directives };
    // Of targets alone, since a filter that knows spans looks at each of them whenever a request goes on.
    let filter: Targets = directives.parse().map_err(|error| Error::startup(format!("LARDER_LOG: {error}")))?;
    let filter = filter.with_targets(SECRETIVE);
    let human = match config.log_format {
        LogFormat::Auto => stderr().is_terminal(),
        LogFormat::Human => true,
        LogFormat::Json => false,
    };
    let (writer, guard) = by_a_thread(stderr());
    let (registry, layer) = (tracing_subscriber::registry().with(filter), fmt::layer().with_writer(writer));
    let set = match human {
        true => registry.with(layer.event_format(human::Line)).try_init(),
        false => registry.with(layer.event_format(json::Line)).try_init(),
    };
    set.map_err(Error::internal)?;
    Ok(guard)
}

/// Writes lines, all of them and in their order.
fn by_a_thread(out: impl Write + Send + 'static) -> (NonBlocking, WorkerGuard) {
    let waiting = NonBlockingBuilder::default().lossy(false).buffered_lines_limit(LINES_WAITING_MAX);
    waiting.finish(Paused(BufWriter::with_capacity(WRITE_BYTES, out)))
}

/// Rests whenever all that has come is written, so that more can come.
struct Paused<W>(W);

impl<W: Write> Write for Paused<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.0.flush();
        sleep(PAUSE);
        flushed
    }
}

#[cfg(test)]
mod tests {
    use super::{LINES_WAITING_MAX, by_a_thread};
    use std::{
        io::{self, Write},
        sync::{Arc, Mutex},
    };

    /// What was written, and by how many calls.
    #[derive(Debug, Clone, Default)]
    pub struct Kept(Arc<Mutex<(String, usize)>>);

    impl Kept {
        pub fn lines(&self) -> Vec<String> {
            self.0.lock().unwrap().0.lines().map(str::to_owned).collect()
        }
    }

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut kept = self.0.lock().unwrap();
            kept.0.push_str(std::str::from_utf8(bytes).unwrap());
            kept.1 += 1;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn all_lines_are_written_in_their_order_many_at_once_before_the_end() {
        let kept = Kept::default();
        let (mut writer, guard) = by_a_thread(kept.clone());
        let lines: Vec<String> = (0..LINES_WAITING_MAX * 4).map(|n| format!("line {n}")).collect();
        for line in &lines {
            writer.write_all(format!("{line}\n").as_bytes()).unwrap();
        }
        drop(guard);
        assert_eq!(kept.lines(), lines);
        let calls = kept.0.lock().unwrap().1;
        assert!(calls < lines.len() / 10, "{calls} calls");
    }
}
