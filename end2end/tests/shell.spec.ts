import { expect, hydrated, test } from '../support/page.ts';

const narrow = (page: import('@playwright/test').Page) => (page.viewportSize()?.width ?? 0) < 768;

test('the theme stands in the first byte and is remembered', async ({ page, open, context, request }) => {
  await open('/account');
  await page.getByRole('radio', { name: 'Dark' }).last().check({ force: true });
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'dark');
  expect((await context.cookies()).find(cookie => cookie.name === 'theme')?.value).toBe('dark');
  await page.reload();
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'dark');
  const html = await (await request.get('/sign-in', { headers: { cookie: 'theme=light' } })).text();
  expect(html).toMatch(/<html[^>]*data-theme="light"/);
});

test('the sidebar folds by keyboard, and the server draws it folded', async ({ page, open }) => {
  test.skip(narrow(page), 'an overlay there');
  await open('/');
  const side = page.getByRole('navigation', { name: 'Main' });
  const wide = (await side.boundingBox())!.width;
  await page.keyboard.press('Control+b');
  await expect.poll(async () => (await side.boundingBox())!.width).toBeLessThan(wide / 2);
  await page.reload();
  expect((await side.boundingBox())!.width).toBeLessThan(wide / 2);
  await hydrated(page);
  await page.getByRole('button', { name: /Unfold sidebar/ }).click();
  await expect.poll(async () => (await side.boundingBox())!.width).toBe(wide);
});

test('on a phone the sidebar is an overlay that closes after going somewhere', async ({ page, open }) => {
  test.skip(!narrow(page));
  await open('/');
  await page.getByRole('button', { name: 'Open navigation' }).click();
  const sheet = page.getByRole('dialog');
  await sheet.getByRole('link', { name: 'History' }).click();
  await expect(page).toHaveURL('/test/history');
  await expect(sheet).toBeHidden();
});

test('the palette finds, goes and acts by keyboard alone', async ({ page, open }) => {
  await open('/');
  await page.keyboard.press('Control+k');
  const field = page.getByRole('combobox', { name: 'Search pages, models and actions' });
  await expect(field).toBeFocused();
  await expect(page.getByRole('option', { selected: true })).toContainText('Home');
  await field.fill('hist');
  await expect(page.getByRole('option', { selected: true })).toContainText('History');
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL('/test/history');
  await expect(page.getByRole('heading', { level: 1 }), 'the new page has the focus').toBeFocused();

  await page.keyboard.press('Control+k');
  await expect(page.getByRole('option').first(), 'the last one is offered again').toContainText('History');
  await field.fill('theme dark');
  await page.keyboard.press('Enter');
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'dark');

  await page.keyboard.press('Control+k');
  await field.fill('zzzz');
  await expect(page.getByText('Nothing matches')).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(field).toBeHidden();
});

test('the palette opens the console with a model', async ({ page, open }) => {
  await open('/');
  await page.getByRole('button', { name: 'Search pages, models and actions' }).click();
  await page.getByRole('combobox').fill('gpt');
  const model = page.getByRole('option').first();
  await expect(model).toBeVisible();
  await model.click();
  await expect(page).toHaveURL(/\/test\/text\?.*model=/);
});

test('single keys go places, list themselves, and can be switched off', async ({ page, open }) => {
  await open('/');
  await page.keyboard.press('?');
  await expect(page.getByRole('dialog', { name: 'Keyboard shortcuts' })).toBeVisible();
  await page.keyboard.press('Escape');
  await page.keyboard.press('g');
  await page.keyboard.press('a');
  await expect(page).toHaveURL('/account');
  await expect(page.getByRole('heading', { level: 1 })).toBeFocused();

  await page.getByLabel('New password').focus();
  await page.keyboard.type('?gh');
  await expect(page.getByLabel('New password')).toHaveValue('?gh');
  await expect(page).toHaveURL('/account');

  await page.getByRole('switch', { name: 'Single-key shortcuts' }).uncheck();
  await page.getByRole('heading', { level: 1 }).focus();
  await page.keyboard.press('g');
  await page.keyboard.press('h');
  await page.keyboard.press('?');
  await expect(page.getByRole('dialog')).toBeHidden();
  await expect(page).toHaveURL('/account');
  await page.reload();
  await expect(page.getByRole('switch', { name: 'Single-key shortcuts' })).not.toBeChecked();
});

test('the skip link leads past the navigation', async ({ page, open }) => {
  await open('/');
  await page.keyboard.press('Tab');
  await expect(page.getByRole('link', { name: 'Skip to content' })).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(page.locator('#content')).toBeFocused();
});

test('menus walk by arrow keys and give the focus back', async ({ page, open }) => {
  await open('/');
  const button = page.getByRole('button', { name: /^Your menu/ });
  await button.focus();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('menuitem', { name: 'Account' })).toBeFocused();
  await page.keyboard.press('End');
  await expect(page.getByRole('menuitem', { name: 'Sign out' })).toBeFocused();
  await page.keyboard.press('ArrowDown');
  await expect(page.getByRole('menuitem', { name: 'Account' })).toBeFocused();
  await page.keyboard.press('Escape');
  await expect(button).toBeFocused();
  await expect(page.getByRole('menu')).toBeHidden();
});

test('another instance is chosen in the bar and remembered', async ({ page, open, context }) => {
  await open('/');
  await page.getByRole('button', { name: /^Instance:/ }).click();
  const other = page.getByRole('menuitemradio', { checked: false }).first();
  const name = (await other.innerText()).trim();
  await other.click();
  await expect(page.getByRole('button', { name: new RegExp(`^Instance: ${name}`) })).toBeVisible();
  expect((await context.cookies()).some(cookie => cookie.name === 'instance')).toBe(true);
});

test.describe(() => {
  test.use({ allowedFaults: [/404/] });

  test('an unknown address is a 404 that leads home @ssr', async ({ page, request }) => {
    expect((await request.get('/no/such/page')).status()).toBe(404);
    await page.goto('/no/such/page');
    await expect(page.getByRole('heading', { level: 1 })).toHaveText('This page does not exist');
    await page.getByRole('link', { name: 'Go to the start' }).click();
    await expect(page).toHaveURL('/');
  });
});
