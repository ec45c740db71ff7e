import { audit, expect, test } from '../support/page.ts';

test('the first page is rendered by the server @ssr', async ({ page, open }) => {
  await open('/');
  await expect(page.locator('h1')).toBeVisible();
  await expect(page.locator('link[rel="stylesheet"][href*="/pkg/electrons."]')).toHaveCount(1);
});

test('the first page comes alive without a fault and passes the accessibility check', async ({ page, open }) => {
  await open('/');
  expect(await audit(page)).toEqual([]);
});

test('health, version of the files and cache headers are right', async ({ request, page, open }) => {
  expect((await request.get('/health/live')).status()).toBe(200);
  expect((await request.get('/health/ready')).status()).toBe(200);
  await open('/');
  const css = await page.locator('link[rel="stylesheet"]').first().getAttribute('href');
  const file = await request.get(css!);
  expect(file.headers()['cache-control']).toContain('immutable');
  const missing = await request.get('/pkg/none.js');
  expect(missing.status()).toBe(404);
  expect(missing.headers()['content-type'] ?? '').not.toContain('text/html');
  // Else a file that comes with the next release would stay missing in every browser that asked too early.
  expect(missing.headers()['cache-control'] ?? '').not.toContain('immutable');
});
