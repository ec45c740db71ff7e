import { expect, test } from '@playwright/test';
import { signIn } from './page.ts';

test('the one-time link of the first start signs in', async ({ page, context }) => {
  await signIn(page, process.env.SIGN_IN_URL!);
  const session = (await context.cookies()).find(cookie => cookie.httpOnly);
  expect(session, 'a session cookie that scripts cannot read').toBeTruthy();
  await context.storageState({ path: 'test-results/signed-in.json' });
});
