use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use fastrand::Rng;

/// Something that happens beside other things.
pub type Task<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Runs tasks side by side on one thread, each up to its next call at a time, in an order drawn from `chance`: the same
/// seed gives the same order. One turn in `stop_one_in` ends its task for good instead, as a crash would; 0 ends none.
/// Returns how many were ended.
///
/// The tasks' ports pass a gate that was told to [take turns](crate::gate::Gate::take_turns), and wait for nothing else.
pub async fn interleave(chance: &mut Rng, stop_one_in: u32, tasks: Vec<Task<'_>>) -> usize {
    let mut waiting = tasks;
    let mut stopped = 0;
    while !waiting.is_empty() {
        let next = chance.usize(..waiting.len());
        let stop = stop_one_in > 0 && chance.u32(..stop_one_in) == 0;
        let ended =
            stop || poll_fn(|cx| Poll::Ready(waiting[next].as_mut().poll(cx).is_ready())).await;
        if ended {
            drop(waiting.swap_remove(next));
        }
        stopped += usize::from(stop);
    }
    stopped
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    async fn order(seed: u64, stop_one_in: u32) -> (Vec<u32>, usize) {
        let seen = RefCell::new(Vec::new());
        let task = |number| {
            let seen = &seen;
            Box::pin(async move {
                for _ in 0..3 {
                    seen.borrow_mut().push(number);
                    tokio::task::yield_now().await;
                }
            }) as Task<'_>
        };
        let tasks = vec![task(1), task(2)];
        let stopped = interleave(&mut Rng::with_seed(seed), stop_one_in, tasks).await;
        (seen.into_inner(), stopped)
    }

    #[tokio::test]
    async fn a_seed_gives_one_order_and_seeds_give_many() {
        let mut orders = Vec::new();
        for seed in 0..20 {
            let (order_of_seed, stopped) = order(seed, 0).await;
            assert_eq!((order_of_seed.len(), stopped), (6, 0));
            assert_eq!(order(seed, 0).await.0, order_of_seed);
            orders.push(order_of_seed);
        }
        orders.sort();
        orders.dedup();
        assert!(orders.len() > 5, "{orders:?}");
    }

    #[tokio::test]
    async fn tasks_are_ended_where_asked() {
        let (seen, stopped) = order(1, 1).await;
        assert_eq!((seen, stopped), (vec![], 2));
    }
}
