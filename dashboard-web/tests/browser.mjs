// The page's story in a real Chromium, against a collector that runs.
//
//   SAGASCOPE_URL=http://127.0.0.1:4319 SAGASCOPE_TOKEN=… node tests/browser.mjs
//
// SAGASCOPE_OTLP_URL (hostile telemetry is sent there; that chapter is skipped without), SAGASCOPE_BROWSER (path of
// Chromium), SAGASCOPE_SHOTS (a folder for pictures). Prints TAP and exits non-zero when a chapter fails.

import { existsSync } from "node:fs";
import { chromium } from "playwright-core";

const base = need("SAGASCOPE_URL").replace(/\/$/, "");
const token = need("SAGASCOPE_TOKEN");
const otlp = process.env.SAGASCOPE_OTLP_URL?.replace(/\/$/, "");
const shots = process.env.SAGASCOPE_SHOTS;
const PATIENCE_MS = 20_000;
// A shop of its own comes up for an experiment, beside the one that runs already.
const LAB_PATIENCE_MS = 120_000;
const HOSTILE = `<img src=x onerror="window.__pwned=1"><script>window.__pwned=1</script>\u202e\u001b[2J`;
const VIEWS = ["/", "/sagas", "/traces", "/breakers", "/read-models", "/chaos", "/lab", "/login", "/no-such-page-of-ours"];

const browser = await chromium.launch({
  executablePath: process.env.SAGASCOPE_BROWSER ?? "/usr/bin/chromium",
  chromiumSandbox: false,
  args: ["--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking", "--no-first-run"],
});

let told = 0;
let failed = 0;

await chapter("loads without console errors or policy violations, on every view", async () => {
  const { page, complaints } = await open("/");
  await page.waitForSelector("#services tbody tr");
  for (const path of VIEWS.filter((path) => path !== "/no-such-page-of-ours")) {
    await page.goto(base + path);
    await page.waitForSelector("#main h1");
  }
  same(await page.evaluate(() => document.querySelector("[style*='javascript']")), null, "no foreign style");
  same(complaints, [], "complaints");
});

await chapter("an update comes by push, without a question", async () => {
  const { page, complaints } = await open("/sagas");
  await page.waitForFunction(() => document.querySelector("#connection")?.textContent.includes("live"));
  const count = () => page.textContent("#saga-count");
  await page.waitForFunction(() => !document.querySelector("#saga-count")?.textContent.startsWith("0 "));
  const asked = [];
  page.on("request", (request) => asked.push(request.url()));
  const before = await count();
  await page.waitForFunction((before) => document.querySelector("#saga-count").textContent !== before, before);
  same(asked, [], "requests while watching");
  same(complaints, [], "complaints");
});

// Rows move until the pointer holds them, so it goes to where one is now: waiting for one to stand still might take for ever.
async function pointAtRow(page, n) {
  const deadline = Date.now() + 20_000;
  await page.waitForSelector(`.saga-row >> nth=${n}`);
  for (;;) {
    const [x, y] = await page.$$eval(
      ".saga-row",
      (rows, n) => {
        const box = rows[Math.min(n, rows.length - 1)].getBoundingClientRect();
        return [box.x + box.width / 2, box.y + box.height / 2];
      },
      n,
    );
    await page.mouse.move(x, y);
    // The page may still have been settling: then something else is there by now.
    if (await page.$(".saga-row:hover")) return [x, y];
    if (Date.now() > deadline) throw new Error("no row comes under the pointer");
  }
}

await chapter("a row does not move under the pointer, and newcomers are counted", async () => {
  const { page } = await open("/sagas");
  await pointAtRow(page, 3);
  const order = () => page.$$eval(".saga-row .mono", (cells) => cells.slice(0, 6).map((cell) => cell.textContent));
  const before = await order();
  await page.waitForSelector(".newer");
  same(await order(), before, "order under the pointer");
  const [newer, list] = await Promise.all([".newer", ".list"].map(async (part) => (await page.$(part)).boundingBox()));
  same(newer.y + newer.height <= list.y, true, "the count of newcomers stands above the rows");
  await page.click(".newer button");
  await page.mouse.move(5, 5);
  await page.waitForFunction((first) => document.querySelector(".saga-row .mono").textContent !== first, before[0]);
});

await chapter("a deep link opens exactly its view, also after a reload and by going back", async () => {
  const saga = await someSaga();
  const { page, complaints } = await open(`/sagas/${encodeURIComponent(saga.id)}?name=${saga.name}&state=completed`);
  for (let round = 0; round < 2; round += 1) {
    await page.waitForSelector("#saga-panel #saga-flow");
    await page.waitForSelector("#saga-history li");
    same((await page.textContent("#saga-panel h2")).includes(saga.id), true, "the saga's id");
    same(await page.getAttribute("button[aria-pressed=true]", "aria-pressed"), "true", "the filter's chip");
    await page.reload();
  }
  await page.waitForSelector("#saga-panel");
  await page.click("#saga-panel a[href^='/traces/']");
  await page.waitForSelector("#waterfall .row");
  await page.keyboard.press("j");
  await page.waitForSelector("#span-panel");
  same(new URL(page.url()).searchParams.get("span")?.length, 16, "the span in the address");
  await page.goBack();
  await page.waitForSelector("#saga-panel #saga-flow");
  same(complaints, [], "complaints");
});

await chapter("an experiment of the lab is started, tells what it does, and ends with a verdict", async () => {
  const { page, complaints } = await open(`/login?token=${token}`);
  await page.waitForFunction(() => location.pathname !== "/login");
  await page.goto(`${base}/lab?experiment=stale-read`);
  await page.waitForSelector("#experiment h2");
  await page.click("#experiment header button");
  await page.click("#act-yes");
  await page.waitForSelector("#progress li");
  same((await page.textContent("#verdict")).startsWith("running for"), true, "no verdict while it runs");
  await picture(page, "lab-running");
  await page.waitForSelector("#findings li", { timeout: LAB_PATIENCE_MS });
  same((await page.textContent("#verdict")).includes("running for"), false, "the verdict");
  same((await page.$$("#experiment table tbody tr")).length > 0, true, "what was measured");
  same((await page.textContent(".lab-row[aria-current=true]")).includes("passed"), true, "the verdict in the list");
  await picture(page, "lab-verdict");
  same(complaints, [], "complaints");
});

await chapter("every view is reached by keyboard", async () => {
  const { page } = await open("/");
  for (const [key, path] of [["2", "/sagas"], ["3", "/traces"], ["5", "/breakers"], ["6", "/read-models"], ["9", "/chaos"], ["0", "/lab"], ["1", "/"]]) {
    await page.keyboard.press(key);
    await at(page, path);
  }
  await page.keyboard.press("?");
  await page.waitForSelector("#help");
  await page.keyboard.press("Escape");
  await page.waitForSelector("#help", { state: "detached" });

  await page.keyboard.press("2");
  await page.waitForSelector(".saga-row");
  await page.keyboard.press("j");
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  await page.waitForSelector("#saga-panel");
  await page.keyboard.press("Escape");
  await page.waitForSelector("#saga-panel", { state: "detached" });
  await page.keyboard.press("/");
  await page.keyboard.type("state:completed");
  await page.waitForFunction(() => new URL(location).searchParams.get("q") === "state:completed");

  const saga = await someSaga();
  // Nobody waits for the palette to appear before pasting into it.
  await page.keyboard.press("Control+k");
  await page.keyboard.insertText(saga.correlation_id ?? saga.id);
  await page.waitForSelector("#palette .choice");
  await page.keyboard.press("Enter");
  await page.waitForURL((url) => /^\/(correlations|sagas)\//.test(url.pathname));
});

await chapter("hostile telemetry is text", async () => {
  if (!otlp) return "no SAGASCOPE_OTLP_URL";
  const ids = await sendHostile();
  const { page, complaints } = await open(`/sagas/${ids.saga}?name=${encodeURIComponent(HOSTILE)}`);
  await page.waitForSelector("#saga-history li");
  for (const path of ["/", `/saga-types/${encodeURIComponent(HOSTILE)}`, "/sagas?q=hostile", `/traces/${ids.trace}`, `/correlations/${ids.correlation}`, "/breakers"]) {
    await page.goto(base + path);
    await page.waitForSelector("#main h1");
    if (path.startsWith("/traces/")) {
      await page.waitForSelector("#waterfall .row");
      await page.keyboard.press("j");
      await page.waitForSelector("#span-panel .attributes");
      const text = await page.textContent("#span-panel");
      same(text.includes("<script>window.__pwned=1"), true, "the attribute is shown as it came");
      same(/[\u202e\u001b]/u.test(text), false, "control and direction characters");
      same((await page.$$eval("#span-panel dd", (cells) => Math.max(...cells.map((cell) => cell.textContent.length)))) < 1_000, true, "a long value is cut in the document");
    }
    same(await page.evaluate(() => [window.__pwned, document.querySelectorAll("main img, main script").length]), [undefined, 0], `${path} ran something`);
  }
  same(complaints.filter((text) => !text.includes("404")), [], "complaints");
});

await chapter("a fault armed on the page is named everywhere, and cleared", async () => {
  const { page } = await open("/chaos?service=payments&kind=latency");
  await page.waitForSelector("#fault-delay");
  await page.waitForSelector("#fault-effect");
  await page.fill("#fault-delay", "50");
  await page.click("#arm-button");
  await page.waitForURL(/\/login\?next=/);
  await page.fill("#token", "not the token");
  await page.keyboard.press("Enter");
  await page.waitForSelector(".trouble");
  await page.fill("#token", token);
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/chaos\?/);
  same((await page.url()).includes(token), false, "the token in the address");
  await page.waitForSelector("#fault-delay");
  await page.fill("#fault-delay", "50");
  await page.click("#arm-button");
  await page.waitForSelector("#fault-banner");
  const banner = await page.textContent("#fault-banner");
  same(/payments: latency 100 % 50 ms · .*\d+ s left/.test(banner), true, banner);
  await page.keyboard.press("Escape");
  await page.goto(`${base}/`);
  await page.waitForSelector("#fault-banner");
  await page.waitForSelector("#services .band");
  await picture(page, "fault");
  await page.setViewportSize({ width: 375, height: 800 });
  same(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true, "a fault's banner fits 375 pixels");
  await page.goto(`${base}/chaos`);
  await page.click("#clear-all:enabled");
  await page.waitForSelector("#fault-banner", { state: "detached" });
});

await chapter("a lost connection is told, with the time of the next attempt, and healed", async () => {
  const context = await fresh({});
  const page = await context.newPage();
  let broken = false;
  const sockets = [];
  await page.routeWebSocket(/\/api\/v1\/live/, (socket) => {
    if (broken) return socket.close();
    sockets.push(socket);
    socket.connectToServer();
  });
  await page.goto(`${base}/`);
  await page.waitForFunction(() => document.querySelector("#connection")?.textContent.includes("live"));
  broken = true;
  for (const socket of sockets) await socket.close();
  await page.waitForFunction(() => document.querySelector("#disconnected")?.textContent.includes("next attempt in"));
  same((await page.textContent("#connection")).includes("live"), false, "it does not look live");
  broken = false;
  await page.waitForSelector("#disconnected", { state: "detached" });
  await page.waitForFunction(() => document.querySelector("#connection")?.textContent.includes("live"));
});

await chapter("it works at 375 pixels, light and dark", async () => {
  for (const colorScheme of ["light", "dark"]) {
    const { page, complaints } = await open("/", { viewport: { width: 375, height: 800 }, colorScheme });
    for (const path of ["/", "/sagas", "/traces", "/breakers", "/read-models", "/chaos", "/lab"]) {
      await page.click(`nav a[href='${path}']`);
      await at(page, path);
      await page.waitForSelector("#main h1");
      same(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true, `${path} scrolls sideways`);
      const spill = await page.$$eval("#main > *", (parts) => parts.filter((part) => part.getBoundingClientRect().right > innerWidth + 1).map((part) => part.className));
      same(spill, [], `${path} spills`);
      same(await page.$eval(".bar", (bar) => bar.offsetHeight < 60 && bar.scrollWidth <= innerWidth), true, `${path}: the top bar takes one line`);
      const hidden = await page.$$eval("nav a", (links) => links.filter((link) => {
        const box = link.getBoundingClientRect();
        return box.left < 0 || box.right > innerWidth || box.bottom > innerHeight;
      }).map((link) => link.pathname));
      same(hidden, [], `${path}: views out of reach`);
    }
    await page.click("nav a[href='/sagas']");
    await page.mouse.click(...(await pointAtRow(page, 2)));
    await page.waitForSelector("#saga-panel");
    await picture(page, `narrow-${colorScheme}`);
    same(complaints, [], "complaints");
  }
});

await chapter("the theme is kept, and motion is not forced on anyone", async () => {
  const { page } = await open("/", { reducedMotion: "reduce", colorScheme: "dark" });
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await page.waitForSelector("#main h1");
  const dark = await ground();
  await page.keyboard.press("t");
  const light = await ground();
  same(light !== dark, true, "t changes the theme");
  await page.reload();
  await page.waitForSelector("#main h1");
  same(await ground(), light, "after a reload");
  const moving = await page.evaluate(() => document.getAnimations().filter((animation) => animation.playState === "running").length);
  same(moving, 0, "animations");
});

await browser.close();
console.log(`1..${told}`);
process.exitCode = failed === 0 ? 0 : 1;

async function chapter(name, story) {
  told += 1;
  try {
    const skipped = await story();
    console.log(`ok ${told} - ${name}${skipped ? ` # SKIP ${skipped}` : ""}`);
  } catch (error) {
    failed += 1;
    const where = browser.contexts().at(-1)?.pages().at(-1);
    if (where) await picture(where, `failed-${told}`);
    console.log(`not ok ${told} - ${name}`);
    console.log(String(error.stack ?? error).replace(/^/gm, "# "));
    if (where) console.log(`# at ${where.url()}`);
  } finally {
    for (const context of browser.contexts()) await context.close();
  }
}

async function fresh(options) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
  context.setDefaultTimeout(PATIENCE_MS);
  return context;
}

// A page of its own, and what it complained about.
async function open(path, options = {}) {
  const page = await (await fresh(options)).newPage();
  const complaints = [];
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.exposeFunction("__violated", (what) => complaints.push(what));
  await page.addInitScript(() =>
    addEventListener("securitypolicyviolation", (event) => window.__violated(`${event.violatedDirective} ${event.blockedURI}`)),
  );
  await page.goto(base + path);
  await page.waitForSelector("#main h1, #saga-panel");
  return { page, complaints };
}

async function at(page, path) {
  await page.waitForFunction((path) => location.pathname === path, path);
  await page.waitForSelector(`nav a[href='${path}'][aria-current=page]`);
}

async function someSaga() {
  const deadline = Date.now() + PATIENCE_MS;
  while (Date.now() < deadline) {
    const { items } = await (await fetch(`${base}/api/v1/sagas?state=completed&limit=5`)).json();
    const saga = items.find((item) => item.trace_id);
    if (saga) return saga;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error("no completed saga with a trace");
}

// A saga, a breaker and a trace whose every text is an attack.
async function sendHostile() {
  const random = (digits) => Array.from({ length: digits }, () => Math.floor(Math.random() * 16).toString(16)).join("");
  const [trace, span, saga, correlation] = [random(32), random(16), `hostile-${random(8)}`, `c-${random(8)}`];
  const now = BigInt(Date.now()) * 1_000_000n;
  const text = (key, value) => ({ key, value: { stringValue: value } });
  const resource = { attributes: [text("service.name", `evil${HOSTILE}`), text("service.instance.id", HOSTILE)] };
  const common = [text("saga.id", saga), text("saga.name", HOSTILE), text("saga.coordination", "orchestration"), text("correlation.id", correlation)];
  const record = (eventName, n, attributes) => ({
    timeUnixNano: String(now + BigInt(n)),
    observedTimeUnixNano: String(now + BigInt(n)),
    severityNumber: 9,
    eventName,
    body: { stringValue: HOSTILE },
    attributes: [...attributes, text("event.name", eventName)],
    traceId: trace,
    spanId: span,
  });
  const sequence = (n) => ({ key: "saga.sequence", value: { intValue: String(n) } });
  const step = [text("saga.step.name", HOSTILE), { key: "saga.step.index", value: { intValue: "0" } }, { key: "saga.step.attempt", value: { intValue: "1" } }];
  const logRecords = [
    record("saga.started", 1, [...common, sequence(1)]),
    record("saga.step.started", 2, [...common, ...step, sequence(2)]),
    record("saga.step.failed", 3, [...common, ...step, sequence(3), text("saga.reason", HOSTILE)]),
    record("circuit_breaker.state_changed", 4, [text("circuit_breaker.name", HOSTILE), text("circuit_breaker.state", "open"), text("circuit_breaker.previous_state", "closed"), text("circuit_breaker.reason", HOSTILE)]),
  ];
  const spans = [
    {
      traceId: trace,
      spanId: span,
      name: HOSTILE,
      kind: 2,
      startTimeUnixNano: String(now),
      endTimeUnixNano: String(now + 5_000_000n),
      attributes: [...common, text(HOSTILE, HOSTILE), text("link", "javascript:window.__pwned=1"), text("big", "x".repeat(10_000))],
      events: [{ timeUnixNano: String(now), name: HOSTILE, attributes: [text("a", HOSTILE)] }],
      status: { code: 2, message: HOSTILE },
    },
  ];
  await post("/v1/traces", { resourceSpans: [{ resource, scopeSpans: [{ scope: { name: HOSTILE }, spans }] }] });
  await post("/v1/logs", { resourceLogs: [{ resource, scopeLogs: [{ scope: { name: HOSTILE }, logRecords }] }] });
  return { trace, saga, correlation };
}

async function post(path, body) {
  const answer = await fetch(otlp + path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
}

async function picture(page, name) {
  if (shots && existsSync(shots)) await page.screenshot({ path: `${shots}/${name}.png` }).catch(() => {});
}

function same(actual, expected, what) {
  const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (a !== b) throw new Error(`${what}: ${a}, expected ${b}`);
}

function need(name) {
  const value = process.env[name];
  if (value) return value;
  console.error(`${name} is not set`);
  process.exit(2);
}
