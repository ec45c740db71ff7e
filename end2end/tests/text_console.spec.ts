import type { Locator, Page } from '@playwright/test';
import { audit, expect, hydrated, test } from '../support/page.ts';

// The simulator breaks an answer where the model's name says so: `@stall:12` goes silent after twelve tokens.
const SIMULATED = 'openai/gpt-4o-mini';
const broken = (fault: string) => `/test/text?model=${encodeURIComponent(`${SIMULATED}@${fault}`)}`;

const composer = (page: Page) => page.locator('#composer');
const answer = (page: Page, place = 0) => page.locator(`[data-lane="${place}"]`);
const words = (lane: Locator) => lane.locator('.md');
const finished = (lane: Locator) => expect(lane.getByText('finished', { exact: true })).toBeVisible({ timeout: 15_000 });

const send = async (page: Page, text: string) => {
  await composer(page).fill(text);
  await page.getByRole('button', { name: 'Send' }).click();
};

/** Presses Tab until something has the focus. */
const tabTo = async (page: Page, target: Locator, key = 'Tab') => {
  for (let presses = 0; presses < 80; presses++) {
    if (await target.evaluate(element => element === document.activeElement)) return;
    await page.keyboard.press(key);
  }
  throw new Error(`${target} cannot be reached with ${key}`);
};

test('an answer streams in, with its numbers and its request id', async ({ page, open }) => {
  await open('/test/text?model=gpt-4o-mini');
  const request = page.waitForRequest('**/v1/chat/completions');
  await send(page, 'Explain gravity waves to a child, please.');
  const body = (await request).postDataJSON();
  expect(body).toMatchObject({ model: 'gpt-4o-mini', stream: true, stream_options: { include_usage: true } });
  expect(Object.keys(body), 'only what was set is sent').toEqual(['model', 'messages', 'stream', 'stream_options']);
  expect((await request).headers()['x-de-source']).toBe('console');

  const lane = answer(page);
  await expect(words(lane)).toContainText(/This is a simulated/);
  const early = (await words(lane).innerText()).length;
  await finished(lane);
  expect((await words(lane).innerText()).length, 'the text grew').toBeGreaterThan(early);
  await expect(words(lane)).toContainText('gravity waves to a child');
  for (const number of [/ to first token$/, / tok\/s$/, /^\d+ in$/, /^\d+ out$/, /^\$/, / in all$/]) {
    await expect(lane.locator('dd').filter({ hasText: number })).toHaveCount(1, { timeout: 10_000 });
  }
  await expect(lane.getByText('simulated', { exact: true })).toBeVisible();
  await expect(page).toHaveURL(/[?&]run=[0-9a-f-]{36}/);
  await expect(composer(page)).toHaveValue('');
});

test('an answer that does not stream shows the same', async ({ page, open }) => {
  await open('/test/text?model=gpt-4o-mini');
  if ((page.viewportSize()?.width ?? 0) < 1024) await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByLabel('Stream the answer').uncheck();
  await send(page, 'Say it in one piece.');
  await finished(answer(page));
  await expect(words(answer(page))).toContainText('Say it in one piece');
  await expect(answer(page).locator('dd').filter({ hasText: /^\$/ })).toHaveCount(1);
});

test('Stop keeps what has arrived and says so', async ({ page, open }) => {
  await open(broken('stall:12'));
  await send(page, 'Begin and never end.');
  const lane = answer(page);
  await expect(words(lane)).toContainText('This is a simulated answer');
  await page.locator('form').getByRole('button', { name: 'Stop' }).click();
  await expect(lane.getByText('stopped', { exact: true })).toBeVisible();
  await expect(words(lane)).toContainText('This is a simulated answer');
  await expect(page.getByRole('button', { name: 'Send' })).toBeEnabled();

  await page.reload();
  await hydrated(page);
  await expect(lane.getByText('stopped', { exact: true })).toBeVisible();
  await expect(words(lane)).toContainText('This is a simulated answer');
});

test('a stream that is cut keeps its text and shows who broke off', async ({ page, open }) => {
  await open(broken('cut:12'));
  await send(page, 'Begin and break off.');
  const lane = answer(page);
  const card = lane.getByRole('alert');
  await expect(card).toContainText('The answer was cut off');
  await expect(card).toContainText('Provider');
  await expect(words(lane)).toContainText('This is a simulated answer');
  await expect(card.getByRole('button', { name: 'Retry' })).toBeEnabled();
});

test('a connection that ends without the end marker is told from an answer', async ({ page, open }) => {
  await page.route('**/v1/chat/completions', route =>
    route.fulfill({
      headers: { 'content-type': 'text/event-stream' },
      body: 'data: {"choices":[{"delta":{"content":"Half an ans"}}]}\n\ndata: {"choices":[{"delta":{"con',
    }),
  );
  await open('/test/text?model=gpt-4o-mini');
  await send(page, 'Half, please.');
  await expect(answer(page).getByText('the answer was cut off')).toBeVisible();
  await expect(words(answer(page))).toHaveText('Half an ans');
});

test('Markdown is rendered, and nothing in it can act', async ({ page, open }) => {
  await open('/test/text?model=gpt-4o-mini');
  await send(page, '**bold** `code` <b>raw</b> [web](https://example.org/) [bad](javascript:alert(1)) ![cat](https://example.org/c.png)');
  const lane = answer(page);
  await finished(lane);
  await expect(words(lane).locator('strong')).toHaveText('bold');
  await expect(words(lane).locator('code')).toHaveText('code');
  await expect(words(lane).locator('b, img, script')).toHaveCount(0);
  const link = words(lane).getByRole('link', { name: 'web' });
  await expect(link).toHaveAttribute('rel', /noopener/);
  await expect(words(lane).getByRole('link', { name: 'bad' })).toHaveCount(0);
  await expect(words(lane).getByRole('link', { name: 'Image: cat' })).toHaveCount(1);

  await page.getByRole('button', { name: 'Assistant', exact: true }).click();
  await page.getByLabel('What the assistant said').fill('```js\nlet a = "<x>";\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n<script>window.hacked = 1</script>');
  await page.getByRole('button', { name: 'Done' }).click();
  const message = page.locator('li[data-role="assistant"]').last();
  await expect(message.locator('pre code')).toHaveText('let a = "<x>";\n');
  await expect(message.locator('td')).toHaveCount(2);
  await expect(message.getByRole('button', { name: 'Copy code' })).toBeVisible();
  expect(await page.evaluate(() => 'hacked' in window)).toBe(false);
});

test('the conversation can be changed, and goes on', async ({ page, open }) => {
  await open('/test/text?model=gpt-4o-mini');
  await send(page, 'The first question.');
  await finished(answer(page));
  const request = page.waitForRequest('**/v1/chat/completions');
  await send(page, 'The second question.');
  const { messages } = (await request).postDataJSON();
  expect(messages.map((message: { role: string }) => message.role)).toEqual(['user', 'assistant', 'user']);
  await finished(answer(page));

  const list = page.getByRole('list', { name: 'Messages' }).locator('> li');
  await expect(list).toHaveCount(3);
  await page.getByRole('button', { name: 'Move message 3 up' }).click();
  await expect(list.nth(1)).toContainText('The second question.');
  await page.getByRole('button', { name: 'Remove message 3' }).click();
  await page.getByRole('button', { name: 'Edit message 1' }).click();
  await page.getByLabel('Your message').fill('Another first question.');
  await page.getByRole('button', { name: 'Done' }).click();
  await expect(list).toHaveText([/Another first question\./, /The second question\./]);

  const again = page.waitForRequest('**/v1/chat/completions');
  await page.getByRole('button', { name: 'Regenerate' }).click();
  expect((await again).postDataJSON().messages).toEqual([
    { role: 'user', content: 'Another first question.' },
    { role: 'user', content: 'The second question.' },
  ]);
  await finished(answer(page));
});

test('only parameters that are set and accepted are sent', async ({ page, open }) => {
  await open('/test/text?model=gpt-4o-mini');
  if ((page.viewportSize()?.width ?? 0) < 1024) await page.getByRole('button', { name: 'Settings' }).click();
  const settings = page.locator('#console-settings');
  await settings.getByLabel('Temperature').fill('3');
  await composer(page).fill('Hello there.');
  await page.getByRole('button', { name: 'Send' }).click();
  await expect(page.locator('#composer-complaint')).toContainText('Temperature: A number from 0 to 2.');
  await expect(settings.getByText('A number from 0 to 2.')).toBeVisible();

  await settings.getByLabel('Temperature').fill('0.3');
  await settings.getByLabel('Max tokens').fill('40');
  await settings.getByText('System prompt').click();
  await settings.getByRole('textbox', { name: 'System prompt' }).fill('Be brief.');
  const request = page.waitForRequest('**/v1/chat/completions');
  await page.getByRole('button', { name: 'Send' }).click();
  const body = (await request).postDataJSON();
  expect(body).toMatchObject({ temperature: 0.3, max_tokens: 40, messages: [{ role: 'system', content: 'Be brief.' }, { role: 'user' }] });
  await expect(answer(page).getByText('ended by the token limit')).toBeVisible({ timeout: 15_000 });
  await settings.getByRole('button', { name: 'Reset' }).click();
  await expect(settings.getByText('none set, so none sent')).toBeVisible();

  // A model that chooses its own sampling is not asked to do otherwise, and the page says why.
  await open('/test/text?model=claude-sonnet-5');
  if ((page.viewportSize()?.width ?? 0) < 1024) await page.getByRole('button', { name: 'Settings' }).click();
  await expect(settings.locator('[data-refused="temperature"]')).toContainText('refuses');
  await expect(settings.getByLabel('Temperature')).toHaveCount(0);
});

test.describe('with failures', () => {
  test.use({ allowedFaults: [/status of (401|404|429|502)/] });

  test('models are compared side by side, each with its own failure', async ({ page, open }) => {
    await page.setViewportSize({ width: page.viewportSize()!.width, height: 2_000 });
    await open(`/test/text?model=${encodeURIComponent(`gpt-4o-mini,gpt-4.1-mini,${SIMULATED}@401`)}`);
    await expect(page.getByRole('group', { name: /^Model [ABC]$/ })).toHaveCount(3);
    await send(page, 'Compare yourselves.');
    await finished(answer(page, 0));
    await finished(answer(page, 1));
    await expect(answer(page, 2).getByRole('alert')).toContainText('The provider refused the credential');
    await expect(page.locator('[data-verdict]')).toContainText(/^Fastest: [AB], .*Cheapest: [AB], /, { timeout: 10_000 });

    // The conversation goes on from the answer that was chosen.
    const chosen = await words(answer(page, 1)).innerText();
    await answer(page, 1).getByRole('button', { name: 'Continue from this' }).click();
    await page.getByRole('button', { name: 'Close C' }).click();
    const request = page.waitForRequest('**/v1/chat/completions');
    await send(page, 'Go on.');
    expect((await request).postDataJSON().messages[1]).toEqual({ role: 'assistant', content: chosen });
    await finished(answer(page, 0));
    await finished(answer(page, 1));
    expect(await audit(page)).toEqual([]);

    await page.reload();
    await hydrated(page);
    await expect(answer(page, 0)).toBeVisible();
    await expect(answer(page, 1)).toBeVisible();
  });

  test('a failure says what, whose and what to do', async ({ page, open, context }) => {
    await page.setViewportSize({ width: page.viewportSize()!.width, height: 1_600 });
    await open('/test/text?model=no-such-model');
    await send(page, 'Anybody there?');
    const card = answer(page).getByRole('alert');
    await expect(card).toContainText('The model was not found');
    await expect(card).toContainText('Your request');
    await expect(card).toContainText(/Request id: [0-9a-f-]{36}/);
    expect(await audit(page)).toEqual([]);

    await page.route('**/v1/chat/completions', route =>
      route.fulfill({
        status: 429,
        headers: { 'retry-after': '2', 'content-type': 'application/json' },
        json: { error: { message: 'Slow down.', type: 'requests', code: 'rate_limit_exceeded', source: 'gateway' } },
      }),
    );
    await page.getByRole('button', { name: 'Regenerate' }).click();
    await expect(card).toContainText('Too many calls');
    await expect(card.getByRole('button', { name: /^Retry in \ds$|^Retry in \d s$/ })).toHaveAttribute('aria-disabled', 'true');
    await page.unroute('**/v1/chat/completions');
    await expect(card.getByRole('button', { name: 'Retry', exact: true })).toBeEnabled();

    // The session ends while the page is open; the draft is not lost.
    await context.clearCookies();
    await card.getByRole('button', { name: 'Retry', exact: true }).click();
    await expect(card).toContainText('You are not signed in');
    await expect(card.getByRole('link', { name: 'Sign in' })).toBeVisible();
  });
});

test('history survives a reload and opens an old call', async ({ page, open }) => {
  await open('/test/text?model=gpt-4o-mini');
  const prompt = `Remember the number ${Date.now()}.`;
  await send(page, prompt);
  await finished(answer(page));
  const text = await words(answer(page)).innerText();
  const run = new URL(page.url()).searchParams.get('run')!;

  await composer(page).fill('Not sent yet');
  await page.waitForFunction(() => Object.values(localStorage).some(value => String(value).includes('Not sent yet')));
  await page.reload();
  await hydrated(page);
  await expect(words(answer(page))).toHaveText(text);
  await expect(composer(page)).toHaveValue('Not sent yet');

  await page.getByRole('button', { name: 'New conversation' }).click();
  await expect(answer(page)).toHaveCount(0);
  await expect(page).not.toHaveURL(/run=/);
  await page.getByRole('button', { name: 'History' }).click();
  await page.locator(`#history a[href$="run=${run}"]`).click();
  await expect(page.getByRole('list', { name: 'Messages' })).toContainText(prompt);
  await expect(words(answer(page))).toHaveText(text);

  await open(`/test/history?run=${run}`);
  const detail = page.getByRole('region', { name: 'The chosen call' });
  await expect(detail).toContainText(prompt);
  await expect(detail.locator('.md')).toHaveText(text);
  expect(await audit(page)).toEqual([]);
  await detail.getByRole('link', { name: 'Open in console' }).click();
  await expect(page).toHaveURL(/\/test\/text\?.*run=/);
  await expect(words(answer(page))).toHaveText(text);
});

test('everything can be done by keyboard alone', async ({ page, open }) => {
  await open('/test/text?model=gpt-4o-mini');
  await tabTo(page, page.locator('#model-0'));
  await page.keyboard.press('Enter');
  await page.keyboard.type('gpt-4.1-mini');
  await page.keyboard.press('Enter');
  await expect(page.locator('#model-0')).toBeFocused();
  await expect(page).toHaveURL(/model=gpt-4\.1-mini/);

  await tabTo(page, composer(page));
  await page.keyboard.type('Written without a mouse.');
  await page.keyboard.press('Control+Enter');
  await finished(answer(page));

  await tabTo(page, page.getByRole('button', { name: 'Edit message 1' }), 'Shift+Tab');
  await page.keyboard.press('Enter');
  await expect(page.getByLabel('Your message')).toBeFocused();
  await page.keyboard.press('End');
  await page.keyboard.type(' Changed, too.');
  await page.keyboard.press('Control+Enter');
  await expect(page.getByRole('button', { name: 'Edit message 1' })).toBeFocused();

  await tabTo(page, answer(page).getByRole('button', { name: 'Request and response' }));
  await page.keyboard.press('Enter');
  await expect(page.getByRole('dialog', { name: 'Request and response' })).toContainText('Written without a mouse.');
  await page.keyboard.press('Escape');
  await expect(page.getByRole('dialog')).toHaveCount(0);

  await tabTo(page, answer(page).getByRole('button', { name: 'Regenerate' }), 'Shift+Tab');
  await page.keyboard.press('Enter');
  await finished(answer(page));
  await expect(words(answer(page))).toContainText('Changed, too');
});

test('the same call is shown as code', async ({ page, open }) => {
  await open('/test/text?model=gpt-4o-mini');
  await composer(page).fill("It's a test");
  await page.getByRole('button', { name: 'Code', exact: true }).click();
  const dialog = page.getByRole('dialog', { name: 'The same call as code' });
  await expect(dialog).toContainText(`curl --no-buffer ${new URL(page.url()).origin}/v1/chat/completions`);
  await expect(dialog).toContainText(String.raw`It'\''s a test`);
  await expect(dialog).toContainText('$ELECTRONS_API_KEY');
  await dialog.getByRole('radio', { name: 'Python' }).check({ force: true });
  await expect(dialog).toContainText('from openai import OpenAI');
  await dialog.getByRole('radio', { name: 'TypeScript' }).check({ force: true });
  await expect(dialog).toContainText('import OpenAI from "openai"');
  expect(await audit(page)).toEqual([]);
});

test('both pages pass the accessibility check, empty and with an answer', async ({ page, open }) => {
  // High enough that no button lies half under the bars at the top and the bottom, which axe takes for a small button.
  await page.setViewportSize({ width: page.viewportSize()!.width, height: 1_600 });
  await open('/test/text?model=gpt-4o-mini');
  expect(await audit(page)).toEqual([]);
  await page.locator('#model-0').click();
  expect(await audit(page)).toEqual([]);
  await page.keyboard.press('Escape');
  await send(page, '# Title\n\n- one\n- two');
  await finished(answer(page));
  expect(await audit(page)).toEqual([]);
  expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'nothing is wider than the window').toBe(true);
  await open('/test/history');
  await expect(page.getByRole('list', { name: 'Calls' })).toBeVisible();
  expect(await audit(page)).toEqual([]);
});

test('before the page is alive the form sends, and the answer is rendered by the server @ssr', async ({ browser, page }) => {
  // A page of its own without scripts, whatever the project says.
  const context = await browser.newContext({ javaScriptEnabled: false, storageState: await page.context().storageState() });
  const plain = await context.newPage();
  await plain.goto('/test/text');
  await plain.locator('select[name="model"]').selectOption('gpt-4o-mini');
  await plain.locator('#composer').fill('No scripts at all.');
  await plain.getByRole('button', { name: 'Send' }).click();
  await plain.waitForURL(/run=/);
  await expect(plain.getByRole('list', { name: 'Messages' })).toContainText('No scripts at all.');
  await expect(plain.locator('[data-lane="0"] .md')).toContainText('This is a simulated answer');
  await plain.goto('/test/history');
  await expect(plain.getByRole('list', { name: 'Calls' }).locator('a').first()).toBeVisible();
  await context.close();
});
