import { readFileSync } from 'node:fs';
import { audit, expect, test } from '../support/page.ts';

// Written from the navigation registry (app/src/ui/nav.rs), which a unit test compares it with.
const pages: string[] = JSON.parse(readFileSync(new URL('../pages.json', import.meta.url), 'utf8'));

for (const path of pages) {
  for (const theme of ['light', 'dark']) {
    test(`${path} passes the accessibility check in ${theme}`, async ({ page, open, context, baseURL }, info) => {
      test.skip(info.project.name === 'forced' && theme === 'dark', 'the system chooses the colours there');
      await context.addCookies([{ name: 'theme', value: theme, url: baseURL! }]);
      await open(path);
      expect(await audit(page)).toEqual([]);
      await expect(page.locator('h1')).toHaveCount(1);
      expect(
        await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth),
        'nothing sticks out to the side',
      ).toBeLessThanOrEqual(0);
    });
  }
}

test('palette, help, menus and dialogs pass the accessibility check', async ({ page, open }) => {
  await open('/');
  await page.keyboard.press('Control+k');
  await expect(page.getByRole('option').first()).toBeVisible();
  expect(await audit(page), 'palette').toEqual([]);
  await page.keyboard.press('Escape');
  await expect(page.getByRole('option').first()).toBeHidden();
  await page.keyboard.press('?');
  await expect(page.getByRole('dialog', { name: 'Keyboard shortcuts' })).toBeVisible();
  expect(await audit(page), 'help').toEqual([]);
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: /^Your menu/ }).click();
  expect(await audit(page), 'menu').toEqual([]);
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: /Create (API|another) key/ }).click();
  await expect(page.getByRole('dialog')).toBeVisible();
  expect(await audit(page), 'dialog').toEqual([]);
});

test('what can be pressed is large enough', async ({ page, open }) => {
  await open('/');
  const small = await page
    .locator('a:visible, button:visible, input:visible, select:visible, summary:visible')
    .evaluateAll(all =>
      all
        .filter(element => !element.closest('p, .sr-only, [class*="sr-only"]') && !element.matches('input[type=radio]'))
        .map(element => ({ text: element.textContent?.trim() || element.getAttribute('aria-label'), ...element.getBoundingClientRect().toJSON() }))
        .filter(({ width, height }) => width < 24 || height < 24)
        .map(({ text, width, height }) => `${text}: ${width}x${height}`),
    );
  expect(small).toEqual([]);
});
