// What the pages of reports and of backtests do in a browser. They come from the examples `pages` and `page` of their crates; pictures and prints of them are
// left in `shots` beside them, to be looked at.
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const [executablePath, work] = process.argv.slice(2);
const [pages, shots] = [join(work, "pages"), join(work, "shots")];
mkdirSync(shots, { recursive: true });
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

const WIDTHS = { desktop: { width: 1440, height: 900 }, phone: { width: 390, height: 844 } };
let checks = 0;
const failures = [];

function expect(holds, what) {
  checks += 1;
  if (!holds) failures.push(what);
}

/** A page whose console, errors and requests are watched. axe-core is put in from outside of the page's policy. */
async function open(browser, name, settings) {
  const context = await browser.newContext({ bypassCSP: false, ...settings });
  const page = await context.newPage();
  const url = pathToFileURL(join(pages, name)).href;
  const told = [];
  page.on("console", (message) => told.push(`console ${message.type()}: ${message.text()}`));
  page.on("pageerror", (error) => told.push(`error: ${error.message}`));
  page.on("dialog", (dialog) => {
    told.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on("request", (request) => {
    if (request.url() !== url) told.push(`request: ${request.url()}`);
  });
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => console.error(`policy: ${event.violatedDirective}`));
  });
  await page.goto(url);
  return { context, page, told };
}

/** What is wrong with the charts: shapes without extent, outside of their drawing, or on one another. */
function charts() {
  const wrong = [];
  const drawings = [...document.querySelectorAll("svg.chart")];
  const inside = (a, b) => a.left >= b.left - 1 && a.right <= b.right + 1 && a.top >= b.top - 1 && a.bottom <= b.bottom + 1;
  const meet = (a, b) =>
    Math.min(a.right, b.right) - Math.max(a.left, b.left) > 0.75 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 0.75;
  let bars = 0;
  let smallest = Infinity;
  for (const drawing of drawings) {
    const title = drawing.getAttribute("aria-label");
    const frame = drawing.getBoundingClientRect();
    if (frame.width < 250 || frame.right > innerWidth) wrong.push(`${title}: ${frame.width} wide, to ${frame.right}`);
    const boxes = (selector) => [...drawing.querySelectorAll(selector)].map((shape) => [shape, shape.getBoundingClientRect()]);
    const solid = boxes("rect:not(.track)");
    const texts = boxes("text");
    bars += solid.length;
    for (const [shape, box] of [...solid, ...texts]) {
      const name = shape.textContent || shape.outerHTML;
      if (!(box.width > 0 && box.height > 0)) wrong.push(`${title}: ${name} has no extent`);
      if (!inside(box, frame)) wrong.push(`${title}: ${name} is outside`);
    }
    for (const [text] of texts) smallest = Math.min(smallest, parseFloat(getComputedStyle(text).fontSize) * (frame.width / 400));
    for (const of of [solid, texts]) {
      of.forEach(([one, a], at) =>
        of.slice(at + 1).forEach(([other, b]) => {
          if (meet(a, b)) wrong.push(`${title}: ${one.textContent || one.outerHTML} on ${other.textContent || other.outerHTML}`);
        })
      );
    }
    for (const [shape, box] of solid) {
      const fill = getComputedStyle(shape).fill;
      if (fill === getComputedStyle(drawing.closest("figure")).backgroundColor) wrong.push(`${title}: a bar cannot be seen at ${box.left}`);
    }
  }
  return { wrong, drawings: drawings.length, bars, smallest };
}

/** The same of a backtest's page: three curves in each drawing, and its events. */
function curves() {
  const wrong = [];
  const drawings = [...document.querySelectorAll("section svg")];
  for (const drawing of drawings) {
    const frame = drawing.getBoundingClientRect();
    for (const path of drawing.querySelectorAll("path")) {
      const box = path.getBoundingClientRect();
      const name = path.getAttribute("class");
      if (!(box.width > 1 || box.height > 1)) wrong.push(`${name} has no extent`);
      if (box.left < frame.left - 2 || box.right > frame.right + 2 || box.top < frame.top - 2 || box.bottom > frame.bottom + 2)
        wrong.push(`${name} is outside`);
    }
    for (const name of ["spent", "normal", "limit", "kill", "alert", "theft"])
      if (!drawing.querySelector(`path.${name}`)) wrong.push(`${name} is not drawn`);
  }
  return { wrong, drawings: drawings.length };
}

/** Rows that are shown, by the text of one column. */
function shown(column) {
  const rows = [...document.querySelectorAll("#findings tbody tr")].filter((row) => row.getClientRects().length > 0);
  return rows.map((row) => row.cells[column].textContent);
}

async function look(browser, name, size, scheme) {
  const where = `${name}, ${size}, ${scheme}`;
  const { context, page, told } = await open(browser, name, { viewport: WIDTHS[size], colorScheme: scheme });
  const file = `${name.replace(".html", "")}-${size}-${scheme}.png`;
  const wide = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  expect(wide[0] <= wide[1], `${where}: the page is ${wide[0]} wide in a window of ${wide[1]}`);
  if (name === "backtest.html") {
    const lines = await page.evaluate(curves);
    expect(lines.drawings === 3 && lines.wrong.length === 0, `${where}: ${lines.drawings} curves; ${lines.wrong[0]}`);
  } else {
    const drawn = await page.evaluate(charts);
    expect(drawn.drawings === 4, `${where}: ${drawn.drawings} charts`);
    expect(name === "empty.html" || drawn.bars > 10, `${where}: ${drawn.bars} bars`);
    expect(drawn.smallest >= 9, `${where}: letters of a chart are ${drawn.smallest.toFixed(1)} px`);
    for (const wrong of drawn.wrong.slice(0, 5)) expect(false, `${where}: ${wrong}`);
  }
  const height = await page.evaluate(() => document.documentElement.scrollHeight);
  const clip = { x: 0, y: 0, width: WIDTHS[size].width, height: Math.min(height, 7000) };
  await page.screenshot({ path: join(shots, file), fullPage: true, clip });
  if (name !== "large.html") {
    await page.evaluate(axe);
    const read = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
    expect(read.passes.length > 10, `${where}: axe-core looked at nothing`);
    for (const found of read.violations) {
      const at = found.nodes[0].target.join(" ");
      expect(false, `${where}: axe ${found.impact} ${found.id}: ${found.help} (${found.nodes.length} times, as ${at})`);
    }
  }
  expect(told.length === 0, `${where}: ${told.slice(0, 3).join("; ")}`);
  await context.close();
}

/** Filter and order, by mouse and by keys. */
async function use(browser, size) {
  const { context, page, told } = await open(browser, "small.html", { viewport: WIDTHS[size] });
  const at = (what) => `${size}: ${what}`;
  const all = (await page.evaluate(shown, 0)).length;
  expect(all === 39, at(`${all} findings are shown at first`));
  const count = async () => (await page.textContent("#count")).trim();
  expect((await count()) === `${all} of ${all} shown`, at(`it says ${await count()}`));

  await page.selectOption("#gravity", "critical");
  let rows = await page.evaluate(shown, 0);
  expect(rows.length > 0 && rows.length < all && rows.every((text) => text === "critical"), at(`gravity: ${rows}`));
  expect((await count()) === `${rows.length} of ${all} shown`, at("the count follows the filter"));
  await page.selectOption("#gravity", "");
  await page.selectOption("#standing", "fixed");
  rows = await page.evaluate(shown, 1);
  expect(rows.length > 0 && rows.length < all && rows.every((text) => text === "fixed"), at(`standing: ${rows}`));
  await page.selectOption("#standing", "");
  await page.fill("#text", "bedrockapikey");
  rows = await page.evaluate(shown, 3);
  expect(rows.length > 0 && rows.length < all && rows.every((text) => text.includes("BedrockAPIKey")), at(`text: ${rows}`));
  await page.fill("#text", "there is nothing of this");
  expect((await page.evaluate(shown, 0)).length === 0 && (await count()) === `0 of ${all} shown`, at("nothing fits"));
  await page.fill("#text", "");

  const before = await page.evaluate(shown, 2);
  await page.selectOption("#order", { label: "What is wrong \u2191" });
  const up = await page.evaluate(shown, 2);
  expect(String(up) !== String(before) && String([...up].sort()) === String(up), at("ordered by what is wrong"));
  await page.selectOption("#order", { label: "What is wrong \u2193" });
  const down = await page.evaluate(shown, 2);
  expect(down[0] === up.at(-1), at("ordered the other way"));
  await page.selectOption("#order", { index: 0 });
  expect(String(await page.evaluate(shown, 2)) === String(before), at("in its first order again"));

  if (size === "desktop") {
    const heading = page.locator("#findings th", { hasText: "Gravity" });
    for (const way of ["ascending", "descending", "ascending"]) {
      await heading.locator("button").focus();
      await page.keyboard.press(way === "descending" ? "Space" : "Enter");
      expect((await heading.getAttribute("aria-sort")) === way, at(`by keys: ${way}`));
    }
    const first = (await page.evaluate(shown, 0))[0];
    expect(first === "critical", at(`the least urgent number comes first: ${first}`));
    const ages = page.locator("table[aria-labelledby=h-slots] th", { hasText: "age, days" });
    await ages.locator("button").click();
    const cells = await page.locator("table[aria-labelledby=h-slots] tbody td:nth-child(5)").allTextContents();
    expect(String(cells) === "no key,3,61", at(`numbers are ordered as numbers: ${cells}`));
  }

  // What can be reached by keys alone, and is seen to be.
  await page.reload();
  const reached = [];
  for (let press = 0; press < 12; press += 1) {
    await page.keyboard.press("Tab");
    const on = await page.evaluate(() => {
      const it = document.activeElement;
      const style = getComputedStyle(it);
      const box = it.getBoundingClientRect();
      return { id: it.id || it.textContent, ring: parseFloat(style.outlineWidth) >= 2 && style.outlineStyle !== "none", seen: box.width > 0 };
    });
    reached.push(on);
  }
  for (const id of ["text", "gravity", "standing", "order"]) {
    const on = reached.find((it) => it.id === id);
    expect(on && on.ring && on.seen, at(`${id} is reached by the Tab key and has a ring`));
  }
  expect(told.length === 0, at(told.join("; ")));
  await context.close();
}

/** Names of others are text: nothing of them runs, nothing of them is an element. */
async function hostile(browser) {
  const { context, page, told } = await open(browser, "large.html", { viewport: WIDTHS.phone });
  const found = await page.evaluate(() => ({
    scripts: document.scripts.length,
    images: document.querySelectorAll("img, iframe, object, embed, link, form, a[href]").length,
    shown: document.body.textContent.includes("<script>alert(1)</script>"),
    marks: /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/.test(document.body.textContent),
    wide: document.documentElement.scrollWidth - innerWidth,
    rows: document.querySelectorAll("#findings tbody tr").length,
  }));
  expect(found.scripts === 1 && found.images === 0, `hostile: ${JSON.stringify(found)}`);
  expect(found.shown, "hostile: the markup is shown as text");
  expect(!found.marks, "hostile: marks that turn text around are in the page");
  expect(found.wide <= 0, `hostile: a long name makes the page ${found.wide} px wider than a phone`);
  expect(found.rows > 2000, `hostile: ${found.rows} rows`);
  expect(told.length === 0, `hostile: ${told.slice(0, 3).join("; ")}`);
  await context.close();
}

/** Without script: the whole report, and no control that does nothing. */
async function plain(browser) {
  const { context, page, told } = await open(browser, "small.html", { viewport: WIDTHS.desktop, javaScriptEnabled: false });
  expect((await page.locator("#findings tbody tr").count()) === 39, "plain: all findings");
  expect(!(await page.locator("#filters").isVisible()), "plain: no filter that does nothing");
  expect((await page.locator("svg.chart").count()) === 4, "plain: charts");
  expect(told.length === 0, `plain: ${told.join("; ")}`);
  await context.close();
}

/** On paper it is light, whole and without controls. */
async function print(browser, name) {
  const { context, page, told } = await open(browser, name, { viewport: WIDTHS.desktop, colorScheme: "dark" });
  const pdf = await page.pdf({ format: "A4", landscape: true, printBackground: true, path: join(shots, name.replace("html", "pdf")) });
  const sheets = pdf.toString("latin1").match(/\/Type\s*\/Page\b/g)?.length ?? 0;
  expect(sheets > 1 && sheets < 40, `print: ${sheets} sheets`);
  await page.emulateMedia({ media: "print", colorScheme: "dark" });
  const paper = await page.evaluate(() => [getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]);
  expect(paper[0] === "rgb(255, 255, 255)" && paper[1] === "rgb(27, 31, 36)", `print: ${paper}`);
  expect(!(await page.locator("#filters").isVisible()), "print: filters are not on paper");
  expect(told.length === 0, `print: ${told.join("; ")}`);
  await context.close();
}

/** The checks can fail: a page with a stranger's script, a wide table and a bar outside is refused on each count. */
async function bites(browser) {
  const text = readFileSync(join(pages, "small.html"), "utf8");
  const spoiled = text
    .replace("<main>", '<main><script>alert(1)</script><img src="https://example.com/x.png"><p>' + "x".repeat(400) + "</p>")
    .replace(/<rect class="critical" x="\d+"/, '<rect class="critical" x="900"');
  writeFileSync(join(pages, "spoiled.html"), spoiled);
  const { context, page, told } = await open(browser, "spoiled.html", { viewport: WIDTHS.phone });
  expect(told.some((line) => line.includes("policy:")), `bites: a policy that is broken is told: ${told}`);
  expect(!told.some((line) => line.startsWith("dialog")), "bites: a stranger's script does not run");
  expect(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth), "bites: a wide page is seen");
  const drawn = await page.evaluate(charts);
  expect(drawn.wrong.some((wrong) => wrong.includes("outside")), "bites: a bar outside is seen");
  await page.evaluate(axe);
  const read = await page.evaluate(() => globalThis.axe.run(document));
  expect(read.violations.some((found) => found.id === "image-alt"), "bites: axe-core sees a picture without words");
  await context.close();
}

// As root Chromium runs without its sandbox only. Nothing but files of this machine is opened.
const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const browser = await chromium.launch({ executablePath, args });
try {
  for (const name of readdirSync(pages).filter((name) => name.endsWith(".html") && name !== "spoiled.html").sort()) {
    for (const size of Object.keys(WIDTHS)) {
      for (const scheme of ["light", "dark"]) await look(browser, name, size, scheme);
    }
  }
  for (const size of Object.keys(WIDTHS)) await use(browser, size);
  await hostile(browser);
  await plain(browser);
  await print(browser, "small.html");
  await print(browser, "fleet.html");
  await bites(browser);
} finally {
  await browser.close();
}
for (const failure of failures) console.error(`FAILED ${failure}`);
console.log(`${checks} checks of the pages in Chromium ${browser.version()}, ${failures.length} failed; pictures in ${shots}`);
process.exit(failures.length > 0 ? 1 : 0);
