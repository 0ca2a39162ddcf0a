// Draws dashboards as pictures from what a Prometheus holds.
//
//   npm run draw -- --prometheus URL --end UNIX_S --span S --window 4s --out DIRECTORY [--type png] [--name SUFFIX] BOARD...
//
// Serves the built page and the dashboards on a port of its own, opens each in headless Chromium, and waits until every
// panel is drawn. A panel without data is an error.
import { createServer } from 'node:http';
import { readFile, mkdir } from 'node:fs/promises';
import { extname, join, normalize, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import puppeteer from 'puppeteer-core';

const HERE = import.meta.dirname;
const { values: given, positionals: boards } = parseArgs({
  allowPositionals: true,
  options: {
    prometheus: { type: 'string' }, end: { type: 'string' }, span: { type: 'string' }, window: { type: 'string', default: '1m' },
    out: { type: 'string' }, type: { type: 'string', default: 'webp' }, name: { type: 'string', default: '' },
    width: { type: 'string', default: '1500' }, quality: { type: 'string', default: '80' }, empty: { type: 'boolean', default: false },
    chromium: { type: 'string', default: process.env.CHROMIUM ?? '/usr/bin/chromium' },
  },
});

const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.json': 'application/json', '.svg': 'image/svg+xml' };
const ROOTS = [
  ['/dashboards/', resolve(HERE, '../../grafana/dashboards')],
  ['/public/', resolve(HERE, 'node_modules/@grafana/ui/dist/public')],
  ['/', resolve(HERE, 'dist')],
];

const server = createServer(async (request, response) => {
  const path = normalize(new URL(request.url, 'http://localhost').pathname);
  const [prefix, root] = ROOTS.find(([each]) => path.startsWith(each));
  try {
    const body = await readFile(join(root, path.slice(prefix.length) || 'index.html'));
    response.writeHead(200, { 'content-type': TYPES[extname(path)] ?? (path === '/' ? 'text/html' : 'application/octet-stream') }).end(body);
  } catch {
    response.writeHead(404).end();
  }
});
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));

// Chromium refuses its sandbox to root; what it opens is ours alone.
const browser = await puppeteer.launch({ executablePath: given.chromium, args: ['--no-sandbox', '--force-color-profile=srgb'] });
let failed = 0;
try {
  await mkdir(given.out, { recursive: true });
  for (const board of boards) {
    const page = await browser.newPage();
    page.on('pageerror', (error) => console.error(`${board}: ${error}`));
    await page.setViewport({ width: Number(given.width), height: 900 });
    const query = new URLSearchParams({
      dashboard: board, prometheus: given.prometheus, end: given.end, span: given.span, window: given.window, width: given.width,
    });
    await page.goto(`http://127.0.0.1:${server.address().port}/?${query}`);
    await page.waitForFunction('window.failures.length > 99 || (window.wanted && window.drawn >= window.wanted)', { timeout: 60_000 });
    // Charts measure their legends first, and draw in the frames that follow.
    await page.evaluate(() => new Promise((done) => setTimeout(done, 1500)));
    const failures = await page.evaluate(() => window.failures);
    for (const failure of failures) console.error(`${board}: ${failure}`);
    failed += given.empty ? 0 : failures.length;
    const element = await page.$('#board');
    const path = join(given.out, `${board.replace('ampstream-', '')}${given.name}.${given.type}`);
    await element.screenshot({ path, type: given.type, ...(given.type === 'webp' ? { quality: Number(given.quality) } : {}) });
    console.log(path);
    await page.close();
  }
} finally {
  await browser.close();
  server.close();
}
process.exitCode = failed ? 1 : 0;
