//! A key's text is in this process's memory as long as somebody holds it, and gone afterwards. In a process of its own: what
//! is searched is all that it can write to.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "test code")]

use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use keyward_client::{
    Content, Environment, FetchError, KeywardClient, Query, SecretId, SecretSource, SecretValue,
    Settings, SlotName, Tags, VersionId,
};
use secrecy::SecretBox;
use zeroize::Zeroize as _;

/// The key, masked: else the search would find what it searches for.
const MASKED: &[u8] = &[
    0xc9, 0xd1, 0x97, 0xff, 0xe2, 0xfb, 0xf7, 0xea, 0xf6, 0xff, 0x97, 0x8c, 0x8b, 0xdb, 0xcd, 0x83,
    0x97, 0xcd, 0xd3, 0xca, 0xdf, 0xde, 0x97, 0xd7, 0xdf, 0xd7, 0xd5, 0xc8, 0xc3,
];
const MASK: u8 = 0xba;

/// Gives the key out, whole or in an object.
#[derive(Debug)]
struct Unmasks {
    before: &'static str,
    after: &'static str,
}

#[async_trait]
impl SecretSource for Unmasks {
    async fn get(&self, _: &Query) -> Result<SecretValue, FetchError> {
        let mut text = String::with_capacity(256);
        text.push_str(self.before);
        text.extend(MASKED.iter().map(|byte| char::from(byte ^ MASK)));
        text.push_str(self.after);
        // All of the buffer is wiped with it: none of it is left by making it smaller.
        let padding = text.capacity() - text.len();
        text.extend(std::iter::repeat_n(' ', padding));
        Ok(SecretValue {
            arn: String::new(),
            name: String::new(),
            version: VersionId::new("v1"),
            content: Content::Text(SecretBox::new(text.into_boxed_str())),
            stages: Vec::new(),
            created: None,
        })
    }

    async fn tags(&self, _: &SecretId) -> Result<Tags, FetchError> {
        Ok(Tags::default())
    }

    async fn of_slot(&self, _: &SlotName) -> Result<Vec<SecretId>, FetchError> {
        Ok(Vec::new())
    }
}

/// So much is searched at a time.
const SIZE: usize = 1 << 16;

/// How often the key's text stands in memory that this process can write to.
fn found() -> usize {
    let memory = std::fs::File::open("/proc/self/mem").unwrap();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let mut found = 0;
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (from, to) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let from = u64::from_str_radix(from, 16).unwrap();
        let to = u64::from_str_radix(to, 16).unwrap();
        let mut piece = vec![0; SIZE];
        let mut at = from;
        while at < to {
            let Ok(read) = memory.read_at(&mut piece, at) else {
                break;
            };
            let read = read.min(usize::try_from(to - at).unwrap());
            let is_it = |window: &[u8]| {
                let mut both = window.iter().zip(MASKED);
                both.all(|(byte, masked)| byte ^ MASK == *masked)
            };
            // This is memory too: what was just read into it is no find.
            let own = piece.as_ptr() as usize as u64;
            let own = own..own + SIZE as u64;
            let windows = (at..).zip(piece[..read].windows(MASKED.len()));
            let found_here = windows.filter(|(at, window)| !own.contains(at) && is_it(window));
            found += found_here.count();
            piece.zeroize();
            piece.resize(SIZE, 0);
            if read <= MASKED.len() {
                break;
            }
            at += u64::try_from(read - MASKED.len() + 1).unwrap();
        }
    }
    found
}

#[tokio::test(start_paused = true)]
async fn a_key_is_in_memory_as_long_as_it_is_held_and_no_longer() {
    for (before, after) in [("", "\n"), ("{\"n\": 1, \"api_key\": \"", "\"}")] {
        assert_eq!(found(), 0, "{before}");
        let source = Arc::new(Unmasks { before, after });
        let client = KeywardClient::new(source, Settings::of(Environment::Prod)).unwrap();
        let key = client.secret(SecretId::new("llm/bot").unwrap());
        let leased = key.get().await.unwrap();
        assert!(leased.expose().unwrap().starts_with("sk-"));
        assert_eq!(found(), 1, "once, and it is found: {before}");
        for _ in 0..3 {
            key.refresh().await.unwrap();
        }
        assert_eq!(
            found(),
            2,
            "the one that is lent, and the one that is held: {before}"
        );
        drop(leased);
        assert_eq!(found(), 1, "{before}");
        tokio::time::sleep(Duration::from_secs(111 * 60)).await;
        assert_eq!(found(), 0, "nobody asked for it during a lease: {before}");
        key.get().await.unwrap();
        assert_eq!(found(), 1, "{before}");
        drop((key, client));
        tokio::task::yield_now().await;
        assert_eq!(found(), 0, "{before}");
    }
}
