// An endpoint that streams to a browser. When the browser disconnects, the call is aborted and its connection closed.

import { pipeline } from 'node:stream/promises';

import express from 'express';
import OpenAI from 'openpipe-native';

const openai = new OpenAI({ openpipe: { fallback: { model: 'gpt-5.4-mini' }, firstTokenTimeout: 5 * 1000 } });
const app = express();

app.get('/chat', async (request, response) => {
  const left = new AbortController();
  response.on('close', () => left.abort());
  try {
    const stream = await openai.chat.completions.create(
      {
        model: 'gpt-5.4',
        messages: [{ role: 'user', content: String(request.query['question']) }],
        stream: true,
      },
      { signal: left.signal },
    );
    response.type('text/plain');
    // Back-pressure: a slow browser slows the upstream down.
    await pipeline(async function* () {
      for await (const chunk of stream) yield chunk.choices[0]?.delta.content ?? '';
    }, response);
    console.log(`answered by the ${stream.openpipe.servedBy}`);
  } catch (error) {
    if (left.signal.aborted) console.log('the browser left');
    else if (response.headersSent)
      response.destroy(); // so that the browser sees that the answer is incomplete
    else if (error instanceof OpenAI.APIError) response.status(502).send('No model could answer.');
    else throw error;
  }
});

app.get('/', (_request, response) => {
  response.type('html').send(`<!doctype html>
    <title>Chat</title>
    <form><input name="question" value="Count to 10"> <button>Ask</button></form>
    <p></p>
    <script>
      document.forms[0].onsubmit = async (event) => {
        event.preventDefault();
        const place = document.querySelector('p');
        place.textContent = '';
        const answer = await fetch('/chat?' + new URLSearchParams(new FormData(event.target)));
        for await (const text of answer.body.pipeThrough(new TextDecoderStream())) place.append(text);
      };
    </script>`);
});

const server = app.listen(Number(process.env['PORT'] ?? 3000), '127.0.0.1', () => {
  const address = server.address();
  console.log(`http://127.0.0.1:${typeof address === 'object' ? address?.port : address}/`);
});

// Takes no more requests, lets the running ones end, and delivers the reports.
process.once('SIGTERM', () => server.close(() => void openai.close()));
