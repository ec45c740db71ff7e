import { test as base, expect, type Page } from '@playwright/test';
import { AxeBuilder } from '@axe-core/playwright';

export { expect };

type Fixtures = {
  /** Console errors that the test provokes on purpose, for example `[/404/]`. */
  allowedFaults: RegExp[];
  /** Opens a page and waits until it is alive (without scripts: until it is there). */
  open: (path: string) => Promise<void>;
  /** Every console error and uncaught exception so far; wasm panics arrive here. A test that leaves any fails. */
  faults: string[];
};

export const test = base.extend<Fixtures>({
  allowedFaults: [[], { option: true }],
  faults: [
    async ({ page, allowedFaults }, use) => {
      const faults: string[] = [];
      page.on('console', message => {
        if (message.type() === 'error') faults.push(`${message.text()} (${message.location().url})`);
      });
      page.on('pageerror', error => faults.push(String(error.stack ?? error)));
      await use(faults);
      expect(faults.filter(fault => !allowedFaults.some(allowed => allowed.test(fault)))).toEqual([]);
    },
    { auto: true },
  ],
  open: async ({ page, javaScriptEnabled }, use) => {
    await use(async path => {
      await page.goto(path);
      if (javaScriptEnabled) await hydrated(page);
    });
  },
});

/** A visitor who is not signed in: `test.use(signedOut)`. */
export const signedOut = { storageState: { cookies: [], origins: [] } };

/** Before this mark a button is visible but has no listener yet, and a click on it would be lost. */
export const hydrated = (page: Page) => page.locator('html[data-hydrated="true"]').waitFor();

/** What axe finds wrong with the page, shortened to what one needs to find the place. */
export const audit = async (page: Page) => {
  // What is half faded in has half its contrast.
  await page.evaluate(() =>
    Promise.all(
      document
        .getAnimations()
        .filter(animation => animation.effect?.getComputedTiming().endTime !== Infinity)
        .map(animation => animation.finished.catch(() => undefined)),
    ),
  );
  const { violations } = await new AxeBuilder({ page })
    .withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'])
    .analyze();
  return violations.map(({ id, help, nodes }) => ({
    id,
    help,
    nodes: nodes.map(node => `${node.target.join(' ')}: ${node.failureSummary}`),
  }));
};

/** Uses a one-time sign-in link (of the first start, or of `electrons user create`). */
export const signIn = async (page: Page, link: string) => {
  await page.goto(link);
  // A link alone must not sign in (mail programs open links to look at them), so there may be a button to press.
  const confirm = page.getByRole('button', { name: /sign in/i });
  if (await confirm.count()) {
    await hydrated(page);
    await confirm.click();
  }
  await page.waitForURL(url => !/sign-in/.test(url.pathname));
};
