//! The known upstreams: base URL, environment variable of the key, and endpoints (contract.md, section 8). Each row has the provider's
//! page and the date on which it was read.

use crate::endpoint::Endpoint::{self, ChatCompletions, Completions, Embeddings, Responses};

/// An upstream that can be declared by its name alone.
#[derive(Debug, Clone, Copy)]
pub struct KnownUpstream {
    /// Its name.
    pub name: &'static str,
    /// Its base URL.
    pub base_url: &'static str,
    /// The environment variable that holds its key.
    pub variable: &'static str,
    /// The endpoints that it serves.
    pub endpoints: &'static [Endpoint],
    /// The provider's page.
    pub page: &'static str,
    /// The date on which the page was read.
    pub read: &'static str,
}

/// Every known upstream, sorted by name.
pub const KNOWN: &[KnownUpstream] = &[
    KnownUpstream {
        name: "anthropic",
        base_url: "https://api.anthropic.com/v1",
        variable: "ANTHROPIC_API_KEY",
        endpoints: &[ChatCompletions],
        page: "https://platform.claude.com/docs/en/cli-sdks-libraries/libraries/openai-sdk",
        read: "2026-11-27",
    },
    KnownUpstream {
        name: "deepseek",
        base_url: "https://api.deepseek.com",
        variable: "DEEPSEEK_API_KEY",
        endpoints: &[ChatCompletions],
        page: "https://api-docs.deepseek.com",
        read: "2026-11-27",
    },
    KnownUpstream {
        name: "fireworks",
        base_url: "https://api.fireworks.ai/inference/v1",
        variable: "FIREWORKS_API_KEY",
        endpoints: &[ChatCompletions, Responses, Embeddings, Completions],
        page: "https://docs.fireworks.ai/tools-sdks/openai-compatibility",
        read: "2026-11-27",
    },
    KnownUpstream {
        name: "gemini",
        base_url: "https://generativelanguage.googleapis.com/v1beta/openai",
        variable: "GEMINI_API_KEY",
        endpoints: &[ChatCompletions, Embeddings],
        page: "https://ai.google.dev/gemini-api/docs/openai",
        read: "2026-11-27",
    },
    KnownUpstream {
        name: "groq",
        base_url: "https://api.groq.com/openai/v1",
        variable: "GROQ_API_KEY",
        endpoints: &[ChatCompletions, Responses],
        page: "https://console.groq.com/docs/openai",
        read: "2026-11-27",
    },
    KnownUpstream {
        name: "mistral",
        base_url: "https://api.mistral.ai/v1",
        variable: "MISTRAL_API_KEY",
        endpoints: &[ChatCompletions, Embeddings],
        page: "https://docs.mistral.ai/api",
        read: "2026-11-27",
    },
    KnownUpstream {
        name: "openrouter",
        base_url: "https://openrouter.ai/api/v1",
        variable: "OPENROUTER_API_KEY",
        endpoints: &[ChatCompletions, Responses, Embeddings, Completions],
        page: "https://openrouter.ai/docs/api-reference/overview",
        read: "2026-11-27",
    },
    KnownUpstream {
        name: "together",
        base_url: "https://api.together.ai/v1",
        variable: "TOGETHER_API_KEY",
        endpoints: &[ChatCompletions, Embeddings, Completions],
        page: "https://docs.together.ai/docs/inference/openai-compatibility",
        read: "2026-11-27",
    },
    KnownUpstream {
        name: "wandb",
        base_url: "https://api.inference.wandb.ai/v1",
        variable: "WANDB_API_KEY",
        endpoints: &[ChatCompletions],
        page: "https://docs.wandb.ai/inference/api-reference",
        read: "2026-11-27",
    },
    KnownUpstream {
        name: "xai",
        base_url: "https://api.x.ai/v1",
        variable: "XAI_API_KEY",
        endpoints: &[ChatCompletions, Responses],
        page: "https://docs.x.ai/developers/model-capabilities/text/comparison",
        read: "2026-11-27",
    },
];

/// The known upstream of this name.
#[must_use]
pub fn known(name: &str) -> Option<&'static KnownUpstream> {
    KNOWN.iter().find(|known| known.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint_name(endpoint: &Endpoint) -> &'static str {
        match endpoint {
            ChatCompletions => "chat",
            Responses => "responses",
            Embeddings => "embeddings",
            Completions => "completions",
        }
    }

    /// The cells of the table of known names in the documentation.
    fn documented(page: &str) -> Vec<Vec<String>> {
        let (_, section) = page.split_once("\n## Known names\n").unwrap();
        let rows = section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
        rows.skip(2).map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
    }

    #[test]
    fn the_documentation_has_the_same_table() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/upstreams.md");
        let page = std::fs::read_to_string(page).unwrap();
        let rows = KNOWN.iter().map(|known| {
            let endpoints: Vec<_> = known.endpoints.iter().map(endpoint_name).collect();
            vec![
                format!("[`{}`]({})", known.name, known.page),
                format!("`{}`", known.base_url),
                format!("`{}`", known.variable),
                endpoints.join(", "),
            ]
        });
        assert_eq!(documented(&page), rows.collect::<Vec<_>>());
        let latest = KNOWN.iter().map(|known| known.read).max().unwrap();
        assert!(page.contains(&format!("documented on {latest}.")), "the date on which the pages were read");
    }

    #[test]
    fn names_are_in_order_and_base_urls_can_be_called() {
        assert!(KNOWN.is_sorted_by_key(|known| known.name));
        for known in KNOWN {
            let url = reqwest::Url::parse(known.base_url).unwrap();
            assert!(url.scheme() == "https" && !known.base_url.ends_with('/'), "{}", known.name);
            assert!(!known.endpoints.is_empty() && known.page.starts_with("https://"), "{}", known.name);
        }
    }
}
