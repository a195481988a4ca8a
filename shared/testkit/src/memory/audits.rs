use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use keyward_core::model::admin::AdminRecord;
use keyward_core::model::audit::{AcceptedRisk, Period};
use keyward_core::model::finding::FindingId;
use keyward_core::model::names::{AccountName, SlotName};
use keyward_core::model::slot::{Revision, Slot};
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{
    AcceptedRisks, Census, Damaged, FindingHub, Imported, Inventory, InventoryError, KeptRisk,
    ListError, ListPage, Mark, Named, PageToken, Remembered, ReportFile, ReportSink, RiskRegister,
    SlotRows,
};
use keyward_core::rules::audit::life::Ledger;
use serde_json::Value;

use super::MemoryInventory;
use super::lists::{Break, cut, page_number};

/// The inventory of a [`MemoryInventory`], read from end to end, with items put in that cannot be read.
#[derive(Debug)]
pub struct MemoryCensus {
    inventory: Arc<MemoryInventory>,
    state: Mutex<Disturbed>,
}

#[derive(Debug, Default)]
struct Disturbed {
    damaged: Vec<Damaged>,
    hidden: Vec<SlotName>,
    breaks: Option<Break>,
}

impl MemoryCensus {
    /// The census of this inventory.
    pub fn new(inventory: Arc<MemoryInventory>) -> Self {
        Self {
            inventory,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, Disturbed> {
        self.state.lock().expect("not poisoned")
    }

    /// Puts an item in that cannot be read: under its slot where it is of one, else in the list of names.
    pub fn damage(&self, damaged: Damaged) {
        self.state().damaged.push(damaged);
    }

    /// The slot itself cannot be read from now on, and its keys can. Its damage is put in by itself.
    pub fn hide_slot(&self, name: &str) {
        let name = name.parse().expect("a slot's name");
        self.state().hidden.push(name);
    }

    fn is_hidden(&self, name: &SlotName) -> bool {
        self.state().hidden.contains(name)
    }

    /// Takes out again what was put in, and answers as before.
    pub fn mend(&self) {
        *self.state() = Disturbed::default();
    }

    /// Breaks the list of names from now on.
    pub fn break_names(&self, how: Break) {
        self.state().breaks = Some(how);
    }

    fn broken(&self, page: usize) -> Result<(), ListError> {
        let throttled = || {
            Err(ListError::Unavailable(OutsideText::new(
                "ProvisionedThroughputExceededException",
            )))
        };
        match &mut self.state().breaks {
            Some(Break::Times(at, left)) if *at == page && *left > 0 => {
                *left -= 1;
                throttled()
            }
            Some(Break::ForEver(at)) if *at == page => throttled(),
            Some(Break::Refused) => Err(ListError::Refused(OutsideText::new(
                "AccessDeniedException",
            ))),
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl Census for MemoryCensus {
    async fn names(&self, after: Option<&PageToken>) -> Result<ListPage<Named>, ListError> {
        let page = page_number(after);
        self.broken(page)?;
        let names = self.inventory.slot_names().await?.into_iter();
        let damaged = self.state().damaged.clone().into_iter();
        let nameless = damaged.filter(|row| row.slot.is_none());
        let all = names.map(Named::Slot).chain(nameless.map(Named::Damaged));
        Ok(cut(all.collect(), page))
    }

    async fn slot(&self, name: &SlotName) -> Result<Option<Slot>, ListError> {
        match self.is_hidden(name) {
            true => Ok(None),
            false => Ok(self.inventory.slot(name).await?),
        }
    }

    async fn admin(&self, account: &AccountName) -> Result<Option<AdminRecord>, ListError> {
        Ok(self.inventory.admin(account).await?)
    }

    async fn rows(&self, slot: &SlotName) -> Result<SlotRows, ListError> {
        let damaged = self.state().damaged.clone().into_iter();
        let of_it = damaged.filter(|row| row.slot.as_ref() == Some(slot));
        Ok(SlotRows {
            slot: self.slot(slot).await?,
            versions: self.inventory.versions(slot).await?,
            drill: self.inventory.drills(slot).await?.pop(),
            damaged: of_it.collect(),
        })
    }
}

/// A hub in memory: what it was handed, by id.
#[derive(Debug, Default)]
pub struct MemoryHub(Mutex<Handed>);

#[derive(Debug, Default)]
struct Handed {
    findings: BTreeMap<String, Value>,
    calls: Vec<usize>,
    refuses: Option<String>,
    failing: bool,
}

impl MemoryHub {
    /// Findings that one call takes.
    pub const BATCH: usize = 2;

    fn handed(&self) -> MutexGuard<'_, Handed> {
        self.0.lock().expect("not poisoned")
    }

    /// What it has.
    pub fn findings(&self) -> Vec<Value> {
        self.handed().findings.values().cloned().collect()
    }

    /// How many findings it was handed in each call so far.
    pub fn calls(&self) -> Vec<usize> {
        self.handed().calls.clone()
    }

    /// From now on it does not take the finding of this id.
    pub fn refuse(&self, id: &str) {
        self.handed().refuses = Some(id.to_owned());
    }

    /// It takes nothing from now on, until it is called again.
    pub fn fail(&self) {
        let mut handed = self.handed();
        handed.failing = !handed.failing;
    }
}

#[async_trait]
impl FindingHub for MemoryHub {
    fn batch(&self) -> usize {
        Self::BATCH
    }

    async fn import(&self, findings: &[Value]) -> Result<Imported, ListError> {
        let mut handed = self.handed();
        if handed.failing {
            return Err(ListError::Refused(OutsideText::new(
                "InvalidAccessException",
            )));
        }
        handed.calls.push(findings.len());
        let mut imported = Imported::default();
        for finding in findings {
            let id = finding["Id"].as_str().unwrap_or_default().to_owned();
            if handed.refuses.as_ref() == Some(&id) {
                imported.refused += 1;
                imported.why = Some(OutsideText::new("InvalidInput"));
            } else {
                imported.taken += 1;
                handed.findings.insert(id, finding.clone());
            }
        }
        Ok(imported)
    }
}

/// Reports in memory, and who answers for what.
#[derive(Debug, Default)]
pub struct MemoryAudits(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    ledger: Ledger,
    times_kept: usize,
    files: BTreeMap<String, ReportFile>,
    risks: BTreeMap<FindingId, KeptRisk>,
    failing: bool,
}

impl Kept {
    fn mark(&self) -> Option<Mark> {
        (self.times_kept > 0).then(|| Mark(self.times_kept.to_string()))
    }
}

impl MemoryAudits {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().expect("not poisoned")
    }

    /// The file of this name; `None` if there is none.
    pub fn file(&self, place: &str) -> Option<ReportFile> {
        self.kept().files.get(place).cloned()
    }

    /// Where files are, in order.
    pub fn places(&self) -> Vec<String> {
        self.kept().files.keys().cloned().collect()
    }

    /// What is remembered.
    pub fn remembered(&self) -> Ledger {
        self.kept().ledger.clone()
    }

    /// Somebody answers for a finding.
    pub fn accept(&self, risk: AcceptedRisk) {
        let kept = KeptRisk {
            revision: Revision::default().next(),
            risk,
        };
        self.kept().risks.insert(kept.risk.finding, kept);
    }

    /// No file is put from now on, until it is called again.
    pub fn fail(&self) {
        let mut kept = self.kept();
        kept.failing = !kept.failing;
    }
}

#[async_trait]
impl ReportSink for MemoryAudits {
    async fn ledger(&self) -> Result<Remembered, ListError> {
        let kept = self.kept();
        Ok(Remembered {
            ledger: kept.ledger.clone(),
            mark: kept.mark(),
        })
    }

    async fn keep(&self, remembered: &Remembered) -> Result<Option<Mark>, ListError> {
        let mut kept = self.kept();
        if kept.mark() != remembered.mark {
            let why = OutsideText::new("another audit kept its own meanwhile");
            return Err(ListError::Unavailable(why));
        }
        kept.ledger = remembered.ledger.clone();
        kept.times_kept += 1;
        Ok(kept.mark())
    }

    async fn put(&self, period: Period, file: ReportFile) -> Result<String, ListError> {
        let mut kept = self.kept();
        if kept.failing {
            return Err(ListError::Unavailable(OutsideText::new("SlowDown")));
        }
        let place = format!("{period}/{}", file.name);
        kept.files.insert(place.clone(), file);
        Ok(place)
    }

    fn page(&self, period: Period, name: &str) -> String {
        format!("https://reports.example/{period}/{name}")
    }
}

#[async_trait]
impl AcceptedRisks for MemoryAudits {
    async fn accepted(&self) -> Result<Vec<AcceptedRisk>, ListError> {
        let kept = self.kept();
        Ok(kept.risks.values().map(|kept| kept.risk.clone()).collect())
    }
}

#[async_trait]
impl RiskRegister for MemoryAudits {
    async fn risk(&self, finding: FindingId) -> Result<Option<KeptRisk>, InventoryError> {
        Ok(self.kept().risks.get(&finding).cloned())
    }

    async fn keep_risk(
        &self,
        risk: &AcceptedRisk,
        in_place_of: Option<&KeptRisk>,
    ) -> Result<(), InventoryError> {
        let mut kept = self.kept();
        if kept.risks.get(&risk.finding) != in_place_of {
            return Err(InventoryError::Conflict);
        }
        let revision = in_place_of.map_or_else(Revision::default, |kept| kept.revision);
        let new = KeptRisk {
            revision: revision.next(),
            risk: risk.clone(),
        };
        kept.risks.insert(risk.finding, new);
        Ok(())
    }

    async fn withdraw_risk(&self, known: &KeptRisk) -> Result<(), InventoryError> {
        let mut kept = self.kept();
        let finding = known.risk.finding;
        if kept.risks.get(&finding) != Some(known) {
            return Err(InventoryError::Conflict);
        }
        kept.risks.remove(&finding);
        Ok(())
    }
}
