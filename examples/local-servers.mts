// Your own model servers first, vLLM and then Ollama, and a vendor if both are down.

import OpenAI from 'openpipe-native';

const openai = new OpenAI({
  openpipe: {
    upstreams: {
      // `apiKey: null` means that the server needs no key. Without it a key is required.
      vllm: { baseURL: process.env['VLLM_URL'] ?? 'http://127.0.0.1:8000/v1', apiKey: null, timeout: 20 * 1000 },
      ollama: { baseURL: process.env['OLLAMA_URL'] ?? 'http://127.0.0.1:11434/v1', apiKey: null, timeout: 30 * 1000 },
    },
    fallback: [{ model: 'ollama:qwen3:8b' }, { model: 'gpt-5.4-mini' }],
  },
});

// Only the first colon separates the upstream's name: `Qwen/Qwen3-32B` and `qwen3:8b` are the names that the servers get.
const completion = await openai.chat.completions.create({
  model: 'vllm:Qwen/Qwen3-32B',
  messages: [{ role: 'user', content: 'Count to 10' }],
});

console.log(completion.choices[0]?.message.content);
for (const { upstream, model, outcome } of completion.openpipe.attempts)
  console.log(`- ${upstream} ${model}: ${outcome}`);
