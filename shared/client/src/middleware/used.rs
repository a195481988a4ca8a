//! What a provider's answer says was used.
//!
//! | shape | described at |
//! | --- | --- |
//! | OpenAI, chat completions | <https://platform.openai.com/docs/api-reference/chat/object>; streamed only with `stream_options.include_usage` |
//! | OpenAI, responses | <https://platform.openai.com/docs/api-reference/responses/object>; streamed in `response.completed` |
//! | Anthropic, messages | <https://platform.claude.com/docs/en/api/messages>; streamed in `message_start` and, growing, in `message_delta` |
//! | Gemini, generateContent | <https://ai.google.dev/api/generate-content#UsageMetadata>; streamed growing |
//! | Bedrock, Converse | <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html>; not streamed: that is no JSON |

use super::scan::Sink;

/// Tokens of the four kinds that are priced apart, and what was paid.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Read by the model, cached ones left out.
    pub input: u64,
    /// Written by the model.
    pub output: u64,
    /// Read from a cache.
    pub cache_read: u64,
    /// Written to a cache.
    pub cache_write: u64,
    /// What the provider says it cost, in micro-dollars; zero where it says nothing.
    pub cost: u64,
}

/// What is found in an answer, piece by piece. Counts of a streamed answer grow: the largest stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Used {
    model: Option<String>,
    /// Input with the cached part of it, as OpenAI and Google count,
    input_with_cached: Option<u64>,
    /// or without, as Anthropic and Bedrock do. Which of the two `input_tokens` is, its details tell.
    input: Option<u64>,
    tools: u64,
    output: Option<u64>,
    thoughts: u64,
    /// Of the input,
    cached: Option<u64>,
    written: u64,
    /// and beside it.
    cache_read: u64,
    cache_write: u64,
    cost: u64,
}

impl Used {
    /// The model that answered, if the answer names it.
    pub(super) fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// The tokens, if the answer tells of any.
    pub(super) fn tokens(&self) -> Option<Tokens> {
        let seen = self.input.is_some() || self.input_with_cached.is_some();
        if !seen && self.output.is_none() {
            return None;
        }
        // LiteLLM says the same of a cache twice, as OpenAI does and as Anthropic does.
        let cached = self.cached.unwrap_or_default();
        let (cache_read, cache_write) = (
            cached.max(self.cache_read),
            self.written.max(self.cache_write),
        );
        let input = match (self.input_with_cached, self.input) {
            (Some(all), _) => all.saturating_sub(cache_read.saturating_add(cache_write)),
            // Only OpenAI's responses say how much of `input_tokens` was of a cache.
            (None, Some(all)) => all.saturating_sub(cached.saturating_add(self.written)),
            (None, None) => 0,
        };
        Some(Tokens {
            input: input.saturating_add(self.tools),
            output: self
                .output
                .unwrap_or_default()
                .saturating_add(self.thoughts),
            cache_read,
            cache_write,
            cost: self.cost,
        })
    }

    fn field(&mut self, name: &str) -> Option<Field<'_>> {
        Some(match name {
            "usage.prompt_tokens" | "usageMetadata.promptTokenCount" => {
                Field::Maybe(&mut self.input_with_cached)
            }
            "usage.input_tokens" | "usage.inputTokens" => Field::Maybe(&mut self.input),
            "usage.completion_tokens"
            | "usage.output_tokens"
            | "usage.outputTokens"
            | "usageMetadata.candidatesTokenCount" => Field::Maybe(&mut self.output),
            "usage.prompt_tokens_details.cached_tokens"
            | "usage.input_tokens_details.cached_tokens"
            | "usageMetadata.cachedContentTokenCount" => Field::Maybe(&mut self.cached),
            "usage.prompt_tokens_details.cache_write_tokens"
            | "usage.prompt_tokens_details.cache_creation_tokens"
            | "usage.input_tokens_details.cache_write_tokens" => Field::Count(&mut self.written),
            "usage.cache_read_input_tokens" | "usage.cacheReadInputTokens" => {
                Field::Count(&mut self.cache_read)
            }
            "usage.cache_creation_input_tokens" | "usage.cacheWriteInputTokens" => {
                Field::Count(&mut self.cache_write)
            }
            "usageMetadata.thoughtsTokenCount" => Field::Count(&mut self.thoughts),
            "usageMetadata.toolUsePromptTokenCount" => Field::Count(&mut self.tools),
            "usage.cost" => Field::Dollars(&mut self.cost),
            "model" | "modelVersion" => Field::Name(&mut self.model),
            _ => return None,
        })
    }
}

enum Field<'a> {
    Maybe(&'a mut Option<u64>),
    Count(&'a mut u64),
    Dollars(&'a mut u64),
    Name(&'a mut Option<String>),
}

/// An answer within an event: OpenAI's responses, and Anthropic's message.
fn bare(path: &str) -> &str {
    let within = path.strip_prefix("response.");
    let within = within.or_else(|| path.strip_prefix("message."));
    within.unwrap_or(path)
}

impl Sink for Used {
    fn wants(&self, path: &str) -> bool {
        let path = bare(path);
        path.starts_with("usage") || path == "model" || path == "modelVersion"
    }

    fn take(&mut self, path: &str, value: &str) {
        let count = value.parse::<u64>().ok();
        match (self.field(bare(path)), count) {
            (Some(Field::Maybe(known)), Some(count)) => {
                *known = Some(known.unwrap_or(0).max(count))
            }
            (Some(Field::Count(known)), Some(count)) => *known = count.max(*known),
            (Some(Field::Dollars(known)), _) => *known = micro_dollars(value).max(*known),
            (Some(Field::Name(known)), _) if !value.is_empty() && value != "null" => {
                *known = Some(value.to_owned());
            }
            _ => {}
        }
    }
}

/// Dollars as micro-dollars, rounded up: what cannot be read, or cannot be, is nothing.
fn micro_dollars(dollars: &str) -> u64 {
    const MOST: f64 = 1e6;
    match dollars.parse::<f64>() {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and 10^12"
        )]
        Ok(dollars) if (0.0..=MOST).contains(&dollars) => (dollars * 1e6).ceil() as u64,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::super::scan::{Framing, Scanner};
    use super::*;

    fn read(framing: Framing, text: &str) -> (Option<String>, Option<Tokens>) {
        let (mut scanner, mut used) = (Scanner::new(framing), Used::default());
        for piece in text.as_bytes().chunks(7) {
            scanner.feed(piece, &mut used);
        }
        scanner.end(&mut used);
        (used.model().map(str::to_owned), used.tokens())
    }

    fn tokens(input: u64, output: u64, cache_read: u64, cache_write: u64) -> Option<Tokens> {
        Some(Tokens {
            input,
            output,
            cache_read,
            cache_write,
            cost: 0,
        })
    }

    #[test]
    fn whole_answers_of_every_shape() {
        for (name, text, model, expected) in [
            (
                "OpenAI, chat",
                r#"{"id":"chatcmpl-1","object":"chat.completion","model":"gpt-5-2025-08-07","choices":[{"message":{"role":"assistant","content":"usage"}}],
                "usage":{"prompt_tokens":125,"completion_tokens":48,"total_tokens":173,"prompt_tokens_details":{"cached_tokens":98,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":7}}}"#,
                Some("gpt-5-2025-08-07"),
                tokens(27, 48, 98, 0),
            ),
            (
                "OpenAI, responses",
                r#"{"id":"resp_1","object":"response","model":"gpt-5","output":[{"content":[{"text":"x"}]}],"usage":{"input_tokens":36,"input_tokens_details":{"cached_tokens":6},"output_tokens":87,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":123}}"#,
                Some("gpt-5"),
                tokens(30, 87, 6, 0),
            ),
            (
                "Anthropic",
                r#"{"id":"msg_1","type":"message","model":"claude-sonnet-4-5","content":[{"type":"tool_use","input":{"usage":{"input_tokens":999999},"model":"x"}}],
                "usage":{"input_tokens":50,"cache_creation_input_tokens":248,"cache_read_input_tokens":1800,"cache_creation":{"ephemeral_5m_input_tokens":248},"output_tokens":503,"service_tier":"standard"}}"#,
                Some("claude-sonnet-4-5"),
                tokens(50, 503, 1800, 248),
            ),
            (
                "Gemini",
                r#"{"candidates":[{"content":{"parts":[{"text":"x"}]}}],"usageMetadata":{"promptTokenCount":100,"cachedContentTokenCount":60,"candidatesTokenCount":20,"toolUsePromptTokenCount":5,"thoughtsTokenCount":30,"totalTokenCount":155,"promptTokensDetails":[{"modality":"TEXT","tokenCount":100}]},"modelVersion":"gemini-2.5-flash"}"#,
                Some("gemini-2.5-flash"),
                tokens(45, 50, 60, 0),
            ),
            (
                "Bedrock, Converse",
                r#"{"output":{"message":{"content":[{"text":"x"}]}},"usage":{"inputTokens":30,"outputTokens":628,"totalTokens":658,"cacheReadInputTokens":10,"cacheWriteInputTokens":4}}"#,
                None,
                tokens(30, 628, 10, 4),
            ),
            (
                "LiteLLM before Anthropic: what was cached stands there twice",
                r#"{"model":"claude-opus-4-5","usage":{"prompt_tokens":125,"completion_tokens":9,"prompt_tokens_details":{"cached_tokens":98,"cache_creation_tokens":7},"cache_read_input_tokens":98,"cache_creation_input_tokens":7}}"#,
                Some("claude-opus-4-5"),
                tokens(20, 9, 98, 7),
            ),
            (
                "OpenRouter",
                r#"{"model":"openai/gpt-5","usage":{"prompt_tokens":10,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":0,"cache_write_tokens":4},"cost":0.00012345}}"#,
                Some("openai/gpt-5"),
                Some(Tokens {
                    input: 6,
                    output: 1,
                    cache_read: 0,
                    cache_write: 4,
                    cost: 124,
                }),
            ),
            (
                "a list of models",
                r#"{"object":"list","data":[{"id":"gpt-5"}]}"#,
                None,
                None,
            ),
            ("no JSON", "<html>usage</html>", None, None),
        ] {
            let (found, used) = read(Framing::Whole, text);
            assert_eq!(found.as_deref(), model, "{name}");
            assert_eq!(used, expected, "{name}");
        }
    }

    #[test]
    fn streamed_answers_of_every_shape() {
        for (name, framing, text, model, expected) in [
            (
                "OpenAI, chat",
                Framing::Events,
                "data: {\"model\":\"gpt-5\",\"choices\":[{\"delta\":{\"content\":\"usage\"}}],\"usage\":null}\n\n\
                 data: {\"model\":\"gpt-5\",\"choices\":[],\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":3,\"prompt_tokens_details\":{\"cached_tokens\":1}}}\n\n\
                 data: [DONE]\n\n",
                "gpt-5",
                tokens(10, 3, 1, 0),
            ),
            (
                "OpenAI, chat, that was not asked for usage",
                Framing::Events,
                "data: {\"model\":\"gpt-5\",\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\ndata: [DONE]\n\n",
                "gpt-5",
                None,
            ),
            (
                "OpenAI, responses",
                Framing::Events,
                "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"r\",\"model\":\"gpt-5\",\"usage\":null}}\n\n\
                 event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"model\":\"gpt-5\",\"output\":[],\"usage\":{\"input_tokens\":36,\"input_tokens_details\":{\"cached_tokens\":6},\"output_tokens\":87}}}\n\n",
                "gpt-5",
                tokens(30, 87, 6, 0),
            ),
            (
                "Anthropic",
                Framing::Events,
                "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"claude-sonnet-4-5\",\"usage\":{\"input_tokens\":25,\"cache_creation_input_tokens\":4,\"cache_read_input_tokens\":9,\"output_tokens\":1}}}\n\n\
                 event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"usage\\\":\"}}\n\n\
                 event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":15}}\n\n",
                "claude-sonnet-4-5",
                tokens(25, 15, 9, 4),
            ),
            (
                "Anthropic, cut off",
                Framing::Events,
                "data: {\"type\":\"message_start\",\"message\":{\"model\":\"claude-sonnet-4-5\",\"usage\":{\"input_tokens\":25,\"output_tokens\":1}}}\n\ndata: {\"type\":\"content_bl",
                "claude-sonnet-4-5",
                tokens(25, 1, 0, 0),
            ),
            (
                "Gemini, as events",
                Framing::Events,
                "data: {\"usageMetadata\":{\"promptTokenCount\":8},\"modelVersion\":\"gemini-2.5-flash\"}\r\n\r\n\
                 data: {\"usageMetadata\":{\"promptTokenCount\":8,\"candidatesTokenCount\":4},\"modelVersion\":\"gemini-2.5-flash\"}\r\n\r\n\
                 data: {\"usageMetadata\":{\"promptTokenCount\":8,\"candidatesTokenCount\":12,\"thoughtsTokenCount\":2},\"modelVersion\":\"gemini-2.5-flash\"}\r\n\r\n",
                "gemini-2.5-flash",
                tokens(8, 14, 0, 0),
            ),
            (
                "Gemini, as an array",
                Framing::Whole,
                "[{\"usageMetadata\":{\"promptTokenCount\":8,\"candidatesTokenCount\":4}}\n,\r\n{\"usageMetadata\":{\"promptTokenCount\":8,\"candidatesTokenCount\":12},\"modelVersion\":\"gemini-2.5-flash\"}\n]",
                "gemini-2.5-flash",
                tokens(8, 12, 0, 0),
            ),
        ] {
            let (found, used) = read(framing, text);
            assert_eq!(found.as_deref(), Some(model), "{name}");
            assert_eq!(used, expected, "{name}");
        }
    }

    #[test]
    fn counts_that_cannot_be_are_none() {
        let text = r#"{"usage":{"prompt_tokens":-1,"completion_tokens":1.5,"cost":-3}}"#;
        assert_eq!(read(Framing::Whole, text).1, None);
        assert_eq!(micro_dollars("1e300"), 0);
        assert_eq!(micro_dollars("NaN"), 0);
        assert_eq!(micro_dollars("0.0000001"), 1);
    }
}
