//! A run's watch: what is used is pulled and judged, and what is over its line is seen to. Accounts whose providers tell are
//! seen to before anything is read of what agents told, and people are told only then.

use super::run::Run;
use super::{AccountPull, Sight, UsagePorts, account, judge, order, pull, reconcile, told};
use crate::model::price::PriceTable;
use crate::ports::Deadline;
use crate::usecases::prices::in_use;

/// Of the time of a run, the share in which usage is pulled, in percent.
const PULL_PERCENT: i32 = 60;

/// What a run watched, to be told of.
pub(super) struct Watch {
    prices: PriceTable,
    accounts: Vec<AccountPull>,
}

impl Run<'_> {
    /// Pulls and judges, puts scores, and gives orders.
    pub(super) async fn watch(&mut self) -> Watch {
        let prices = self.prices().await;
        let mut accounts = self.pull(&prices).await;
        accounts.sort_by_key(|pulled| matches!(pulled.sight, Sight::Untold));
        let told = accounts.partition_point(|pulled| !matches!(pulled.sight, Sight::Untold));
        let (seen, told) = accounts.split_at_mut(told);
        for pulled in seen {
            self.judge(pulled).await;
        }
        self.act().await;
        order::hand_on(self).await;
        for pulled in told.iter_mut() {
            told::read(self, pulled, &prices).await;
            self.judge(pulled).await;
        }
        if !told.is_empty() {
            self.act().await;
        }
        Watch { prices, accounts }
    }

    /// Tells of what was watched, and compares what agents told with what providers did, as long as there is time.
    pub(super) async fn tell_of(&mut self, watch: &Watch) {
        for pulled in &watch.accounts {
            told::listen(self, pulled).await;
            account::see_to(self, pulled).await;
        }
        for pulled in &watch.accounts {
            reconcile::account(self, pulled, &watch.prices).await;
        }
    }

    async fn prices(&mut self) -> PriceTable {
        let (usage, clock) = (&self.monitor.usage, &self.monitor.ports.clock);
        let (prices, refused) = in_use(&**usage, &**clock).await;
        if let Some(error) = refused {
            account::tell_prices(self, &error).await;
        }
        prices
    }

    async fn pull(&self, prices: &PriceTable) -> Vec<AccountPull> {
        let ports = UsagePorts {
            providers: self.monitor.ports.providers.clone(),
            usage: self.monitor.usage.clone(),
            clock: self.monitor.ports.clock.clone(),
        };
        let now = self.now();
        let time = self.deadline.0.duration_since(now) * PULL_PERCENT / 100;
        let deadline = Deadline(now + time);
        let settings = &self.settings.pull;
        let pulled = pull(&ports, settings, prices, &self.state.fleet, deadline).await;
        pulled.accounts
    }

    async fn judge(&mut self, pulled: &mut AccountPull) {
        self.report.calls += pulled.calls;
        self.note_strangers(pulled);
        judge::account(self, pulled).await;
        pulled.drop_cells();
    }

    /// Orders are for slots whose scores were put before, and did nothing.
    async fn act(&mut self) {
        order::give(self).await;
        self.put_scores().await;
    }
}
