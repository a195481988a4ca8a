//! The deliberate faults, and the tests that must notice them.

/// One deliberate fault.
pub(crate) struct Fault {
    pub(crate) name: &'static str,
    /// File, text in it, what stands there instead.
    pub(crate) edits: &'static [(&'static str, &'static str, &'static str)],
    /// Each of them must fail by itself.
    pub(crate) caught_by: &'static [&'static Catch],
}

/// A test of this package.
pub(crate) struct Catch {
    /// The file that it is in, without its ending.
    pub(crate) target: &'static str,
    /// Its name.
    pub(crate) test: &'static str,
}

/// Ends at the first seed that breaks a rule.
const INTERLEAVINGS: Catch = Catch {
    target: "races",
    test: "whatever_happens_side_by_side_the_rules_hold",
};

const CRASHES: Catch = Catch {
    target: "crash",
    test: "crash_at_every_call_of_a_rotation",
};

const KILLS: Catch = Catch {
    target: "crash",
    test: "a_kill_between_any_two_calls_of_a_rotation",
};

const UNTESTED: Catch = Catch {
    target: "rotation_steps",
    test: "finish_without_a_test_promotes_nothing",
};

const ROTATED: Catch = Catch {
    target: "rotate_and_retire",
    test: "a_key_is_rotated_and_the_old_one_dies",
};

const TROUBLE: Catch = Catch {
    target: "openrouter",
    test: "a_provider_in_trouble_confirms_nothing",
};

const TWO_TRIPS: Catch = Catch {
    target: "kill_switch",
    test: "trips::two_round_trips_to_aws_stand_before_the_first_key_is_disabled",
};

const OK_AGAIN: Catch = Catch {
    target: "kill_switch",
    test: "an_alarm_that_is_ok_again_brings_no_key_back",
};

const ALL_AT_ONCE: Catch = Catch {
    target: "kill",
    test: "every_live_version_is_suspended_and_people_are_told_once",
};

const KILL_CRASHES: Catch = Catch {
    target: "kill",
    test: "crashes::crash_at_every_call_of_a_kill",
};

const LATE_BILLS: Catch = Catch {
    target: "kill",
    test: "life::what_dead_keys_spent_is_no_evidence_against_their_replacement",
};

const THROTTLED: Catch = Catch {
    target: "audit",
    test: "cases::a_05_a_throttled_scan_is_tried_again_and_never_called_whole",
};

const LOST_PAGE: Catch = Catch {
    target: "audit",
    test: "cases::a_09_every_page_of_a_list_is_read_and_a_lost_one_is_said",
};

const NOT_FIXED: Catch = Catch {
    target: "audit",
    test: "flows::a_source_that_breaks_is_told_and_what_it_showed_before_is_not_fixed",
};

const COMES_AGAIN: Catch = Catch {
    target: "kill_messages",
    test: "a_change_that_is_published_anew_has_the_trigger_of_the_first",
};

const CREATE: &str = "shared/core/src/usecases/rotate/create.rs";
const MINT: &str = "shared/core/src/usecases/rotate/mint.rs";
const FINISH: &str = "shared/core/src/usecases/rotate/finish.rs";
const ROTATE: &str = "shared/core/src/usecases/rotate/mod.rs";
const REVOKE: &str = "shared/core/src/rules/revoke.rs";
const CONTAIN: &str = "shared/core/src/usecases/kill/contain.rs";
const JUDGE: &str = "shared/core/src/rules/kill.rs";
const DECISION: &str = "shared/core/src/rules/kill/decision.rs";
const CONTAINING: &str = "shared/core/src/rules/kill/containing.rs";
const CLAIM: &str = "shared/core/src/rules/kill/claim.rs";
const SWITCH: &str = "shared/core/src/usecases/kill_switch/mod.rs";

/// All of them.
pub(crate) const FAULTS: [Fault; 14] = [
    Fault {
        name: "skip the intent",
        edits: &[
            (
                MINT,
                ".add_version(&version, Fence::Epoch(self.slot.epoch))",
                ".slot(&self.slot.name)",
            ),
            (
                MINT,
                "Ok(Self::written(version))\n    }\n\n    /// A revoke that has begun",
                "Ok(version)\n    }\n\n    /// A revoke that has begun",
            ),
            (
                MINT,
                ".save_versions(std::slice::from_ref(&version), fence)",
                ".add_version(&version, fence)",
            ),
        ],
        caught_by: &[&CRASHES, &INTERLEAVINGS],
    },
    Fault {
        name: "drop the epoch check",
        edits: &[
            (CREATE, "Fence::Epoch(self.slot.epoch)", "Fence::None"),
            (MINT, "Fence::Epoch(self.slot.epoch)", "Fence::None"),
            (FINISH, "Fence::Epoch(self.slot.epoch)", "Fence::None"),
            (FINISH, "Fence::Epoch(promoting.epoch)", "Fence::None"),
            (
                FINISH,
                "slot.is_none_or(|slot| slot.epoch != promoting.epoch)",
                "slot.is_none()",
            ),
            (
                ROTATE,
                "version.epoch == self.slot.epoch && version.state",
                "version.state",
            ),
        ],
        caught_by: &[&KILLS, &INTERLEAVINGS],
    },
    Fault {
        name: "revoke before promote",
        edits: &[(
            FINISH,
            "        self.move_current(provider, &promoting).await?;",
            "        for old in &self.versions {
                 if let (VersionState::Current, Some(handle)) = (old.state, &old.handle) {
                     let _ = provider.disable(handle).await;
                 }
             }
             self.move_current(provider, &promoting).await?;",
        )],
        caught_by: &[&CRASHES, &INTERLEAVINGS],
    },
    Fault {
        name: "promote without a test",
        edits: &[(
            FINISH,
            "is_none_or(|tested| tested.epoch != self.slot.epoch)",
            "is_some_and(|_| false)",
        )],
        caught_by: &[&UNTESTED, &INTERLEAVINGS],
    },
    Fault {
        name: "retry a create",
        edits: &[(
            MINT,
            "        let issued = issuer(provider)?.issue(&request).await;",
            "        let mut issued = issuer(provider)?.issue(&request).await;
             if matches!(issued, Err(ProviderError::Ambiguous { .. })) {
                 issued = issuer(provider)?.issue(&request).await;
             }",
        )],
        caught_by: &[&CRASHES, &INTERLEAVINGS],
    },
    Fault {
        name: "take accepted for done",
        edits: &[(
            REVOKE,
            "refusals.count >= policy.refusals && long_enough",
            "refusals.count > 0",
        )],
        caught_by: &[&ROTATED, &INTERLEAVINGS],
    },
    // A driver's fault: the interleavings have a provider in memory, without HTTP.
    Fault {
        name: "read a 5xx as dead",
        edits: &[(
            "shared/providers/src/openrouter/verdict.rs",
            "_ => Verdict::Unknown(detail),",
            "_ => Verdict::Dead(detail),",
        )],
        caught_by: &[&TROUBLE],
    },
    // Whether a key is taken is asked after containment: before it, an answer that does not come holds up the kill.
    Fault {
        name: "contain after a verify",
        edits: &[(
            CONTAIN,
            "        let containment = containment_of(version, containment);
        cut_key(self.provider",
            "        let provider = self.provider.as_ref();
        let key = crate::usecases::key_text::readable(self.ports, self.slot, provider, version);
        if let Ok(Some(key)) = key.await {
            let verdict = provider.verify(&key).await;
            if let crate::ports::Verdict::Unknown(detail) = verdict {
                return Err(ProviderError::Refused { detail });
            }
        }
        let containment = containment_of(version, containment);
        cut_key(self.provider",
        )],
        caught_by: &[&TWO_TRIPS],
    },
    Fault {
        name: "claim by message id",
        edits: &[
            (
                JUDGE,
                "Sifted::Ask(suspicion) => confirm(suspicion, facts),",
                "Sifted::Ask(suspicion) => match (confirm(suspicion, facts), &message.id) {
                     (Decision::Kill(kill), Some(id)) => Decision::Kill(Kill {
                         trigger: Trigger::Message(id.to_string(), kill.trigger.seen()),
                         ..kill
                     }),
                     (decided, _) => decided,
                 },",
            ),
            (
                DECISION,
                "    Monitor(SlotName, Timestamp),
}",
                "    Monitor(SlotName, Timestamp),
    /// A message came.
    Message(String, Timestamp),
}",
            ),
            (
                DECISION,
                "            Self::Monitor(slot, judged) => format!",
                "            Self::Message(id, _) => id.clone(),
            Self::Monitor(slot, judged) => format!",
            ),
            (
                DECISION,
                "            Self::Monitor(_, judged) => *judged,",
                "            Self::Monitor(_, judged) | Self::Message(_, judged) => *judged,",
            ),
        ],
        caught_by: &[&COMES_AGAIN],
    },
    Fault {
        name: "contain only current",
        edits: &[(
            CONTAINING,
            "        VersionState::Intended
        | VersionState::Pending
        | VersionState::Promoting
        | VersionState::Current
        | VersionState::Retiring
        | VersionState::Restoring => true,",
            "        VersionState::Intended
        | VersionState::Pending
        | VersionState::Promoting
        | VersionState::Retiring
        | VersionState::Restoring => false,
        VersionState::Current => true,",
        )],
        caught_by: &[&ALL_AT_ONCE, &KILL_CRASHES, &INTERLEAVINGS],
    },
    Fault {
        name: "un-contain on OK",
        edits: &[(
            SWITCH,
            "    tracing::info!(kind = ?alert.kind, \"a message that cuts off nobody\");",
            "    if alert.kind == NotKilled::Recovered {
                 let ports = &switch.ports;
                 for name in ports.inventory.slot_names().await.unwrap_or_default() {
                     let Ok(Some(slot)) = ports.inventory.slot(&name).await else { continue };
                     let open = ports.providers.open(&slot.account, slot.provider).await;
                     let Ok(provider) = open else { continue };
                     for version in ports.inventory.versions(&name).await.unwrap_or_default() {
                         if let Some(handle) = &version.handle {
                             let _ = provider.restore(handle, &version.scope).await;
                         }
                     }
                 }
             }",
        )],
        caught_by: &[&OK_AGAIN],
    },
    Fault {
        name: "count late bills as new evidence",
        edits: &[(
            CLAIM,
            "order.figures == Figures::OfAllKeys && facts.now.duration_since(killed.at) < LATE_BILLS",
            "false",
        )],
        caught_by: &[&LATE_BILLS],
    },
    Fault {
        name: "call a half-read list whole",
        edits: &[(
            "shared/core/src/usecases/audit/pages.rs",
            "Err(why) => return Seen::part(&why),",
            "Err(_) => return Seen::Whole,",
        )],
        caught_by: &[&THROTTLED, &LOST_PAGE],
    },
    Fault {
        name: "call fixed what was not read",
        edits: &[(
            "shared/core/src/rules/audit/life.rs",
            "_ => coverage.is_whole(source),",
            "_ => coverage.of(source).is_some(),",
        )],
        caught_by: &[&NOT_FIXED],
    },
];
