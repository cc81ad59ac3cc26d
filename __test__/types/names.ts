// The names that the constructor's tables declare, known to the compiler where the tables are literals.
import OpenAI, { type FallbackTarget } from 'openpipe-native';

const messages: OpenAI.ChatCompletionMessageParam[] = [];
const several = new OpenAI({
  timeout: 10_000,
  openpipe: {
    upstreams: {
      groq: {},
      azure: { baseURL: 'https://x.openai.azure.com/openai/v1', apiKey: async () => 'token' },
    },
    aliases: {
      'openpipe:mine': 'wandb:mine',
      smart: [
        { model: 'azure:gpt-5.4', timeout: 8_000 },
        { upstream: 'groq', model: 'llama-3.3-70b-versatile' },
      ],
    },
    upstream: 'azure',
    fallback: [{ model: 'smart' }, { model: 'llama', upstream: 'groq' }, { model: 'gpt-5.4', upstream: 'openai' }],
    onFallback: ({ from }) => from.upstream.length,
  },
});

export async function declaredNames() {
  await several.chat.completions.create({ model: 'smart', messages }, { openpipe: { upstream: 'groq' } });
  await several.chat.completions.create(
    { model: 'any:text', messages, stream: true },
    { openpipe: { fallback: { upstream: 'azure', model: 'any' } } },
  );
  await several.responses.create({ model: 'smart', input: '' }, { openpipe: { upstream: 'openpipe' } });
  await several.embeddings.create({ model: 'smart', input: '' }, { openpipe: { upstream: 'openai' } });
  await several.completions.create({ model: 'smart', prompt: '' }, { openpipe: { upstream: 'azure' } });

  // @ts-expect-error an upstream that is not declared
  await several.chat.completions.create({ model: 'm', messages }, { openpipe: { upstream: 'gruq' } });
  // @ts-expect-error nor one with its model
  await several.chat.completions.create({ model: 'm', messages }, { openpipe: { upstream: 'groq:llama' } });
  // @ts-expect-error a target's upstream that is not declared
  await several.responses.create({ model: 'm' }, { openpipe: { fallback: { model: 'm', upstream: 'gruq' } } });
  // @ts-expect-error in a body's fallback
  await several.responses.create({ model: 'm', openpipe: { fallback: { model: 'm', upstream: 'gruq' } } });
  // @ts-expect-error an alias is no upstream
  await several.embeddings.create({ model: 'm', input: '' }, { openpipe: { upstream: 'smart' } });
  // @ts-expect-error of the other methods too
  await several.completions.create({ model: 'm', prompt: '' }, { openpipe: { upstream: 'gruq' } });
  // @ts-expect-error
  await several.chat.completions.parse({ model: 'm', messages }, { openpipe: { upstream: 'gruq' } });
  // @ts-expect-error
  several.chat.completions.stream({ model: 'm', messages }, { openpipe: { upstream: 'gruq' } });
}

// @ts-expect-error the constructor's own upstream is not declared
new OpenAI({ openpipe: { upstreams: { groq: {} }, upstream: 'gruq' } });
// @ts-expect-error nor that of its fallback
new OpenAI({ openpipe: { upstreams: { groq: {} }, fallback: [{ model: 'm', upstream: 'gruq' }] } });
// @ts-expect-error nor that of an alias
new OpenAI({ openpipe: { upstreams: { groq: {} }, aliases: { smart: { model: 'm', upstream: 'gruq' } } } });
// @ts-expect-error a misspelt member of an upstream
new OpenAI({ openpipe: { upstreams: { groq: { baseUrl: 'https://api.groq.com/openai/v1' } } } });

// Tables that are not literals, and no tables: any text.
declare const upstreams: Record<string, OpenAI.Upstream>;
declare const options: OpenAI.ClientOptions;
declare const target: FallbackTarget;
for (const client of [new OpenAI({ openpipe: { upstreams } }), new OpenAI(options), new OpenAI()]) {
  void client.chat.completions.create({ model: 'm', messages }, { openpipe: { upstream: 'gruq', fallback: target } });
}
const declared = { groq: {}, local: { baseURL: 'http://127.0.0.1:1/v1', apiKey: null } };
const byTable = new OpenAI({ openpipe: { upstreams: declared, upstream: 'local' } });
// @ts-expect-error a table in a constant has its names as well
void byTable.chat.completions.create({ model: 'm', messages }, { openpipe: { upstream: 'gruq' } });

// It is the same class: what takes a client takes one with names.
declare function takesClient(client: OpenAI): void;
takesClient(several);
takesClient(byTable);
export const plain: OpenAI = several;
export const made: OpenAI = new OpenAI({ openpipe: { upstreams: { groq: {} }, upstream: 'groq' } });
export const clients: OpenAI[] = [several, byTable, new OpenAI()];
export const fallbackClient = new OpenAI({ openpipe: { fallbackClient: several } });
export class Mine extends OpenAI {
  constructor(own?: OpenAI.ClientOptions) {
    super(own);
  }
}

// `withOptions` keeps the names, or declares others.
void several
  .withOptions({ timeout: 1 })
  .completions.create({ model: 'm', prompt: '' }, { openpipe: { upstream: 'groq' } });
const others = several.withOptions({ openpipe: { upstreams: { local: { baseURL: 'http://127.0.0.1:1/v1' } } } });
void others.chat.completions.create({ model: 'm', messages }, { openpipe: { upstream: 'local' } });
// @ts-expect-error the other names are gone
void others.chat.completions.create({ model: 'm', messages }, { openpipe: { upstream: 'groq' } });
