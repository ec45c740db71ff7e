// The official OpenAI SDK, unmodified, against BASE_URL with API_KEY: what a caller sees who changes nothing but the base
// URL. Its own typed errors must come out. Ends with 1 when anything differs.
import OpenAI from 'openai';
import assert from 'node:assert/strict';

const { BASE_URL, API_KEY } = process.env;
if (!BASE_URL || !API_KEY) {
  console.error('set BASE_URL and API_KEY');
  process.exit(2);
}

const client = (apiKey = API_KEY) => new OpenAI({ baseURL: `${BASE_URL}/v1`, apiKey, maxRetries: 0, timeout: 20_000 });
const openai = client();
const MODEL = 'gpt-5-mini';
const messages = [
  { role: 'system', content: 'You are brief.' },
  { role: 'user', content: 'What is an electron?' },
];
// The simulator does what the end of the model's name says.
const failing = fault => openai.chat.completions.create({ model: `openai/sim-fault-${fault}`, messages });

/** The call must fail with this class of the SDK and this status; gives back the error. */
async function fails(call, type, status) {
  try {
    await call;
  } catch (error) {
    assert.equal(error.constructor.name, type.name, String(error));
    assert.equal(error.status, status);
    if (status) assert.ok(error.requestID, 'an error names its request');
    return error;
  }
  assert.fail(`expected ${type.name}, got an answer`);
}

async function collect(stream) {
  const seen = { text: '', finish: null, usage: null, chunks: 0 };
  for await (const chunk of stream) {
    seen.chunks += 1;
    assert.equal(chunk.object, 'chat.completion.chunk');
    seen.text += chunk.choices[0]?.delta?.content ?? '';
    seen.finish = chunk.choices[0]?.finish_reason ?? seen.finish;
    seen.usage = chunk.usage ?? seen.usage;
  }
  return seen;
}

const checks = {
  async 'lists models and finds one of them'() {
    const ids = [];
    for await (const model of openai.models.list()) {
      assert.equal(model.object, 'model');
      ids.push(model.id);
    }
    assert.ok(ids.includes(MODEL), `${MODEL} is listed among ${ids.length}`);
    assert.equal((await openai.models.retrieve(MODEL)).id, MODEL);
  },

  async 'completes'() {
    const { data, request_id } = await openai.chat.completions.create({ model: MODEL, messages }).withResponse();
    assert.ok(request_id);
    assert.equal(data.object, 'chat.completion');
    assert.equal(data.choices[0].message.role, 'assistant');
    assert.ok(data.choices[0].message.content.length > 0);
    assert.equal(data.choices[0].finish_reason, 'stop');
    const { prompt_tokens, completion_tokens, total_tokens } = data.usage;
    assert.ok(prompt_tokens > 0 && completion_tokens > 0);
    assert.equal(total_tokens, prompt_tokens + completion_tokens);
  },

  async 'streams the same answer and usage'() {
    const request = { model: MODEL, messages, seed: 7 };
    const whole = await openai.chat.completions.create(request);
    const streamed = await collect(
      await openai.chat.completions.create({ ...request, stream: true, stream_options: { include_usage: true } }),
    );
    assert.ok(streamed.chunks > 3, 'in pieces');
    assert.equal(streamed.text, whole.choices[0].message.content);
    assert.equal(streamed.finish, 'stop');
    assert.equal(streamed.usage.total_tokens, whole.usage.total_tokens);
  },

  async 'streams without usage unless asked'() {
    const streamed = await collect(await openai.chat.completions.create({ model: MODEL, messages, stream: true }));
    assert.equal(streamed.usage, null);
  },

  async 'calls a tool'() {
    const tools = [
      {
        type: 'function',
        function: {
          name: 'charge',
          description: 'Charge of a particle',
          parameters: { type: 'object', properties: { particle: { type: 'string' } }, required: ['particle'] },
        },
      },
    ];
    const { choices } = await openai.chat.completions.create({ model: MODEL, messages, tools, tool_choice: 'required' });
    assert.equal(choices[0].finish_reason, 'tool_calls');
    const call = choices[0].message.tool_calls[0];
    assert.equal(call.function.name, 'charge');
    assert.equal(typeof JSON.parse(call.function.arguments).particle, 'string');
  },

  async 'answers in the JSON that a schema asks for'() {
    const schema = {
      type: 'object',
      properties: { name: { type: 'string' }, spin: { type: 'number' } },
      required: ['name', 'spin'],
      additionalProperties: false,
    };
    const { choices } = await openai.chat.completions.create({
      model: MODEL,
      messages,
      response_format: { type: 'json_schema', json_schema: { name: 'particle', strict: true, schema } },
    });
    const value = JSON.parse(choices[0].message.content);
    assert.deepEqual(Object.keys(value).sort(), ['name', 'spin']);
    assert.equal(typeof value.spin, 'number');
  },

  async 'a wrong key is an AuthenticationError'() {
    const stranger = client('sk_wrong');
    await fails(stranger.chat.completions.create({ model: MODEL, messages }), OpenAI.AuthenticationError, 401);
    await fails(stranger.models.list(), OpenAI.AuthenticationError, 401);
  },

  async 'an unknown model is a NotFoundError'() {
    const error = await fails(
      openai.chat.completions.create({ model: 'gtp-5-mini-no-such', messages }),
      OpenAI.NotFoundError,
      404,
    );
    assert.equal(error.code, 'model_not_found');
    await fails(openai.models.retrieve('no-such-model'), OpenAI.NotFoundError, 404);
  },

  async 'a request that is wrong in itself is a BadRequestError'() {
    const error = await fails(openai.chat.completions.create({ model: MODEL }), OpenAI.BadRequestError, 400);
    assert.equal(error.type, 'invalid_request_error');
  },

  async 'a full provider is a RateLimitError that says when to come back'() {
    // A wait longer than the gateway itself would sit out.
    const error = await fails(failing('429:60'), OpenAI.RateLimitError, 429);
    assert.ok(Number(error.headers.get('retry-after')) > 0);
  },

  async 'a broken provider is an InternalServerError'() {
    try {
      await failing('500');
      assert.fail('got an answer');
    } catch (error) {
      assert.ok(error instanceof OpenAI.InternalServerError, String(error));
      assert.ok(error.status >= 500);
    }
  },

  async 'an error in the middle of a stream is an APIError after the text so far'() {
    for (const fault of ['error:5', 'cut:5', 'drop:5']) {
      const stream = await openai.chat.completions.create({ model: `openai/sim-fault-${fault}`, messages, stream: true });
      let text = '';
      let error = null;
      try {
        for await (const chunk of stream) text += chunk.choices[0]?.delta?.content ?? '';
      } catch (caught) {
        error = caught;
      }
      assert.ok(text.length > 0, `${fault}: the text before the break arrived`);
      assert.ok(error instanceof OpenAI.APIError, `${fault}: ${error ?? 'ended as if all were well'}`);
    }
  },

  async 'a stream can be left'() {
    const stream = await openai.chat.completions.create({ model: MODEL, messages, stream: true });
    for await (const chunk of stream) {
      assert.ok(chunk.id);
      stream.controller.abort();
    }
    assert.ok(stream.controller.signal.aborted);
  },
};

let failed = 0;
for (const [name, check] of Object.entries(checks)) {
  const began = performance.now();
  try {
    await check();
    console.log(`  ok    openai: ${name} (${Math.round(performance.now() - began)} ms)`);
  } catch (error) {
    failed += 1;
    console.log(`  FAIL  openai: ${name}\n        ${String(error.stack ?? error).replaceAll('\n', '\n        ')}`);
  }
}
console.log(`  openai SDK: ${Object.keys(checks).length - failed} of ${Object.keys(checks).length} passed`);
process.exit(failed ? 1 : 0);
