// Two regions of one provider under one name. With a circuit breaker, calls skip a region that is down.

import OpenAI from 'openpipe-native';

const region = (name: string) => ({
  baseURL: `${process.env[`${name}_ENDPOINT`]}/openai/v1`, // https://my-resource-in-that-region.openai.azure.com
  apiKey: null,
  headers: { 'api-key': process.env[`${name}_KEY`] ?? '' },
});

const openai = new OpenAI({
  openpipe: {
    upstreams: { east: region('EAST'), west: region('WEST') },
    aliases: {
      chat: [
        { model: 'east:gpt-5.4', timeout: 8 * 1000 },
        { model: 'west:gpt-5.4', timeout: 20 * 1000 },
      ],
    },
    breaker: { failures: 2 },
  },
});

for (const city of ['Oslo', 'Lima', 'Rome']) {
  const { openpipe } = await openai.chat.completions.create({
    model: 'chat',
    messages: [{ role: 'user', content: `In which country is ${city}?` }],
  });
  console.log(`${city}: ${openpipe.attempts.map(({ upstream, outcome }) => `${upstream} ${outcome}`).join(' -> ')}`);
}

// For a health check such as `/healthz`.
for (const { upstream, circuit } of openai.upstreams()) console.log(`${upstream}: circuit ${circuit}`);
