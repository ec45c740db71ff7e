import { execFileSync } from 'node:child_process';
import { audit, expect, hydrated, signedOut, test } from '../support/page.ts';
import type { Page } from '@playwright/test';

const password = 'a long test passphrase';

/** A one-time link, made as whoever runs the server makes it. */
const signInLink = (email: string, command = 'create') => {
  const options = command === 'create' ? ['--name', 'Test Person'] : [];
  const out = execFileSync(process.env.ELECTRONS_BIN!, ['user', command, '--email', email, ...options], {
    cwd: process.env.ELECTRONS_DIR!,
    encoding: 'utf8',
  });
  return `/sign-in?token=${out.match(/token=([\w-]+)/)![1]}`;
};

/** Comes in by a link. The server notices within a second that the command made somebody. */
const enter = async (page: Page, link: string) => {
  await page.goto(link);
  await hydrated(page);
  await page.getByRole('button', { name: 'Sign in with this link' }).click();
  await page.waitForURL(url => !url.searchParams.has('token'));
  await expect
    .poll(async () => {
      await page.goto('/account');
      return new URL(page.url()).pathname;
    })
    .toBe('/account');
  await hydrated(page);
};

test.describe('signed out', () => {
  test.use(signedOut);

  test('pages lead to the sign-in page, and back @ssr', async ({ page, request, open }) => {
    const answer = await request.get('/account', { maxRedirects: 0, headers: { accept: 'text/html' } });
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
      await expect(page.getByRole('alert').filter({ hasText: 'is wrong' })).toBeVisible();
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
      await expect(page.getByRole('alert').filter({ hasText: 'Wait 10 minutes' })).toBeVisible();
      await expect(page.getByLabel('E-mail'), 'nothing has to be typed again').toHaveValue('nobody@localhost');
    });
  });

  test.describe(() => {
    test.use({ allowedFaults: [/422/] });

    test('a link that does not work any more says so @ssr', async ({ page, open }) => {
      await open('/sign-in?token=long-gone');
      await page.getByRole('button', { name: 'Sign in with this link' }).click();
      await expect(page.getByRole('alert').filter({ hasText: 'used already' })).toBeVisible();
    });
  });

  test('the page passes the accessibility check', async ({ page, open }) => {
    await open('/sign-in');
    expect(await audit(page)).toEqual([]);
  });
});

test.describe('a person of its own', () => {
  test.use(signedOut);

  test('a password can be set, keeps this browser, signs out others, and signs in', async ({ page, browser, baseURL }, info) => {
    const email = `${info.project.name}-${Date.now()}@example.org`;
    await enter(page, signInLink(email));
    const other = await browser.newContext({ baseURL, ...signedOut });
    const elsewhere = await other.newPage();
    await enter(elsewhere, signInLink(email, 'link'));

    await page.getByLabel('New password').fill('short');
    await page.getByRole('button', { name: 'Set password' }).click();
    await expect(page.getByText(/at least 12 characters \(7 more\)/)).toBeVisible();
    await page.getByLabel('New password').fill(password);
    await page.getByRole('button', { name: 'Set password' }).click();
    await expect(page.getByText('Password saved.')).toBeVisible();
    await page.reload();
    await expect(page.getByRole('button', { name: 'Change password' })).toBeVisible();
    await elsewhere.goto('/account');
    await expect(elsewhere).toHaveURL('/sign-in?next=/account');

    await hydrated(elsewhere);
    await elsewhere.getByLabel('E-mail').fill(email);
    await elsewhere.getByLabel('Password').fill(password);
    await elsewhere.keyboard.press('Enter');
    await elsewhere.waitForURL('/account');
    await hydrated(elsewhere);
    await elsewhere.getByRole('button', { name: /^Your menu/ }).click();
    await elsewhere.getByRole('menuitem', { name: 'Sign out' }).click();
    await elsewhere.waitForURL('/sign-in');
    await elsewhere.goto('/account');
    await expect(elsewhere).toHaveURL('/sign-in?next=/account');
    await other.close();
  });
});
