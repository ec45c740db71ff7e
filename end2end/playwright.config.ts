import { defineConfig } from '@playwright/test';

// Run by end2end/run.sh, which starts the server and sets BASE_URL, SIGN_IN_URL and API_KEY.
const signedIn = 'test-results/signed-in.json';

export default defineConfig({
  testDir: '.',
  fullyParallel: true,
  workers: 2,
  forbidOnly: !!process.env.CI,
  timeout: 60_000,
  reporter: [['list'], ['json', { outputFile: 'test-results/report.json' }]],
  use: {
    baseURL: process.env.BASE_URL ?? 'http://127.0.0.1:3000',
    // TRACE=1 records what `npx playwright show-trace` shows; it costs about a third more time.
    trace: process.env.TRACE ? 'retain-on-failure' : 'off',
    screenshot: 'only-on-failure',
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      // Chromium's sandbox refuses to run as the superuser.
      args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
    },
  },
  // Two busy cores are slow; what is wrong stays wrong.
  expect: { timeout: 10_000, toHaveScreenshot: { maxDiffPixelRatio: 0.01, animations: 'disabled' } },
  projects: [
    // The first start's one-time link, used once; its session is what the other projects start with.
    { name: 'sign-in', testMatch: 'support/sign-in.setup.ts' },
    ...[
      { name: 'light-1280', use: { colorScheme: 'light' as const, viewport: { width: 1280, height: 800 } } },
      { name: 'dark-375', use: { colorScheme: 'dark' as const, viewport: { width: 375, height: 800 }, hasTouch: true } },
      {
        name: 'forced',
        use: { contextOptions: { forcedColors: 'active' as const, reducedMotion: 'reduce' as const } },
      },
      // Only the specs that say so by their title: what must work without scripts.
      { name: 'no-js', use: { javaScriptEnabled: false }, grep: /@ssr/ },
    ].map(({ use, ...project }) => ({
      testMatch: 'tests/**/*.spec.ts',
      dependencies: ['sign-in'],
      use: { storageState: signedIn, ...use },
      ...project,
    })),
  ],
});
