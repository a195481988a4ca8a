//! The suite passes a right driver and catches each mistake by the case that names it.

use std::sync::Arc;

use super::reference::{Flaw, Reference};
use super::*;
use crate::simulator::testing::World;

async fn flawed(flaw: Flaw) -> Fixture {
    let world = Arc::new(World::new().await);
    Fixture {
        world: Arc::new(world.simulator.clone()),
        provider: Arc::new(Reference { world, flaw }),
        repeats: Repeats::Told,
    }
}

async fn fixture() -> Fixture {
    flawed(Flaw::None).await
}

crate::provider_contract!(fixture);

/// A test that a driver with the flaw fails the case.
macro_rules! catches {
    ($($case:ident: $suite:ident::$function:ident, $flaw:ident;)*) => {
        $(
            #[tokio::test]
            async fn $case() {
                let run = async { $suite::$function(&flawed(Flaw::$flaw).await).await };
                let failed = tokio::spawn(run).await.is_err_and(|error| error.is_panic());
                assert!(failed, "the case lets a driver pass that {:?}", Flaw::$flaw);
            }
        )*
    };
}

catches! {
    a_second_create_is_caught: wire::a_lost_create_is_ambiguous_and_found_by_its_label, CreatesAgain;
    a_second_create_is_caught_whatever_came: wire::a_create_is_sent_once_whatever_comes_back, CreatesAgain;
    a_second_create_after_a_limit_is_caught: wire::a_rate_limited_create_says_when_to_come_back, CreatesAgain;
    a_retryable_create_is_caught: wire::a_lost_create_is_ambiguous_and_found_by_its_label, CreateIsRetryable;
    a_retryable_failure_is_caught: wire::a_create_is_sent_once_whatever_comes_back, CreateIsRetryable;
    a_dropped_retry_after_is_caught: wire::a_rate_limited_create_says_when_to_come_back, RetryAfterDropped;
    hidden_keys_are_caught: life::every_page_is_read_disabled_keys_too, HidesDisabled;
    unread_pages_are_caught: life::every_page_is_read_disabled_keys_too, FirstPageOnly;
    an_ignored_scope_is_caught: life::scopes_are_listed_apart, IgnoresScope;
    an_empty_page_is_caught: wire::an_unreadable_list_is_never_an_empty_page, EmptyPageOnError;
    impatience_is_caught: wire::a_passing_fault_on_a_list_is_waited_out, NeverRepeats;
    a_404_of_a_proxy_is_caught: wire::an_unreadable_key_is_never_absent, AbsentOnAny404;
    a_delete_by_a_proxy_is_caught: wire::a_delete_survives_a_lost_answer, AbsentOnAny404;
    a_401_of_a_proxy_is_caught: wire::a_verdict_without_a_readable_answer_is_unknown, DeadOnAny401;
    a_200_of_a_proxy_is_caught: wire::a_verdict_without_a_readable_answer_is_unknown, LiveOnAny200;
    a_refused_credential_is_caught: wire::a_refused_credential_is_told_apart, RefusedLikeOthers;
    a_dropped_cap_is_caught: life::a_cap_reads_back, CapDropped;
    a_dropped_expiry_is_caught: life::a_new_key_is_live_and_listed_as_asked, ExpiryDropped;
    deleting_for_suspending_is_caught: life::a_suspended_key_is_refused_until_resumed, DisableIsDelete;
    suspending_for_deleting_is_caught: life::a_deleted_key_is_dead_and_gone, DeleteIsDisable;
    a_forgotten_resume_is_caught: life::a_suspended_key_is_refused_until_resumed, RestoreForgotten;
    a_resume_lost_is_caught: wire::changes_survive_a_lost_answer, RestoreForgotten;
    poverty_for_death_is_caught: life::a_key_without_money_is_not_dead, UsedUpIsDead;
    an_untold_repeat_is_caught: life::suspending_twice_is_no_error, AlwaysNow;
    a_fear_of_the_new_is_caught: wire::unknown_fields_are_ignored, UnknownFieldIsFault;
    a_fear_of_an_empty_page_is_caught: life::a_full_last_page_is_read, EmptyPageIsFault;
    a_fear_of_a_second_delete_is_caught: life::deleting_twice_is_no_error, GoneIsFault;
    nothing_for_all_is_caught: life::an_empty_scope_list_never_widens, NoLimitIsNothing;
    a_row_without_its_key_is_caught: reports::usage_is_told_by_key_model_and_bucket_across_pages, NamesNobody;
    a_report_cut_short_is_caught: reports::usage_is_told_by_key_model_and_bucket_across_pages, FirstPageOnly;
    a_row_told_twice_is_caught: reports::usage_is_told_by_key_model_and_bucket_across_pages, ReadsPagesTwice;
    a_bucket_too_many_is_caught: reports::usage_is_told_by_key_model_and_bucket_across_pages, IgnoresWindow;
    a_cost_of_another_time_is_caught: reports::costs_are_told_by_key_and_bucket_across_pages, IgnoresWindow;
    a_rounded_cost_is_caught: reports::costs_are_told_by_key_and_bucket_across_pages, RoundsToCents;
    an_untold_width_is_caught: reports::what_is_not_told_is_named, AnyWidth;
    an_empty_report_is_caught: reports::an_unreadable_report_is_never_an_empty_page, EmptyPageOnError;
    an_ignored_place_is_caught: reports::what_other_places_used_is_theirs, IgnoresScope;
    a_lost_key_left_behind_is_caught: wire::a_lost_create_ends_with_one_live_key, HidesTheLost;
}
