import { expect, test } from '../support/page.ts';

test('home tells what is running @ssr', async ({ page, open }) => {
  await open('/');
  const status = page.getByRole('region', { name: 'What is running' });
  await expect(status).toContainText('Running');
  await expect(status).toContainText('SQLite');
  await expect(status).toContainText(/Version\s*\d+\.\d+/);
  await expect(page.getByRole('heading', { name: 'Last 24 hours' })).toBeVisible();
  await expect(page.getByRole('heading', { name: 'Providers' })).toBeVisible();
  await expect(page.getByRole('listitem').filter({ hasText: 'OpenAI' }).getByText('Simulated')).toBeVisible();
});

test('the first steps end in a live first request', async ({ page, open, playwright, baseURL }) => {
  test.setTimeout(60_000);
  await open('/');
  const steps = page.getByRole('region', { name: /First steps|You are set up/ });
  const show = steps.getByRole('button', { name: 'Show code' });
  if (await show.count()) await show.click(); // open by itself until the first request was there
  const snippet = steps.getByRole('region', { name: 'cURL' });
  await expect(snippet).toContainText('YOUR_API_KEY');
  await steps.getByRole('button', { name: /Create (API|another) key/ }).click();
  const dialog = page.getByRole('dialog');
  await expect(dialog.getByLabel(/^Name/)).toBeFocused();
  await dialog.getByLabel(/^Name/).fill('From the browser test');
  await page.keyboard.press('Enter');
  const secret = (await dialog.getByTestId('new-key-secret').innerText()).trim();
  expect(secret.length).toBeGreaterThan(20);
  await dialog.getByRole('button', { name: 'I saved it' }).click();
  await expect(snippet).toContainText(secret);
  await steps.getByRole('tab', { name: 'cURL' }).focus();
  await page.keyboard.press('ArrowRight');
  await expect(steps.getByRole('region', { name: 'Python' })).toContainText(secret);

  const model = (await steps.getByRole('region', { name: 'Python' }).innerText()).match(/model="([^"]+)"/)![1];
  const outside = await playwright.request.newContext({ baseURL });
  const answer = await outside.post('/v1/chat/completions', {
    headers: { authorization: `Bearer ${secret}` },
    data: { model, messages: [{ role: 'user', content: 'Say hello' }] },
  });
  expect(answer.status(), await answer.text()).toBe(200);
  const id = answer.headers()['x-request-id'];
  await outside.dispose();
  await expect(steps.getByText('Your first request arrived.')).toBeVisible({ timeout: 20_000 });
  await expect(page.locator(`a[href*="run=${id}"]`).first(), 'seen without reloading').toBeVisible({ timeout: 30_000 });
});

test.describe(() => {
  test.use({ allowedFaults: [/503/] });

  test('a failed dismissal brings the first steps back and says why', async ({ page, open }) => {
    await page.route('**/_fn/home/dismiss_checklist', route =>
      route.fulfill({ status: 503, json: { Unavailable: { message: 'The database is not available.' } } }),
    );
    await open('/');
    const steps = page.getByRole('region', { name: /First steps|You are set up/ });
    await steps.getByRole('button', { name: /Dismiss|Hide/ }).click();
    await expect(page.getByRole('alert').filter({ hasText: 'The database is not available.' })).toBeVisible();
    await expect(steps).toBeVisible();
  });

  test('a key that cannot be made is told in the dialog', async ({ page, open }) => {
    await page.route('**/_fn/api_keys/create', route =>
      route.fulfill({ status: 503, json: { Unavailable: { message: 'The database is not available.' } } }),
    );
    await open('/');
    await page.getByRole('button', { name: /Create (API|another) key/ }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Create key' }).click();
    await expect(page.getByRole('dialog').getByRole('alert').filter({ hasText: 'not available' })).toBeVisible();
  });

  test('a page that cannot load says why and how to go on, and tries again', async ({ page, open }) => {
    await open('/account');
    await page.route('**/_fn/home/overview', route =>
      route.fulfill({ status: 503, json: { Unavailable: { message: 'The database is not available.' } } }),
    );
    await page.keyboard.press('g');
    await page.keyboard.press('h');
    const card = page.getByRole('alert').filter({ hasText: 'Temporarily not available' });
    await expect(card).toContainText('The database is not available.');
    await page.unroute('**/_fn/home/overview');
    await card.getByRole('button', { name: 'Try again' }).click();
    await expect(page.getByRole('region', { name: 'What is running' })).toBeVisible();
  });
});
