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

const CREATE: &str = "shared/core/src/usecases/rotate/create.rs";
const MINT: &str = "shared/core/src/usecases/rotate/mint.rs";
const FINISH: &str = "shared/core/src/usecases/rotate/finish.rs";
const ROTATE: &str = "shared/core/src/usecases/rotate/mod.rs";
const REVOKE: &str = "shared/core/src/rules/revoke.rs";

/// All of them.
pub(crate) const FAULTS: [Fault; 7] = [
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
];
