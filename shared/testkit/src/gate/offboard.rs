use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use keyward_core::model::act_order::ActOrder;
use keyward_core::model::offboarding::{Offboarding, OffboardingId};
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{
    ActOrderError, ActOrders, ActOutcome, EvidenceSink, InventoryError, ListError, Offboardings,
    PageToken, ReadsPage, SecretReads,
};
use keyward_core::usecases::offboard::Offboarder;

use super::{Gate, Lost, gated};

/// The same, each call passing `gate`. The clock does not.
pub fn gated_offboarder(offboarder: &Offboarder, gate: &Arc<Gate>) -> Offboarder {
    Offboarder {
        ports: gated(&offboarder.ports, gate),
        cases: Arc::new(Gated(gate.clone(), offboarder.cases.clone())),
        orders: Arc::new(Gated(gate.clone(), offboarder.orders.clone())),
        reads: Arc::new(Gated(gate.clone(), offboarder.reads.clone())),
        evidence: Arc::new(Gated(gate.clone(), offboarder.evidence.clone())),
        recovery_days: offboarder.recovery_days,
    }
}

struct Gated<T: ?Sized>(Arc<Gate>, Arc<T>);

fn no_item<T>() -> Result<T, InventoryError> {
    Err(InventoryError::Unavailable(Box::new(Lost)))
}

fn no_list<T>() -> Result<T, ListError> {
    Err(ListError::Unavailable(OutsideText::new(
        "the answer was lost",
    )))
}

#[async_trait]
impl Offboardings for Gated<dyn Offboardings> {
    async fn offboarding(&self, id: &OffboardingId) -> Result<Option<Offboarding>, InventoryError> {
        self.0
            .pass("cases.offboarding", no_item, self.1.offboarding(id))
            .await
    }

    async fn save_offboarding(&self, case: &Offboarding) -> Result<(), InventoryError> {
        self.0
            .pass("cases.save", no_item, self.1.save_offboarding(case))
            .await
    }

    async fn due_offboardings(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<OffboardingId>, InventoryError> {
        self.0
            .pass("cases.due", no_item, self.1.due_offboardings(now, limit))
            .await
    }
}

#[async_trait]
impl ActOrders for Gated<dyn ActOrders> {
    async fn carry_out(&self, order: &ActOrder) -> Result<ActOutcome, ActOrderError> {
        let lost = || Err(ActOrderError::Unknown(Box::new(Lost)));
        self.0
            .pass("orders.carry_out", lost, self.1.carry_out(order))
            .await
    }
}

#[async_trait]
impl SecretReads for Gated<dyn SecretReads> {
    async fn reads(
        &self,
        who: &OutsideText,
        from: Timestamp,
        to: Timestamp,
        page: Option<&PageToken>,
    ) -> Result<ReadsPage, ListError> {
        self.0
            .pass("reads.reads", no_list, self.1.reads(who, from, to, page))
            .await
    }
}

#[async_trait]
impl EvidenceSink for Gated<dyn EvidenceSink> {
    async fn put_evidence(
        &self,
        case: &OffboardingId,
        json: &str,
    ) -> Result<OutsideText, ListError> {
        self.0
            .pass("evidence.put", no_list, self.1.put_evidence(case, json))
            .await
    }
}
