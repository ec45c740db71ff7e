import { audit, expect, signedOut, test } from '../support/page.ts';

const password = 'a long test passphrase';

test.describe('signed out', () => {
  test.use(signedOut);

  test('pages lead to the sign-in page, and back @ssr', async ({ page, request, open }) => {
    const answer = await request.get('/account', { maxRedirects: 0 });
    expect(answer.status()).toBe(302);
    expect(answer.headers().location).toBe('/sign-in?next=/account');
    await open('/account');
    await expect(page).toHaveURL('/sign-in?next=/account');
    await expect(page.locator('input[name=next]')).toHaveValue('/account');
    await expect(page).toHaveTitle('Sign in · Distributed Electrons');
  });

  test('foreign addresses are not gone back to @ssr', async ({ page, open }) => {
    await open('/sign-in?next=//evil.example');
    await expect(page.locator('input[name=next]')).toHaveCount(0);
  });

  test.describe(() => {
    test.use({ allowedFaults: [/422/] });

    test('a wrong password is told in place @ssr', async ({ page, open }) => {
      await open('/sign-in');
      await page.getByLabel('E-mail').fill('nobody@localhost');
      await page.getByLabel('Password').fill('not the password');
      await page.getByRole('button', { name: 'Sign in' }).click();
      await expect(page.getByRole('alert')).toContainText('is wrong');
      await expect(page).toHaveURL(/\/sign-in/);
    });
  });

  test.describe(() => {
    test.use({ allowedFaults: [/429/] });

    test('too many attempts say how long to wait', async ({ page, open }) => {
      await page.route('**/_fn/account/sign_in', route =>
        route.fulfill({ status: 429, json: { TooMany: { retry_after_s: 600 } } }),
      );
      await open('/sign-in');
      await page.getByLabel('E-mail').fill('nobody@localhost');
      await page.getByLabel('Password').fill('not the password');
      await page.getByRole('button', { name: 'Sign in' }).click();
      await expect(page.getByRole('alert')).toContainText('Wait 10 minutes');
      await expect(page.getByLabel('E-mail'), 'nothing has to be typed again').toHaveValue('nobody@localhost');
    });
  });

  test('a link that does not work any more says so @ssr', async ({ page, open }) => {
    await open('/sign-in?token=long-gone');
    await page.getByRole('button', { name: 'Sign in with this link' }).click();
    await expect(page.getByRole('alert')).toBeVisible();
  });

  test('the page passes the accessibility check', async ({ page, open }) => {
    await open('/sign-in');
    expect(await audit(page)).toEqual([]);
  });
});

test('a password can be set, signs in, and signing out ends the session', async ({ page, open, browser, baseURL }) => {
  await open('/account');
  const email = await page.locator('input[name=username]').inputValue();
  await page.getByLabel('New password').fill('short');
  await page.getByRole('button', { name: /password$/ }).click();
  await expect(page.getByText(/at least 12 characters \(7 more\)/)).toBeVisible();
  await page.getByLabel('New password').fill(password);
  await page.getByRole('button', { name: /password$/ }).click();
  await expect(page.getByText('Password saved.')).toBeVisible();

  // A session of its own, so that signing out does not end that of the other tests.
  const other = await browser.newContext({ baseURL, ...signedOut });
  const visitor = await other.newPage();
  await visitor.goto('/sign-in?next=/account');
  await visitor.locator('html[data-hydrated="true"]').waitFor();
  await visitor.getByLabel('E-mail').fill(email);
  await visitor.getByLabel('Password').fill(password);
  await visitor.keyboard.press('Enter');
  await visitor.waitForURL('/account');
  await visitor.locator('html[data-hydrated="true"]').waitFor();
  await visitor.getByRole('button', { name: /^Your menu/ }).click();
  await visitor.getByRole('menuitem', { name: 'Sign out' }).click();
  await visitor.waitForURL('/sign-in');
  await visitor.goto('/account');
  await expect(visitor).toHaveURL('/sign-in?next=/account');
  await other.close();
});
