// Draws dashboards as pictures from what a Prometheus holds.
//
//   npm run draw -- --prometheus URL --end UNIX_S --span S --window 4s --out DIRECTORY [--type png] [--name SUFFIX] BOARD...
//
// Serves the built page and the dashboards on a port of its own, opens each in headless Chromium, and waits until every
// panel is drawn. A panel without data is an error.
import { createServer } from 'node:http';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { extname, join, normalize, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import puppeteer from 'puppeteer-core';

const HERE = import.meta.dirname;
const { values: given, positionals: boards } = parseArgs({
  allowPositionals: true,
  options: {
    prometheus: { type: 'string' }, end: { type: 'string' }, span: { type: 'string' }, window: { type: 'string', default: '1m' },
    out: { type: 'string' }, type: { type: 'string', default: 'webp' }, name: { type: 'string', default: '' },
    width: { type: 'string', default: '1500' }, bytes: { type: 'string', default: '200000' }, empty: { type: 'boolean', default: false },
    chromium: { type: 'string', default: process.env.CHROMIUM ?? '/usr/bin/chromium' },
  },
});

const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.json': 'application/json', '.svg': 'image/svg+xml' };
const ROOTS = [
  ['/dashboards/', resolve(HERE, '../../grafana/dashboards')],
  ['/public/', resolve(HERE, 'node_modules/@grafana/ui/dist/public')],
  ['/', resolve(HERE, 'dist')],
];

// The best quality at which a picture is small enough for a page of documentation.
async function small(element) {
  let picture;
  for (const quality of [85, 75, 65, 55, 45, 35]) {
    picture = await element.screenshot({ type: 'webp', quality });
    if (picture.length <= Number(given.bytes)) return picture;
  }
  throw new Error(`a picture of ${picture.length} bytes is more than ${given.bytes}`);
}

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
    if (given.type === 'webp') await writeFile(path, await small(element));
    else await element.screenshot({ path, type: given.type });
    console.log(path);
    await page.close();
  }
} finally {
  await browser.close();
  server.close();
}
process.exitCode = failed ? 1 : 0;
