// A fine-tuned model that has moved from OpenPipe to W&B Inference. The code keeps its old name.

import OpenAI from 'openpipe-native';

const openai = new OpenAI({
  openpipe: {
    upstreams: {
      wandb: {
        baseURL: process.env['WANDB_BASE_URL'], // leave it out: the name is known; the key is WANDB_API_KEY
        headers: { 'OpenAI-Project': 'my-team/my-project' }, // the project that the usage is billed to
      },
    },
    aliases: { 'openpipe:my-ft-model': 'wandb:wandb-artifact:///my-team/my-project/my-ft:latest' },
    fallback: { model: 'gpt-5.4-mini', timeout: 20 * 1000 },
  },
});

for (const question of ['Count to 10', 'Count again']) {
  const completion = await openai.chat.completions.create(
    { model: 'openpipe:my-ft-model', messages: [{ role: 'user', content: question }] },
    { timeout: 10 * 1000 },
  );
  console.log(`${question}: ${completion.openpipe.upstream} ${completion.openpipe.model}`);
}
