use super::*;

fn kind(status: u16, body: &str) -> Kind {
    ErrorBody::of(body).kind(status)
}

#[test]
fn every_status_has_the_kind_of_the_contract() {
    for (status, expected) in [
        (300, Kind::InvalidResponse),
        (302, Kind::InvalidResponse),
        (304, Kind::InvalidResponse),
        (400, Kind::BadRequest),
        (401, Kind::Auth),
        (402, Kind::Quota),
        (403, Kind::Auth),
        (404, Kind::NotFound),
        (405, Kind::BadRequest),
        (408, Kind::ServerError),
        (409, Kind::ServerError),
        (413, Kind::BadRequest),
        (422, Kind::BadRequest),
        (424, Kind::BadRequest),
        (429, Kind::RateLimit),
        (451, Kind::BadRequest),
        (498, Kind::BadRequest),
        (500, Kind::ServerError),
        (503, Kind::ServerError),
        (529, Kind::ServerError),
        (599, Kind::ServerError),
    ] {
        for body in ["{}", "", "<html>", "[]", "null", r#"{"error":{"code":5}}"#, r#"{"error":"no"}"#] {
            assert_eq!(kind(status, body), expected, "{status} {body}");
        }
    }
}

#[test]
fn every_code_of_a_used_up_quota_is_one_where_the_status_may_be() {
    for code in QUOTA_CODES {
        for body in [
            format!(r#"{{"error":{{"message":"no","code":"{code}"}}}}"#),
            format!(r#"{{"error":{{"message":"no","type":"{}"}}}}"#, code.to_uppercase()),
            format!(r#"{{"code":"{code}","message":"no"}}"#),
        ] {
            for status in [402, 403, 429] {
                assert_eq!(kind(status, &body), Kind::Quota, "{status} {body}");
            }
            assert_eq!(kind(500, &body), Kind::ServerError);
        }
    }
}

#[test]
fn every_code_of_a_content_filter_is_one_with_a_4xx() {
    for code in CONTENT_FILTER_CODES {
        assert_eq!(kind(400, &format!(r#"{{"error":{{"code":"{code}"}}}}"#)), Kind::ContentFilter);
        assert_eq!(kind(500, &format!(r#"{{"error":{{"code":"{code}"}}}}"#)), Kind::ServerError);
    }
    let azure = r#"{"error":{"code":"bad","innererror":{"code":"ResponsibleAIPolicyViolation"}}}"#;
    assert_eq!(kind(400, azure), Kind::ContentFilter);
    assert_eq!(kind(400, r#"{"error":{"code":1301,"message":"x"}}"#), Kind::ContentFilter);
}

#[test]
fn every_code_of_a_too_long_input_is_one_with_a_4xx() {
    for code in CONTEXT_LENGTH_CODES {
        assert_eq!(kind(400, &format!(r#"{{"error":{{"type":"{code}"}}}}"#)), Kind::ContextLength);
        assert_eq!(kind(500, &format!(r#"{{"error":{{"type":"{code}"}}}}"#)), Kind::ServerError);
    }
}

#[test]
fn a_too_long_input_is_recognised_in_the_errors_of_each_api() {
    for message in [
        "This model's maximum context length is 4097 tokens. However, your messages resulted in 5000 tokens.",
        "Your input exceeds the context window of this model. Please adjust your input and try again.",
        "Requested tokens (5000) exceed context window of 2048",
        "the request exceeds the available context size. try increasing the context size or enable context shift",
        "litellm.ContextWindowExceededError: litellm.BadRequestError: too long",
        "prompt is too long: 210000 tokens > 200000 maximum",
        "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000, decrease input length or `max_tokens`",
        "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
        "Prompt contains 40000 tokens, too large for model with 32768 maximum context length",
        "The decoder prompt (length 5000) is longer than the maximum model length of 4096.",
        "The input (5000 tokens) is longer than the model's context length (4096 tokens).",
        "The prompt is longer than the model's context window of 8192 tokens",
        "Your messages are too long for the context window of this model",
        "Input length (5000 tokens) exceeds the maximum allowed length (4095 tokens).",
        "the input length exceeds the context length",
        "prompt too long; exceeded max context length by 12 tokens",
        "The number of tokens to keep from the initial prompt is greater than the context length",
        "Trying to keep the first 5000 tokens when context the overflows.",
        "Input is too long for requested model.",
        "Input too long: 9000 tokens",
        "This model's maximum prompt length is 131072 but the request contains 200000 tokens.",
        "too many tokens: total number of tokens in the prompt cannot exceed 4081",
        "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8193.",
        "Input validation error: `inputs` must have less than 4096 tokens. Given: 5000",
        "Range of input length should be [1, 30720]",
        "Invalid request: Your request exceeded model token limit: 8192",
        "invalid params, context window exceeds limit (2013)",
        "length of prompt_tokens (5000) must be less than max_seq_len (4096).",
        "prompt token count of 70000 exceeds the limit of 64000",
        "Unable to submit request because the input token count is 1200000 but model only supports up to 1048576.",
        "Too many input tokens. Max input tokens: 8192, request input token count: 9000",
        "You exceeded maximum context window for this model",
        "Prompt has 256,468 tokens, but the configured context size is 256,000 tokens",
        "Prompt exceeds max length",
        "tokens in request more than max tokens allowed",
        "Please reduce the length of the messages or completion.",
        "Input prompt (35247 tokens) is too long and exceeds limit of 1000",
        "Request exceeds max_model_len 32768",
        "Input length 131393 exceeds the maximum allowed input length of 131040 tokens.",
        "Requested token count exceeds the model's maximum context length of 131072 tokens.",
        "number of input tokens (83121) have exceeded max_prompt_tokens (65536) limit.",
        "Requested input length 39818 exceeds maximum input length 32767",
        "The sum of prompt length (72417.0), query length (0) should not exceed max_num_tokens (69632)",
        "Input too long: The number of tokens in the input exceeds the maximum allowed length of 4096 tokens.",
        "Your messages exceed the model's context length of 8192 tokens",
        "Prompt length (5000) exceeds maximum input length (4096).",
        "The sum of prompt length (5000.0) and query length max_tokens (1) should not exceed max_num_tokens (4096)",
        "The estimated number of input and maximum output tokens (5000) exceeded this model context window limit (4096).",
        "the number of input tokens 5000 cannot exceed the total tokens limit 4096 for this model",
        "Input length 5000 exceeds the maximum length 4096. Request id: 0217",
        "Total tokens of image and text exceed max message tokens. Request id: 0217",
        "Prompt tokens too long",
        "The prompt (total length 25938) is too long to fit into the model (context length 4096).",
        "You passed 5000 input tokens and requested 100 output tokens. Please reduce the length of the input prompt.",
        "Input length 1024 exceeds maximum allowed token size 512",
        "Prompt length (5000) exceeds the maximum input length (4096).",
        "Context length 5000 is greater than max_seq_len 4096",
    ] {
        let text = json::string(message);
        for body in [
            format!(r#"{{"error":{{"message":{text}}}}}"#),
            format!(r#"{{"object":"error","message":{text},"code":400}}"#),
            format!(r#"[{{"error":{{"code":400,"message":{text},"status":"INVALID_ARGUMENT"}}}}]"#),
            format!(r#"{{"error":{text}}}"#),
            format!(r#"{{"detail":{text}}}"#),
        ] {
            assert_eq!(kind(400, &body), Kind::ContextLength, "{body}");
        }
        assert_eq!(kind(500, &format!(r#"{{"error":{{"message":{text}}}}}"#)), Kind::ServerError);
        let behind = json::string(&format!(r#"{{"error":{{"message":{text}}}}}"#));
        let openrouter =
            format!(r#"{{"error":{{"message":"Provider returned error","code":400,"metadata":{{"raw":{behind}}}}}}}"#);
        assert_eq!(kind(400, &openrouter), Kind::ContextLength, "{openrouter}");
    }
}

#[test]
fn too_many_requested_output_tokens_are_not_a_too_long_input() {
    for message in [
        "max_tokens is too large: 100000. This model supports at most 4096 completion tokens.",
        "'max_tokens' or 'max_completion_tokens' is too large: 9000. This model's maximum context length is 4096 tokens and your request has 10 input tokens",
        "max_tokens: 100000 > 8192, which is the maximum allowed number of output tokens",
        "`max_tokens` (32000) exceeds the model's context window (16384)",
        "max_completion_tokens must not exceed the maximum context length",
    ] {
        assert_eq!(kind(400, &format!(r#"{{"error":{{"message":{}}}}}"#, json::string(message))), Kind::BadRequest);
    }
}

#[test]
fn the_words_are_those_of_the_error_wherever_they_stand() {
    for (body, words) in [
        (r#"{"message":{"message":"inner","n":1}}"#, "inner"),
        (r#"{"message":{"n":1}}"#, r#"{"n":1}"#),
        (r#"{"error":{"message":"overloaded"}}"#, "overloaded"),
        (r#"{"error":"over capacity"}"#, "over capacity"),
        (r#"{"object":"error","message":"EngineDeadError"}"#, "EngineDeadError"),
        (r#"{"choices":null,"base_resp":{"status_code":1013,"status_msg":"internal trouble"}}"#, "internal trouble"),
        (r#"{"success":false,"errors":[{"code":5007,"message":"No such model"}]}"#, "No such model"),
        (r#"{"text":"**NETWORK ERROR**","error_code":50001}"#, "**NETWORK ERROR**"),
        (r#"{"detail":{"error":"Model busy, retry later"}}"#, "Model busy, retry later"),
        (r#"{"type":"about:blank","status":500,"title":"x","detail":"Worker died"}"#, "Worker died"),
        (r#"{"detail":[{"loc":["body"],"msg":"field required"}]}"#, r#"[{"loc":["body"],"msg":"field required"}]"#),
        (
            r#"[{"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}]"#,
            "The model is overloaded.",
        ),
        ("overloaded", "overloaded"),
        (r#""overloaded""#, "overloaded"),
        (r#"{"error":{"reason":"x"}}"#, ""),
    ] {
        assert_eq!(ErrorBody::of(body).message, words, "{body}");
    }
}

#[test]
fn a_status_is_named_by_a_number_or_its_digits() {
    for (body, status) in [
        (r#"{"error":{"code":429}}"#, Some(429)),
        (r#"{"error":{"code":"503"}}"#, Some(503)),
        (r#"{"error":{"code":"overloaded","status":503}}"#, Some(503)),
        (r#"{"object":"error","code":500}"#, Some(500)),
        (r#"{"error":{"code":1002}}"#, None),
        (r#"{"error":{"code":200}}"#, None),
        (r#"{"code":50505,"message":"x"}"#, None),
        (r#"{"error":{"code":429.5}}"#, None),
    ] {
        assert_eq!(ErrorBody::of(body).status, status, "{body}");
    }
}

#[test]
fn errors_of_further_providers_have_their_kinds() {
    for (status, body, expected) in [
        // Cohere
        (
            429,
            r#"{"id":"8c","message":"You are using a Trial key, which is limited to 20 API calls / minute"}"#,
            Kind::RateLimit,
        ),
        // Cerebras
        (
            400,
            r#"{"message":"Please reduce the length of the messages or completion.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}"#,
            Kind::ContextLength,
        ),
        (
            429,
            r#"{"message":"Requests per minute limit exceeded","type":"too_many_requests_error","param":"quota","code":"request_quota_exceeded"}"#,
            Kind::RateLimit,
        ),
        // Vertex AI
        (
            429,
            r#"[{"error":{"code":429,"message":"Resource exhausted.","status":"RESOURCE_EXHAUSTED"}}]"#,
            Kind::RateLimit,
        ),
        // GitHub Models
        (
            413,
            r#"{"error":{"code":"tokens_limit_reached","message":"Request body too large for gpt-4o model. Max size: 8000 tokens."}}"#,
            Kind::ContextLength,
        ),
        // Volcengine
        (
            403,
            r#"{"error":{"code":"AccountOverdueError","message":"The request failed because your account has an overdue balance.","type":"Forbidden"}}"#,
            Kind::Quota,
        ),
        (
            429,
            r#"{"error":{"code":"SetLimitExceeded","message":"the model service has been paused","type":"TooManyRequests"}}"#,
            Kind::Quota,
        ),
        (
            429,
            r#"{"error":{"code":"RateLimitExceeded.EndpointRPMExceeded","message":"x","type":"TooManyRequests"}}"#,
            Kind::RateLimit,
        ),
        (
            400,
            r#"{"error":{"code":"SensitiveContentDetected.Violence","message":"x","type":"BadRequest"}}"#,
            Kind::ContentFilter,
        ),
        // Novita
        (
            403,
            r#"{"code":403,"reason":"NOT_ENOUGH_BALANCE","message":"not enough balance","metadata":{}}"#,
            Kind::Quota,
        ),
        // watsonx.ai
        (
            403,
            r#"{"errors":[{"code":"token_quota_reached","message":"Request of 1 token(s) from quota was rejected","more_info":"https://cloud.ibm.com/apidocs/watsonx-ai#text-chat"}],"trace":"t","status_code":403}"#,
            Kind::Quota,
        ),
        (
            400,
            r#"{"errors":[{"code":"invalid_input_argument","message":"Invalid input argument for Model 'meta-llama/llama-2-70b-chat': the number of input tokens 4098 cannot exceed the total tokens limit 4096 for this model"}],"trace":"t","status_code":400}"#,
            Kind::ContextLength,
        ),
        // StepFun, itself and behind OpenRouter
        (
            451,
            r#"{"error":{"message":"The content you provided or machine outputted is blocked.","type":"censorship_blocked"}}"#,
            Kind::ContentFilter,
        ),
        (
            451,
            r#"{"error":{"message":"Provider returned error","code":451,"metadata":{"raw":"{\"error\":{\"message\":\"The content you provided or machine outputted is blocked.\",\"type\":\"censorship_blocked\"}}","provider_name":"StepFun"}}}"#,
            Kind::ContentFilter,
        ),
        // SambaNova
        (
            400,
            r#"{"error":{"message":"x","type":"invalid_request_error","param":null,"code":"context_length_exceeded"},"request_id":"2a"}"#,
            Kind::ContextLength,
        ),
        // Cloudflare
        (
            429,
            r#"{"success":false,"errors":[{"code":3036,"message":"You have used up your daily free allocation"}]}"#,
            Kind::Quota,
        ),
        (
            429,
            r#"{"success":false,"errors":[{"code":3040,"message":"Capacity temporarily exceeded"}]}"#,
            Kind::RateLimit,
        ),
        // Baidu
        (
            400,
            r#"{"error":{"code":"tokens_too_long","message":"Prompt tokens too long","type":"invalid_request_error"}}"#,
            Kind::ContextLength,
        ),
        (
            400,
            r#"{"error":{"code":"image_url_unsafe","message":"the content of image_url.url is not safe","type":"unsafe_request"}}"#,
            Kind::ContentFilter,
        ),
        (
            429,
            r#"{"code":"BILLING_INSUFFICIENT_BALANCE","message":"Your account has insufficient balance"}"#,
            Kind::Quota,
        ),
        // DeepInfra
        (429, r#"{"detail":{"error":"Model busy, retry later"}}"#, Kind::RateLimit),
    ] {
        assert_eq!(kind(status, body), expected, "{status} {body}");
    }
}

#[test]
fn only_the_start_of_a_nested_providers_error_is_compared() {
    let body = |before: usize| {
        let raw = format!("{} prompt is too long", "x".repeat(before));
        format!(r#"{{"error":{{"message":"Provider returned error","code":400,"metadata":{{"raw":"{raw}"}}}}}}"#)
    };
    assert_eq!(kind(400, &body(10_000)), Kind::ContextLength);
    assert_eq!(kind(400, &body(20_000)), Kind::BadRequest);
}
